"""Deliver due mails over several connections: claim rows, send outside any transaction, mark."""

import logging
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock
from time import monotonic, sleep

from sqlalchemy.exc import OperationalError

from portal.core.db import new_id
from portal.core.faults import error_types, frames
from portal.crypto.vault import VaultError
from portal.outbox import claims, pace, policy, service, smtp
from portal.outbox.bulk import lanes
from portal.outbox.claims import Claimed, Mark, Marks, RowAltered
from portal.outbox.compose import Composed, Composer, MailUnfit
from portal.outbox.mail import PRIORITIES, REQUESTED
from portal.outbox.models import FAILED
from portal.outbox.pace import BETWEEN_DECREASES, RelayLimit, per_second
from portal.outbox.policy import Attempt, Decision, Fate, History
from portal.outbox.service import ALTERED, OUTDATED, make_proof
from portal.outbox.smtp import Outcome, Result
from portal.runtime.parts import Handover, WorkerParts

log = logging.getLogger("portal.outbox")

BATCH = 50
LEASE = service.LEASE
# The rest of a lease that is needed when the content is sent: the time to send it and to wait for the reply.
ONE_ANSWER = timedelta(seconds=smtp.TIMEOUT_SECONDS + smtp.ANSWER_SECONDS)
# A mail whose result is not stored is sent twice, so storing is retried while the lease lasts.
MARK_AGAIN_SECONDS = 1.0
NOT_COMPOSED = "not-composed"
NOT_HANDED_OVER = "not-handed-over"
NOT_PREPARED = "not-prepared"


