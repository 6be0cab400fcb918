"""Learn how fast the relay takes mail: additive increase, multiplicative decrease, and a bucket of tokens.

Tell from it how long a requested mail waits at present.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.core.db import Database, insert
from portal.outbox.mail import PRIORITIES, REQUESTED
from portal.outbox.models import BOUNCED, ENDED, FAILED, SENT, UNCERTAIN, MailRelay, OutboxMail

# The first rate after the relay throttled, in mails a second; it doubles every second until the next time.
START = 5.0
FLOOR = 0.1
FIRST_DECREASE, DECREASE = 0.5, 0.8
# Each second that is used in full adds this share of the rate at which the relay last throttled.
INCREASE, LEAST_STEP = 0.05, 0.1
# One crowded second counts once, however many connections it hits.
BETWEEN_DECREASES = timedelta(seconds=1)
# Tokens gather for so long; a worker looks for due mails more often.
GATHER_SECONDS = 0.5
# The most mails that are counted: so many index entries are read in a millisecond or two.
MOST_COUNTED = 10_000
MEASURED, FEWEST_MEASURED, MOST_MEASURED = timedelta(minutes=5), 50, 2_000


@dataclass(frozen=True)
class Pace:
    """The rate of one relay in mails a second, and the tokens that are left; each mail takes one.

    `ceiling` is the rate at which the relay last throttled; None until it did so for the second time.
    """

    rate: float
    tokens: float
    filled_at: datetime
    ceiling: float | None = None
    slowed_at: datetime | None = None


def per_second(rate: str) -> float | None:
    """Return a limit like `14 per second` as a number a second, or None where there is none."""
    if not rate:
        return None
    from limits import parse  # noqa: PLC0415 - slow to import

    limit = parse(rate)
    return limit.amount / limit.get_expiry()


def first(now: datetime, cap: float | None) -> Pace:
    """Return the pace after the relay throttled for the first time; `cap` is the operator's limit."""
    return Pace(min(START, cap or START), 0.0, now, slowed_at=now)


def filled(pace: Pace, now: datetime, cap: float | None) -> Pace:
    """Return the pace with the tokens that have come since; none where the clock was set back."""
    rate = pace.rate if cap is None else min(pace.rate, cap)
    seconds = max((now - pace.filled_at).total_seconds(), 0.0)
    tokens = min(pace.tokens + seconds * rate, max(1.0, rate * GATHER_SECONDS))
    return replace(pace, rate=rate, tokens=tokens, filled_at=now)


def used(pace: Pace, mails: int) -> Pace:
    """Return the pace after so many tokens were taken: each raises the rate a little."""
    if pace.ceiling is None:
        rate = pace.rate + mails
    else:
        rate = pace.rate + mails * max(pace.ceiling * INCREASE, LEAST_STEP) / pace.rate
    return replace(pace, rate=rate, tokens=pace.tokens - mails)


def slowed(pace: Pace, now: datetime, least: float = FLOOR) -> Pace:
    """Return the pace after the relay throttled again; no lower than `least`, or than it was."""
    if pace.slowed_at is not None and timedelta() <= now - pace.slowed_at < BETWEEN_DECREASES:
        return pace
    decrease = FIRST_DECREASE if pace.ceiling is None else DECREASE
    rate = min(max(pace.rate * decrease, least), pace.rate)
    return replace(pace, rate=rate, ceiling=pace.rate, slowed_at=now)


def wait(pace: Pace) -> timedelta:
    """Return how long it takes until the next token comes."""
    return timedelta(seconds=max(1.0 - pace.tokens, 0.0) / pace.rate)


@dataclass(frozen=True)
class RelayLimit:
    """The relay that mails go to (host and port), and the operator's limit in mails a second."""

    relay: str
    cap: float | None = None


def current(session: Session, relay: RelayLimit, now: datetime) -> Pace | None:
    """Return the relay's pace with its tokens filled up, locked; None where nothing limits it."""
    row = session.get(MailRelay, relay.relay, with_for_update=True)
    if row is None:
        return None if relay.cap is None else Pace(relay.cap, max(1.0, relay.cap * GATHER_SECONDS), now)
    return filled(Pace(row.rate, row.tokens, row.filled_at, row.ceiling, row.slowed_at), now, relay.cap)


def store(session: Session, relay: RelayLimit, relay_pace: Pace) -> None:
    """Store the relay's pace."""
    values = asdict(relay_pace)
    statement = insert(session, MailRelay).values(relay=relay.relay, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["relay"], set_=values))


def slow_down(db: Database, relay: RelayLimit, now: datetime, least: float) -> bool:
    """Lower the relay's rate, not below `least`; return whether it is the first time, after fast claims."""
    with db.write() as session:
        row = current(session, relay, now)
        store(session, relay, first(now, relay.cap) if row is None else slowed(row, now, least))
        return row is None


def paces(session: Session) -> dict[str, float]:
    """Return the mails a second that each relay takes, where it throttled or the operator set a rate."""
    rows = session.execute(select(MailRelay.relay, MailRelay.rate).order_by(MailRelay.relay))
    return {relay: rate for relay, rate in rows}  # noqa: C416


def present_wait(session: Session, now: datetime) -> timedelta:
    """Return how long a mail requested now waits for the relay.

    That is as long as the first of the requested mails has been waiting, or as all of them take at the rate
    that the relay allows, whichever is longer.
    """
    requested = OutboxMail.priority == PRIORITIES[REQUESTED]
    due = select(OutboxMail.due_at).where(requested, OutboxMail.due_at <= now).order_by(OutboxMail.due_at)
    few = due.limit(MOST_COUNTED).subquery()
    waiting, oldest = session.execute(select(func.count(), func.min(few.c.due_at))).one()
    rate = session.scalar(select(MailRelay.rate).order_by(MailRelay.filled_at.desc()).limit(1))
    seconds = (now - oldest).total_seconds() if oldest is not None else 0.0
    return timedelta(seconds=max(seconds, waiting / rate if rate else 0.0))


def measured_rate(session: Session, now: datetime) -> float | None:
    """Return the mails a second that left in the last five minutes; None where they were too few to tell.

    Of many, the newest count.
    """
    lately = ENDED & (OutboxMail.state == SENT) & (OutboxMail.finished_at > now - MEASURED)
    newest = select(OutboxMail.finished_at).where(lately).order_by(OutboxMail.finished_at.desc())
    few = newest.limit(MOST_MEASURED).subquery()
    times = select(func.count(), func.min(few.c.finished_at), func.max(few.c.finished_at))
    number, first, last = session.execute(times).one()
    if first is None or last is None or number < FEWEST_MEASURED or first == last:
        return None
    seconds: float = (last - first).total_seconds()
    return (int(number) - 1) / seconds


def accepted(session: Session) -> tuple[int, int]:
    """Return how many of the newest mails that ended were accepted, and how many those are.

    Not of all: of a big notice that has just begun they would take long to count.
    """
    ended = []
    for state in (SENT, FAILED, UNCERTAIN, BOUNCED):
        newest = (
            select(OutboxMail.finished_at)
            .where(ENDED & (OutboxMail.state == state) & OutboxMail.finished_at.is_not(None))
            .order_by(OutboxMail.finished_at.desc())
            .limit(MOST_MEASURED)
        )
        ended += [(at, state == SENT) for at in session.scalars(newest)]
    newest_of_all = sorted(ended, reverse=True)[:MOST_MEASURED]
    return sum(sent for _at, sent in newest_of_all), len(newest_of_all)
