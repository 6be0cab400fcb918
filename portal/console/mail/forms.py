"""The forms of the mail page."""

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, StringField
from wtforms.validators import DataRequired, Length, ValidationError

from portal.core.one_line import is_plain
from portal.outbox.bulk.lanes import LONGEST_REASON


class ReasonForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Why mail is paused, or sent again."""

    reason = StringField(
        lazy_gettext("Why?"),
        [
            DataRequired(lazy_gettext("Say why, so your colleagues know.")),
            Length(max=LONGEST_REASON, message=lazy_gettext("Use 200 characters at most.")),
        ],
    )

    def validate_reason(self, field: Field) -> None:
        """Accept one line that can be printed. Raises ValidationError."""
        field.data = (field.data or "").strip()
        if not is_plain(field.data):
            raise ValidationError(gettext("Use one line of plain text."))


class RetryForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Which mails are queued again: the failed ones of a reason, or of all; or the uncertain ones."""

    reason = HiddenField()
    uncertain = HiddenField()
