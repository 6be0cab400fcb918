"""The form that confirms an erasure."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField
from wtforms.validators import DataRequired


class EraseForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Ask for a tick before the button counts.

    Somebody who knows the password can have the link mailed, and some mail scanners press buttons.
    """

    sure = BooleanField(
        lazy_gettext("Yes, I want to delete my account"),
        validators=[DataRequired(lazy_gettext("If you’re sure, tick the box first."))],
    )
