"""What the worker holds valid of staff: a tag of every row that lets somebody in, in one row of its own.

A row of yesterday has a right MAC. So each change of a member, a credential or a session changes this row
too, whose number only grows, and what is not in it lets nobody in. Where this row was put back with the
others, the log's newest entry about the member has a higher number, and so has a worker that saw it.

The console may append to the log, too: a number in it counts only with the worker's MAC of it. One that was
copied from another entry says no more than that the row had this number, which no later row is below.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.db import AUDITED, insert
from portal.crypto.vault import WorkerVault
from portal.runtime.parts import WorkerParts
from portal.staff.models import StaffHeld

log = logging.getLogger("portal.staff")

ROW = 1
# The name of the number, in details of audit entries and among the numbers that a worker has seen.
NUMBER = "held"
MEMBER, CREDENTIAL, SESSION = b"m", b"c", b"s"
ID_BYTES = TAG_BYTES = 16
KEY_BYTES = 1 + ID_BYTES
_RECORD_BYTES = KEY_BYTES + TAG_BYTES
UNLOGGED = 1_000_000  # more changes than the log can lack: the end of a session is in none


class PutBack(Exception):
    """The row was altered, removed, or an earlier one was put in its place."""


@dataclass(frozen=True)
class Held:
    """Which rows are valid, by kind and id, and how often that changed."""

    number: int
    tags: Mapping[bytes, bytes]

    def has(self, key: bytes, tag: bytes) -> bool:
        """Return whether a row is held, as it is."""
        return compare_digest(self.tags.get(key, b""), tag[:TAG_BYTES])


def key(kind: bytes, row_id: bytes) -> bytes:
    """Return what a row is held under."""
    return kind + bytes(row_id)[:ID_BYTES]


def load(session: Session, vault: WorkerVault) -> Held:
    """Return what is held. Raises PutBack where the row is not the worker's."""
    return _opened(vault, session.get(StaffHeld, ROW, populate_existing=True))


def note(session: Session, vault: WorkerVault, changes: Mapping[bytes, bytes | None]) -> None:
    """Hold rows as they are now, by key, and no more those without a tag. Raises PutBack.

    Call it last: who changes a row locks that one first. The audit entries that follow in this transaction
    have the new number.
    """
    session.execute(insert(session, StaffHeld).values(_values(vault, Held(0, {}))).on_conflict_do_nothing())
    row = session.get(StaffHeld, ROW, with_for_update=True)
    before = _opened(vault, row)
    _store(session, vault, Held(before.number + 1, _changed(before.tags, changes)))


def hold_again(session: Session, vault: WorkerVault, tags: Mapping[bytes, bytes]) -> None:
    """Hold exactly these rows from now on, whatever was held before: an operator looked at them."""
    row = session.get(StaffHeld, ROW, with_for_update=True)
    if row is None:
        session.execute(insert(session, StaffHeld).values(_values(vault, Held(0, {}))))
    logged = [_logged(vault, details) for details in audit.details_with(session, NUMBER)]
    number = max((one for one in logged if one is not None), default=0)
    if row is not None:  # somebody may have altered it, up to a number that nothing can follow
        number = max(number, min(row.number, number + UNLOGGED))
    _store(session, vault, Held(number + 1, tags))


def needs_log(session: Session, vault: WorkerVault, member_id: bytes, held: Held) -> bool:
    """Return whether the log knows of no later change of a member than what is held."""
    subject = bytes(member_id).hex()
    entry = audit.newest_with(session, subject, NUMBER)
    while entry is not None:
        number = _logged(vault, entry.details)
        if number is not None:
            return number <= held.number
        entry = audit.newest_with(session, subject, NUMBER, before=entry.number)
    return True


def floor(parts: WorkerParts) -> int:
    """Return the highest number that this worker has seen: take it before the transaction begins."""
    return parts.numbers.get(NUMBER, 0)


def not_below(session: Session, parts: WorkerParts, least: int) -> None:
    """Raise PutBack where what is held is older than what this worker has seen."""
    number = load(session, parts.vault).number
    if number < least:
        log.error(
            "staff: what is held of staff went from change %d back to %d, so nobody's orders are done; if a "
            "backup was restored, restart the worker; else find out who can write to the database",
            least,
            number,
        )
        raise PutBack
    parts.numbers[NUMBER] = max(number, floor(parts))


def _changed(tags: Mapping[bytes, bytes], changes: Mapping[bytes, bytes | None]) -> dict[bytes, bytes]:
    after = dict(tags)
    for name, tag in changes.items():
        if tag is None:
            after.pop(name, None)
        else:
            after[name] = tag[:TAG_BYTES]
    return after


def _store(session: Session, vault: WorkerVault, held: Held) -> None:
    session.execute(update(StaffHeld).where(StaffHeld.id == ROW).values(_values(vault, held)))
    said = f"{held.number}.{_number_mac(vault, held.number)}"
    session.info[AUDITED] = {**session.info.get(AUDITED, {}), NUMBER: said}


def _logged(vault: WorkerVault, details: str) -> int | None:
    """Return the number in an entry's details; None where the worker did not write it."""
    try:
        number, _, mac = json.loads(details)[NUMBER].partition(".")
        genuine = compare_digest(mac.encode(), _number_mac(vault, int(number)).encode())
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return int(number) if genuine else None


def _number_mac(vault: WorkerVault, number: int) -> str:
    return vault.row_mac("staff held number", number)[:TAG_BYTES].hex()


def _values(vault: WorkerVault, held: Held) -> dict[str, object]:
    content = b"".join(name + tag for name, tag in sorted(held.tags.items()))
    return {
        "id": ROW,
        "number": held.number,
        "content": content,
        "row_mac": _mac(vault, held.number, content),
    }


def _opened(vault: WorkerVault, row: StaffHeld | None) -> Held:
    if row is None:
        return Held(0, {})
    content = bytes(row.content)
    if not compare_digest(bytes(row.row_mac), _mac(vault, row.number, content)):
        log.error(
            "staff: what is held of staff was altered without the worker's keys, so nobody can sign in; find "
            "out who can write to the database, then run: portal staff accept"
        )
        raise PutBack
    records = (content[at : at + _RECORD_BYTES] for at in range(0, len(content), _RECORD_BYTES))
    return Held(row.number, {one[:KEY_BYTES]: one[KEY_BYTES:] for one in records})


def _mac(vault: WorkerVault, number: int, content: bytes) -> bytes:
    return vault.row_mac("staff held", number, content)
