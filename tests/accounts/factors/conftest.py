"""People with second factors, and their authenticator apps."""

from collections.abc import Callable

import pytest

from portal.identity.account import Account
from tests.authenticator import App


@pytest.fixture
def app_code(clock) -> Callable[..., str]:
    """What the owner's authenticator app shows now, or so many steps from now."""
    return App(clock).code


@pytest.fixture
def recovery(db, web_vault, ana, clock) -> list[str]:
    return App(clock).protect(db, web_vault, Account(ana.id, "builtin"))


@pytest.fixture
def protected(ana, recovery) -> Account:
    """An account with an authenticator app, two minutes after that was set up."""
    assert len(recovery) == 10
    return Account(ana.id, "builtin")
