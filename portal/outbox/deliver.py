"""Deliver due mails: claim a batch under a lease, send outside any transaction, mark each at once."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, select, update

from portal.kit.db import Database, new_id
from portal.kit.parts import WorkerParts
from portal.kit.vault import VaultError
from portal.outbox import smtp
from portal.outbox.compose import Composed, Composer, MailUnfit
from portal.outbox.models import FAILED, QUEUED, SENDING, SENT, UNCERTAIN, OutboxMail
from portal.outbox.service import ALTERED, make_proof

log = logging.getLogger("portal.outbox")

SEE = "see PORTAL_MAIL_URL and PORTAL_MAIL_SENDER"
BATCH = 50
LEASE = timedelta(seconds=300)
MAX_ATTEMPTS = 48
# A relay that takes mail and does not say so gives people a copy for every try.
MAX_AMBIGUOUS = 3
MAX_POLICY = 5
FIRST_DELAY = timedelta(seconds=20)
LONGEST_DELAY = timedelta(minutes=30)
PAUSE = timedelta(seconds=60)
LONGEST_WAIT = timedelta(minutes=5)
# So many recipients in a row to whom the relay would not send are no chance: it is about us, not about them.
SETBACKS = 10
# What must be left of a lease when the content goes: the time to send it and to wait for the relay's answer.
ONE_ANSWER = timedelta(seconds=smtp.TIMEOUT_SECONDS + smtp.ANSWER_SECONDS)

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
    """One delivering thread: its relay connection, and the pause after the relay refused us.

    `setbacks` are the mails to which the relay said no since it last took one.
    """

    parts: WorkerParts
    composer: Composer
    relay: smtp.Relay
    jitter: Callable[[], float] = random.random
    lease: timedelta = LEASE
    paused_until: datetime | None = field(default=None)
    failed_connections: int = 0
    setbacks: set[bytes] = field(default_factory=set)

    def run(self, limit: int = BATCH) -> int:
        """Deliver one batch of due mails; return how many were claimed. 0 means that nothing is due."""
        now = self.parts.clock.now()
        # A pause further ahead than any was made by a clock that was wrong.
        if self.paused_until is not None and now < self.paused_until <= now + LONGEST_WAIT:
            return 0
        self.paused_until = None
        lease = new_id()
        rows = claim(self.parts.db, lease, now, self.lease, limit)
        if not rows:
            self.relay.close()  # a kept connection would be dropped by the relay just before the next mail
        last_start = now + self.lease - min(self.lease * 0.9, ONE_ANSWER)
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
            self._mark(row, lease, FAILED, ALTERED)
            return
        except MailUnfit:
            log.exception("a mail of %s cannot be composed", row.purpose)
            self._mark(row, lease, FAILED, "unfit")
            return
        except Exception as error:  # noqa: BLE001 - one row's fault must not keep the others from leaving
            log.error("a mail of %s cannot be composed (%s); it is tried again", row.purpose, type(error).__name__)  # noqa: TRY400
            self._retry(row, lease, "unfit")
            return
        try:
            self.relay.deliver(mail, lambda: self.parts.clock.now() <= last_start)
        except smtp.Refused as error:
            self._not_sent(row, lease, error)
        except Exception as error:  # noqa: BLE001 - the same, for what a mail library stumbles over
            self.relay.close()
            log.error("a mail of %s cannot be handed over (%s); it is tried again", row.purpose, type(error).__name__)  # noqa: TRY400
            self._retry(row, lease, "unfit")
        else:
            self.failed_connections = 0
            self.setbacks.clear()
            self._mark(row, lease, SENT, None, mail)

    def _not_sent(self, row: OutboxMail, lease: bytes, error: smtp.Refused) -> None:
        match error:
            case smtp.Paused():
                self.paused_until = self.parts.clock.now() + PAUSE
                seconds = PAUSE.total_seconds()
                log.error("the mail relay refuses us (%s): delivery pauses for %d s; %s", error.reason, seconds, SEE)
                self._give_back([row], lease, error.reason)
            case smtp.Unreachable():
                self._wait_for_relay(error.reason)
                self._give_back([row], lease, error.reason)
            case smtp.Ambiguous():
                self._maybe_sent(row, lease, error.reason)
            case _:
                self._setback(row, lease, error)

    def _setback(self, row: OutboxMail, lease: bytes, error: smtp.Refused) -> None:
        """Note what the relay says of one recipient; where it says so of everybody, it is about us."""
        self.setbacks.add(row.id)
        if len(self.setbacks) > SETBACKS:
            log.error(
                "the relay turned %d recipients in a row away (%s): it is about us", len(self.setbacks), error.reason
            )
            self._wait_for_relay(error.reason)
            # Another one is tried next: this recipient may be one that is refused for good.
            apart = LONGEST_WAIT * (1 + self.jitter())
            self._give_back([row], lease, error.reason, apart=apart)
        elif isinstance(error, smtp.Policy) and row.attempts >= MAX_POLICY:
            self._mark(row, lease, self._unsent(row, FAILED), error.reason)
        elif isinstance(error, smtp.Delayed):
            self._retry(row, lease, error.reason)
        else:
            self._mark(row, lease, self._unsent(row, FAILED), error.reason)

    def _wait_for_relay(self, reason: str) -> None:
        """Leave a relay that takes nothing in peace, longer each time: mail waits for it, however long it takes."""
        self.failed_connections += 1
        wait = min(delay(self.failed_connections, self.jitter()), LONGEST_WAIT)
        self.paused_until = self.parts.clock.now() + wait
        log.error("the mail relay takes no mail (%s): trying again in %d s", reason, wait.total_seconds())

    def _unsent(self, row: OutboxMail, state: str) -> str:
        """Return the state of a mail that did not leave this time; one that may have left before stays uncertain."""
        return UNCERTAIN if row.ambiguous else state

    def _maybe_sent(self, row: OutboxMail, lease: bytes, reason: str) -> None:
        row.ambiguous += 1
        if row.ambiguous >= MAX_AMBIGUOUS:
            self._mark(row, lease, UNCERTAIN, reason)
        else:
            self._retry(row, lease, reason)

    def _retry(self, row: OutboxMail, lease: bytes, reason: str) -> None:
        if row.attempts >= MAX_ATTEMPTS:
            self._mark(row, lease, self._unsent(row, FAILED), reason)
            return
        due_at = self.parts.clock.now() + delay(row.attempts, self.jitter())
        values = {"state": self._unsent(row, QUEUED), "ambiguous": row.ambiguous, "due_at": due_at, "reason": reason}
        with self.parts.db.mark() as connection:
            mine = (OutboxMail.id == row.id) & (OutboxMail.lease == lease)
            connection.execute(update(OutboxMail).where(mine).values(lease=None, **values))

    def _mark(
        self, row: OutboxMail, lease: bytes, state: str, reason: str | None, mail: Composed | None = None
    ) -> None:
        now = self.parts.clock.now()
        proof_hash, proof = (None, None) if mail is None else make_proof(mail.code, now, mail.subject, mail.recipient)
        values = {"state": state, "finished_at": now, "reason": reason, "proof_hash": proof_hash, "proof": proof}
        with self.parts.db.mark() as connection:
            connection.execute(_MARK, {"row": row.id, "held": lease, **values})

    def _give_back(
        self, rows: list[OutboxMail], lease: bytes, reason: str | None = None, *, apart: timedelta = timedelta()
    ) -> None:
        """Return rows that were claimed and about which the relay said nothing; the try does not count."""
        due_at = (self.paused_until or self.parts.clock.now()) + apart
        values = {"due_at": due_at, "lease": None, "reason": reason, "attempts": OutboxMail.attempts - 1}
        with self.parts.db.mark() as connection:
            for state in (QUEUED, UNCERTAIN):
                ids = [row.id for row in rows if self._unsent(row, QUEUED) == state]
                mine = OutboxMail.id.in_(ids) & (OutboxMail.lease == lease)
                connection.execute(update(OutboxMail).where(mine).values(state=state, **values))


def claim(db: Database, lease: bytes, now: datetime, length: timedelta, limit: int) -> list[OutboxMail]:
    """Take up to `limit` due rows for one lease; a row whose lease ran out is due again, and none is taken twice.

    The worker of a lease that ran out has died, and nobody knows how far it came: its rows may have left.
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
        died = (OutboxMail.state == SENDING) & (OutboxMail.ambiguous == 0)
        statement = (
            update(OutboxMail)
            .where(OutboxMail.id.in_(ids))
            .values(
                state=SENDING,
                lease=lease,
                due_at=now + length,
                attempts=OutboxMail.attempts + 1,
                ambiguous=case((died, 1), else_=OutboxMail.ambiguous),
            )
            .returning(OutboxMail)
        )
        return sorted(session.scalars(statement), key=lambda row: (row.priority, row.created_at))
