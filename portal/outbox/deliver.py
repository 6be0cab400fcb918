"""Deliver due mails: claim a batch under a lease, send outside any transaction, mark each at once."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic, sleep

from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from portal.core.db import new_id
from portal.core.faults import error_types, frames
from portal.crypto.vault import VaultError
from portal.outbox import claims, policy, service, smtp
from portal.outbox.compose import Composed, Composer, MailUnfit
from portal.outbox.mail import PRIORITIES, REQUESTED
from portal.outbox.models import FAILED, OutboxMail
from portal.outbox.policy import Attempt, Decision, Fate, History
from portal.outbox.service import ALTERED, make_proof
from portal.outbox.smtp import Outcome, Result
from portal.runtime.parts import WorkerParts

log = logging.getLogger("portal.outbox")

BATCH = 50
LEASE = service.LEASE
# The rest of a lease that is needed when the content is sent: the time to send it and to wait for the reply.
ONE_ANSWER = timedelta(seconds=smtp.TIMEOUT_SECONDS + smtp.ANSWER_SECONDS)
# A mail whose result is not stored is sent twice, so storing is retried while the lease lasts.
MARK_AGAIN_SECONDS = 1.0
NOT_COMPOSED = "not-composed"
NOT_HANDED_OVER = "not-handed-over"


@dataclass
class Deliverer:
    """The state of one delivery thread: its relay connection, pauses and rejections.

    `started` is the row that the database already marks as being sent. `jitter` returns a number from 0 to 1.
    """

    parts: WorkerParts
    composer: Composer
    relay: smtp.Relay
    jitter: Callable[[], float] = random.random
    lease: timedelta = LEASE
    paused_until: datetime | None = field(default=None)
    history: History = field(default=History())
    started: bytes | None = field(default=None)

    def run(self, limit: int = BATCH) -> int:
        """Deliver one batch of due mails; return how many were claimed. 0: nothing is due, or a pause."""
        now = self.parts.clock.now()
        # A pause longer than the longest was set while the clock was wrong.
        if self.paused_until is not None and now < self.paused_until <= now + policy.LONGEST_PAUSE:
            return 0
        self.paused_until = self.started = None
        lease = new_id()
        rows = claims.claim(self.parts.db, lease, now, self.lease, limit)
        if not rows:
            self.relay.close()  # the relay would drop an idle connection just before the next mail
        last_start = self._last_start(now)
        for number, row in enumerate(rows):
            if self.parts.clock.now() > last_start or self.parts.stopping() or self.paused_until is not None:
                self._give_back(rows[number:], lease)
                break
            following = rows[number + 1] if number + 1 < len(rows) else None
            if self.start(row, lease):
                self._deliver_row(row, lease, following)
        return len(rows)

    def _last_start(self, now: datetime) -> datetime:
        return now + self.lease - min(self.lease * 0.9, ONE_ANSWER)

    def start(self, row: OutboxMail, lease: bytes) -> bool:
        """Mark the row as being sent; return False if the lease was lost or the mail was withdrawn."""
        if self.started != row.id:
            with self.parts.db.mark() as connection:
                self._start_in(connection, row, lease)
        held, self.started = self.started == row.id, None
        row.attempts += 1
        return held

    def _start_in(self, connection: Connection, row: OutboxMail, lease: bytes) -> None:
        held = claims.mark_sending(connection, row.id, lease, self.parts.clock.now() + self.lease)
        self.started = row.id if held else None

    def _lease_held(self, row: OutboxMail, lease: bytes, since: datetime) -> bool:
        """Return whether the content may be sent; after a slow relay, renew the lease if it is still held."""
        now = self.parts.clock.now()
        if since <= now <= self._last_start(since):
            return True
        try:
            with self.parts.db.mark() as connection:
                return claims.renew(connection, row.id, lease, now + self.lease)
        except OperationalError:
            return False

    def _deliver_row(self, row: OutboxMail, lease: bytes, following: OutboxMail | None) -> None:
        since = self.parts.clock.now()
        try:
            mail = self.composer.compose(row)
        except VaultError:
            log.error("outbox: row %s does not open: altered or moved; marked as failed", _name(row))
            self._end(row, lease, ALTERED)
            return
        except MailUnfit:
            log.error("outbox: row %s fits no template; marked as failed", _name(row))
            self._end(row, lease, NOT_COMPOSED)
            return
        except Exception as error:  # noqa: BLE001 - a fault in one row must not stop the others
            self._failed_by_fault("composing", row, lease, NOT_COMPOSED, error)
            return
        try:
            self._store_proof(row, lease, mail)
            result = self.relay.deliver(mail, lambda: self._lease_held(row, lease, since))
        except Exception as error:  # noqa: BLE001 - the same for the mail library
            self.relay.close()
            self._failed_by_fault("sending", row, lease, NOT_HANDED_OVER, error)
            return
        decision = policy.decide(result.outcome, _attempt(row), self.history, self.jitter())
        self.history = decision.history
        if decision.fate is Fate.SENT:
            self._sent(row, lease, mail, following)
            return
        if decision.pause is not None:
            self.paused_until = self.parts.clock.now() + decision.pause
        row.maybe_sent_count = decision.maybe_sent
        self._announce(decision, result, row)
        self._store_proof(row, lease, mail)
        self._store(decision, row, lease, result.reason)

    def _announce(self, decision: Decision, result: Result, row: OutboxMail) -> None:
        """Log what the operator should know: what happened, to which row, and what happens next."""
        if not decision.notice:
            return
        subject = f" row {row.id.hex()}" if result.outcome is Outcome.UNCONFIRMED else ""
        following = [_next_step(decision)]
        if decision.pause is not None:
            count = decision.history.pauses
            following = [f"pausing {decision.pause.total_seconds():.0f} s"]
            following += [f"pause {count} in a row"] if count else []
        if result.outcome is Outcome.SENDER_REJECTED:
            following.append("see PORTAL_MAIL_URL and PORTAL_MAIL_SENDER")
        level = logging.WARNING if decision.pause is None else logging.ERROR
        log.log(level, "outbox: %s%s (%s); %s", decision.notice, subject, result.reason, "; ".join(following))

    def _failed_by_fault(
        self, doing: str, row: OutboxMail, lease: bytes, reason: str, error: Exception
    ) -> None:
        decision = policy.retry(_attempt(row), self.history, self.jitter())
        arguments = (doing, _name(row), error_types(error), _next_step(decision), frames(error))
        log.error("outbox: %s row %s failed (%s); %s%s", *arguments)
        self._store(decision, row, lease, reason)

    def _store(self, decision: Decision, row: OutboxMail, lease: bytes, reason: str) -> None:
        match decision.fate:
            case Fate.RETURN:
                self._give_back([row], lease, reason, wait=decision.wait)
            case Fate.RETRY:
                due = self.parts.clock.now() + decision.wait
                count = row.maybe_sent_count
                self._release([row], lease, due_at=due, reason=reason, maybe_sent_count=count)
            case _:
                self._end(row, lease, reason)

    def _end(self, row: OutboxMail, lease: bytes, reason: str) -> None:
        """Mark a row as failed, or as uncertain if it may have been sent."""
        ended = {"finished_at": self.parts.clock.now(), "due_at": None, "reason": reason}
        self._release([row], lease, state=FAILED, maybe_sent_count=row.maybe_sent_count, **ended)

    def _give_back(
        self,
        rows: list[OutboxMail],
        lease: bytes,
        reason: str | None = None,
        *,
        wait: timedelta = timedelta(),
    ) -> None:
        """Release claimed rows about which the relay said nothing; the attempt does not count.

        `wait` is added to their due time.
        """
        self.started = None
        due = (self.paused_until or self.parts.clock.now()) + wait
        values = {} if reason is None else {"reason": reason}
        self._release(rows, lease, due_at=due, attempts=claims.UNCOUNTED, **values)

    def _release(self, rows: list[OutboxMail], lease: bytes, **values: object) -> None:
        self._write(lambda connection: claims.release(connection, rows, lease, **values))

    def _store_proof(self, row: OutboxMail, lease: bytes, mail: Composed) -> None:
        """Make a mail that may have left findable by the code it carries."""
        if not row.maybe_sent_count or row.proof is not None:
            return
        proof = self._proof(mail)
        row.proof_hash, row.proof = proof
        self._write(lambda connection: claims.store_proof(connection, row.id, lease, proof))

    def _proof(self, mail: Composed) -> tuple[bytes, bytes]:
        return make_proof(mail.code, self.parts.clock.now(), mail.subject, mail.recipient)

    def _sent(self, row: OutboxMail, lease: bytes, mail: Composed, following: OutboxMail | None) -> None:
        """Mark a mail as sent and, in the same transaction, the next one as being sent."""
        proof, now = self._proof(mail), self.parts.clock.now()

        def write(connection: Connection) -> None:
            claims.mark_sent(connection, row.id, lease, now, proof)
            if following is not None:
                self._start_in(connection, following, lease)

        self._write(write)

    def _write(self, write: Callable[[Connection], object]) -> None:
        """Store the result of an attempt; if the database fails, retry while the lease lasts."""
        end = monotonic() + self.lease.total_seconds()
        while True:
            try:
                with self.parts.db.mark() as connection:
                    write(connection)
            except OperationalError as error:
                self.started = None
                if monotonic() > end or self.parts.stopping():
                    raise
                log.warning("outbox: cannot store a delivery result (%s); retrying", error_types(error))
                sleep(MARK_AGAIN_SECONDS)
            else:
                return


def _attempt(row: OutboxMail) -> Attempt:
    requested = row.priority == PRIORITIES[REQUESTED]
    return Attempt(row.id, requested, row.attempts, row.maybe_sent_count)


def _next_step(decision: Decision) -> str:
    if decision.fate is Fate.FAILED:
        return "not retried"
    return f"retrying in {decision.wait.total_seconds():.0f} s"


def _name(row: OutboxMail) -> str:
    """Return the row's id and purpose for the log; quoted, as an altered purpose may hold line breaks."""
    return f"{row.id.hex()} ({row.purpose!r})"
