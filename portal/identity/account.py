"""What the portal knows of an account: how it stands, and, for the worker, who has it."""

from dataclasses import dataclass
from datetime import datetime

# The reason of a required new password whose account's owner said "this wasn't me".
REPORTED = "reported"


class AccountMissing(Exception):
    """No account has this id, or it was removed."""


@dataclass(frozen=True)
class Account:
    """The part of an account that the web process may read: no address, no name, no password.

    `version` increases by one whenever the password changes or a reset is required; sessions and mailed links
    made for an older version are invalid. `password_changed_at` is a day. `chosen_by_mail_at` is the day when
    a password was last chosen through a mailed link, or when a reset was last required before that, if it is
    later. Times are UTC.
    """

    id: bytes
    store: str
    version: int = 1
    must_reset: bool = False
    reset_reason: str | None = None
    reset_required_at: datetime | None = None
    password_changed_at: datetime | None = None
    chosen_by_mail_at: datetime | None = None


@dataclass(frozen=True, repr=False)
class Profile:
    """An account's owner, readable by the worker only. `address` is exactly what the store holds.

    `locale` is the language given by the company, `chosen` the one the person chose on the portal's pages.
    `account_ref` is the only customer number where an earlier version of the builtin store kept it.
    """

    address: str
    name: str = ""
    account_ref: str = ""
    locale: str = ""
    chosen: str = ""

    @property
    def language(self) -> str:
        """Return the language for mails to this person, or an empty string if unknown."""
        return self.chosen or self.locale