class Delivery:
    """What the connections of one worker share: claimed rows, what the relay said so far, and a pause.

    `jitter` returns a number from 0 to 1. The rows are shared, so that a connection that hangs holds up its
    own mail alone.
    """

    def __init__(
        self,
        parts: WorkerParts,
        composer: Composer,
        *,
        jitter: Callable[[], float] = random.random,
        lease: timedelta = LEASE,
    ) -> None:
        """Store the parts; `lease` is how long a claimed row is held."""
        self.parts = parts
        self.composer = composer
        self.jitter = jitter
        self.lease = lease
        self.paused_until: datetime | None = None
        self.others_paused_until: datetime | None = None
        self.marks = Marks(parts.db, lease, partial(claims.ask_feature, parts))
        mail = parts.settings.mail
        self._relay = RelayLimit(f"{mail.server.host}:{mail.server.port}", per_second(mail.rate))
        self._tokens_at: datetime | None = None
        self._slowed_at: datetime | None = None
        self._history = History()
        self._taken_back: frozenset[bytes] = frozenset()
        self._rows: deque[Claimed] = deque()
        self._last_start: datetime = datetime.min.replace(tzinfo=UTC)
        self._lock = Lock()

    def claim(self, limit: int) -> Claimed | None:
        """Return the next claimed row; claim more if there is none. None: nothing is due, or a pause."""
        with self._lock:
            if not self._rows and self._may_claim():
                now = self.parts.clock.now()
                only = self._until(self.others_paused_until) is not None
                batch = claims.claim(
                    self.parts.db, new_id(), now, self.lease, limit, relay=self._relay, requested_only=only
                )
                self._rows.extend(batch.rows)
                self._last_start = self.last_start(now)
                self._tokens_at = now + batch.wait
        return self.next_row()

    def next_row(self) -> Claimed | None:
        """Return the next row that is already claimed."""
        with self._lock:
            return self._rows.popleft() if self._rows else None

    def last_start(self, now: datetime) -> datetime:
        """Return when a row that is leased now must be started: the rest is for the relay's answer."""
        return now + self.lease - min(self.lease * 0.9, ONE_ANSWER)

    def _may_claim(self) -> bool:
        """Return whether a claim is worth its lock: mail is due, nothing pauses, and tokens have come."""
        now = self.parts.clock.now()
        if self._until(self.paused_until) is not None or self._until(self._tokens_at) is not None:
            return False
        with self.parts.db.read() as session:
            return lanes.any_due(session, now)

    def _until(self, time: datetime | None) -> datetime | None:
        """Return a time that is still to come; a wrong clock set one that is further ahead than any pause."""
        now = self.parts.clock.now()
        return time if time is not None and now < time <= now + policy.LONGEST_PAUSE else None

    def paused(self, row: Claimed) -> datetime | None:
        """Return until when a pause keeps this row waiting; None: it may be sent."""
        everything = self._until(self.paused_until)
        others = None if _requested(row) else self._until(self.others_paused_until)
        return max((each for each in (everything, others) if each is not None), default=None)

    def decide(self, outcome: Outcome, row: Claimed) -> Decision:
        """Return what follows from an attempt, and remember it for the next one."""
        now = self.parts.clock.now()
        with self._lock:
            history = replace(self._history, paused=self.paused(row) is not None)
            decision = policy.decide(outcome, _attempt(row, now), history, self.jitter())
            self._history = decision.history
            if decision.pause is not None and decision.pause_requested:
                self.paused_until = now + decision.pause
            elif decision.pause is not None:
                self.others_paused_until = now + decision.pause
            if decision.fate is Fate.SENT:
                self._taken_back = frozenset()
            self._taken_back |= decision.take_back
        return decision

    def follow(self, decision: Decision, row: Claimed) -> None:
        """Do what a decision says about other mail, once its own row is stored."""
        now = self.parts.clock.now()
        if decision.slow_to is not None:
            self._slow_down(now, decision.slow_to)
        # A row that another connection took back while it was stored as failed returns too.
        rows = decision.take_back
        if decision.fate is Fate.FAILED:
            rows |= {row.id} & self._taken_back
        if rows:
            due = (self.paused(row) or now) + decision.wait
            log.warning(
                "outbox: the relay rejects the sender, not the recipients: %d failed mails are queued again; "
                "see PORTAL_MAIL_URL and PORTAL_MAIL_SENDER",
                len(rows),
            )
            self.store(Mark(change=lambda connection: claims.take_back(connection, rows, due)))

    def _slow_down(self, now: datetime, least: float) -> None:
        """Lower the rate for all workers, once a second at most."""
        with self._lock:
            if self._slowed_at is not None and timedelta() <= now - self._slowed_at < BETWEEN_DECREASES:
                return
            self._slowed_at = now
        if pace.slow_down(self.parts.db, self._relay, now, least):
            log.warning("outbox: mail relay throttles; looking for the rate that it accepts")
            self.give_back([])

    def must_end(self, row: Claimed) -> bool:
        """Return whether a claimed row may not be started: a pause, the end of the worker or of the lease."""
        late = self.parts.clock.now() > self._last_start
        return late or self.parts.stopping() or self.paused(row) is not None

    def give_back(self, rows: list[Claimed]) -> None:
        """Release rows that were not tried, and all rows that wait behind them; no attempt counts."""
        with self._lock:
            waiting = [*rows, *self._rows]
            self._rows.clear()
        for requested in (True, False):
            same = [row for row in waiting if _requested(row) is requested]
            if same:
                due = self.paused(same[0]) or self.parts.clock.now()
                self.release(same, due_at=due, attempts=claims.UNCOUNTED)

    def release(self, rows: list[Claimed], **values: object) -> None:
        """Release rows with new values."""
        change = partial(claims.release, rows=rows, values=values)
        self.store(Mark(change=change, touched=tuple(rows)))

    def store(self, mark: Mark) -> None:
        """Store the result of an attempt; if the database fails, retry while the lease lasts."""
        end = monotonic() + self.lease.total_seconds()
        while True:
            try:
                self.marks.store(mark, self.parts.clock.now())
            except OperationalError as error:
                if monotonic() > end or self.parts.stopping():
                    raise
                log.warning("outbox: cannot store a delivery result (%s); retrying", error_types(error))
                mark.sending = None  # it begins in a transaction of its own, in case it is the cause
                sleep(MARK_AGAIN_SECONDS)
            else:
                return


