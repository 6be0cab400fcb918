"""What is left out of an incident's notices, taken together, so that an approval is bound to exactly that.

Without it one person could leave others out of a notice after it was approved.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core import db
from portal.core.db import AUDITED
from portal.crypto.vault import WorkerVault
from portal.exposure.models import DIGEST_BYTES, LeftOut, LeftOutSet

# As many changes are told of; of more than these, only that there were some.
REMEMBERED = 40
_MODULUS = 1 << (8 * DIGEST_BYTES)


@dataclass(frozen=True)
class Change:
    """One change: its number, who made it, why, and how many more people are left out, or fewer."""

    version: int
    by: str
    reason: str
    people: int


@dataclass(frozen=True)
class State:
    """How many are left out, which ones (a hash that no order changes), and the newest changes."""

    version: int
    people: int
    digest: str
    changes: tuple[Change, ...]

    def same(self, bound: dict[str, Any]) -> bool:
        """Return whether the same people were left out when something was bound to a state."""
        return (self.people, self.digest) == (bound["people"], bound["digest"])

    def since(self, bound: dict[str, Any]) -> tuple[Change, ...]:
        """Return the changes since then."""
        return tuple(one for one in self.changes if one.version > bound["version"])


def shown(session: Session, incident_id: bytes) -> State:
    """Return the state as the database says it, for the console: nothing is verified."""
    return _state(session.get(LeftOutSet, incident_id, populate_existing=True))


def verified(session: Session, vault: WorkerVault, incident_id: bytes) -> State | None:
    """Return the state, or None where somebody altered it without the worker's keys."""
    row = session.get(LeftOutSet, incident_id, populate_existing=True)
    if row is not None and not compare_digest(bytes(row.row_mac), _mac(vault, row)):
        return None
    return _state(row)


def change(
    session: Session,
    vault: WorkerVault,
    incident_id: bytes,
    *,
    added: Collection[bytes] = (),
    removed: Collection[bytes] = (),
    reason: str = "",
) -> None:
    """Note that people, by their indexes, are left out, or no more. Call `ready` before they are stored."""
    row = session.get_one(LeftOutSet, incident_id, with_for_update=True)
    if not added and not removed:
        return
    total = int.from_bytes(row.digest) + sum(map(_hash, added)) - sum(map(_hash, removed))
    row.digest = (total % _MODULUS).to_bytes(DIGEST_BYTES)
    row.people += len(added) - len(removed)
    row.version += 1
    who = str(session.info.get(AUDITED, {}).get("by", ""))
    history = [*json.loads(row.history), [row.version, who, reason, len(added) - len(removed)]]
    row.history = json.dumps(history[-REMEMBERED:], separators=(",", ":"))
    row.row_mac = _mac(vault, row)
    session.flush()


def ready(session: Session, vault: WorkerVault, incident_id: bytes, genuine: Any) -> None:
    """Lock an incident's row; make it of the rows that are there, where there is none or it was altered.

    `genuine` says of a row whether the worker stored it.
    """
    empty = {"incident_id": incident_id, "version": 0, "people": 0, "digest": bytes(DIGEST_BYTES)}
    empty |= {"history": "[]", "row_mac": b""}
    wanted = db.insert(session, LeftOutSet).values(empty)
    session.execute(wanted.on_conflict_do_nothing(index_elements=["incident_id"]))
    row = session.get_one(LeftOutSet, incident_id, with_for_update=True)
    if compare_digest(bytes(row.row_mac), _mac(vault, row)):
        return
    here = session.scalars(select(LeftOut).where(LeftOut.incident_id == incident_id))
    indexes = [one.person_index for one in here if genuine(one)]
    row.digest = (sum(map(_hash, indexes)) % _MODULUS).to_bytes(DIGEST_BYTES)
    row.people, row.history = len(indexes), "[]"
    row.row_mac = _mac(vault, row)
    session.flush()


def _state(row: LeftOutSet | None) -> State:
    if row is None:
        return State(0, 0, bytes(DIGEST_BYTES).hex(), ())
    changes = tuple(Change(*one) for one in json.loads(row.history))
    return State(row.version, row.people, row.digest.hex(), changes)


def _hash(index: bytes) -> int:
    return int.from_bytes(sha256(b"portal left out\0" + index).digest())


def _mac(vault: WorkerVault, row: LeftOutSet) -> bytes:
    return vault.row_mac("left out set", row.incident_id, row.version, row.people, row.digest, row.history)
