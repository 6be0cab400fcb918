"""The waves of a notice: one after the other, by size, by time, and the worst affected first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.campaigns.models import DONE, LEAST, WORST, Wave

MOST_WAVES = 50


class TooManyWaves(ValueError):
    """The notice would have more than 50 waves."""


@dataclass(frozen=True)
class Cut:
    """A wave as its author asks for it: at most so many mails, and not before a time."""

    limit: int | None = None
    not_before: datetime | None = None


@dataclass(frozen=True)
class PlannedWave:
    """A wave: severities, limit and time as in its row, and the number of mails that was counted."""

    worst: int
    least: int
    limit: int | None
    not_before: datetime | None
    expected: int


@dataclass
class _Part:
    """Addresses of some severities, and how many of them no wave has yet."""

    worst: int
    least: int
    left: int


def planned(
    by_severity: Mapping[int, int], cuts: Sequence[Cut], *, worst_first: bool = False
) -> list[PlannedWave]:
    """Return the waves for addresses counted by severity; the last ones take all that the cuts leave.

    Where the worst affected come first, a cut over several severities makes several waves. Raises
    TooManyWaves.
    """
    parts = _parts(by_severity) if worst_first else [_Part(WORST, LEAST, sum(by_severity.values()))]
    found = list(_planned(parts, cuts))
    if len(found) > MOST_WAVES:
        raise TooManyWaves
    return found


def _planned(parts: list[_Part], cuts: Sequence[Cut]) -> Iterator[PlannedWave]:
    for cut in (*cuts, Cut()):
        room = cut.limit
        while parts and room != 0:
            part = parts[0]
            if room is None or room >= part.left:
                # Without a limit: people that the count missed must not be missed by the last wave too.
                yield PlannedWave(part.worst, part.least, None, cut.not_before, part.left)
                room = None if room is None else room - part.left
                parts.pop(0)
            else:
                yield PlannedWave(part.worst, part.least, room, cut.not_before, room)
                part.left -= room
                room = 0


def _parts(by_severity: Mapping[int, int]) -> list[_Part]:
    """Return parts that together have every severity, the worst first."""
    levels = sorted((level for level, number in by_severity.items() if number), reverse=True)
    if not levels:
        return [_Part(WORST, LEAST, 0)]
    bounds = zip([WORST, *(level - 1 for level in levels)], [*levels[:-1], LEAST], strict=False)
    return [
        _Part(worst, least, by_severity[level]) for level, (worst, least) in zip(levels, bounds, strict=True)
    ]


def current(waves: Sequence[Wave]) -> Wave | None:
    """Return the first wave that is not done, or None."""
    return next((wave for wave in waves if wave.state != DONE), None)


def beginning(waves: Sequence[Wave], wave: Wave) -> bytes:
    """Return the key where a wave begins: behind the last one of the same severities."""
    same = [
        each
        for each in waves
        if each.number < wave.number and (each.worst, each.least) == (wave.worst, wave.least)
    ]
    return same[-1].cursor if same else b""
