"""What the portal itself did of a checklist's items: when, and which text or list it was."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.models import AuditEntry
from portal.checklist.service import PHASE_OF
from portal.incidents import reading
from portal.incidents.models import Incident, Statement

_STARTS = ("campaigns.start", "campaigns.notify")
_STOPS = ("campaigns.stop",)
_EVERYONE = "everyone"


@dataclass(frozen=True)
class Known:
    """Something that was done here. `number` is that of the update, notice or version that it is about.

    `proves`: who says that the item is done can name it as the proof.
    """

    kind: str
    at: datetime
    number: int = 0
    proves: bool = True


def of_incident(session: Session, incident: Incident) -> dict[str, list[Known]]:
    """Return what was done here, by item; nobody has said by that that the item is done."""
    found: dict[str, list[Known]] = {}
    if (public_since := _public_since(session, incident)) is not None:
        found["statement"] = [Known("statement", public_since)]
    found["customers"] = [
        *_known(
            "list", audit.newest_of(session, incident.slug, ("exposure.activate",)), "version", proves=False
        ),
        *_notice(session, incident.slug),
    ]
    found["safeguards"] = [
        known for subject in (incident.slug, _EVERYONE) for known in _reset(session, subject, incident)
    ]
    public = reading.first_of_phases(session, incident)
    for item, phase in PHASE_OF.items():
        if phase in public:
            update = public[phase]
            at = update.published_at or update.occurred_at
            found.setdefault(item, []).append(Known("update", at, update.number))
    return found


def _known(kind: str, entry: AuditEntry | None, number: str = "", *, proves: bool = True) -> list[Known]:
    """Return what an entry of the log says, as a list of one or none."""
    if entry is None:
        return []
    return [Known(kind, entry.at, _number(entry, number), proves)]


def _public_since(session: Session, incident: Incident) -> datetime | None:
    """Return since when a version of the statement is public that nobody withdrew."""
    mine = (Statement.incident_id == incident.id) & Statement.withdrawn_at.is_(None)
    return session.scalar(select(func.min(Statement.published_at)).where(mine))


def _notice(session: Session, slug: str) -> list[Known]:
    """Return the first notice that nobody stopped; else the first one, which proves nothing."""
    started = audit.every_of(session, slug, _STARTS)
    stopped = {_number(entry, "notice") for entry in audit.every_of(session, slug, _STOPS)}
    goes_on = [entry for entry in started if _number(entry, "notice") not in stopped]
    first = next(iter(goes_on or started), None)
    return _known("notice", first, "notice", proves=bool(goes_on))


def _reset(session: Session, subject: str, incident: Incident) -> list[Known]:
    """Return the first reset of these people since the incident was created here."""
    entries = audit.every_of(session, subject, ("reset.require",))
    return _known("reset", next((one for one in entries if one.at >= incident.created_at), None))


def _number(entry: AuditEntry, name: str) -> int:
    value = json.loads(entry.details).get(name)
    return value if isinstance(value, int) else 0
