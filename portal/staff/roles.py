"""What staff may do: five roles, of which a member has one or more."""

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """A role. The values are stored and enter row MACs: they stay."""

    AUTHOR = "author"
    APPROVER = "approver"
    SUPPORT = "support"
    PRIVACY = "privacy"
    ADMIN = "admin"


ANY = frozenset(Role)


def parse(text: str) -> frozenset[Role]:
    """Return the roles of a stored text, such as `admin author`. Raises ValueError."""
    return frozenset(Role(word) for word in text.split())


def written(roles: Iterable[Role]) -> str:
    """Return roles as they are stored: sorted, with spaces."""
    return " ".join(sorted(roles))
