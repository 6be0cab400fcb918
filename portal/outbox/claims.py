"""Change the state of outbox rows: claim them under a lease, mark them as being sent or sent, release."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Lock
from typing import Any

from sqlalchemy import bindparam, case, delete, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal.core.db import Database
from portal.outbox import pace
from portal.outbox.bulk import lanes, ledger
from portal.outbox.mail import PRIORITIES, REQUESTED
from portal.outbox.models import FAILED, QUEUED, SENDING, SENT, UNCERTAIN, OutboxMail
from portal.outbox.service import Payload
from portal.runtime.parts import Handover, LeavingMail, WorkerParts

# How long a connection that has a result waits for those of the others, to share a transaction with them.
LINGER_SECONDS = 0.002
LATER = timedelta(hours=1)
# Built once, since they run for every mail; of the table, since the ORM would take longer than the database.
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
# Neither notices nor updates start once they are paused or held, even if they are claimed.
_SENDING = (
    update(_TABLE)
    .where(_HELD, _WAITS, lanes.not_paused())
    .values(state=SENDING, attempts=OutboxMail.attempts + 1, due_at=bindparam("until"))
)
_DATE = update(_TABLE).where(_HELD).values(created_at=bindparam("date"))
_LATER = update(_TABLE).where(_HELD, _WAITS).values(due_at=bindparam("until"), lease=None)
_RENEW = update(_TABLE).where(_HELD, _WAITS).values(due_at=bindparam("until"))
_PROOF = update(_TABLE).where(_HELD).values(proof_hash=bindparam("proof_hash"), proof=bindparam("proof"))
# The attempts of a row that is given back: one that was started does not count.
UNCOUNTED = case((OutboxMail.state == SENDING, OutboxMail.attempts - 1), else_=OutboxMail.attempts)


# The content of a row that was not decrypted, or does not open.
UNREADABLE = Payload("", "", "", {})


class RowAltered(Exception):
    """A row does not open, or its purpose in the clear is not that of its content."""


@dataclass(eq=False)
class Claimed:
    """A row under a lease: what its delivery needs of it. `content` is its decrypted payload."""

    lease: bytes
    id: bytes
    purpose: str
    priority: int
    attempts: int
    maybe_sent_count: int
    created_at: datetime
    payload: bytes
    proof_hash: bytes | None
    counted: bool = False
    content: Payload = UNREADABLE

    @property
    def wave(self) -> int | None:
        """The wave in which the ledger counts the mail; None: it does not, or nobody has decrypted it."""
        return (
            ledger.wave_in(self.content.fields) if self.counted and self.content is not UNREADABLE else None
        )


# Says in the transaction that begins a row's handover what to do with it. Arguments: connection, row, now.
Ask = Callable[[Connection, Claimed, datetime], Handover]


@dataclass(frozen=True)
class Batch:
    """Claimed rows; without any, `wait` is how long the relay's pace allows none."""

    rows: list[Claimed]
    wait: timedelta = timedelta()


def claim(
    db: Database,
    lease: bytes,
    now: datetime,
    length: timedelta,
    limit: int,
    *,
    relay: pace.RelayLimit,
    requested_only: bool = False,
) -> Batch:
    """Claim up to `limit` due rows under one lease; a row whose lease expired is due again.

    The worker of an expired lease died: the row that it was sending may have left, the others have not. Each
    row takes a token of the relay's pace, if there is one, in the same transaction. It needs to be no more
    durable than the marks that follow it.
    """
    with db.mark() as connection, Session(connection) as session:
        relay_pace = pace.current(session, relay, now)
        if relay_pace is not None:
            limit = min(limit, int(relay_pace.tokens))
            if limit < 1:
                return Batch([], pace.wait(relay_pace))
        priorities = [PRIORITIES[REQUESTED]] if requested_only else lanes.sent_now(session)
        ids = _due(session, priorities, now, limit)
        if not ids:
            return Batch([])
        if relay_pace is not None:
            pace.store(session, relay, pace.used(relay_pace, len(ids)))
        interrupted = OutboxMail.state == SENDING
        statement = (
            update(_TABLE)
            .where(OutboxMail.id.in_(ids))
            .values(
                state=case((interrupted, UNCERTAIN), else_=OutboxMail.state),
                lease=lease,
                due_at=now + length,
                ambiguous=case(
                    (interrupted & (OutboxMail.maybe_sent_count == 0), 1), else_=OutboxMail.maybe_sent_count
                ),
            )
            .returning(
                OutboxMail.id,
                OutboxMail.purpose,
                OutboxMail.priority,
                OutboxMail.attempts,
                OutboxMail.maybe_sent_count,
                OutboxMail.created_at,
                OutboxMail.payload,
                OutboxMail.proof_hash,
                OutboxMail.counted.is_not(None),
            )
        )
        rows: Any = session.execute(statement)
        claimed = [Claimed(lease, *values) for values in rows]
        return Batch(sorted(claimed, key=lambda row: (priorities.index(row.priority), row.created_at)))


