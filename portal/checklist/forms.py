"""The form of one item of a checklist."""

from datetime import datetime

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    Field,
    HiddenField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import Length, ValidationError

from portal.checklist.service import NOTE_LENGTH, PROOF_LENGTH
from portal.incidents.console.wording import of_time
from portal.incidents.times import TimeInvalid, parse_time

FIRST_YEAR, LAST_YEAR = 2000, 2100


class ItemForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Who does it, until when, whether it is done, and the proof. The page fills in the owners and the zones.

    Once the form is valid, `due_at` is the time that `due` means in the zone, or None.
    """

    due_at: datetime | None = None
    discovered_at: datetime

    version = HiddenField()
    owner = SelectField(lazy_gettext("Owner"))
    due = StringField(lazy_gettext("Due"))
    zone = SelectField(lazy_gettext("Time zone"))
    done = BooleanField(lazy_gettext("It’s done"))
    note = TextAreaField(
        lazy_gettext("Note"),
        [Length(max=NOTE_LENGTH, message=lazy_gettext("Use 1,500 characters at most."))],
    )
    proof = StringField(
        lazy_gettext("Proof"),
        [Length(max=PROOF_LENGTH, message=lazy_gettext("Use 300 characters at most."))],
    )

    def validate_due(self, field: Field) -> None:
        """Read the time as it was typed, in the chosen zone. Raises ValidationError."""
        self.due_at = _time(field, self.zone)
        if self.due_at is not None and self.due_at < self.discovered_at:
            raise ValidationError(gettext("That’s before you found out about the incident."))

    def validate_proof(self, field: Field) -> None:
        """Refuse a link that anybody on the way could read. Raises ValidationError."""
        if (field.data or "").strip().casefold().startswith("http://"):
            raise ValidationError(gettext("Use a link that starts with https://, or a reference number."))


class DiscoveredForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """When an incident was found out. The page fills in the zones and the time now.

    Once the form is valid, `discovered_at` is the time that `at` means in the zone.
    """

    discovered_at: datetime | None = None
    now: datetime

    at = StringField(lazy_gettext("When did you find out?"))
    zone = SelectField(lazy_gettext("Time zone"))

    def validate_at(self, field: Field) -> None:
        """Read the time as it was typed, in the chosen zone. Raises ValidationError."""
        self.discovered_at = _time(field, self.zone)
        if self.discovered_at is None:
            raise ValidationError(gettext("Type the day and the time."))
        if self.discovered_at > self.now:
            raise ValidationError(gettext("This is still to come. Type when you found out."))


def _time(field: Field, zone: SelectField) -> datetime | None:
    """Return the time that was typed in a zone, None where there is none. Raises ValidationError."""
    field.data = " ".join((field.data or "").split())
    if not field.data or zone.data not in [one[0] for one in zone.choices or ()]:
        return None  # an unknown zone has an error of its own
    try:
        at = parse_time(field.data, zone.data).at
    except TimeInvalid as error:
        raise ValidationError(of_time(error)) from error
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValidationError(gettext("Choose a year from 2000 to 2100."))
    return at
