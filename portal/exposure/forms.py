"""The forms of the check; field names are part of the contract."""

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, StringField
from wtforms.validators import ValidationError

from portal.kit import addresses


class CheckForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """One question: the address."""

    email = StringField(lazy_gettext("Your e-mail address"))

    def validate_email(self, field: Field) -> None:
        """Say what keeps this from being one address, and put its exact form in its place."""
        try:
            field.data = addresses.normalise(field.data or "")
        except addresses.AddressInvalid as error:
            raise ValidationError(gettext(str(error))) from error


class CodeForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """The typed alternative to the link."""

    code = StringField(lazy_gettext("Code from the mail"))


class OpenForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A button, so that a mail scanner's visit shows nothing."""
