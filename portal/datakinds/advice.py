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
    5: mark("Urgent"),
    4: mark("Act soon"),
    3: mark("Take care"),
    2: mark("Good to know"),
    1: mark("Low risk"),
}

GROUP_NAMES = {
    "sign-in": mark("Signing in"),
    "money": mark("Money"),
    "identity": mark("Identity"),
    "health": mark("Health and body"),
    "private-life": mark("Private life and beliefs"),
    "messages": mark("Messages and pictures"),
    "location": mark("Where you are"),
    "contact": mark("Contact details"),
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
class Action:
    """One thing to do, and the exposed data classes that it is for, worst first."""

    advice: Advice
    data_classes: tuple[DataClass, ...]

    @property
    def severity(self) -> int:
        """Return the severity of the worst class, from 1 to 5."""
        return self.data_classes[0].severity

    @property
    def urgency(self) -> str:
        """Return how soon to act, as a message id."""
        return URGENCY[self.severity]


@cache
def load() -> dict[str, Advice]:
    """Return all advice by key, in the order of the file."""
    with FILE.open("rb") as file:
        tables = tomllib.load(file)
    return {key: Advice(key, table["title"], tuple(table["steps"])) for key, table in tables.items()}


def plan(data_classes: Iterable[DataClass]) -> tuple[Action, ...]:
    """Return what to do about these classes, which come worst first: each piece of advice once."""
    found: dict[str, list[DataClass]] = {}
    for data_class in data_classes:
        for key in data_class.advice:
            found.setdefault(key, []).append(data_class)
    return tuple(Action(load()[key], tuple(classes)) for key, classes in found.items())
