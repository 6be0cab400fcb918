"""The forms of a case. Field names stay: scripts and tests rely on them."""

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, StringField
from wtforms.validators import Length, ValidationError

from portal.cases.sealed import LONGEST_CONTACT
from portal.core.one_line import shown

_LONGEST_TYPED = 60


class ContactForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """How somebody can be reached: any words, on one line."""

    contact = StringField(lazy_gettext("How can we reach you?"))

    def validate_contact(self, field: Field) -> None:
        """Put the words on one line. Raises ValidationError where there are none, or too many."""
        # Lines and whatever moves a terminal's cursor or turns its text around.
        plain = "".join(" " if shown(one) != one else one for one in field.data or "")
        field.data = " ".join(plain.split())
        if not field.data:
            raise ValidationError(gettext("Tell us how to reach you, such as by phone."))
        if len(field.data) > LONGEST_CONTACT:
            raise ValidationError(gettext("Use at most 200 characters."))


class CaseForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """The number and the code of a case."""

    number = StringField(lazy_gettext("Case number"), validators=[Length(max=_LONGEST_TYPED)])
    code = StringField(lazy_gettext("Case code"), validators=[Length(max=_LONGEST_TYPED)])
