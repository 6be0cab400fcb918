"""Change the state of outbox rows: claim them under a lease, mark them as being sent or sent, release."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, delete, select, update
from sqlalchemy.engine import Connection

from portal.core.db import Database
from portal.outbox.models import QUEUED, SENDING, SENT, UNCERTAIN, OutboxMail

# Built once, since they run for every mail.
_TABLE: Any = OutboxMail.__table__
_HELD = (OutboxMail.id == bindparam("row")) & (OutboxMail.lease == bindparam("held"))
_WAITS = OutboxMail.due_at.is_not(None)  # a mail that was withdrawn meanwhile has no due time
_SENT = (
    update(_TABLE)
    .where(_HELD)
    .values(
        state=SENT,
        due_at=None,
        lease=None,
        reason=None,
        **{name: bindparam(name) for name in ("finished_at", "proof_hash", "proof")},
    )
)
_SENDING = (
    update(_TABLE)
    .where(_HELD, _WAITS)
    .values(state=SENDING, attempts=OutboxMail.attempts + 1, due_at=bindparam("until"))
)
_RENEW = update(_TABLE).where(_HELD, _WAITS).values(due_at=bindparam("until"))
_PROOF = update(_TABLE).where(_HELD).values(proof_hash=bindparam("proof_hash"), proof=bindparam("proof"))
# The attempts of a row that is given back: one that was started does not count.
UNCOUNTED = case((OutboxMail.state == SENDING, OutboxMail.attempts - 1), else_=OutboxMail.attempts)


def claim(db: Database, lease: bytes, now: datetime, length: timedelta, limit: int) -> list[OutboxMail]:
    """Claim up to `limit` due rows under one lease; a row whose lease expired is due again.

    The worker of an expired lease died: the row that it was sending may have left, the others have not.
    """
    with db.write() as session:
        due = (
            select(OutboxMail.id)
            .where(OutboxMail.due_at <= now)
            .order_by(OutboxMail.priority, OutboxMail.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = list(session.scalars(due))
        if not ids:
            return []
        interrupted = OutboxMail.state == SENDING
        statement = (
            update(OutboxMail)
            .where(OutboxMail.id.in_(ids))
            .values(
                state=case((interrupted, UNCERTAIN), else_=OutboxMail.state),
                lease=lease,
                due_at=now + length,
                maybe_sent_count=case(
                    (interrupted & (OutboxMail.maybe_sent_count == 0), 1), else_=OutboxMail.maybe_sent_count
                ),
            )
            .returning(OutboxMail)
        )
        return sorted(session.scalars(statement), key=lambda row: (row.priority, row.created_at))


def mark_sending(connection: Connection, row_id: bytes, lease: bytes, until: datetime) -> bool:
    """Mark a row as being sent; return False if the lease was lost or the mail was withdrawn."""
    return bool(connection.execute(_SENDING, {"row": row_id, "held": lease, "until": until}).rowcount)


def renew(connection: Connection, row_id: bytes, lease: bytes, until: datetime) -> bool:
    """Extend the lease of a row; return False if it was lost or the mail was withdrawn."""
    return bool(connection.execute(_RENEW, {"row": row_id, "held": lease, "until": until}).rowcount)


def mark_sent(
    connection: Connection, row_id: bytes, lease: bytes, now: datetime, proof: tuple[bytes, bytes]
) -> None:
    """Mark a row as sent. `proof` is its hash, and the proof itself."""
    values = {"row": row_id, "held": lease, "finished_at": now, "proof_hash": proof[0], "proof": proof[1]}
    connection.execute(_SENT, values)


def store_proof(connection: Connection, row_id: bytes, lease: bytes, proof: tuple[bytes, bytes]) -> None:
    """Store the proof of a mail that may have been sent."""
    connection.execute(_PROOF, {"row": row_id, "held": lease, "proof_hash": proof[0], "proof": proof[1]})


def release(connection: Connection, rows: list[OutboxMail], lease: bytes, **values: object) -> None:
    """Release rows that were not sent, with new values; delete those that were withdrawn meanwhile.

    Their state is `values["state"]`, or without one queued; a row that may have left before stays uncertain.
    """
    values.setdefault("state", QUEUED)
    for maybe_sent in (False, True):
        ids = [row.id for row in rows if bool(row.maybe_sent_count) is maybe_sent]
        if not ids:
            continue
        mine = OutboxMail.id.in_(ids) & (OutboxMail.lease == lease)
        if maybe_sent:
            values["state"] = UNCERTAIN
        else:
            connection.execute(delete(OutboxMail).where(mine, ~_WAITS))
        connection.execute(update(OutboxMail).where(mine, _WAITS).values(lease=None, **values))
