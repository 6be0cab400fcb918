"""What the portal itself did of a checklist's items: when, and which text or list it was."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.models import AuditEntry
from portal.checklist.service import PHASE_OF
from portal.incidents import reading
from portal.incidents.models import Incident

_STARTS = ("campaigns.start", "campaigns.notify")
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
    if incident.published_at is not None:
        found["statement"] = [Known("statement", incident.published_at)]
    found["customers"] = [
        *_known(
            "list", audit.newest_of(session, incident.slug, ("exposure.activate",)), "version", proves=False
        ),
        *_known("notice", audit.oldest_of(session, incident.slug, _STARTS), "notice"),
    ]
    found["safeguards"] = [
        known
        for subject in (incident.slug, _EVERYONE)
        for known in _known("reset", audit.oldest_of(session, subject, ("reset.require",)))
        if known.at >= incident.created_at
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
    value = json.loads(entry.details).get(number)
    return [Known(kind, entry.at, value if isinstance(value, int) else 0, proves)]
