"""Collect the advice of all data classes by group, for the page "protect yourself"."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

from portal.datakinds import advice, taxonomy
from portal.datakinds.advice import Action, Advice
from portal.datakinds.taxonomy import DataClass


@dataclass(frozen=True, slots=True)
class Kind:
    """One group of data; `classes` are (name, urgency). Most severe first, no piece of advice twice."""

    key: str
    name: str
    classes: tuple[tuple[str, str], ...]
    advice: tuple[Advice, ...]

    def beyond(self, names: Collection[str]) -> "Kind":
        """Return this group without the classes in `names`; it may have none."""
        return _kind(self.key, (one for one in _classes(self.key) if one.name not in names))


def plan(names: Collection[str]) -> tuple[Action, ...]:
    """Return what to do about the classes in `names`, most urgent first; each piece of advice once."""
    return advice.plan(taxonomy.worst_first(names))


@cache
def kinds() -> tuple[Kind, ...]:
    """Return all groups in display order; texts are message ids."""
    return tuple(_kind(group, _classes(group)) for group in taxonomy.GROUPS)


def _classes(group: str) -> Iterable[DataClass]:
    return (one for one in taxonomy.load() if one.group == group)


def _kind(group: str, classes: Iterable[DataClass]) -> Kind:
    worst_first = taxonomy.worst_first(one.name for one in classes)
    pieces = dict.fromkeys(key for one in worst_first for key in one.advice)
    return Kind(
        key=group,
        name=advice.GROUP_NAMES[group],
        classes=tuple((one.name, advice.URGENCY[one.severity]) for one in worst_first),
        advice=tuple(advice.load()[key] for key in pieces),
    )
