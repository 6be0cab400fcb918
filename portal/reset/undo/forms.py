"""The form that undoes a change of address."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField
from wtforms.validators import DataRequired


class UndoForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Ask for a tick before the button counts: some mail scanners press buttons.

    Owners who mistyped undo their own change too, so it does not ask who made it.
    """

    sure = BooleanField(
        lazy_gettext("Yes, do all of this"),
        validators=[DataRequired(lazy_gettext("If you want this, tick the box first."))],
    )
