"""The taxonomy of exposed data: class names, groups, severity, and keys of advice.

The ids in `data_classes.csv` are stored with people: a class may be added under a new id, but an id is never
changed or reused.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "data_classes.csv"
SEPARATOR = ";"

# Display order among classes of equal severity.
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
    """One kind of exposed data; severity runs from 1 (little risk) to 5 (act first)."""

    id: int
    name: str
    group: str
    severity: int
    advice: tuple[str, ...]


class UnknownDataClass(LookupError):
    """A name or id is not in the taxonomy."""


@cache
def load() -> tuple[DataClass, ...]:
    """Return all classes, sorted by id (the order of the file)."""
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
    """Return the class of this name, ignoring case and outer whitespace. Raises UnknownDataClass."""
    try:
        return _by_name()[name.strip().casefold()]
    except KeyError:
        raise UnknownDataClass("not a data class of the taxonomy") from None


def by_id(number: int) -> DataClass:
    """Return the class with this id. Raises UnknownDataClass."""
    try:
        return _by_id()[number]
    except KeyError:
        raise UnknownDataClass(f"no data class has the id {number}") from None


def worst_first(names: Iterable[str]) -> tuple[DataClass, ...]:
    """Return the classes of these names, without duplicates, most severe first. Raises UnknownDataClass."""
    return tuple(sorted({find(name) for name in names}, key=_rank))


def _rank(data_class: DataClass) -> tuple[int, int, int, str]:
    """Return the sort key: severity, then passwords (they can be changed here), then group and name."""
    not_password = 0 if data_class.advice[0] == "new-password" else 1
    return -data_class.severity, not_password, GROUPS.index(data_class.group), data_class.name


@cache
def _by_name() -> dict[str, DataClass]:
    return {data_class.name.casefold(): data_class for data_class in load()}


@cache
def _by_id() -> dict[int, DataClass]:
    return {data_class.id: data_class for data_class in load()}
