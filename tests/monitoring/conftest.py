"""A portal that does well, until a test lets something go wrong."""

import pytest

from portal.runtime.heartbeat import Heart
from tests.commands import context, portal
from tests.exposure.conftest import lists

__all__ = ["context", "lists", "portal"]


@pytest.fixture
def heart(db, clock):
    return Heart(db, clock)


@pytest.fixture
def well(lists, heart):
    """One published incident with its list, and a worker that lives."""
    lists.live("ann@northwind.example,C-7,Ann,en,ES,Passwords\nann@northwind.example,C-8,Ben,en,ES,Names\n")
    heart.beat()
    return lists
