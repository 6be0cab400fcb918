"""Decide what follows from an attempt to deliver: a pure function of its outcome and of what went before."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

from portal.outbox.pace import FLOOR, START
from portal.outbox.service import MAX_MAYBE_SENT
from portal.outbox.smtp import Outcome

FIRST_DELAY = timedelta(seconds=20)
LONGEST_DELAY = timedelta(minutes=30)
MAX_ATTEMPTS = 48
MAX_POLICY = 5
# After an attempt that may have succeeded: soon where a person waits, then when the relay may be fixed.
MAYBE_DELAYS = (timedelta(hours=1), timedelta(hours=24))
MAYBE_DELAYS_REQUESTED = (FIRST_DELAY, timedelta(hours=12))
PAUSE = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(minutes=5)
# More rejections in a row than this mean that the relay blocks the sender, not the recipients. Addresses
# typed into forms are counted apart: strangers must not be able to pause other mail.
MAX_REJECTIONS = 10
# As many connections in a row that end after the final dot mean a relay in trouble, not a lost packet.
MAX_DROPS = 3
# Greylisting asks for a second try after some minutes, from everyone. So many in a row: a short break.
GREYLIST_DELAY = timedelta(minutes=5)
GREYLIST_ROW, GREYLIST_BREAK = 10, timedelta(seconds=1)
THROTTLED_DELAY = timedelta(seconds=5)
# So many throttled in a row, while the rate fell all the time: the relay takes nothing.
MAX_THROTTLED = 60
# How long a mail may wait for a relay that defers it without using up attempts.
DEFERRED_FOR = timedelta(days=2)


class Fate(Enum):
    """What happens to the row: each but SENT and FAILED makes it due again."""

    SENT = "sent"
    FAILED = "ended without being sent"
    RETRY = "later; the attempt counts"
    RETURN = "given back as it was; the attempt does not count"


@dataclass(frozen=True)
class Attempt:
    """The row that was tried: its id, whether it was requested in a form, its attempts, this one included.

    `maybe_sent` counts the earlier attempts that may have delivered it; `age`: since it was queued.
    """

    id: bytes
    requested: bool
    attempts: int
    maybe_sent: int = 0
    age: timedelta = timedelta()


@dataclass(frozen=True)
class History:
    """What happened since the relay last accepted a mail, and the pauses in a row.

    `rejected` holds the rejected rows, `failed` those of them that ended, `requested` the rejected rows that
    were requested in a form. `drops`, `throttled`, `requested_throttled` and `deferred` count in a row.
    `paused`: another connection has paused delivery while this attempt was made.
    """

    rejected: frozenset[bytes] = frozenset()
    failed: frozenset[bytes] = frozenset()
    requested: frozenset[bytes] = frozenset()
    drops: int = 0
    throttled: int = 0
    requested_throttled: int = 0
    deferred: int = 0
    pauses: int = 0
    paused: bool = False


@dataclass(frozen=True)
class Decision:
    """What follows: for the row, for delivery as a whole (`pause`), for the log (`notice`), for what comes.

    `wait` is the row's delay, counted from the end of the pause if there is one and the row is given back.
    `pause_requested`: the pause is also for mail that was requested in a form. `slow_to`: the relay was asked
    too fast; send more slowly, but not below this rate. `take_back`: failed rows that return to the queue,
    since the sender was to blame.
    """

    fate: Fate
    history: History
    wait: timedelta = timedelta()
    maybe_sent: int = 0
    pause: timedelta | None = None
    pause_requested: bool = True
    slow_to: float | None = None
    take_back: frozenset[bytes] = frozenset()
    notice: str = ""


def delay(attempts: int, chance: float) -> timedelta:
    """Return the delay after the n-th failed attempt: doubling from 20 s to 30 min, plus or minus 25 %."""
    base: timedelta = min(FIRST_DELAY * 2 ** min(attempts - 1, 10), LONGEST_DELAY)
    return _about(base, chance)


def decide(outcome: Outcome, attempt: Attempt, history: History, chance: float) -> Decision:
    """Return what follows from an attempt. `chance` is from 0 to 1 and spreads the delays."""
    rule = _RULES.get(outcome)
    if rule is not None:
        return rule(attempt, history, chance)
    if attempt.requested:
        return _requested_rejected(outcome, attempt, history, chance)
    return _rejected(outcome, attempt, history, chance)


def retry(attempt: Attempt, history: History, chance: float) -> Decision:
    """Return a retry after a growing delay, or the end where the attempts are used up."""
    if attempt.attempts >= MAX_ATTEMPTS:
        return Decision(Fate.FAILED, history, maybe_sent=attempt.maybe_sent)
    wait = delay(attempt.attempts, chance)
    return Decision(Fate.RETRY, history, wait=wait, maybe_sent=attempt.maybe_sent)


def _accepted(attempt: Attempt, history: History, _chance: float) -> Decision:
    return Decision(Fate.SENT, History(paused=history.paused), maybe_sent=attempt.maybe_sent)


def _ended(attempt: Attempt, history: History, _chance: float) -> Decision:
    return Decision(Fate.FAILED, history, maybe_sent=attempt.maybe_sent)


def _no_mailbox(attempt: Attempt, history: History, chance: float) -> Decision:
    """Fail, without a verdict on the sender; of strangers' addresses nobody knows, so they count in a row."""
    if attempt.requested:
        return _requested_rejected(Outcome.NO_MAILBOX, attempt, history, chance)
    return _ended(attempt, history, chance)


