"""Draw the cost of a stand-in for an address without an account, so that time tells nothing.

Accounts come with the hash of their company and go over to ours one by one, at a sign-in or with a new
password. So a stand-in is first given a class by how many accounts came with each, and then goes over with
the same chance as they did. It changes its class only as accounts do: towards one that has gained. Decision
0075.
"""

from collections.abc import Sequence
from dataclasses import dataclass

BYTES = 16
_PART = 5
_PARTS = 1 << 8 * _PART


@dataclass(frozen=True)
class Share:
    """How many accounts came with a class of cost, and how many have it now."""

    cost_class: str
    came: int
    now: int


def draw(mix: Sequence[Share], place: bytes) -> str | None:
    """Return the class at a place, 16 random bytes that stay the address's own; None where nothing came.

    `mix` is in an order that stays the same.
    """
    came = sum(share.came for share in mix)
    if not came:
        return None
    first, second, third = (int.from_bytes(place[_PART * n : _PART * (n + 1)]) for n in range(3))
    # Proportions, not remainders: new accounts move only the places close to a boundary.
    share = _at([(one, one.came) for one in mix], first * came // _PARTS)
    if second * share.came // _PARTS < share.now:
        return share.cost_class
    gains = [(one, one.now - one.came) for one in mix if one.now > one.came]
    gained = sum(gain for _, gain in gains)
    return _at(gains, third * gained // _PARTS).cost_class if gained else share.cost_class


def _at(sizes: Sequence[tuple[Share, int]], place: int) -> Share:
    for share, size in sizes:
        if place < size:
            return share
        place -= size
    raise ValueError("the place is beyond the mix")