class Deliverer:
    """One connection to the relay, used by one thread."""

    def __init__(self, delivery: Delivery, relay: smtp.Relay) -> None:
        """Store what the connections share, and the connection."""
        self.delivery = delivery
        self.relay = relay
        self._clock = delivery.parts.clock

    def run(self, limit: int = BATCH) -> int:
        """Deliver due mails until no claimed one is left; return how many. 0: nothing is due, or a pause."""
        row = self.delivery.claim(limit)
        if row is None:
            self.relay.close()  # the relay would drop an idle connection just before the next mail
            return 0
        count = 0
        self.delivery.marks.working += 1
        try:
            started = False
            while row is not None:
                count += 1
                if self.delivery.must_end(row):
                    self.delivery.give_back([row])
                    break
                following = None
                if started or self.start(row):
                    following = self._deliver_row(row)
                started = following is not None
                row = following or self.delivery.next_row()
        finally:
            self.delivery.marks.working -= 1
        return count

    def start(self, row: Claimed) -> bool:
        """Mark the row as being sent; return False if it may not be, and is given back or has ended."""
        self._open(row)
        mark = Mark(sending=row)
        self.delivery.marks.store(mark, self._clock.now())
        return self._started(mark, row)

    def _open(self, row: Claimed) -> None:
        """Decrypt a row, before the transaction that begins its handover; where it does not open, it ends."""
        with suppress(VaultError):
            row.content = service.unseal(self.delivery.parts.vault, row.id, row.payload)

    def _started(self, mark: Mark, row: Claimed) -> bool:
        row.attempts += mark.held
        if isinstance(mark.fault, RowAltered):
            log.error("outbox: row %s does not decrypt, altered or moved; marked as failed", _name(row))
            self._end_unsent(row, ALTERED)
        elif mark.fault is not None:
            log.error(
                "outbox: row %s could not be prepared (%s); marked as failed. Once the cause is fixed: "
                "portal outbox retry%s",
                _name(row),
                error_types(mark.fault),
                frames(mark.fault),
            )
            self._end_unsent(row, NOT_PREPARED)
        elif mark.handover is Handover.DROP:
            log.warning(
                "outbox: row %s not sent: its link expired while it waited, or nobody needs it any more; "
                "see: portal outbox status",
                _name(row),
            )
            self._end_unsent(row, OUTDATED)
        elif not mark.held and mark.handover is not Handover.LATER:
            self.delivery.give_back([row])
        return mark.held

    def _lease_held(self, row: Claimed, since: datetime) -> bool:
        """Return whether the content may be sent; after a slow relay, renew the lease if it is still held."""
        now = self._clock.now()
        if since <= now <= self.delivery.last_start(since):
            return True
        try:
            with self.delivery.parts.db.mark() as connection:
                return claims.renew(connection, row, now + self.delivery.lease)
        except OperationalError:
            return False

    def _deliver_row(self, row: Claimed) -> Claimed | None:
        """Deliver one row that is marked as being sent; return the next one where it is so marked too."""
        since = self._clock.now()
        try:
            mail = self.delivery.composer.compose(row.id, row.created_at, row.content)
        except MailUnfit:
            log.error("outbox: row %s cannot be composed; marked as failed", _name(row))
            self._end(row, NOT_COMPOSED)
            return None
        except Exception as error:  # noqa: BLE001 - a fault in one row must not stop the others
            self._failed_by_fault("composing", row, NOT_COMPOSED, error)
            return None
        try:
            self._store_proof(row, mail, self._clock.now())
            result = self.relay.deliver(mail, lambda: self._lease_held(row, since))
        except Exception as error:  # noqa: BLE001 - the same for the mail library
            self.relay.close()
            self._failed_by_fault("sending", row, NOT_HANDED_OVER, error)
            return None
        decision = self.delivery.decide(result.outcome, row)
        if decision.fate is Fate.SENT:
            return self._sent(row, mail)
        row.maybe_sent_count = decision.maybe_sent
        _announce(decision, result, row)
        self._store_proof(row, mail, self._clock.now())
        self._store(decision, row, result.reason)
        self.delivery.follow(decision, row)
        return None

    def _failed_by_fault(self, doing: str, row: Claimed, reason: str, error: Exception) -> None:
        decision = policy.retry(_attempt(row, self._clock.now()), History(), self.delivery.jitter())
        said = (doing, _name(row), error_types(error), _next_step(decision), frames(error))
        log.error("outbox: %s row %s failed (%s); %s%s", *said)
        self._store(decision, row, reason)

    def _store(self, decision: Decision, row: Claimed, reason: str) -> None:
        """Store what a decision says about a row that was not sent."""
        due = self._clock.now()
        match decision.fate:
            case Fate.RETURN:
                due = self.delivery.paused(row) or due
                values: dict[str, object] = {"attempts": claims.UNCOUNTED}
            case Fate.RETRY:
                values = {"maybe_sent_count": row.maybe_sent_count}
            case _:
                self._end(row, reason)
                return
        self.delivery.release([row], due_at=due + decision.wait, reason=reason, **values)

    def _end(self, row: Claimed, reason: str) -> None:
        """Mark a row as failed, or as uncertain if it may have been sent."""
        ended = {"finished_at": self._clock.now(), "due_at": None, "reason": reason}
        count = row.maybe_sent_count
        self.delivery.release([row], state=FAILED, maybe_sent_count=count, **ended)

    def _end_unsent(self, row: Claimed, reason: str) -> None:
        """End a row that may not be started; of a copy that may have left, the proof is stored first."""
        if row.maybe_sent_count and row.proof_hash is None:
            try:
                mail = self.delivery.composer.compose(row.id, row.created_at, row.content)
            except Exception as error:  # noqa: BLE001 - the row ends all the same
                arguments = _name(row), error_types(error), frames(error)
                log.error("outbox: row %s may be sent, its proof code cannot be stored (%s)%s", *arguments)
            else:
                self._store_proof(row, mail, row.created_at)  # it left before now: the date that it has
        self._end(row, reason)

    def _store_proof(self, row: Claimed, mail: Composed, sent_at: datetime) -> None:
        """Make a mail that may have left findable by the code it carries."""
        if not row.maybe_sent_count or row.proof_hash is not None:
            return
        row.proof_hash, _ = proof = make_proof(mail.code, sent_at, mail.subject, mail.recipient)
        self.delivery.store(Mark(change=lambda connection: claims.store_proof(connection, row, proof)))

    def _sent(self, row: Claimed, mail: Composed) -> Claimed | None:
        """Mark a mail as sent and, in the same transaction, the next one as being sent; return that."""
        following = self.delivery.next_row()
        if following is not None:
            self._open(following)
        now = self._clock.now()
        proof = make_proof(mail.code, now, mail.subject, mail.recipient)
        mark = Mark(claims.sent(row, now, proof), following, touched=(row,))
        self.delivery.store(mark)
        return following if following is not None and self._started(mark, following) else None


