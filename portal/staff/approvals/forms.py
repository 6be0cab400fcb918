"""The forms of deciding what others ask for."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from portal.staff.approvals.service import TEXT_LENGTH


class CommentForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Why something is sent back."""

    comment = TextAreaField(
        lazy_gettext("What should change?"),
        [DataRequired(lazy_gettext("Say what should change.")), Length(max=TEXT_LENGTH)],
    )
