"""People with second factors, and their authenticator apps."""

from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest

from portal.accounts.factors import service
from portal.identity.account import Account

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def app_code(clock) -> Callable[..., str]:
    """What the owner's authenticator app shows now, or so many steps from now."""

    def shown(steps: int = 0) -> str:
        return pyotp.TOTP(SECRET).at(clock.at + timedelta(seconds=30 * steps))

    return shown


@pytest.fixture
def protected(db, web_vault, clock, ana, app_code) -> Account:
    """An account with an authenticator app, two minutes after that was set up."""
    account = Account(ana.id, "builtin")
    with db.write() as session:
        assert service.add_code(session, web_vault, account, SECRET, app_code(), clock.now())
    clock.advance(timedelta(minutes=2))
    return account


@pytest.fixture
def recovery(db, web_vault, protected) -> list[str]:
    with db.write() as session:
        return service.make_recovery_codes(session, web_vault, protected.id)
