"""An owner's authenticator app, which knows one account's key."""

from dataclasses import dataclass
from datetime import timedelta

import pyotp

from portal.accounts.factors import service
from portal.core.clock import FixedClock
from portal.core.db import Database
from portal.crypto.vault import WebVault
from portal.identity.account import Account

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
WRONG = "000000"  # what it shows at none of the tests' times


@dataclass
class App:
    """What it shows depends on the time alone."""

    clock: FixedClock

    def code(self, steps: int = 0) -> str:
        """The code that is shown now, or so many steps of 30 seconds from now."""
        return pyotp.TOTP(SECRET).at(self.clock.at + timedelta(seconds=30 * steps))

    def protect(self, db: Database, vault: WebVault, account: Account) -> list[str]:
        """Set up the app for an account, let two minutes pass, and return its recovery codes."""
        with db.write() as session:
            assert service.add_code(session, vault, account, SECRET, self.code(), self.clock.now())
            made = service.make_recovery_codes(session, vault, account.id)
        self.clock.advance(timedelta(minutes=2))
        return made
