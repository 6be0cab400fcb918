"""Decide what follows from an attempt to deliver: a pure function of its outcome and of what went before."""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

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


class Fate(Enum):
    """What happens to the row: each but SENT and FAILED makes it due again."""

    SENT = "sent"
    FAILED = "ended without being sent"
    RETRY = "later; the attempt counts"
    RETURN = "given back as it was; the attempt does not count"


@dataclass(frozen=True)
class Attempt:
    """The row that was tried: its id, whether it was requested in a form, its attempts, this one included.

    `maybe_sent` counts the earlier attempts that may have delivered it.
    """

    id: bytes
    requested: bool
    attempts: int
    maybe_sent: int = 0


@dataclass(frozen=True)
class History:
    """What went before: rows that were rejected since the relay last accepted a mail, and pauses in a row.

    `requested` holds the rejected rows that were requested in a form. `paused`: another connection has
    paused delivery while this attempt was made.
    """

    rejected: frozenset[bytes] = frozenset()
    requested: frozenset[bytes] = frozenset()
    pauses: int = 0
    paused: bool = False


@dataclass(frozen=True)
class Decision:
    """What follows: for the row, for delivery as a whole (`pause`), for the log (`notice`), for what comes.

    `wait` is the row's delay, counted from the end of the pause if there is one and the row is given back.
    """

    fate: Fate
    history: History
    wait: timedelta = timedelta()
    maybe_sent: int = 0
    pause: timedelta | None = None
    notice: str = ""


def delay(attempts: int, chance: float) -> timedelta:
    """Return the delay after the n-th failed attempt: doubling from 20 s to 30 min, plus or minus 25 %."""
    base: timedelta = min(FIRST_DELAY * 2 ** min(attempts - 1, 10), LONGEST_DELAY)
    return _about(base, chance)


def decide(outcome: Outcome, attempt: Attempt, history: History, chance: float) -> Decision:
    """Return what follows from an attempt. `chance` is from 0 to 1 and spreads the delays."""
    match outcome:
        case Outcome.ACCEPTED:
            return Decision(Fate.SENT, History(paused=history.paused), maybe_sent=attempt.maybe_sent)
        case Outcome.SENDER_REJECTED:
            decision = _given_back(attempt, history, notice="mail relay rejects the portal")
            return replace(decision, notice="") if history.paused else replace(decision, pause=PAUSE)
        case Outcome.UNREACHABLE:
            return _paused(_given_back(attempt, history, notice="mail relay unavailable"), chance)
        case Outcome.LEASE_LOST:
            return _given_back(attempt, history)
        case Outcome.UNCONFIRMED:
            return _unconfirmed(attempt, history, chance)
        case Outcome.UNSUPPORTED:
            return Decision(Fate.FAILED, history, maybe_sent=attempt.maybe_sent)
        case _ if attempt.requested:
            return _requested_rejected(outcome, attempt, history, chance)
        case _:
            return _rejected(outcome, attempt, history, chance)


def retry(attempt: Attempt, history: History, chance: float) -> Decision:
    """Return a retry after a growing delay, or the end where the attempts are used up."""
    if attempt.attempts >= MAX_ATTEMPTS:
        return Decision(Fate.FAILED, history, maybe_sent=attempt.maybe_sent)
    wait = delay(attempt.attempts, chance)
    return Decision(Fate.RETRY, history, wait=wait, maybe_sent=attempt.maybe_sent)


def _rejected(outcome: Outcome, attempt: Attempt, history: History, chance: float) -> Decision:
    """Blame the recipient, or the sender after too many recipients in a row."""
    known = attempt.id in history.rejected
    history = replace(history, rejected=history.rejected | {attempt.id})
    if len(history.rejected) <= MAX_REJECTIONS:
        return _one_rejected(outcome, attempt, history, chance)
    # The next mail is tried first, this one later: its recipient may be rejected for good.
    decision = _given_back(attempt, history, wait=LONGEST_PAUSE * (1 + chance))
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
    if again:
        return retry(attempt, history, chance)
    return Decision(Fate.FAILED, history, maybe_sent=attempt.maybe_sent)


def _unconfirmed(attempt: Attempt, history: History, chance: float) -> Decision:
    """Retry much later, as the next copy may end the same way."""
    count = attempt.maybe_sent + 1
    if count >= MAX_MAYBE_SENT:
        decision = Decision(Fate.FAILED, history, maybe_sent=count)
    else:
        waits = MAYBE_DELAYS_REQUESTED if attempt.requested else MAYBE_DELAYS
        decision = Decision(Fate.RETRY, history, wait=_about(waits[count - 1], chance), maybe_sent=count)
    decision = replace(decision, notice="mail relay did not confirm")
    return decision if attempt.requested else _paused(decision, chance)


def _given_back(
    attempt: Attempt,
    history: History,
    *,
    wait: timedelta = timedelta(),
    notice: str = "",
) -> Decision:
    return Decision(Fate.RETURN, history, wait=wait, maybe_sent=attempt.maybe_sent, notice=notice)


def _paused(decision: Decision, chance: float) -> Decision:
    """Pause too, longer each time up to 5 minutes; mail waits while the relay is unavailable."""
    if decision.history.paused:
        return replace(decision, notice="")
    pauses = decision.history.pauses + 1
    pause = min(delay(pauses, chance), LONGEST_PAUSE)
    return replace(decision, history=replace(decision.history, pauses=pauses), pause=pause)


def _about(base: timedelta, chance: float) -> timedelta:
    return base * (0.75 + chance / 2)
