"""The worker's side of checklists: store a change, and remind owners once a day."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from portal.checklist import service
from portal.checklist.emails import ChecklistReminder
from portal.checklist.service import CHANGES, ITEMS, NOTE_LENGTH, PROOF_LENGTH, Item, Outdated
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.runtime.parts import WorkerParts
from portal.staff import members
from portal.staff.emails import tell
from portal.staff.members import MemberMissing
from portal.staff.orders import Acting, Order, Refused

log = logging.getLogger("portal.checklist")

# A reminder comes from a day before it is due.
AHEAD = timedelta(days=1)


def change(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Store an item as it was typed. Fields: slug, item, version (as seen), owner, due, done, note, proof.

    `due` is a time in ISO 8601 or empty; `done` is empty where it is not done.
    """
    if fields["item"] not in ITEMS:
        raise Refused("checklist-item")
    with parts.db.write() as session:
        now = parts.clock.now()
        try:
            incident = incidents.by_slug(session, fields["slug"])
            owner = _owner(session, parts, fields["owner"])
            before = service.genuine(session, parts.vault, incident, fields["item"])
            done_at = (before.done_at or now) if fields["done"] else None
            wanted = Item(
                fields["item"],
                int(fields["version"]) + 1,
                owner,
                datetime.fromisoformat(fields["due"]).astimezone(UTC) if fields["due"] else None,
                done_at,
                fields["note"][:NOTE_LENGTH],
                fields["proof"][:PROOF_LENGTH],
            )
            service.change(session, parts.vault, incident, wanted, now)
        except Outdated as error:
            raise Refused("checklist-outdated") from error
        except (incidents.IncidentUnknown, MemberMissing, ValueError, OverflowError) as error:
            raise Refused("checklist-item") from error
    return {"newly": bool(done_at and before.done_at is None)}


def done(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Mark an item as done. Fields: slug, item, version (as seen), proof (where it has none)."""
    if fields["item"] not in ITEMS:
        raise Refused("checklist-item")
    with parts.db.write() as session:
        now, proof = parts.clock.now(), fields["proof"][:PROOF_LENGTH]
        try:
            incident, version = incidents.by_slug(session, fields["slug"]), int(fields["version"])
            is_new = service.mark_done(session, parts.vault, incident, fields["item"], version, proof, now)
        except Outdated as error:
            raise Refused("checklist-outdated") from error
        except (incidents.IncidentUnknown, ValueError, OverflowError) as error:
            raise Refused("checklist-item") from error
    return {"newly": is_new}


def discovered(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Store when an incident was found out. Fields: slug, at (ISO 8601)."""
    now = parts.clock.now()
    with parts.db.write() as session:
        try:
            at = datetime.fromisoformat(fields["at"]).astimezone(UTC)
            if at > now:
                raise Refused("checklist-item")
            incidents.set_discovered(session, fields["slug"], at, now)
        except (incidents.IncidentUnknown, ValueError, OverflowError) as error:
            raise Refused("checklist-item") from error
    return {}


def remind(parts: WorkerParts) -> None:
    """Mail each owner of what is due, once per item and day."""
    now = parts.clock.now()
    with parts.db.write() as session:
        for row in service.to_remind(session, parts.vault, now, AHEAD):
            row.reminded_on = now.date()
            incident = session.get(Incident, row.incident_id)
            try:
                member = members.verified(session, parts.vault, row.owner or b"")
            except MemberMissing:
                continue
            if incident is not None and member.active:
                url = f"{parts.settings.console.url}/checklist/{incident.slug}/"
                tell(session, parts, member, ChecklistReminder(url))


def _owner(session: Any, parts: WorkerParts, member_id: str) -> bytes | None:
    if not member_id:
        return None
    member = members.verified(session, parts.vault, bytes.fromhex(member_id))
    if not member.active:
        raise MemberMissing
    return member.id


ORDERS = {
    "checklist-change": Order(change, CHANGES),
    "checklist-done": Order(done, CHANGES),
    "checklist-discovered": Order(discovered, CHANGES),
}
