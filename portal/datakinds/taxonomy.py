"""The kinds of data that a breach exposes: their names, groups, severity, and what to do about each.

The ids in `data_classes.csv` are stored with people: a class may be added under a new id, but an id is never
changed or given away again.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

FILE = Path(__file__).parent / "data_classes.csv"
SEPARATOR = ";"

# From the group that is read first to the last, among classes of one severity.
GROUPS = (
    "sign-in",
    "money",
    "identity",
    "health",
    "private-life",
    "messages",
    "location",
    "contact",
    "family",
    "person",
    "online",
    "shopping",
    "work",
    "devices",
)


@dataclass(frozen=True, slots=True)
class DataClass:
    """One kind of exposed data. Severity runs from 1 (little) to 5 (act first)."""

    id: int
    name: str
    group: str
    severity: int
    advice: tuple[str, ...]


class UnknownDataClass(LookupError):
    """A name or id is not in the taxonomy. The message never repeats a name."""


@cache
def load() -> tuple[DataClass, ...]:
    """Return every class, in the order of its id."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(
            DataClass(
                id=int(row["id"]),
                name=row["data_class"],
                group=row["group"],
                severity=int(row["severity"]),
                advice=tuple(row["advice"].split(SEPARATOR)),
            )
            for row in csv.DictReader(file)
        )


def find(name: str) -> DataClass:
    """Return the class of this name, whatever its case and outer spaces. Raises UnknownDataClass."""
    try:
        return _by_name()[name.strip().casefold()]
    except KeyError:
        raise UnknownDataClass("this is no data class of the taxonomy") from None


def by_id(number: int) -> DataClass:
    """Return the class that is stored under this id. Raises UnknownDataClass."""
    try:
        return _by_id()[number]
    except KeyError:
        raise UnknownDataClass(f"no data class has the id {number}") from None


@lru_cache(maxsize=4096)
def parse_classes(text: str) -> tuple[DataClass, ...]:
    """Return the classes of a `;`-separated list, each once, in the order of their ids.

    Empty parts are skipped. Raises UnknownDataClass, which says the place of the unknown name, not the name.
    """
    found: set[DataClass] = set()
    for place, name in enumerate(text.split(SEPARATOR), start=1):
        if not name.strip():
            continue
        try:
            found.add(find(name))
        except UnknownDataClass:
            raise UnknownDataClass(f"name {place} is no data class of the taxonomy") from None
    return tuple(sorted(found, key=lambda data_class: data_class.id))


def worst_first(names: Iterable[str]) -> tuple[DataClass, ...]:
    """Return the classes of these names, each once, the worst first. Raises UnknownDataClass."""
    return tuple(sorted({find(name) for name in names}, key=_rank))


def _rank(data_class: DataClass) -> tuple[int, int, int, str]:
    """Sort by severity; then what is mended here, a password, before all else; then by group."""
    mended_here = 0 if data_class.advice[0] == "new-password" else 1
    return -data_class.severity, mended_here, GROUPS.index(data_class.group), data_class.name


@cache
def _by_name() -> dict[str, DataClass]:
    return {data_class.name.casefold(): data_class for data_class in load()}


@cache
def _by_id() -> dict[int, DataClass]:
    return {data_class.id: data_class for data_class in load()}
