"""When the last mail of a notice leaves, if everything goes on at the present rate."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.campaigns.models import DONE, Campaign, Wave
from portal.core.settings import Settings
from portal.outbox import pace
from portal.outbox.models import QUEUED, SENDING, OutboxLane, OutboxLedger


@dataclass(frozen=True)
class Ahead:
    """A wave of which `mails` are not queued yet, and when it may begin."""

    mails: int
    not_before: datetime | None = None


def present_rate(session: Session, settings: Settings, now: datetime) -> float | None:
    """Return the mails a second that leave at present, or None if nothing tells.

    That is what the relay was found to take, the operator's limit, or what left in the last minutes.
    """
    server = settings.mail.server
    rate = pace.paces(session).get(f"{server.host}:{server.port}")
    rate = pace.per_second(settings.mail.rate) if rate is None else rate
    return rate if rate is not None else pace.measured_rate(session, now)


def queued(session: Session) -> int:
    """Return how many mails of all notices wait in lanes that are not held, by the ledger."""
    waiting = (
        select(func.sum(OutboxLedger.number))
        .join(OutboxLane, OutboxLane.batch == OutboxLedger.batch)
        .where(OutboxLane.held.is_(False), OutboxLedger.state.in_([QUEUED, SENDING]))
    )
    return int(session.scalar(waiting) or 0)


def rest(waves: Iterable[Wave]) -> list[Ahead]:
    """Return what of the waves is not queued yet."""
    return [
        Ahead(max(wave.expected - wave.written, 0), wave.not_before) for wave in waves if wave.state != DONE
    ]


def last_leaves(
    now: datetime, rate: float, in_queue: int, waves: Iterable[Ahead], per_hour: int | None = None
) -> datetime:
    """Return when the last mail leaves: of those in the queue, then of the waves, one after the other."""
    free, leaves = now, now + timedelta(seconds=in_queue / rate)
    for wave in waves:
        begins = max(free, wave.not_before or free)
        free = begins + timedelta(hours=wave.mails / per_hour if per_hour else 0)
        leaves = max(max(leaves, begins) + timedelta(seconds=wave.mails / rate), free)
    return leaves


def of(
    session: Session, settings: Settings, campaign: Campaign, waves: list[Wave], now: datetime
) -> datetime | None:
    """Return when the last mail of a notice leaves, or None where nothing tells the rate."""
    rate = present_rate(session, settings, now)
    if not rate:
        return None
    return last_leaves(now, rate, queued(session), rest(waves), campaign.per_hour)
