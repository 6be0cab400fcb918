"""The console's forms of notices: drafting one, holding it, asking for approval."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    Field,
    IntegerField,
    RadioField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import DataRequired, Length, NumberRange, Optional, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from portal.campaigns.models import CORRECTION, FIRST, SUPPLEMENTARY
from portal.campaigns.series.audience import ALL, NEW, NOT_REACHED
from portal.campaigns.series.passes import LEFT_OUT_CHANGED
from portal.incidents.times import TimeInvalid, parse_time
from portal.web.forms import one_line

KINDS = {
    FIRST: lazy_gettext("First notice: tells people what happened"),
    SUPPLEMENTARY: lazy_gettext("More facts: to people we told before"),
    CORRECTION: lazy_gettext("Correction: something we said was wrong"),
}
# What changed since a notice was drafted, by what `wording.outdated` calls it.
STALE = {
    "open": lazy_gettext("Notices may say what happened now. This one says only that there’s a message."),
    "discreet": lazy_gettext("Notices say only that there’s a message now. This one says what happened."),
    "day": lazy_gettext("The day it happened has changed. The subject still has the old one."),
    "passwords": lazy_gettext("Passwords were taken, too. This notice doesn’t say what to do about them."),
    "text": lazy_gettext("Another text of the statement is public now. This notice has the earlier one."),
}
# Why the worker itself holds a notice, by what the log says.
HOLDS = {LEFT_OUT_CHANGED: lazy_gettext("Other people are left out now than were approved")}
BASES = {
    ALL: lazy_gettext("Everyone on the list"),
    NEW: lazy_gettext("Only people who are new since an earlier notice"),
    NOT_REACHED: lazy_gettext("Only people an earlier notice didn’t reach"),
}
MOST_OWN, MOST_REASON, MOST_MAILS = 1_000, 200, 1_000_000_000


def choices_of(labels: Mapping[str, Any]) -> list[SelectChoice]:
    """Return the choices of a field: a value and its label each."""
    return [SelectChoice(value, label) for value, label in labels.items()]


def _checkboxes(label: Any) -> SelectMultipleField:
    return SelectMultipleField(
        label, option_widget=CheckboxInput(), widget=ListWidget(prefix_label=False), choices=[]
    )


class DraftForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A notice: what kind, for whom, in which waves. `starts_at` is `rest_at`, read in the `zone`."""

    starts_at: datetime | None = None
    now: datetime
    zone: str

    kind = RadioField(lazy_gettext("What kind of notice?"), choices=choices_of(KINDS), default=FIRST)
    base = RadioField(lazy_gettext("Who gets it?"), choices=choices_of(BASES), default=ALL)
    since = IntegerField(
        lazy_gettext("Number of the earlier notice"),
        [Optional(), NumberRange(1, message=lazy_gettext("Type the number of a notice, such as 1."))],
    )
    classes = _checkboxes(lazy_gettext("Only people who lost one of these"))
    languages = _checkboxes(lazy_gettext("Only people who get it in these languages"))
    worst_first = BooleanField(lazy_gettext("Start with the people who lost the most sensitive data"))
    first_size = IntegerField(
        lazy_gettext("Size of the first wave"),
        [Optional(), NumberRange(1, MOST_MAILS, lazy_gettext("Type a number of emails, 1 or more."))],
    )
    rest_at = StringField(lazy_gettext("When the rest may go"))
    per_hour = IntegerField(
        lazy_gettext("At most this many emails an hour"),
        [Optional(), NumberRange(1, MOST_MAILS, lazy_gettext("Type a number of emails, 1 or more."))],
    )

    def validate_rest_at(self, field: Field) -> None:
        """Read the time; an empty one is none. Raises ValidationError."""
        typed = " ".join((field.data or "").split())
        try:
            self.starts_at = parse_time(typed, self.zone).at if typed else None
        except TimeInvalid as error:
            like = f"{self.now.astimezone(ZoneInfo(self.zone)) + timedelta(days=1):%Y-%m-%d} 09:00"
            raise ValidationError(gettext("Type a date and time like %(time)s.", time=like)) from error
        if self.starts_at is not None and self.starts_at <= self.now:
            raise ValidationError(lazy_gettext("That time is over. Type a later one, or leave it empty."))
        if self.starts_at is None and self.first_size.data:
            raise ValidationError(lazy_gettext("Say when the rest may go. You can pause before it does."))


class OwnWordsForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """One paragraph of the author's own, in one language; a page has one for each."""

    own = TextAreaField(
        lazy_gettext("Your own words"),
        [Length(max=MOST_OWN, message=lazy_gettext("Keep it to one paragraph of 1,000 characters."))],
    )


class ReasonForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Why a notice is held or stopped."""

    reason = StringField(
        lazy_gettext("Why?"),
        [
            DataRequired(lazy_gettext("Say why, in one line.")),
            Length(max=MOST_REASON, message=lazy_gettext("Use 200 characters or fewer.")),
            one_line,
        ],
    )


class ExportForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Why a list of people is needed."""

    reason = StringField(
        lazy_gettext("What do you need the list for?"),
        [
            DataRequired(lazy_gettext("Say what for, so a second person can decide.")),
            Length(max=MOST_REASON, message=lazy_gettext("Use 200 characters or fewer.")),
            one_line,
        ],
    )


class AskForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """What the second person should know."""

    note = StringField(
        lazy_gettext("A note for the approver (optional)"),
        [Length(max=MOST_REASON, message=lazy_gettext("Use 200 characters or fewer.")), one_line],
    )
