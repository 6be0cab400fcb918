"""The forms of required resets."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import SelectField, TextAreaField
from wtforms.validators import DataRequired, Length


class CountForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Whose passwords: those of an incident's list, or all. The page fills in the choices."""

    subject = SelectField(lazy_gettext("Whose passwords?"))


class AskForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Why the passwords are to be locked."""

    reason = TextAreaField(
        lazy_gettext("Why?"),
        [
            DataRequired(lazy_gettext("Say why, so a second person can decide.")),
            Length(max=2000, message=lazy_gettext("Use 2,000 characters at most.")),
        ],
    )
