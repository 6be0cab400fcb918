"""What becomes of a promise of more news when the text that made it, or took it back, is withdrawn."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.incidents import service
from portal.incidents.models import Incident

KEEP, BACK = "keep", "back"


class ChoiceInvalid(ValueError):
    """What becomes of a promise is neither to keep it nor to take it back."""


@dataclass(frozen=True)
class Stake:
    """A promise of a text that may be withdrawn: the time that stands, and the one that stood before it.

    None is no promise. `usual` is what becomes of it unless somebody says otherwise.
    """

    stands: datetime | None
    before: datetime | None
    usual: str


def of_version(number: int) -> str:
    """Return how an incident names a version of its statement that made a promise."""
    return f"version {number}"


def of_update(number: int) -> str:
    """Return how an incident names an update that made a promise."""
    return f"update {number}"


def at_stake(incident: Incident, text: str, now: datetime) -> Stake | None:
    """Return the promise that a text made or took back, where it is the last one; else None.

    Where nobody noted which text made it, any may have. It falls back to the promise before it while that
    is to come. Else it stays: readers were told when they learn more, and a withdrawal owes them that.
    """
    stands, before = incident.more_by, incident.promised_before
    if incident.promised_by not in (text, None) or stands == before:
        return None
    return Stake(stands, before, BACK if before is not None and before > now else KEEP)


def settle(session: Session, incident: Incident, text: str, choice: str, now: datetime) -> None:
    """Keep the promise of a text that is withdrawn, or take it back; without a choice, do what is usual.

    Raises ChoiceInvalid.
    """
    if choice not in ("", KEEP, BACK):
        raise ChoiceInvalid(f"'{choice}' is neither '{KEEP}' nor '{BACK}'")
    stake = at_stake(incident, text, now)
    if stake is not None and (choice or stake.usual) == BACK:
        service.set_promise(session, incident, stake.before, now)
        incident.promised_by = incident.promised_before = None
        session.flush()
