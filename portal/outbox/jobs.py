"""Scheduled jobs on the outbox tables: repair due times, move sent mails, remove what is no longer needed."""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, delete, select, type_coerce, update
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from portal.core import db
from portal.crypto.vault import VaultError, WorkerVault
from portal.outbox import service
from portal.outbox.bulk import lanes, ledger
from portal.outbox.mail import PRIORITIES, REQUESTED, UPDATES
from portal.outbox.models import (
    ENDED,
    HAS_PAYLOAD,
    OF_NO_BATCH,
    SENT,
    OutboxCount,
    OutboxDelivered,
    OutboxMail,
)
from portal.runtime.parts import WorkerParts
from portal.runtime.turns import MOST_ROWS, Expired, in_turns, update_some

log = logging.getLogger("portal.outbox")

# The longest delay of a retry; a mail that may have been delivered waits longer for its next attempt.
FURTHEST = timedelta(hours=1)
FURTHEST_MAYBE_SENT = timedelta(hours=31)
_TABLE: Any = OutboxMail.__table__
# As the database holds them: SQLite stores a value of any type in any column, and reading one altered row by
# its type would fail for all.
_BYTES = ("id", "batch", "unique_key", "proof_hash", "proof")
_RAW: dict[str, Any] = {
    name: type_coerce(_TABLE.c[name], NullType()).label(name)
    for name in (*_BYTES, "priority", "state", "finished_at")
}


def tidy(parts: WorkerParts) -> None:
    """Reset due times set by a wrong clock, and remove what is no longer needed of old mails."""
    retention = parts.settings.retention
    in_turns(parts, reset_future_dates, UNSENT.step(retention), SENT_LONG_AGO.step(retention))


def move_sent(parts: WorkerParts) -> None:
    """Move sent mails to the narrow table, ten minutes later: until then they show that the relay works."""
    in_turns(parts, move_some)


def count_changed(parts: WorkerParts) -> None:
    """Count the mails of notices anew whose state changed otherwise than by delivery."""
    in_turns(parts, lambda session, _now, limit: count_some(session, parts.vault, limit))


def count_some(session: Session, vault: WorkerVault, limit: int = MOST_ROWS) -> int:
    """Count up to `limit` mails anew, in the caller's transaction; return how many.

    In which wave is in their payload alone; of one that is blank or does not open, it is not known any more.
    """
    found = ledger.uncounted(session, limit)
    ledger.settle(session.connection(), {row_id: _wave(vault, row_id, payload) for row_id, payload in found})
    return len(found)


def _wave(vault: WorkerVault, row_id: bytes, payload: bytes) -> int:
    try:
        return ledger.wave_in(service.unseal(vault, row_id, payload).fields)
    except VaultError:
        return ledger.NOT_KNOWN