def _due(session: Session, priorities: list[int], now: datetime, limit: int) -> list[bytes]:
    """Return the ids of due rows, priority by priority: one look-up each, however many rows wait."""
    ids: list[bytes] = []
    for priority in priorities:
        due = (
            select(OutboxMail.id)
            .where(OutboxMail.priority == priority, OutboxMail.due_at <= now)
            .order_by(OutboxMail.due_at)
            .limit(limit - len(ids))
            .with_for_update(skip_locked=True)
        )
        ids += session.scalars(due)
        if len(ids) >= limit:
            break
    return ids


def take_back(connection: Connection, row_ids: frozenset[bytes], due_at: datetime) -> None:
    """Queue rows again that failed before it showed that the relay rejects the sender; no attempt counts."""
    ended = (
        OutboxMail.id.in_(row_ids) & OutboxMail.due_at.is_(None) & OutboxMail.state.in_([FAILED, UNCERTAIN])
    )
    values = {
        "state": case((OutboxMail.maybe_sent_count > 0, UNCERTAIN), else_=QUEUED),
        "attempts": OutboxMail.attempts - 1,
        "due_at": due_at,
        "finished_at": None,
    }
    connection.execute(update(OutboxMail).where(ended).values(values))


def renew(connection: Connection, row: Claimed, until: datetime) -> bool:
    """Extend the lease of a row; return False if it was lost or the mail was withdrawn."""
    values = {"row": row.id, "held": row.lease, "until": until}
    return bool(connection.execute(_RENEW, values).rowcount)


def store_proof(connection: Connection, row: Claimed, proof: tuple[bytes, bytes]) -> None:
    """Store the proof of a mail that may have been sent: its hash, and the proof itself."""
    connection.execute(_PROOF, {"row": row.id, "held": row.lease, "proof_hash": proof[0], "proof": proof[1]})


def release(connection: Connection, rows: list[Claimed], values: dict[str, object]) -> None:
    """Release rows that were not sent, with new values; delete those that were withdrawn meanwhile.

    Their state is `values["state"]`, or without one queued; a row that may have left before stays uncertain.
    """
    values = {"state": QUEUED} | values
    for maybe_sent in (False, True):
        same = [row for row in rows if bool(row.maybe_sent_count) is maybe_sent]
        if maybe_sent:
            values["state"] = UNCERTAIN
        for lease in {row.lease for row in same}:
            ids = [row.id for row in same if row.lease == lease]
            mine = OutboxMail.id.in_(ids) & (OutboxMail.lease == lease)
            if not maybe_sent:
                connection.execute(delete(OutboxMail).where(mine, ~_WAITS))
            connection.execute(update(OutboxMail).where(mine, _WAITS).values(lease=None, **values))


@dataclass(eq=False)
class Mark:
    """What one connection has to store: a mail that was sent, the next one that is being sent, or a change.

    `held` tells afterwards whether `sending` may be sent: its lease was not lost, nor the mail withdrawn or
    paused, and its feature's `handover` is not to drop it. `fault` is why it could not begin; what else the
    mark holds is stored all the same. `touched` are the other rows whose state it changes, for the ledger.
    """

    sent: dict[str, object] | None = None
    sending: Claimed | None = None
    change: Callable[[Connection], object] | None = None
    touched: tuple[Claimed, ...] = ()
    held: bool = False
    handover: Handover = Handover.SEND
    fault: Exception | None = None
    done: Event = field(default_factory=Event)
    error: Exception | None = None


def sent(row: Claimed, now: datetime, proof: tuple[bytes, bytes]) -> dict[str, object]:
    """Return what `Mark.sent` stores of a row: when it was sent, the hash of its proof, and the proof."""
    return {
        "row": row.id, "held": row.lease, "finished_at": now, "proof_hash": proof[0], "proof": proof[1]
    }  # fmt: skip


