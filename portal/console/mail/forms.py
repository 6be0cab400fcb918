"""The forms of the mail page."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import HiddenField, StringField
from wtforms.validators import DataRequired, Length

from portal.outbox.bulk.lanes import LONGEST_REASON
from portal.web.forms import one_line


class ReasonForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Why mail is paused, or sent again."""

    reason = StringField(
        lazy_gettext("Why?"),
        [
            DataRequired(lazy_gettext("Say why, so your colleagues know.")),
            Length(max=LONGEST_REASON, message=lazy_gettext("Use 200 characters at most.")),
            one_line,
        ],
    )


class RetryForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Which mails are queued again: the failed ones of a reason, or of all; or the uncertain ones."""

    reason = HiddenField()
    uncertain = HiddenField()