def move_some(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Move up to `limit` sent mails to the narrow table, in the caller's transaction; return how many.

    So a mail is always in one of the two tables, wherever a worker is killed.
    """
    sent = ENDED & (OutboxMail.state == SENT) & (OutboxMail.finished_at <= now - service.MAIL_LATE)
    found = _read(session, sent & OutboxMail.proof_hash.is_not(None), limit)
    _move(session, found)
    return len(found)


def empty(session: Session, which: ColumnElement[bool], limit: int) -> int:
    """Blank the payload of up to `limit` mails that ended long ago; return how many.

    Of requested mails, only the proof stays that one was sent or may have been. The others stay for the
    counts, and to be sent again with the next notice.
    """
    found = _read(session, which, limit)
    _move(session, [row for row in found if row.priority == PRIORITIES[REQUESTED]])
    session.execute(update(_TABLE).where(_among(found)).values(payload=b""))
    return len(found)


# Notices and required resets, which have a batch, stay: by their keys nobody gets a second one.
UNSENT = Expired(
    "addresses and texts of mails that were not sent",
    OutboxMail,
    lambda retention, now: HAS_PAYLOAD & (OutboxMail.finished_at < now - retention.unsent_mails),
    empty,
)
SENT_LONG_AGO = Expired(
    "records of sent mails",
    OutboxDelivered,
    lambda retention, now: (
        None
        if retention.sent_mails is None
        else OF_NO_BATCH & (OutboxDelivered.day < (now - retention.sent_mails).date())
    ),
)


def _read(session: Session, which: ColumnElement[bool], limit: int) -> Sequence[Any]:
    return session.execute(
        select(*_RAW.values()).where(which).limit(limit).with_for_update(skip_locked=True)
    ).all()


def _among(rows: Sequence[Any]) -> ColumnElement[bool]:
    # Bound as they were read.
    ids = bindparam("ids", [row.id for row in rows], expanding=True, type_=NullType())
    found: ColumnElement[bool] = _RAW["id"].in_(ids)
    return found


def _move(session: Session, found: Sequence[Any]) -> None:
    """Delete mails, and keep of each that has a proof what `OutboxDelivered` holds; count those.

    One that was altered so that it cannot be read stays, without its proof: so it is not found again, and
    does not stop the others.
    """
    gone: list[Any] = []
    unreadable: list[Any] = []
    for row in found:
        (gone if _is_readable(row) else unreadable).append(row)
    if unreadable:
        session.execute(update(_TABLE).where(_among(unreadable)).values(proof_hash=None))
        log.error(
            "outbox: the rows of %d ended mails were altered in the database and stay without proof codes; "
            "find out who can write to the database",
            len(unreadable),
        )
    session.execute(delete(_TABLE).where(_among(gone)))
    # In the order of their random hashes: that of sending would say who was mailed after whom.
    proven = sorted((row for row in gone if row.proof_hash is not None), key=lambda row: row.proof_hash)
    if not proven:
        return
    rows = [_delivered(row) for row in proven]
    # A conflict is a forged row, which must not stop the others.
    session.execute(db.insert(session, OutboxDelivered).on_conflict_do_nothing(), rows)
    counted = Counter((row["batch"] or b"", row["state"]) for row in rows)
    for (batch, state), number in sorted(counted.items()):
        added = db.insert(session, OutboxCount).values(batch=batch, state=state, number=number)
        total = {"number": OutboxCount.number + number}
        session.execute(added.on_conflict_do_update(index_elements=["batch", "state"], set_=total))


def _is_readable(row: Any) -> bool:
    values = [getattr(row, name) for name in _BYTES]
    whole = all(value is None or isinstance(value, bytes) for value in values)
    return whole and isinstance(row.state, str) and _day(row.finished_at) is not None


def _delivered(row: Any) -> dict[str, Any]:
    # The batch of an update or reminder is its reader: nobody counts by it, and it would lead to them.
    batch = None if row.priority == PRIORITIES[UPDATES] else row.batch
    return {
        "proof_hash": row.proof_hash,
        "batch": batch,
        "unique_key": row.unique_key,
        "state": row.state,
        "day": _day(row.finished_at),
        "proof": row.proof or b"",
    }


def _day(finished_at: object) -> date | None:
    """Return the day of a time as the database holds it, or None where it is no time."""
    if isinstance(finished_at, datetime):  # from PostgreSQL, in the zone of the connection
        return finished_at.astimezone(UTC).date()
    try:
        return datetime.fromisoformat(str(finished_at)).date()
    except ValueError:
        return None


def reset_future_dates(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Make up to `limit` mails due now whose due time is later than any delay; return how many.

    The clock was wrong when it was set. A mail that is being delivered stays with its worker for one lease.
    """
    # Few mails that may have been sent wait: delivery pauses after each. So the filter skips few.
    certain = (OutboxMail.maybe_sent_count == 0) | (OutboxMail.due_at > now + FURTHEST_MAYBE_SENT)
    known = [*PRIORITIES.values(), *lanes.every(session)]
    wrong = OutboxMail.priority.in_(known) & (OutboxMail.due_at > now + FURTHEST) & certain
    due_at = case((OutboxMail.lease.is_(None), now), else_=now + service.LEASE)
    return update_some(session, OutboxMail, wrong, {"due_at": due_at}, limit)
