"""Read a time that somebody typed, in the organisation's time zone unless it says its own, and write one."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
PAST = "2026-11-03"


@dataclass(frozen=True)
class When:
    """A time in UTC; `day` is set where only a date was written, and `at` is then the start of that day."""

    at: datetime
    day: date | None = None


class TimeInvalid(ValueError):
    """What was written is no time, or not one alone; `code` says which, `examples` are ways to write it."""

    def __init__(self, code: str, reason: str, *examples: str) -> None:
        self.code, self.reason, self.examples = code, reason, examples
        super().__init__(f"{reason}: {' or '.join(examples)}")


def parse_time(value: str, zone: str, like: str = PAST) -> When:
    """Return the time that `value` means, in ISO 8601; without an offset it is in `zone`.

    `like` is the day of the examples: where a time to come is asked for, one that is to come.

    Raises TimeInvalid: for what is no time, for an hour that does not exist because clocks go forward in it,
    and for one that comes twice because they go back.
    """
    here = ZoneInfo(zone)
    try:
        day = date.fromisoformat(value)
    except ValueError:
        day = None
    if day is not None:
        return When(_in_utc(datetime.combine(day, time(), here)), day)
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        message = "must be a time or a date like one of these"
        raise TimeInvalid("time-invalid", message, f"{like} 14:30", f"{like}T14:30Z", like) from None
    if at.tzinfo is not None:
        return When(_in_utc(at))
    return When(_in_utc(_only(at, here, zone)))


def as_typed(at: datetime | None, zone: str) -> str:
    """Return a time as somebody types it in `zone`, to the minute; `parse_time` reads it back.

    It has its offset in an hour that comes twice. None is the empty text.
    """
    if at is None:
        return ""
    here = at.replace(second=0, microsecond=0).astimezone(ZoneInfo(zone))
    typed = f"{here:%Y-%m-%d %H:%M}"
    try:
        is_clear = parse_time(typed, zone).at == here
    except TimeInvalid:
        is_clear = False
    return typed if is_clear else here.isoformat(" ", "minutes")


def _in_utc(at: datetime) -> datetime:
    """Return the same moment in UTC, or as it is where that is before the first or after the last year."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return at


def _only(at: datetime, here: ZoneInfo, zone: str) -> datetime:
    """Return the one time that a clock in the zone shows so. Raises TimeInvalid."""
    first, second = at.replace(tzinfo=here), at.replace(tzinfo=here, fold=1)
    try:
        there_and_back = first.astimezone(UTC).astimezone(here)
    except OverflowError:  # the first or last day of all
        return first
    if there_and_back.replace(tzinfo=None) != at:
        before, after = _around_gap(first, second, here)
        reason = f"{at:%Y-%m-%d %H:%M} does not exist in {zone}: the clocks went forward. The nearest are"
        raise TimeInvalid("time-in-gap", reason, f"{before:%Y-%m-%d %H:%M}", f"{after:%Y-%m-%d %H:%M}")
    if first.utcoffset() != second.utcoffset():
        reason = (
            f"{at:%Y-%m-%d %H:%M} came twice in {zone}: the clocks went back. Before that, or after, it is"
        )
        raise TimeInvalid("time-twice", reason, _with_offset(first), _with_offset(second))
    return first


def _around_gap(first: datetime, second: datetime, here: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the last minute before the clocks went forward, and the first one after."""
    # In a gap, fold 0 reads the offset before it, and fold 1 the one after it (PEP 495).
    early, late = second.astimezone(UTC), first.astimezone(UTC)
    old = early.astimezone(here).utcoffset()
    while late - early > MINUTE:
        middle = early + (late - early) / 2
        if middle.astimezone(here).utcoffset() == old:
            early = middle
        else:
            late = middle
    after = late.replace(second=0, microsecond=0)
    return (after - MINUTE).astimezone(here), after.astimezone(here)


def _with_offset(at: datetime) -> str:
    return at.isoformat(timespec="minutes")