def _announce(decision: Decision, result: Result, row: Claimed) -> None:
    """Log what the operator should know: what happened, to which row, and what happens next."""
    if not decision.notice:
        return
    subject = f" row {row.id.hex()}" if result.outcome is Outcome.UNCONFIRMED else ""
    steps = [_next_step(decision)]
    if decision.pause is not None:
        steps = [f"pausing {decision.pause.total_seconds():.0f} s"]
        steps += [f"pause {decision.history.pauses} in a row"] if decision.history.pauses else []
    if result.outcome is Outcome.SENDER_REJECTED:
        steps.append("see PORTAL_MAIL_URL and PORTAL_MAIL_SENDER")
    level = logging.WARNING if decision.pause is None else logging.ERROR
    log.log(level, "outbox: %s%s (%s); %s", decision.notice, subject, result.reason, "; ".join(steps))


def _requested(row: Claimed) -> bool:
    """Return whether the mail was requested in a form, where anyone can type any address."""
    return row.priority == PRIORITIES[REQUESTED]


def _attempt(row: Claimed, now: datetime) -> Attempt:
    age = now - row.created_at
    return Attempt(row.id, _requested(row), row.attempts, row.maybe_sent_count, age)


def _next_step(decision: Decision) -> str:
    if decision.fate is Fate.FAILED:
        return "not retried"
    return f"retrying in {decision.wait.total_seconds():.0f} s"


def _name(row: Claimed) -> str:
    """Return the row's id and purpose for the log; quoted, as an altered purpose may hold line breaks."""
    return f"{row.id.hex()} ({row.purpose!r})"
