"""Forms for a new password; field names are part of the contract."""

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms.validators import InputRequired

from portal.reset.passwords import MAXIMUM, MINIMUM
from portal.reset.rejections import Rejection


class NewPasswordField(PasswordField):
    """A field for a new password; `remedies` say what to do about its errors."""

    remedies: tuple[str, ...] = ()


class NewPasswordForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Ask for the new password once."""

    # password.js turns it into `passwordrules`, which HTML lacks and password managers read. No maxlength:
    # it would silently truncate a longer password.
    password = NewPasswordField(
        lazy_gettext("New password"),
        validators=[InputRequired(lazy_gettext("Enter a new password."))],
        render_kw={"data-passwordrules": f"minlength: {MINIMUM}; maxlength: {MAXIMUM};"},
    )

    # Of a password that is not refused: a list could not be asked about it.
    is_unchecked = False

    def refuse(self, *rejections: Rejection) -> None:
        """Show every reason at the top of the page and at the field, and each remedy once at the field."""
        self.password.errors = [gettext(one.reason) for one in rejections]
        self.password.remedies = tuple(dict.fromkeys(gettext(one.guidance) for one in rejections))


class ChangePasswordForm(NewPasswordForm):
    """Ask for the current password as proof, and for the new one."""

    current_password = PasswordField(
        lazy_gettext("Current password"),
        validators=[InputRequired(lazy_gettext("Enter your current password."))],
    )