def _lease_lost(attempt: Attempt, history: History, _chance: float) -> Decision:
    return _given_back(attempt, history)


def _sender_rejected(attempt: Attempt, history: History, _chance: float) -> Decision:
    decision = _given_back(attempt, history, notice="mail relay rejects the portal")
    return replace(decision, notice="") if history.paused else replace(decision, pause=PAUSE)


def _unreachable(attempt: Attempt, history: History, chance: float) -> Decision:
    return _paused(_given_back(attempt, history, notice="mail relay unavailable"), chance)


def _over_quota(attempt: Attempt, history: History, chance: float) -> Decision:
    if attempt.requested:
        return _requested_rejected(Outcome.OVER_QUOTA, attempt, history, chance)
    decision = _given_back(attempt, history, notice="mail relay quota reached")
    return _paused(_with_failed_back(decision), chance)


def _delayed(attempt: Attempt, history: History, chance: float) -> Decision:
    if attempt.requested:
        return _requested_rejected(Outcome.DELAYED, attempt, history, chance)
    if attempt.attempts == 1:
        return _greylisted(attempt, history, chance)
    return _rejected(Outcome.DELAYED, attempt, history, chance)


def _rejected(outcome: Outcome, attempt: Attempt, history: History, chance: float) -> Decision:
    """Blame the recipient, or the sender after too many recipients in a row."""
    known = attempt.id in history.rejected
    history = replace(history, rejected=history.rejected | {attempt.id})
    if len(history.rejected) <= MAX_REJECTIONS:
        return _one_rejected(outcome, attempt, history, chance)
    # The next mail is tried first, this one later: its recipient may be rejected for good.
    decision = _with_failed_back(_given_back(attempt, history, wait=LONGEST_PAUSE * (1 + chance)))
    if known:
        return decision
    notice = f"{len(history.rejected)} rejections in a row, sender probably blocked"
    return _paused(replace(decision, notice=notice), chance)


def _requested_rejected(outcome: Outcome, attempt: Attempt, history: History, chance: float) -> Decision:
    known = attempt.id in history.requested
    history = replace(history, requested=history.requested | {attempt.id})
    count = len(history.requested)
    if count <= MAX_REJECTIONS:
        return _one_rejected(outcome, attempt, history, chance)
    decision = retry(attempt, history, chance)
    if count == MAX_REJECTIONS + 1 and not known:
        notice = f"{count} rejections in a row of addresses typed into forms; each is retried"
        decision = replace(decision, notice=notice)
    return decision


def _one_rejected(outcome: Outcome, attempt: Attempt, history: History, chance: float) -> Decision:
    again = outcome is Outcome.DELAYED or (
        outcome is Outcome.REJECTED_BY_POLICY and attempt.attempts < MAX_POLICY
    )
    if again or outcome is Outcome.OVER_QUOTA:
        return retry(attempt, history, chance)
    if not attempt.requested:
        history = replace(history, failed=history.failed | {attempt.id})
    return Decision(Fate.FAILED, history, maybe_sent=attempt.maybe_sent)


