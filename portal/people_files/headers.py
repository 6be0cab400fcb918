"""Match the header of a file with the columns that a command knows: by name, by usual words, or as mapped."""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from operator import itemgetter
from pathlib import Path

from portal.people_files.formats.refusal import FileRefused, OptionUnusable

FILE = Path(__file__).with_name("headers.toml")
EMAIL = "email"
# The only column that several of a file may be joined into: first name and last name.
JOINED = "name"
MAX_QUOTED = 40
_NOT_LETTERS = re.compile(r"[\W_]+")
_NUMBERED = re.compile(r"column\s+([0-9]{1,4})\Z", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"[0-9]{5}")

Pick = Callable[[list[str]], tuple[str, ...]]


class How(Enum):
    """How it was decided what becomes of a column of the file."""

    EXACT = "by its name"
    GUESSED = "guessed from its name"
    MAPPED = "by --map"
    IGNORED = "by --ignore"
    UNNAMED = "no name and empty"
    UNDECIDED = "to be decided"


@dataclass(frozen=True)
class Column:
    """A column of the file: its number from 1, its name in the header, and the column that it is read as."""

    number: int
    header: str
    how: How
    target: str = ""

    @property
    def shown(self) -> str:
        """The name as messages quote it, or `column 3`: where a header is missing, it may be a person."""
        return self.header if _quotable(self.header) else f"column {self.number}"


