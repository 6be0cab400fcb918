"""The time, as an argument: nothing below an entry point reads the machine's clock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)


@dataclass
class FixedClock:
    """A clock that moves only when told to, for tests and the demonstration."""

    at: datetime

    def now(self) -> datetime:
        """Return the time this clock stands at."""
        return self.at

    def advance(self, by: timedelta) -> None:
        """Move the clock by `by`, which may be negative."""
        self.at += by
