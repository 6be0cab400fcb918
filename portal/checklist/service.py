"""Read and change checklists: the items with their defaults, and rows under MACs."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hmac import compare_digest

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.checklist.models import ChecklistItem
from portal.core.db import insert
from portal.crypto.vault import Cell, ConsoleVault, VaultError, WorkerVault
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.staff.roles import Role

LABEL = "portal checklist"
SIZES = (512, 2048, 8192)
NOTE_LENGTH, PROOF_LENGTH = 1500, 300  # characters
# The order of the story; the names are stored and enter row MACs: they stay.
ITEMS = ("it", "insurer", "authorities", "statement", "customers", "safeguards", "lessons")
CHANGES = frozenset({Role.AUTHOR, Role.APPROVER, Role.PRIVACY, Role.ADMIN})
# A usual time, not a law: it can be changed.
AUTHORITIES_WITHIN = timedelta(hours=72)
# Each item's phase on the timeline, where there is one.
PHASE_OF = {
    "it": "contained",
    "insurer": "insurer-informed",
    "authorities": "authorities-informed",
    "customers": "customers-notified",
    "safeguards": "safeguards-in-place",
    "lessons": "resolved",
}


class Outdated(Exception):
    """Somebody else changed the item meanwhile."""


@dataclass(frozen=True)
class Item:
    """An item as it stands; `version` 0: nobody changed it yet."""

    name: str
    version: int = 0
    owner: bytes | None = None
    due_at: datetime | None = None
    done_at: datetime | None = None
    note: str = ""
    proof: str = ""

    def late(self, now: datetime) -> bool:
        """Return whether its time is over, and it is not done."""
        return self.done_at is None and self.due_at is not None and self.due_at < now


def items(session: Session, vault: ConsoleVault, incident: Incident) -> list[Item]:
    """Return every item of an incident, in the order of the story; nothing is verified."""
    rows = session.scalars(select(ChecklistItem).where(ChecklistItem.incident_id == incident.id))
    found = {row.item: _read(vault, row) for row in rows}
    return [found.get(name) or _untouched(session, incident, name) for name in ITEMS]


def item(session: Session, vault: ConsoleVault, incident: Incident, name: str) -> Item:
    """Return one item of an incident. Raises KeyError."""
    return {one.name: one for one in items(session, vault, incident)}[name]


def genuine(session: Session, vault: WorkerVault, incident: Incident, name: str) -> Item:
    """Return an item as the worker stored it: a row that was altered without its keys is none."""
    row = session.get(ChecklistItem, (incident.id, name))
    is_genuine = row is not None and _genuine(vault, row)
    return _read(vault.staff, row) if row and is_genuine else _untouched(session, incident, name)


def change(session: Session, vault: WorkerVault, incident: Incident, wanted: Item, now: datetime) -> None:
    """Store an item that was changed from the version before `wanted`'s. Raises Outdated.

    A row that was altered without the worker's keys counts as none of what it says, and is replaced.
    """
    here = (ChecklistItem.incident_id == incident.id) & (ChecklistItem.item == wanted.name)
    row = session.scalar(select(ChecklistItem).where(here).with_for_update())
    if (row.version if row else 0) != wanted.version - 1:
        raise Outdated
    before = _read(vault.staff, row) if row and _genuine(vault, row) else Item(wanted.name)
    stored = replace(wanted, due_at=_whole(wanted.due_at), done_at=_whole(wanted.done_at))
    values = {
        "incident_id": incident.id,
        "item": stored.name,
        "version": stored.version,
        "owner": stored.owner,
        "due_at": stored.due_at,
        "done_at": stored.done_at,
        "content": vault.staff.encrypt_own(LABEL, _cell(incident.id, stored.name), _content(stored), SIZES),
        "row_mac": _mac(vault, incident.id, stored),
    }
    statement = insert(session, ChecklistItem).values(values)
    added = statement.on_conflict_do_update(
        index_elements=["incident_id", "item"],
        set_=values,
        where=ChecklistItem.version == wanted.version - 1,
    ).returning(ChecklistItem.version)
    if session.execute(added).first() is None:
        raise Outdated
    said = "change"
    if (before.done_at is None) != (stored.done_at is None):
        said = "done" if stored.done_at is not None else "reopen"
    audit.record(session, f"checklist.{said}", incident.slug, {"item": stored.name}, now)


def mark_done(
    session: Session,
    vault: WorkerVault,
    incident: Incident,
    name: str,
    version: int,
    proof: str,
    now: datetime,
) -> bool:
    """Mark an item as done, as it was seen in `version`; a proof that it has stays. Return whether it is new.

    Raises Outdated.
    """
    before = genuine(session, vault, incident, name)
    done_at, proof = before.done_at or now, before.proof or proof
    wanted = replace(before, version=version + 1, done_at=done_at, proof=proof)
    change(session, vault, incident, wanted, now)
    return before.done_at is None


def to_remind(session: Session, vault: WorkerVault, now: datetime, within: timedelta) -> list[ChecklistItem]:
    """Return the rows whose owner is to be reminded today; those altered without the keys are left out."""
    due = ChecklistItem.done_at.is_(None) & ChecklistItem.owner.is_not(None)
    due &= ChecklistItem.due_at <= now + within
    rows = session.scalars(select(ChecklistItem).where(due).with_for_update(skip_locked=True))
    today = now.date()
    return [
        row for row in rows if (row.reminded_on is None or row.reminded_on < today) and _genuine(vault, row)
    ]


def _untouched(session: Session, incident: Incident, name: str) -> Item:
    if name != "authorities":
        return Item(name)
    return Item(name, due_at=incidents.detected_at(session, incident) + AUTHORITIES_WITHIN)


def _read(vault: ConsoleVault, row: ChecklistItem) -> Item:
    try:
        content = vault.decrypt_own(LABEL, _cell(row.incident_id, row.item), row.content)
        note, proof = json.loads(content)
    except (VaultError, ValueError):
        note, proof = "?", ""
    return Item(row.item, row.version, row.owner, row.due_at, row.done_at, note, proof)


def _genuine(vault: WorkerVault, row: ChecklistItem) -> bool:
    return compare_digest(bytes(row.row_mac), _mac(vault, row.incident_id, _read(vault.staff, row)))


def _content(one: Item) -> bytes:
    return json.dumps([one.note, one.proof], ensure_ascii=False).encode()


def _cell(incident_id: bytes, name: str) -> Cell:
    return Cell("checklist_items", name, incident_id)


def _whole(at: datetime | None) -> datetime | None:
    return at.replace(microsecond=0) if at else None


def _mac(vault: WorkerVault, incident_id: bytes, one: Item) -> bytes:
    return vault.row_mac(
        "checklist item",
        incident_id,
        one.name,
        one.version,
        one.owner or b"",
        int(one.due_at.timestamp()) if one.due_at else 0,
        int(one.done_at.timestamp()) if one.done_at else 0,
        one.note,
        one.proof,
    )