@dataclass(frozen=True)
class Layout:
    """What becomes of each column of a file; `wanted` are the columns of the command, in its order."""

    columns: tuple[Column, ...]
    wanted: tuple[str, ...]

    @property
    def undecided(self) -> tuple[Column, ...]:
        """The columns that an option must map or leave out."""
        return tuple(column for column in self.columns if column.how is How.UNDECIDED)

    @property
    def exact(self) -> bool:
        """Whether every column has exactly a name of the command's."""
        return all(column.how in (How.EXACT, How.UNNAMED) for column in self.columns)

    @property
    def unnamed(self) -> tuple[int, ...]:
        """The positions, from 0, of columns that must be empty."""
        return tuple(column.number - 1 for column in self.columns if column.how is How.UNNAMED)

    def missing(self, needed: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that no column of the file is read as."""
        read = {column.target for column in self.columns}
        return tuple(name for name in needed if name not in read)

    def pick(self) -> Pick:
        """Return a function that picks the wanted cells of a row, which ends in one empty cell too many."""
        width = len(self.columns)
        places = [
            [column.number - 1 for column in self.columns if column.target == name] or [width]
            for name in self.wanted
        ]
        if all(len(place) == 1 for place in places) and len(places) > 1:
            return itemgetter(*(place[0] for place in places))
        return lambda row: tuple(" ".join(row[at] for at in place if row[at]) for place in places)


def is_part(column: Column) -> bool:
    """Return whether a column probably holds a part of what is joined into one, like a first name."""
    with FILE.open("rb") as file:
        return _folded(column.header) in tomllib.load(file)["parts"][JOINED]


def recognised(wanted: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that says whether a header names one of these columns."""
    return lambda header: _guess(header, wanted) is not None


def match(
    header: Sequence[str], wanted: Sequence[str], mapped: Sequence[tuple[str, str]], ignored: Sequence[str]
) -> Layout:
    """Return the layout of a file with this header; `mapped` are pairs of header and column.

    A column that could be two things, or another could be too, stays undecided. Raises FileRefused where the
    header is none, and OptionUnusable.
    """
    names = [_visible(name) for name in header]
    if not any(names):
        raise FileRefused(1, "the first line is empty; it must be the header with the column names")
    columns = [_read(number, name, wanted) for number, name in enumerate(names, 1)]
    if not any(column.target for column in columns) and any("@" in name for name in names):
        listed = ", ".join(wanted)
        raise FileRefused(1, f"there is no header. The first line must name the columns: {listed}")
    for name, target in mapped:
        if target not in wanted:
            raise OptionUnusable(f"--map '{name}={target}': the columns are {', '.join(wanted)}.")
        for at in _places(columns, name, "--map"):
            columns[at] = replace(columns[at], how=How.MAPPED, target=target)
    for name in ignored:
        for at in _places(columns, name, "--ignore"):
            if columns[at].how is How.MAPPED:
                raise OptionUnusable(f"'{name}' is in --map and in --ignore.")
            columns[at] = replace(columns[at], how=How.IGNORED, target="")
    return Layout(tuple(_without_clashes(columns)), tuple(wanted))


def _read(number: int, name: str, wanted: Sequence[str]) -> Column:
    if not name:
        return Column(number, name, How.UNNAMED)
    if name.lower() in wanted:
        return Column(number, name, How.EXACT, name.lower())
    guess = _guess(name, wanted)
    return Column(number, name, How.GUESSED, guess) if guess else Column(number, name, How.UNDECIDED)


def _without_clashes(columns: list[Column]) -> list[Column]:
    """Return the columns, undecided where two are read as the same one. Raises FileRefused, OptionUnusable.

    What --map says counts more than an exact name, and that more than a guess.
    """
    decided = list(columns)
    for target in {column.target for column in columns if column.target}:
        same = [column for column in columns if column.target == target]
        if len(same) == 1:
            continue
        surest = next(how for how in (How.MAPPED, How.EXACT, How.GUESSED) if how in {c.how for c in same})
        sure = [column for column in same if column.how is surest]
        if len(sure) > 1 and surest is How.EXACT:
            raise FileRefused(1, f"the column '{target}' appears more than once")
        if len(sure) > 1 and surest is How.MAPPED and target != JOINED:
            raise OptionUnusable(f"--map gives more than one column to '{target}'. Leave the others out.")
        for column in same:
            if column.how is not surest or (surest is How.GUESSED):
                decided[column.number - 1] = replace(column, how=How.UNDECIDED, target="")
    return decided


def _places(columns: Sequence[Column], name: str, option: str) -> list[int]:
    """Return the positions of the columns that an option names: by header, or as `column 3`."""
    numbered = _NUMBERED.match(name.strip())
    exact = [at for at, column in enumerate(columns) if column.header == _visible(name)]
    found = exact or [
        at for at, c in enumerate(columns) if _folded(name) and _folded(c.header) == _folded(name)
    ]
    if not found and numbered and 0 < int(numbered[1]) <= len(columns):
        found = [int(numbered[1]) - 1]
    if not found:
        listed = ", ".join(f"'{column.shown}'" for column in columns)
        raise OptionUnusable(f"{option} '{name}': the file has no such column. Its columns: {listed}.")
    if option == "--map" and len(found) > 1:
        numbers = " or ".join(f"'column {at + 1}'" for at in found)
        raise OptionUnusable(f"--map '{name}': the file has {len(found)} such columns. Say {numbers}.")
    return found


def _guess(header: str, wanted: Sequence[str]) -> str | None:
    target = _words().get(_folded(header))
    return target if target in wanted else None


def _folded(header: str) -> str:
    """Return a header in lower case, without blanks, marks and accents."""
    plain = unicodedata.normalize("NFKD", header).casefold()
    return _NOT_LETTERS.sub("", "".join(c for c in plain if not unicodedata.combining(c)))


def _visible(header: str) -> str:
    shown = "".join(" " if unicodedata.category(c)[0] == "Z" else c for c in header)
    return " ".join("".join(c for c in shown if unicodedata.category(c) != "Cf").split())


def _quotable(header: str) -> bool:
    return (
        0 < len(header) <= MAX_QUOTED
        and header.isprintable()
        and "@" not in header
        and not _LONG_NUMBER.search(header)
    )


@cache
def _words() -> dict[str, str]:
    with FILE.open("rb") as file:
        tables = tomllib.load(file)
    del tables["parts"]
    own = {_folded(column): column for column in tables}
    return own | {word: column for column, words in tables.items() for word in words}
