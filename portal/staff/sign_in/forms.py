"""The forms of signing in and joining."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, Length

from portal.staff.members import NAME_LENGTH


class SignInForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Address, password and code."""

    email = StringField(lazy_gettext("Email address"), [DataRequired(lazy_gettext("Type your address."))])
    password = PasswordField(lazy_gettext("Password"), [DataRequired(lazy_gettext("Type your password."))])
    code = StringField(lazy_gettext("Code from your app"), [DataRequired(lazy_gettext("Type the code."))])


class JoinForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A name, and a way to sign in: a password with a code. A passkey comes in its own field."""

    name = StringField(
        lazy_gettext("Your name"),
        [
            DataRequired(lazy_gettext("Type your name, so your colleagues know who did what.")),
            Length(max=NAME_LENGTH),
        ],
    )
    password = PasswordField(lazy_gettext("Password"))
    code = StringField(lazy_gettext("Code from your app"))


class ConfirmForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A code that shows that it is still you."""

    code = StringField(lazy_gettext("Code from your app"), [DataRequired(lazy_gettext("Type the code."))])
