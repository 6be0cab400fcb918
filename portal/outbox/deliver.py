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
# After a try that may have succeeded: soon for those who sit and wait, and once more when a relay may be
# mended.
MAYBE_DELAYS = (timedelta(hours=1), timedelta(hours=24))
MAYBE_DELAYS_ASKED = (FIRST_DELAY, timedelta(hours=12))
MAX_POLICY = 5
LONGEST_DELAY = timedelta(minutes=30)
PAUSE = timedelta(seconds=60)
LONGEST_WAIT = timedelta(minutes=5)
# So many recipients in a row to whom the relay would not send are no chance: it is about us, not about them.
# Unless strangers typed them: what is asked for in a form never keeps other mail from leaving.
SETBACKS = 10
# What must be left of a lease when the content goes: the time to send it and to wait for the relay's answer.
ONE_ANSWER = timedelta(seconds=smtp.TIMEOUT_SECONDS + smtp.ANSWER_SECONDS)

# Where a mark cannot be written, the mail goes out again: it is tried as long as the lease is ours.
MARK_AGAIN_SECONDS = 1.0

# Built once: they run for every mail.
_TABLE: Any = OutboxMail.__table__
_HELD = (OutboxMail.id == bindparam("row")) & (OutboxMail.lease == bindparam("held"))
_WAITS = OutboxMail.due_at.is_not(None)  # what was withdrawn meanwhile has no date
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
    """Return how long to wait after the n-th failed try: doubling from 20 s to 30 min, plus or minus a quarter."""
    base: timedelta = min(FIRST_DELAY * 2 ** min(attempts - 1, 10), LONGEST_DELAY)
    return base * (0.75 + random_value / 2)


