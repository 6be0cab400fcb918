"""What becomes of a promise of more news when the text that made it, or took it back, is withdrawn."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.incidents.models import Incident

KEEP, BACK = "keep", "back"
KEPT, GONE = "kept", "gone"

Promise = dict[str, str | None]


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

    Where nobody noted which text made it, any may have. It falls back to what another public text says while
    that is to come. Else it stays: readers were told when they learn more, and a withdrawal owes them that.
    """
    made = _standing(incident)
    if made is None or made["by"] not in (text, None):
        return None
    others = [one for one in incident.promises if one is not made and one["by"] != text and "fate" not in one]
    stands, before = incident.more_by, time_of(others[-1]) if others else None
    if stands == before:
        return None
    return Stake(stands, before, BACK if before is not None and before > now else KEEP)


def settle(session: Session, incident: Incident, text: str, choice: str, now: datetime) -> None:
    """Keep the promise of a text that is withdrawn, or take it back; without a choice, do what is usual.

    No promise of the text comes back later: also not one that another text had replaced.

    Raises ChoiceInvalid.
    """
    if choice not in ("", KEEP, BACK):
        raise ChoiceInvalid(f"'{choice}' is neither '{KEEP}' nor '{BACK}'")
    stake, made = at_stake(incident, text, now), _standing(incident)
    keeps = stake is not None and (choice or stake.usual) == KEEP
    noted = []
    for one in incident.promises:
        if one is made and keeps:
            noted.append(one | {"fate": KEPT})
        elif one["by"] == text or (one["by"] is None and (one is not made or stake is not None)):
            noted.append(one | {"fate": GONE})
        else:
            noted.append(one)
    incident.promises = noted
    if stake is not None and not keeps:
        incident.more_by = stake.before
        at = None if stake.before is None else stake.before.isoformat(timespec="minutes")
        audit.record(session, "incidents.promise", incident.slug, {"at": at}, now)
    session.flush()


def since(incident: Incident, known: int) -> Promise | None:
    """Return the last change of what is promised that a public text made after the first `known` entries."""
    later = reversed(incident.promises[known:])
    return next((one for one in later if "new" in one and "fate" not in one), None)


def time_of(promise: Promise) -> datetime | None:
    """Return the time that a text promised, None where it promised none."""
    return None if promise["more_by"] is None else datetime.fromisoformat(promise["more_by"])


def was_made(incident: Incident, at: datetime) -> bool:
    """Return whether a text ever promised a time, to the minute, as drafts are typed."""
    made = [time for one in incident.promises if (time := time_of(one)) is not None]
    return any(one.replace(second=0, microsecond=0) == at.replace(second=0, microsecond=0) for one in made)


def _standing(incident: Incident) -> Promise | None:
    """Return the entry of what is promised now."""
    return next((one for one in reversed(incident.promises) if one.get("fate") != GONE), None)
