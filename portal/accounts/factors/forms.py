"""Forms for second factors; field names are part of the contract."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired


class OneTimeCodeForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Ask for the code that the authenticator app shows."""

    code = StringField(
        lazy_gettext("Code from your app"),
        validators=[InputRequired(lazy_gettext("Enter the 6 digits from your app."))],
    )


class RecoveryCodeForm(FlaskForm):  # type: ignore[misc]
    """Ask for one of the recovery codes."""

    code = StringField(
        lazy_gettext("Recovery code"),
        validators=[InputRequired(lazy_gettext("Enter one of your recovery codes."))],
    )


class RemovalCodeForm(FlaskForm):  # type: ignore[misc]
    """Ask for the code that was shown where somebody asked for the removal of their factors."""

    code = StringField(
        lazy_gettext("The 6-digit code we showed you"),
        validators=[InputRequired(lazy_gettext("Enter the 6-digit code we showed you."))],
    )


class ConfirmForm(FlaskForm):  # type: ignore[misc]
    """Ask somebody who is signed in for the password again."""

    password = PasswordField(
        lazy_gettext("Password"), validators=[InputRequired(lazy_gettext("Enter your password."))]
    )
