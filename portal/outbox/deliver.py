"""Deliver due mails: claim a batch under a lease, send outside any transaction, mark each at once."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any

from sqlalchemy import bindparam, case, delete, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from portal.core.db import Database, new_id
from portal.core.faults import error_types, frames
from portal.crypto.vault import VaultError
from portal.outbox import service, smtp
from portal.outbox.compose import Composed, Composer, MailUnfit
from portal.outbox.mail import PRIORITIES, REQUESTED
from portal.outbox.models import FAILED, QUEUED, SENDING, SENT, UNCERTAIN, OutboxMail
from portal.outbox.service import ALTERED, make_proof
from portal.runtime.parts import WorkerParts

log = logging.getLogger("portal.outbox")

SEE = "see PORTAL_MAIL_URL and PORTAL_MAIL_SENDER"
BATCH = 50
LEASE = service.LEASE
MAX_MAYBE_SENT = service.MAX_MAYBE_SENT
FIRST_DELAY = timedelta(seconds=20)
MAX_ATTEMPTS = 48
# After an attempt that may have succeeded: soon where a person waits, then when the relay may be fixed.
MAYBE_DELAYS = (timedelta(hours=1), timedelta(hours=24))
MAYBE_DELAYS_REQUESTED = (FIRST_DELAY, timedelta(hours=12))
MAX_POLICY = 5
LONGEST_DELAY = timedelta(minutes=30)
PAUSE = timedelta(seconds=60)
LONGEST_WAIT = timedelta(minutes=5)
# More rejections in a row than this mean that the relay blocks the sender, not the recipients. Addresses
# typed into forms are counted apart: strangers must not be able to pause other mail.
MAX_REJECTIONS = 10
# The rest of a lease that is needed when the content is sent: the time to send it and to wait for the reply.
ONE_ANSWER = timedelta(seconds=smtp.TIMEOUT_SECONDS + smtp.ANSWER_SECONDS)

# A mail whose result is not stored is sent twice, so storing is retried while the lease lasts.
MARK_AGAIN_SECONDS = 1.0

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
_BEGIN = (
    update(_TABLE)
    .where(_HELD, _WAITS)
    .values(state=SENDING, attempts=OutboxMail.attempts + 1, due_at=bindparam("until"))
)


def delay(attempts: int, random_value: float) -> timedelta:
    """Return the delay after the n-th failed attempt: doubling from 20 s to 30 min, plus or minus 25 %."""
    base: timedelta = min(FIRST_DELAY * 2 ** min(attempts - 1, 10), LONGEST_DELAY)
    return base * (0.75 + random_value / 2)


@dataclass
class Deliverer:
    """The state of one delivery thread: its relay connection, pauses and rejections.

    `consecutive_rejections` holds the ids of rows rejected since the relay last accepted a mail;
    `requested_rejections` the same for mails requested in a form. `begun` is the row that the database
    already marks as being sent. `jitter` returns a number from 0 to 1.
    """

    parts: WorkerParts
    composer: Composer
    relay: smtp.Relay
    jitter: Callable[[], float] = random.random
    lease: timedelta = LEASE
    paused_until: datetime | None = field(default=None)
    failed_connections: int = 0
    consecutive_rejections: set[bytes] = field(default_factory=set)
    requested_rejections: set[bytes] = field(default_factory=set)
    begun: bytes | None = field(default=None)

    def run(self, limit: int = BATCH) -> int:
        """Deliver one batch of due mails; return how many were claimed. 0: nothing is due, or a pause."""
        now = self.parts.clock.now()
        # A pause longer than the longest was set while the clock was wrong.
        if self.paused_until is not None and now < self.paused_until <= now + LONGEST_WAIT:
            return 0
        self.paused_until = self.begun = None
        lease = new_id()
        rows = claim(self.parts.db, lease, now, self.lease, limit)
        if not rows:
            self.relay.close()  # the relay would drop an idle connection just before the next mail
        last_start = self._last_start(now)
        for number, row in enumerate(rows):
            if self.parts.clock.now() > last_start or self.parts.stopping() or self.paused_until is not None:
                self._give_back(rows[number:], lease)
                break
            following = rows[number + 1] if number + 1 < len(rows) else None
            if self._begin(row, lease):
                self._deliver_row(row, lease, following)
        return len(rows)

    def _last_start(self, now: datetime) -> datetime:
        return now + self.lease - min(self.lease * 0.9, ONE_ANSWER)

    def _begin(self, row: OutboxMail, lease: bytes) -> bool:
        """Mark the row as being sent; return False if the lease was lost or the mail was withdrawn."""
        if self.begun != row.id:
            with self.parts.db.mark() as connection:
                self._begin_in(connection, row, lease)
        held, self.begun = self.begun == row.id, None
        row.attempts += 1
        return held

    def _begin_in(self, connection: Connection, row: OutboxMail, lease: bytes) -> None:
        values = {"row": row.id, "held": lease, "until": self.parts.clock.now() + self.lease}
        self.begun = row.id if connection.execute(_BEGIN, values).rowcount else None

    def _lease_held(self, row: OutboxMail, lease: bytes, begun_at: datetime) -> bool:
        """Return whether the content may be sent; after a slow relay, renew the lease if it is still held."""
        now = self.parts.clock.now()
        if begun_at <= now <= self._last_start(begun_at):
            return True
        mine = (OutboxMail.id == row.id) & (OutboxMail.lease == lease) & _WAITS
        renew = update(OutboxMail).where(mine).values(due_at=now + self.lease)
        try:
            with self.parts.db.mark() as connection:
                return bool(connection.execute(renew).rowcount)
        except OperationalError:
            return False

    def _deliver_row(self, row: OutboxMail, lease: bytes, following: OutboxMail | None) -> None:
        begun_at = self.parts.clock.now()
        try:
            mail = self.composer.compose(row)
        except VaultError:
            log.error("outbox: row %s does not open: altered or moved; marked as failed", _name(row))
            self._mark(row, lease, FAILED, ALTERED)
            return
        except MailUnfit:
            log.error("outbox: row %s fits no template; marked as failed", _name(row))
            self._mark(row, lease, FAILED, "unfit")
            return
        except Exception as error:  # noqa: BLE001 - a fault in one row must not stop the others
            _log_fault("composing", row, error)
            self._retry(row, lease, "unfit")
            return
        try:
            self._store_proof(row, lease, mail)
            self.relay.deliver(mail, lambda: self._lease_held(row, lease, begun_at))
        except smtp.Refused as error:
            self._not_sent(row, lease, error, mail)
        except Exception as error:  # noqa: BLE001 - the same for the mail library
            self.relay.close()
            _log_fault("sending", row, error)
            self._retry(row, lease, "unfit")
        else:
            self.failed_connections = 0
            self.consecutive_rejections.clear()
            self.requested_rejections.clear()
            self._sent(row, lease, mail, following)

    def _not_sent(self, row: OutboxMail, lease: bytes, error: smtp.Refused, mail: Composed) -> None:
        match error:
            case smtp.Paused():
                self.paused_until = self.parts.clock.now() + PAUSE
                seconds = PAUSE.total_seconds()
                log.error(
                    "outbox: mail relay rejects the portal (%s); pausing %d s; %s",
                    error.reason,
                    seconds,
                    SEE,
                )
                self._give_back([row], lease, error.reason)
            case smtp.Unreachable():
                self._pause(error.reason)
                self._give_back([row], lease, error.reason)
            case smtp.TooSlow():
                self._give_back([row], lease, error.reason)
            case smtp.Ambiguous():
                self._maybe_sent(row, lease, error.reason, mail)
            case smtp.Unable():
                self._mark(row, lease, self._unsent(row, FAILED), error.reason)
            case _:
                self._rejected(row, lease, error)

    def _rejected(self, row: OutboxMail, lease: bytes, error: smtp.Refused) -> None:
        """Count a rejection, and retry or fail the mail; if all recipients are rejected, blame the sender."""
        requested = _is_requested(row)
        rejections = self.requested_rejections if requested else self.consecutive_rejections
        new = row.id not in rejections
        rejections.add(row.id)
        if len(rejections) > MAX_REJECTIONS and requested:
            if len(rejections) == MAX_REJECTIONS + 1 and new:
                log.warning(
                    "outbox: %d rejections in a row of addresses typed into forms (%s); each is retried",
                    len(rejections),
                    error.reason,
                )
            self._retry(row, lease, error.reason)
        elif len(rejections) > MAX_REJECTIONS:
            if new:
                what = f"{len(rejections)} rejections in a row, sender probably blocked"
                self._pause(error.reason, what)
            # The next mail is tried first, this one later: its recipient may be rejected for good.
            apart = LONGEST_WAIT * (1 + self.jitter())
            self._give_back([row], lease, error.reason, apart=apart)
        elif isinstance(error, smtp.Policy) and row.attempts >= MAX_POLICY:
            self._mark(row, lease, self._unsent(row, FAILED), error.reason)
        elif isinstance(error, smtp.Delayed):
            self._retry(row, lease, error.reason)
        else:
            self._mark(row, lease, self._unsent(row, FAILED), error.reason)

    def _pause(self, reason: str, what: str = "mail relay unavailable") -> None:
        """Pause delivery, longer each time up to 5 minutes; mail waits while the relay is unavailable."""
        self.failed_connections += 1
        wait = min(delay(self.failed_connections, self.jitter()), LONGEST_WAIT)
        self.paused_until = self.parts.clock.now() + wait
        count, seconds = self.failed_connections, wait.total_seconds()
        log.error("outbox: %s (%s); pausing %d s (pause %d in a row)", what, reason, seconds, count)

    def _unsent(self, row: OutboxMail, state: str) -> str:
        """Return the state of a mail that was not sent; one that may have left before stays uncertain."""
        return UNCERTAIN if row.maybe_sent_count else state

    def _maybe_sent(self, row: OutboxMail, lease: bytes, reason: str, mail: Composed) -> None:
        """Store the proof in case a copy arrived; retry much later, as the next copy may end the same way."""
        row.maybe_sent_count += 1
        self._store_proof(row, lease, mail)
        if _is_requested(row):
            log.warning(
                "outbox: mail relay did not confirm row %s (%s); retrying later", row.id.hex(), reason
            )
        else:
            self._pause(reason, f"mail relay did not confirm row {row.id.hex()}")
        if row.maybe_sent_count >= MAX_MAYBE_SENT:
            self._mark(row, lease, UNCERTAIN, reason)
        else:
            waits = MAYBE_DELAYS_REQUESTED if _is_requested(row) else MAYBE_DELAYS
            self._put_off(row, lease, reason, waits[row.maybe_sent_count - 1] * (0.75 + self.jitter() / 2))

    def _retry(self, row: OutboxMail, lease: bytes, reason: str) -> None:
        if row.attempts >= MAX_ATTEMPTS:
            self._mark(row, lease, self._unsent(row, FAILED), reason)
        else:
            self._put_off(row, lease, reason, delay(row.attempts, self.jitter()))

    def _put_off(self, row: OutboxMail, lease: bytes, reason: str, wait: timedelta) -> None:
        values = {
            "state": self._unsent(row, QUEUED),
            "maybe_sent_count": row.maybe_sent_count,
            "reason": reason,
        }
        self._end_try([row], lease, due_at=self.parts.clock.now() + wait, **values)

    def _mark(self, row: OutboxMail, lease: bytes, state: str, reason: str) -> None:
        values = {
            "maybe_sent_count": row.maybe_sent_count,
            "finished_at": self.parts.clock.now(),
            "due_at": None,
        }
        self._end_try([row], lease, state=state, reason=reason, **values)

    def _give_back(
        self,
        rows: list[OutboxMail],
        lease: bytes,
        reason: str | None = None,
        *,
        apart: timedelta = timedelta(),
    ) -> None:
        """Release claimed rows about which the relay said nothing; the attempt does not count.

        `apart` is added to their due time.
        """
        self.begun = None
        tries = case((OutboxMail.state == SENDING, OutboxMail.attempts - 1), else_=OutboxMail.attempts)
        values = {"due_at": (self.paused_until or self.parts.clock.now()) + apart, "attempts": tries}
        if reason is not None:
            values["reason"] = reason
        for state in (QUEUED, UNCERTAIN):
            same = [row for row in rows if self._unsent(row, QUEUED) == state]
            if same:
                self._end_try(same, lease, state=state, **values)

    def _end_try(self, rows: list[OutboxMail], lease: bytes, **values: object) -> None:
        """Release rows that were not sent, with new values; delete those that were withdrawn meanwhile."""
        mine = OutboxMail.id.in_([row.id for row in rows]) & (OutboxMail.lease == lease)
        certainly_not = [row.id for row in rows if not row.maybe_sent_count]

        def write(connection: Connection) -> None:
            connection.execute(delete(OutboxMail).where(mine, ~_WAITS, OutboxMail.id.in_(certainly_not)))
            connection.execute(update(OutboxMail).where(mine, _WAITS).values(lease=None, **values))

        self._write(write)

    def _store_proof(self, row: OutboxMail, lease: bytes, mail: Composed) -> None:
        """Make a mail that may have left findable by the code it carries."""
        if not row.maybe_sent_count or row.proof is not None:
            return
        row.proof_hash, row.proof = self._proof(mail)
        values = {"proof_hash": row.proof_hash, "proof": row.proof}
        mine = (OutboxMail.id == row.id) & (OutboxMail.lease == lease)
        self._write(lambda connection: connection.execute(update(OutboxMail).where(mine).values(**values)))

    def _proof(self, mail: Composed) -> tuple[bytes, bytes]:
        return make_proof(mail.code, self.parts.clock.now(), mail.subject, mail.recipient)

    def _sent(self, row: OutboxMail, lease: bytes, mail: Composed, following: OutboxMail | None) -> None:
        """Mark a mail as sent and, in the same transaction, the next one as being sent."""
        proof_hash, proof = self._proof(mail)
        now = self.parts.clock.now()
        values = {"row": row.id, "held": lease, "finished_at": now, "proof_hash": proof_hash, "proof": proof}

        def write(connection: Connection) -> None:
            connection.execute(_SENT, values)
            if following is not None:
                self._begin_in(connection, following, lease)

        self._write(write)

    def _write(self, write: Callable[[Connection], object]) -> None:
        """Store the result of an attempt; if the database fails, retry while the lease lasts."""
        end = monotonic() + self.lease.total_seconds()
        while True:
            try:
                with self.parts.db.mark() as connection:
                    write(connection)
            except OperationalError as error:
                self.begun = None
                if monotonic() > end or self.parts.stopping():
                    raise
                log.warning("outbox: cannot store a delivery result (%s); retrying", error_types(error))
                sleep(MARK_AGAIN_SECONDS)
            else:
                return


def _is_requested(row: OutboxMail) -> bool:
    """Return whether the mail was requested in a form, where anyone can type any address."""
    return row.priority == PRIORITIES[REQUESTED]


def _name(row: OutboxMail) -> str:
    """Return the row's id and purpose for the log; quoted, as an altered purpose may hold line breaks."""
    return f"{row.id.hex()} ({row.purpose!r})"


def _log_fault(doing: str, row: OutboxMail, error: Exception) -> None:
    arguments = (doing, _name(row), error_types(error), frames(error))
    log.error("outbox: %s row %s failed (%s); retrying later%s", *arguments)


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
