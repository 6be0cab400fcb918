"""Forms for a new password; field names are part of the contract."""

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import InputRequired

from portal.reset.passwords import MAXIMUM, MINIMUM
from portal.reset.rejections import Rejection


class NewPasswordForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Ask for the new password once."""

    # Password managers read `passwordrules`. No maxlength: it would silently truncate a longer password.
    password = PasswordField(
        lazy_gettext("New password"),
        validators=[InputRequired(lazy_gettext("Enter a new password."))],
        render_kw={"passwordrules": f"minlength: {MINIMUM}; maxlength: {MAXIMUM};"},
    )

    def refuse(self, rejection: Rejection) -> None:
        """Show a rejection: the reason at the top of the page, the remedy at the field."""
        self.password.errors = [gettext(rejection.reason), gettext(rejection.guidance)]


class ChangePasswordForm(NewPasswordForm):
    """Ask for the current password as proof, and for the new one."""

    current_password = PasswordField(
        lazy_gettext("Current password"),
        validators=[InputRequired(lazy_gettext("Enter your current password."))],
    )
