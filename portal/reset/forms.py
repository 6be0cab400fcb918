"""The forms of a new password; field names are part of the contract."""

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, PasswordField, StringField
from wtforms.validators import ValidationError

from portal.kit import addresses
from portal.reset.blocklist import MAXIMUM, MINIMUM, Rejection


class AskForm(FlaskForm):  # type: ignore[misc]
    """Whose password it is."""

    email = StringField(lazy_gettext("E-mail address"))

    def validate_email(self, field: Field) -> None:
        """Say what keeps this from being one address, and put its exact form in its place."""
        try:
            field.data = addresses.normalise(field.data or "")
        except addresses.AddressInvalid as error:
            raise ValidationError(gettext(str(error))) from error


class CodeForm(FlaskForm):  # type: ignore[misc]
    """The typed alternative to the link."""

    code = StringField(lazy_gettext("Code from the mail"))


class NewPasswordForm(FlaskForm):  # type: ignore[misc]
    """The new password, asked once."""

    # What password managers read before they make one; no maxlength, which would cut a longer one off unseen.
    password = PasswordField(
        lazy_gettext("New password"),
        render_kw={"passwordrules": f"minlength: {MINIMUM}; maxlength: {MAXIMUM};"},
    )

    def validate_password(self, field: Field) -> None:
        """Ask for it where it was left empty."""
        if not field.data:
            raise ValidationError(gettext("Enter a new password."))

    def refuse(self, rejection: Rejection) -> None:
        """Show why the password was refused: the reason at the top of the page, and what to do instead at the field."""
        self.password.errors = [gettext(rejection.reason), gettext(rejection.guidance)]


class ChangePasswordForm(NewPasswordForm):
    """The current password as proof, and the new one."""

    current_password = PasswordField(lazy_gettext("Current password"))

    def validate_current_password(self, field: Field) -> None:
        """Ask for it where it was left empty."""
        if not field.data:
            raise ValidationError(gettext("Enter your current password."))
