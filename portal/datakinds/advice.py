"""Load the advice for each kind of exposed data; texts are message ids, translated where they are shown."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from portal.core.i18n import mark
from portal.datakinds.taxonomy import DataClass

FILE = Path(__file__).parent / "advice.toml"

URGENCY = {
    5: mark("Act on this first"),
    4: mark("Act on this soon"),
    3: mark("Take care"),
    2: mark("Good to know"),
    1: mark("Little risk"),
}

GROUP_NAMES = {
    "sign-in": mark("Signing in"),
    "money": mark("Money"),
    "identity": mark("Identity"),
    "health": mark("Health and body"),
    "private-life": mark("Private life and beliefs"),
    "messages": mark("Messages and pictures"),
    "location": mark("Where you are"),
    "contact": mark("How to reach you"),
    "family": mark("Family and friends"),
    "person": mark("About you"),
    "online": mark("Online life"),
    "shopping": mark("Shopping and interests"),
    "work": mark("Work and education"),
    "devices": mark("Devices and connections"),
}


@dataclass(frozen=True, slots=True)
class Advice:
    """One recommended action: a title and one to four steps that can be ticked off."""

    key: str
    title: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One exposed data class with its advice; `as_above` is advice that an earlier entry gives in full."""

    data_class: DataClass
    advice: tuple[Advice, ...]
    as_above: tuple[Advice, ...]

    @property
    def urgency(self) -> str:
        """Return how soon to act, as a message id."""
        return URGENCY[self.data_class.severity]

    @property
    def group(self) -> str:
        """Return the name of the class's group, as a message id."""
        return GROUP_NAMES[self.data_class.group]


@cache
def load() -> dict[str, Advice]:
    """Return all advice by key, in the order of the file."""
    with FILE.open("rb") as file:
        tables = tomllib.load(file)
    return {key: Advice(key, table["title"], tuple(table["steps"])) for key, table in tables.items()}


def plan(data_classes: Iterable[DataClass]) -> tuple[Entry, ...]:
    """Return the classes in the given order with their advice, each piece in full only once."""
    seen: set[str] = set()
    entries: list[Entry] = []
    for data_class in data_classes:
        new = tuple(load()[key] for key in data_class.advice if key not in seen)
        old = tuple(load()[key] for key in data_class.advice if key in seen)
        seen.update(data_class.advice)
        entries.append(Entry(data_class, new, old))
    return tuple(entries)
