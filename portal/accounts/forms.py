"""The forms of sign-in and of the account; field names are part of the contract."""

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, PasswordField, StringField
from wtforms.validators import ValidationError

from portal.kit import addresses


class SignInForm(FlaskForm):  # type: ignore[misc]
    """Who signs in, and with what."""

    email = StringField(lazy_gettext("E-mail address"))
    password = PasswordField(lazy_gettext("Password"))

    def validate_email(self, field: Field) -> None:
        """Say what keeps this from being one address, and put its exact form in its place."""
        try:
            field.data = addresses.normalise(field.data or "")
        except addresses.AddressInvalid as error:
            raise ValidationError(gettext(str(error))) from error

    def validate_password(self, field: Field) -> None:
        """Ask for it where it was left empty."""
        if not field.data:
            raise ValidationError(gettext("Enter your password."))


class PressForm(FlaskForm):  # type: ignore[misc]
    """A button and nothing else."""
