"""Which characters follow each other on a keyboard or in the alphabet."""

from functools import cache
from itertools import pairwise

# Rows as they lie on the keys; a key touches those beside it and the two below it, to its left and right.
LAYOUTS = (
    ("1234567890", "qwertyuiop", "asdfghjklñ", "zxcvbnm"),
    ("1234567890", "qwertzuiop", "asdfghjkl", "yxcvbnm"),
    ("1234567890", "azertyuiop", "qsdfghjklm", "wxcvbn"),
)


@cache
def touching() -> frozenset[str]:
    """Return every two-character text whose keys touch, in both directions, on QWERTY, QWERTZ and AZERTY."""
    pairs: set[str] = set()
    for rows in LAYOUTS:
        for upper, lower in zip(rows, (*rows[1:], ""), strict=True):
            for column, key in enumerate(upper):
                below = lower[max(0, column - 1) : column + 1]
                beside = upper[column + 1 : column + 2]
                pairs.update(key + other for other in below + beside)
                pairs.update(other + key for other in below + beside)
    return frozenset(pairs)


def walks(text: str) -> list[int]:
    """Return, for each place in `text`, where the walk over touching keys that starts there ends."""
    pairs = touching()
    ends = list(range(1, len(text) + 1))
    for start in range(len(text) - 2, -1, -1):
        if text[start : start + 2] in pairs:
            ends[start] = ends[start + 1]
    return ends


def runs(text: str) -> list[int]:
    """Return, for each place in `text`, where the run that starts there ends: `aaa`, `abc`, `321`, `8901`."""
    steps = [_step(first, second) for first, second in pairwise(text)]
    ends = list(range(1, len(text) + 1))
    for start in range(len(text) - 2, -1, -1):
        if steps[start] is None:
            continue
        longer = start + 1 < len(steps) and steps[start] == steps[start + 1]
        ends[start] = ends[start + 1] if longer else start + 2
    return ends


def _step(first: str, second: str) -> int | None:
    if first + second in {"90", "09"}:
        return 1 if first == "9" else -1
    if first != second and not (first.isalnum() and second.isalnum()):
        return None
    distance = ord(second) - ord(first)
    return distance if abs(distance) <= 1 else None
