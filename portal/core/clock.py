"""Provide the time as an argument: code below an entry point never reads the system clock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class SystemClock:
    """The system clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)


@dataclass
class FixedClock:
    """A clock that moves only when advanced, for tests and the demonstration."""

    at: datetime

    def now(self) -> datetime:
        """Return the time that was set."""
        return self.at

    def advance(self, by: timedelta) -> None:
        """Move the clock by `by`, which may be negative."""
        self.at += by


def start_of_day(at: datetime) -> datetime:
    """Return the beginning of the day of `at`, in UTC: what is stored where the exact time tells too much."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
