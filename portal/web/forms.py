"""The forms that several features share; field names are part of the contract."""

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, StringField
from wtforms.validators import ValidationError

from portal.core import addresses


class EmptyForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A button and nothing else."""


class AddressForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form with one address; `email.data` is normalised once the form is valid."""

    email = StringField(lazy_gettext("E-mail address"))

    def validate_email(self, field: Field) -> None:
        """Normalise the address. Raises ValidationError with what is wrong with it."""
        try:
            field.data = addresses.normalise(field.data or "")
        except addresses.AddressInvalid as error:
            raise ValidationError(gettext(str(error))) from error


class CodeForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """The typed alternative to a mailed link."""

    code = StringField(lazy_gettext("Code from the mail"))