@dataclass
class Deliverer:
    """One delivering thread: its relay connection, and the pause after the relay refused us.

    `consecutive_rejections` are the mails that the relay rejected since it last took one, and
    `requested_rejections` those of them that somebody asked for in a form. `begun` is the row whose delivery
    the database knows to have begun.
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
        """Deliver one batch of due mails; return how many were claimed. 0 means that nothing is due."""
        now = self.parts.clock.now()
        # A pause further ahead than any was made by a clock that was wrong.
        if self.paused_until is not None and now < self.paused_until <= now + LONGEST_WAIT:
            return 0
        self.paused_until = self.begun = None
        lease = new_id()
        rows = claim(self.parts.db, lease, now, self.lease, limit)
        if not rows:
            self.relay.close()  # a kept connection would be dropped by the relay just before the next mail
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
        """Note that this row may leave from now on; return False where it is ours no more, or was withdrawn."""
        if self.begun != row.id:
            with self.parts.db.mark() as connection:
                self._begin_in(connection, row, lease)
        ours, self.begun = self.begun == row.id, None
        row.attempts += 1
        return ours

    def _begin_in(self, connection: Connection, row: OutboxMail, lease: bytes) -> None:
        values = {"row": row.id, "held": lease, "until": self.parts.clock.now() + self.lease}
        self.begun = row.id if connection.execute(_BEGIN, values).rowcount else None

    def _still_ours(self, row: OutboxMail, lease: bytes, begun_at: datetime) -> bool:
        """Tell whether the content may go; a relay that took its time gets a lease anew, where it is still ours."""
        now = self.parts.clock.now()
        if begun_at <= now <= self._last_start(begun_at):
            return True
        mine = (OutboxMail.id == row.id) & (OutboxMail.lease == lease) & _WAITS
        try:
            with self.parts.db.mark() as connection:
                return bool(
                    connection.execute(
                        update(OutboxMail).where(mine).values(due_at=now + self.lease)
                    ).rowcount
                )
        except OperationalError:
            return False

    def _deliver_row(self, row: OutboxMail, lease: bytes, following: OutboxMail | None) -> None:
        begun_at = self.parts.clock.now()
        try:
            mail = self.composer.compose(row)
        except VaultError:
            log.exception(
                "an outbox row of %r does not open: it was altered or moved; it is not sent", row.purpose
            )
            self._mark(row, lease, FAILED, ALTERED)
            return
        except MailUnfit:
            log.exception("a mail of %r cannot be composed", row.purpose)
            self._mark(row, lease, FAILED, "unfit")
            return
        except Exception as error:  # noqa: BLE001 - one row's fault must not keep the others from leaving
            log.error(
                "a mail of %r cannot be composed (%s); it is tried again", row.purpose, type(error).__name__
            )
            self._retry(row, lease, "unfit")
            return
        try:
            self._keep_proof(row, lease, mail)
            self.relay.deliver(mail, lambda: self._still_ours(row, lease, begun_at))
        except smtp.Refused as error:
            self._not_sent(row, lease, error, mail)
        except Exception as error:  # noqa: BLE001 - the same, for what a mail library stumbles over
            self.relay.close()
            log.error(
                "a mail of %r cannot be handed over (%s); it is tried again",
                row.purpose,
                type(error).__name__,
            )
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
                    "the mail relay refuses us (%s): delivery pauses for %d s; %s", error.reason, seconds, SEE
                )
                self._give_back([row], lease, error.reason)
            case smtp.Unreachable():
                self._wait_for_relay(error.reason)
                self._give_back([row], lease, error.reason)
            case smtp.TooSlow():
                self._give_back([row], lease, error.reason)
            case smtp.Ambiguous():
                self._maybe_sent(row, lease, error.reason, mail)
            case smtp.Unable():
                self._mark(row, lease, self._unsent(row, FAILED), error.reason)
            case _:
                self._setback(row, lease, error)

    def _setback(self, row: OutboxMail, lease: bytes, error: smtp.Refused) -> None:
        """Note what the relay says of one recipient; where it says so of everybody, it is about us."""
        asked = _asked(row)
        refused = self.requested_rejections if asked else self.consecutive_rejections
        news = row.id not in refused
        refused.add(row.id)
        if len(refused) > SETBACKS and asked:
            if len(refused) == SETBACKS + 1 and news:
                log.warning(
                    "the relay turned %d addresses in a row away that were typed into forms", len(refused)
                )
            self._retry(row, lease, error.reason)
        elif len(refused) > SETBACKS:
            if news:
                log.error(
                    "the relay turned %d recipients in a row away (%s): it is about us",
                    len(refused),
                    error.reason,
                )
                self._wait_for_relay(error.reason)
            # Another one is tried next, and this one again without a pause: it may be one that is refused for
            # good.
            apart = LONGEST_WAIT * (1 + self.jitter())
            self._give_back([row], lease, error.reason, apart=apart)
        elif isinstance(error, smtp.Policy) and row.attempts >= MAX_POLICY:
            self._mark(row, lease, self._unsent(row, FAILED), error.reason)
        elif isinstance(error, smtp.Delayed):
            self._retry(row, lease, error.reason)
        else:
            self._mark(row, lease, self._unsent(row, FAILED), error.reason)

    def _wait_for_relay(self, reason: str, what: str = "takes no mail") -> None:
        """Leave a relay that takes nothing in peace, longer each time: mail waits for it, however long it takes."""
        self.failed_connections += 1
        wait = min(delay(self.failed_connections, self.jitter()), LONGEST_WAIT)
        self.paused_until = self.parts.clock.now() + wait
        log.error("the mail relay %s (%s): trying again in %d s", what, reason, wait.total_seconds())

    def _unsent(self, row: OutboxMail, state: str) -> str:
        """Return the state of a mail that did not leave this time; one that may have left before stays uncertain."""
        return UNCERTAIN if row.maybe_sent_count else state

    def _maybe_sent(self, row: OutboxMail, lease: bytes, reason: str, mail: Composed) -> None:
        """Keep a proof for a copy that did arrive, and try again much later: the same may happen to the next copy."""
        row.maybe_sent_count += 1
        self._keep_proof(row, lease, mail)
        if _asked(row):
            log.warning("the mail relay did not say whether it took a mail (%s)", reason)
        else:
            self._wait_for_relay(reason, "does not say whether it took a mail")
        if row.maybe_sent_count >= MAX_MAYBE_SENT:
            self._mark(row, lease, UNCERTAIN, reason)
        else:
            waits = MAYBE_DELAYS_ASKED if _asked(row) else MAYBE_DELAYS
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
        """Return rows that were claimed and about which the relay said nothing; the try does not count."""
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
        """End our hold on rows that did not leave; those that were withdrawn meanwhile are gone with it."""
        mine = OutboxMail.id.in_([row.id for row in rows]) & (OutboxMail.lease == lease)
        certainly_not = [row.id for row in rows if not row.maybe_sent_count]

        def write(connection: Connection) -> None:
            connection.execute(delete(OutboxMail).where(mine, ~_WAITS, OutboxMail.id.in_(certainly_not)))
            connection.execute(update(OutboxMail).where(mine, _WAITS).values(lease=None, **values))

        self._write(write)

    def _keep_proof(self, row: OutboxMail, lease: bytes, mail: Composed) -> None:
        """Let a mail that may have left be looked up by the code it carries."""
        if not row.maybe_sent_count or row.proof is not None:
            return
        row.proof_hash, row.proof = self._proof(mail)
        values = {"proof_hash": row.proof_hash, "proof": row.proof}
        mine = (OutboxMail.id == row.id) & (OutboxMail.lease == lease)
        self._write(lambda connection: connection.execute(update(OutboxMail).where(mine).values(**values)))

    def _proof(self, mail: Composed) -> tuple[bytes, bytes]:
        return make_proof(mail.code, self.parts.clock.now(), mail.subject, mail.recipient)

    def _sent(self, row: OutboxMail, lease: bytes, mail: Composed, following: OutboxMail | None) -> None:
        """Mark a mail that left; in the same transaction the next one begins."""
        proof_hash, proof = self._proof(mail)
        now = self.parts.clock.now()
        values = {"row": row.id, "held": lease, "finished_at": now, "proof_hash": proof_hash, "proof": proof}

        def write(connection: Connection) -> None:
            connection.execute(_SENT, values)
            if following is not None:
                self._begin_in(connection, following, lease)

        self._write(write)

    def _write(self, write: Callable[[Connection], object]) -> None:
        """Write what became of a mail; where the database cannot, once more, as long as the lease lasts."""
        end = monotonic() + self.lease.total_seconds()
        while True:
            try:
                with self.parts.db.mark() as connection:
                    write(connection)
            except OperationalError:
                self.begun = None
                if monotonic() > end or self.parts.stopping():
                    raise
                log.warning("what became of a mail cannot be written now; trying again")
                sleep(MARK_AGAIN_SECONDS)
            else:
                return


def _asked(row: OutboxMail) -> bool:
    """Tell whether somebody asked for this mail in a form: whoever it was, they typed the address."""
    return row.priority == PRIORITIES[REQUESTED]


def claim(db: Database, lease: bytes, now: datetime, length: timedelta, limit: int) -> list[OutboxMail]:
    """Take up to `limit` due rows for one lease; a row whose lease ran out is due again, and none is taken twice.

    The worker of a lease that ran out has died: the row that it had begun may have left, the others have not.
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
        died = OutboxMail.state == SENDING
        statement = (
            update(OutboxMail)
            .where(OutboxMail.id.in_(ids))
            .values(
                state=case((died, UNCERTAIN), else_=OutboxMail.state),
                lease=lease,
                due_at=now + length,
                maybe_sent_count=case(
                    (died & (OutboxMail.maybe_sent_count == 0), 1), else_=OutboxMail.maybe_sent_count
                ),
            )
            .returning(OutboxMail)
        )
        return sorted(session.scalars(statement), key=lambda row: (row.priority, row.created_at))