def _throttled(attempt: Attempt, history: History, chance: float) -> Decision:
    """Send more slowly; addresses typed into forms teach no rate, and wait longer if all are throttled."""
    if attempt.requested:
        count = history.requested_throttled + 1
        history = replace(history, requested_throttled=count)
        wait = FIRST_DELAY if count <= MAX_REJECTIONS else LONGEST_PAUSE
        decision = _given_back(attempt, history, wait=_about(wait, chance))
        many = count == MAX_REJECTIONS + 1
        return replace(decision, notice="mail relay throttles requested mail") if many else decision
    history = replace(history, throttled=history.throttled + 1)
    decision = _given_back(attempt, history, wait=_about(THROTTLED_DELAY, chance), slow_to=FLOOR)
    if history.throttled <= MAX_THROTTLED:
        return decision
    return _paused(replace(decision, notice="mail relay throttles every mail"), chance)


def _deferred(attempt: Attempt, history: History, chance: float) -> Decision:
    """Send more slowly, and try this one after five minutes, as greylisting wants it."""
    if attempt.age > DEFERRED_FOR:
        return retry(attempt, history, chance)
    wait = _about(GREYLIST_DELAY, chance)
    return _given_back(attempt, history, wait=wait, slow_to=None if attempt.requested else START)


def _greylisted(attempt: Attempt, history: History, chance: float) -> Decision:
    """Try again after five minutes: a first delay says nothing about the sender, however many get it."""
    history = replace(history, deferred=history.deferred + 1)
    wait = _about(GREYLIST_DELAY, chance)
    decision = Decision(Fate.RETRY, history, wait=wait, maybe_sent=attempt.maybe_sent)
    if history.deferred % GREYLIST_ROW or history.paused:
        return decision
    return replace(decision, pause=GREYLIST_BREAK, pause_requested=False)


def _with_failed_back(decision: Decision) -> Decision:
    """Return to the queue what failed before it showed that the sender was to blame."""
    history = replace(decision.history, failed=frozenset())
    return replace(decision, history=history, take_back=decision.history.failed)


def _unconfirmed(attempt: Attempt, history: History, chance: float) -> Decision:
    """Retry much later, as the next copy may end the same way."""
    count = attempt.maybe_sent + 1
    if not attempt.requested:
        history = replace(history, drops=history.drops + 1)
    if count >= MAX_MAYBE_SENT:
        decision = Decision(Fate.FAILED, history, maybe_sent=count)
    else:
        waits = MAYBE_DELAYS_REQUESTED if attempt.requested else MAYBE_DELAYS
        decision = Decision(Fate.RETRY, history, wait=_about(waits[count - 1], chance), maybe_sent=count)
    decision = replace(decision, notice="mail relay did not confirm")
    if attempt.requested or history.drops < MAX_DROPS:
        return decision
    return replace(_paused(decision, chance), pause_requested=False)


def _given_back(
    attempt: Attempt,
    history: History,
    *,
    wait: timedelta = timedelta(),
    notice: str = "",
    slow_to: float | None = None,
) -> Decision:
    maybe_sent = attempt.maybe_sent
    return Decision(Fate.RETURN, history, wait=wait, maybe_sent=maybe_sent, notice=notice, slow_to=slow_to)


def _paused(decision: Decision, chance: float) -> Decision:
    """Pause too, longer each time up to 5 minutes; mail waits while the relay is unavailable."""
    if decision.history.paused:
        return replace(decision, notice="")
    pauses = decision.history.pauses + 1
    pause = min(delay(pauses, chance), LONGEST_PAUSE)
    return replace(decision, history=replace(decision.history, pauses=pauses), pause=pause)


def _about(base: timedelta, chance: float) -> timedelta:
    return base * (0.75 + chance / 2)


_RULES: dict[Outcome, Callable[[Attempt, History, float], Decision]] = {
    Outcome.ACCEPTED: _accepted,
    Outcome.SENDER_REJECTED: _sender_rejected,
    Outcome.UNREACHABLE: _unreachable,
    Outcome.LEASE_LOST: _lease_lost,
    Outcome.UNCONFIRMED: _unconfirmed,
    Outcome.UNSUPPORTED: _ended,
    Outcome.NO_MAILBOX: _no_mailbox,
    Outcome.OVER_QUOTA: _over_quota,
    Outcome.THROTTLED: _throttled,
    Outcome.DEFERRED: _deferred,
    Outcome.DELAYED: _delayed,
}
