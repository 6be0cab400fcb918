"""The forms for one's own passkeys."""

import unicodedata

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, StringField
from wtforms.validators import InputRequired, ValidationError

from portal.accounts.passkeys.service import NAME_LENGTH


class NameForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Ask what a passkey is called."""

    name = StringField(
        lazy_gettext("Name"), validators=[InputRequired(lazy_gettext("Enter a name for this passkey."))]
    )

    def validate_name(self, field: Field) -> None:
        """Take out what no one can see, and refuse what is too long."""
        shown = "".join(
            " " if character.isspace() else character
            for character in field.data or ""
            if character.isspace() or unicodedata.category(character)[0] != "C"
        )
        field.data = " ".join(shown.split())
        if not field.data:
            raise ValidationError(gettext("Enter a name for this passkey."))
        if len(field.data) > NAME_LENGTH:
            raise ValidationError(gettext("Use at most 40 characters."))