class Marks:
    """Group commit: one connection stores, in one transaction, what all that have a result want stored.

    Without it each result would cost a transaction, which takes longer than the update in it. `working` is
    the number of connections that may have a result soon; each has at most one row that is being sent.
    """

    def __init__(self, db: Database, lease: timedelta, ask: Ask = lambda *_: Handover.SEND) -> None:
        """Store the database, how long a row that is being sent is held, and what is asked before."""
        self.working = 0
        self._db = db
        self._lease = lease
        self._ask = ask
        self._lock = Lock()
        self._turn = Lock()
        self._waiting: list[Mark] = []
        self._full = Event()

    def store(self, mark: Mark, now: datetime) -> None:
        """Return once `mark` is committed. Raises what the database raises.

        The first of a group writes for all: once each connection has a result, or after a short while.
        """
        mark.error = mark.fault = None
        mark.held, mark.handover = False, Handover.SEND
        mark.done.clear()
        with self._lock:
            self._waiting.append(mark)
            first = len(self._waiting) == 1
            if len(self._waiting) >= self.working:
                self._full.set()
        if first:
            self._full.wait(LINGER_SECONDS)
            self._store_waiting(now)
        mark.done.wait()
        if mark.error is not None:
            raise mark.error

    def _store_waiting(self, now: datetime) -> None:
        with self._turn:
            with self._lock:
                group, self._waiting = self._waiting, []
                self._full.clear()
            try:
                self._store_or_split(group, now)
            finally:
                for mark in group:
                    mark.done.set()

    def _store_or_split(self, group: list[Mark], now: datetime) -> None:
        """Store a group; where anything but the database fails, each alone, and at last without its culprit.

        A fault of the mail that is about to be sent is its own: it undoes nothing that another, or the one
        before it, has to store.
        """
        try:
            with self._db.mark() as connection:
                self._write(connection, group, now)
        except OperationalError as error:
            for mark in group:
                mark.error = error
        except Exception as error:  # noqa: BLE001 - each mark gets the error that is its own
            if len(group) > 1:
                for mark in group:
                    self._store_or_split([mark], now)
            elif group[0].sending is not None:
                group[0].sending, group[0].held = None, False
                self._store_or_split(group, now)
                group[0].fault = error
            else:
                group[0].error = error

    def _write(self, connection: Connection, group: list[Mark], now: datetime) -> None:
        if sent_rows := [mark.sent for mark in group if mark.sent is not None]:
            connection.execute(_SENT, sent_rows)
        if starting := {row.id: mark for mark in group if (row := self._may_start(connection, mark, now))}:
            _start(connection, starting, now + self._lease)
        for mark in group:
            if mark.change is not None:
                mark.change(connection)
        touched = [row for mark in group for row in (*mark.touched, mark.sending) if row is not None]
        if waves := {row.id: row.wave for row in touched if row.wave is not None}:
            ledger.settle(connection, waves)

    def _may_start(self, connection: Connection, mark: Mark, now: datetime) -> Claimed | None:
        """Return the row that a mark is about to send, unless its feature drops it or puts it off."""
        if mark.sending is None:
            return None
        mark.handover = self._ask(connection, mark.sending, now)
        if mark.handover is Handover.LATER:
            values = {"row": mark.sending.id, "held": mark.sending.lease, "until": now + LATER}
            connection.execute(_LATER, values)
        return None if mark.handover in (Handover.DROP, Handover.LATER) else mark.sending


def ask_feature(parts: WorkerParts, connection: Connection, row: Claimed, now: datetime) -> Handover:
    """Ask the feature of a row whose handover begins; date the mail anew where its promise was renewed.

    Nothing is asked about mails whose promise never ends. Which feature is asked follows from the content:
    with a column in the clear, somebody who writes the database could choose it, and would see from the
    answer whether a guessed address has an account. Raises RowAltered.
    """
    kind = parts.composers.get(row.content.name)
    if row.content is UNREADABLE or (kind is not None and kind.stored_purpose() != row.purpose):
        raise RowAltered
    before_handover = None if kind is None else parts.before_handover.get(row.purpose)
    if before_handover is None:
        return Handover.SEND
    mail = LeavingMail(row.id, row.created_at, row.content.address, row.content.fields)
    with Session(connection) as session:
        handover = before_handover(session, mail, now, parts)
    if handover is Handover.RENEW:
        connection.execute(_DATE, {"row": row.id, "held": row.lease, "date": now})
        row.created_at = now
    return handover


def _start(connection: Connection, starting: dict[bytes, Mark], until: datetime) -> None:
    rows = [mark.sending for mark in starting.values() if mark.sending is not None]
    values = [{"row": row.id, "held": row.lease, "until": until} for row in rows]
    held = set(starting)
    if connection.execute(_SENDING, values).rowcount != len(rows):
        mine = OutboxMail.id.in_(starting) & OutboxMail.lease.in_({row.lease for row in rows})
        chosen = select(OutboxMail.id).where(mine, _WAITS, OutboxMail.state == SENDING)
        held = set(connection.scalars(chosen))
    for row_id, mark in starting.items():
        mark.held = row_id in held
