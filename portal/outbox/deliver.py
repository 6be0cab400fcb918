"""Deliver due mails: claim a batch under a lease, send outside any transaction, mark each at once."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update

from portal.kit.db import Database, new_id
from portal.kit.parts import WorkerParts
from portal.kit.vault import VaultError
from portal.outbox.compose import Composed, Composer, MailUnfit
from portal.outbox.models import FAILED, QUEUED, SENDING, SENT, UNCERTAIN, OutboxMail
from portal.outbox.service import make_proof
from portal.outbox.smtp import TIMEOUT_SECONDS, Ambiguous, Delayed, Paused, Refused, Relay, Unreachable

log = logging.getLogger("portal.outbox")

BATCH = 50
LEASE = timedelta(seconds=180)
MAX_ATTEMPTS = 48
FIRST_DELAY = timedelta(seconds=20)
LONGEST_DELAY = timedelta(minutes=30)
PAUSE = timedelta(seconds=60)
LONGEST_WAIT = timedelta(minutes=5)
# What must be left of a lease when the content goes: the time to send it and to wait for the relay's answer.
ONE_ANSWER = timedelta(seconds=2 * TIMEOUT_SECONDS)

# Built once: it runs for every mail.
_MARK = (
    update(OutboxMail.__table__)  # type: ignore[arg-type]  # a mapped class's table is a Table
    .where(OutboxMail.id == bindparam("row"), OutboxMail.lease == bindparam("held"))
    .values(
        due_at=None,
        lease=None,
        **{name: bindparam(name) for name in ("state", "finished_at", "reason", "proof_hash", "proof")},
    )
)


def delay(attempts: int, random_value: float) -> timedelta:
    """Return how long to wait after the n-th failed try: doubling from 20 s to 30 min, plus or minus a quarter."""
    base: timedelta = min(FIRST_DELAY * 2 ** min(attempts - 1, 10), LONGEST_DELAY)
    return base * (0.75 + random_value / 2)


@dataclass
class Deliverer:
    """One delivering thread: its relay connection, and the pause after the relay refused us."""

    parts: WorkerParts
    composer: Composer
    relay: Relay
    jitter: Callable[[], float] = random.random
    lease: timedelta = LEASE
    paused_until: datetime | None = field(default=None)
    failed_connections: int = 0
    _ambiguous: frozenset[bytes] = frozenset()

    def run(self, limit: int = BATCH) -> int:
        """Deliver one batch of due mails; return how many were claimed. 0 means that nothing is due."""
        now = self.parts.clock.now()
        if self.paused_until is not None and now < self.paused_until:
            return 0
        self.paused_until = None
        lease = new_id()
        rows, self._ambiguous = claim(self.parts.db, lease, now, self.lease, limit)
        if not rows:
            self.relay.close()  # a kept connection would be dropped by the relay just before the next mail
        last_start = now + self.lease - min(self.lease / 2, ONE_ANSWER)
        for number, row in enumerate(rows):
            if self.parts.clock.now() > last_start or self.parts.stopping() or self.paused_until is not None:
                self._give_back(rows[number:], lease)
                break
            self._one(row, lease, last_start)
        return len(rows)

    def _one(self, row: OutboxMail, lease: bytes, last_start: datetime) -> None:
        try:
            mail = self.composer.compose(row)
        except VaultError:
            log.exception("an outbox row of %s does not open: it was altered or moved; it is not sent", row.purpose)
            self._mark(row, lease, FAILED, "altered")
            return
        except MailUnfit:
            log.exception("a mail of %s cannot be composed", row.purpose)
            self._mark(row, lease, FAILED, "unfit")
            return
        except Exception as error:  # noqa: BLE001 - one row's fault must not keep the others from leaving
            log.error("a mail of %s cannot be composed (%s); it is tried again", row.purpose, type(error).__name__)  # noqa: TRY400
            self._retry(row, lease, QUEUED, "unfit")
            return
        try:
            self.relay.deliver(mail, lambda: self.parts.clock.now() <= last_start)
        except Paused as error:
            self.paused_until = self.parts.clock.now() + PAUSE
            log.error(  # noqa: TRY400 - the traceback would say nothing more
                "the mail relay refuses us (%s): delivery pauses for %d s; see PORTAL_MAIL_URL and PORTAL_MAIL_SENDER",
                error.reason, PAUSE.total_seconds(),
            )  # fmt: skip
            self._give_back([row], lease, error.reason)
        except Unreachable as error:
            self._wait_for_relay(error.reason)
            self._give_back([row], lease, error.reason)
        except Ambiguous as error:
            self._retry(row, lease, UNCERTAIN, error.reason)
        except Delayed as error:
            self._retry(row, lease, QUEUED, error.reason)
        except Refused as error:
            self._mark(row, lease, self._state(row, FAILED), error.reason)
        else:
            self.failed_connections = 0
            self._mark(row, lease, SENT, None, mail)

    def _wait_for_relay(self, reason: str) -> None:
        """Leave a relay that is away in peace, longer each time: mail waits for it, however long it takes."""
        self.failed_connections += 1
        wait = min(delay(self.failed_connections, self.jitter()), LONGEST_WAIT)
        self.paused_until = self.parts.clock.now() + wait
        log.error("the mail relay cannot be reached (%s): trying again in %d s", reason, wait.total_seconds())

    def _state(self, row: OutboxMail, state: str) -> str:
        """Return the state of a mail that did not leave this time; one that may have left before stays uncertain."""
        return UNCERTAIN if row.id in self._ambiguous else state

    def _retry(self, row: OutboxMail, lease: bytes, state: str, reason: str) -> None:
        state = self._state(row, state)
        if row.attempts >= MAX_ATTEMPTS:
            self._mark(row, lease, UNCERTAIN if state == UNCERTAIN else FAILED, reason)
            return
        due_at = self.parts.clock.now() + delay(row.attempts, self.jitter())
        with self.parts.db.mark() as connection:
            connection.execute(
                update(OutboxMail)
                .where(OutboxMail.id == row.id, OutboxMail.lease == lease)
                .values(state=state, due_at=due_at, lease=None, reason=reason)
            )

    def _mark(
        self, row: OutboxMail, lease: bytes, state: str, reason: str | None, mail: Composed | None = None
    ) -> None:
        now = self.parts.clock.now()
        proof_hash, proof = (None, None) if mail is None else make_proof(mail.code, now, mail.subject, mail.recipient)
        values = {"state": state, "finished_at": now, "reason": reason, "proof_hash": proof_hash, "proof": proof}
        with self.parts.db.mark() as connection:
            connection.execute(_MARK, {"row": row.id, "held": lease, **values})

    def _give_back(self, rows: list[OutboxMail], lease: bytes, reason: str | None = None) -> None:
        """Return rows that were claimed and could not be handed over; the try does not count."""
        due_at = self.paused_until or self.parts.clock.now()
        values = {"due_at": due_at, "lease": None, "reason": reason, "attempts": OutboxMail.attempts - 1}
        with self.parts.db.mark() as connection:
            for state in (QUEUED, UNCERTAIN):
                ids = [row.id for row in rows if self._state(row, QUEUED) == state]
                mine = OutboxMail.id.in_(ids) & (OutboxMail.lease == lease)
                connection.execute(update(OutboxMail).where(mine).values(state=state, **values))


def claim(
    db: Database, lease: bytes, now: datetime, length: timedelta, limit: int
) -> tuple[list[OutboxMail], frozenset[bytes]]:
    """Take up to `limit` due rows for one lease, and say which of them may have left before.

    A row whose lease ran out is due again, and none is taken twice. Its worker died: nobody knows how far it came.
    """
    with db.write() as session:
        due = (
            select(OutboxMail.id, OutboxMail.state)
            .where(OutboxMail.due_at <= now)
            .order_by(OutboxMail.priority, OutboxMail.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        states = {row_id: state for row_id, state in session.execute(due)}  # noqa: C416 - rows are no pairs to a type checker
        if not states:
            return [], frozenset()
        statement = (
            update(OutboxMail)
            .where(OutboxMail.id.in_(list(states)))
            .values(state=SENDING, lease=lease, due_at=now + length, attempts=OutboxMail.attempts + 1)
            .returning(OutboxMail)
        )
        rows = sorted(session.scalars(statement), key=lambda row: (row.priority, row.created_at))
    return rows, frozenset(row_id for row_id, state in states.items() if state in (UNCERTAIN, SENDING))
