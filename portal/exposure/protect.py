"""What anyone can do after a breach, by kind of data: the advice of every class, gathered by group."""

from dataclasses import dataclass
from functools import cache

from portal.exposure import advice, taxonomy
from portal.exposure.advice import Advice


@dataclass(frozen=True, slots=True)
class Kind:
    """One group of data: its name, its classes with how soon to act, and each piece of advice once, worst first."""

    key: str
    name: str
    classes: tuple[tuple[str, str], ...]
    advice: tuple[Advice, ...]


@cache
def kinds() -> tuple[Kind, ...]:
    """Return every group in the order in which it is read first; texts are to be translated."""
    return tuple(_kind(group) for group in taxonomy.GROUPS)


def _kind(group: str) -> Kind:
    worst_first = taxonomy.worst_first(one.name for one in taxonomy.load() if one.group == group)
    pieces = dict.fromkeys(key for one in worst_first for key in one.advice)
    return Kind(
        key=group,
        name=advice.GROUP_NAMES[group],
        classes=tuple((one.name, advice.URGENCY[one.severity]) for one in worst_first),
        advice=tuple(advice.load()[key] for key in pieces),
    )
