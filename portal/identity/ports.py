"""The two ports of a company's user store. Every store implements both; the worker alone calls them.

Call them outside any transaction: a store may be a server elsewhere, and take seconds. No caller sees a
password hash.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

MAX_ID = 200  # characters of a store's own account id


class StoreUnavailable(Exception):
    """The store cannot be reached, or is busy: nothing was changed, and a later try may succeed."""


class StoreFault(Exception):
    """The store answered, but not what it must: nothing was changed, and an operator must look.

    The message names what is wrong, and never an address, id, password or hash.
    """


class PasswordRefused(StoreFault):
    """The store's own rules refuse this password: nothing was changed, and another may be accepted."""


class OutcomeUnknown(Exception):
    """The call may have changed the store or not, like a connection that broke after the request was sent."""


@dataclass(frozen=True, repr=False)
class Entry:
    """An account in the company's store. `id` is opaque; `address` is exactly what the store holds."""

    id: str
    address: str
    name: str = ""
    locale: str = ""
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """What a store can do. What it cannot is told to the person and in reports, never pretended.

    `remembers_closed`: it can tell whether a password is the one that a required reset closed. Without it, a
    new password is compared with the current one only. `change_ends_sessions`: a changed password ends the
    account's sessions in the company's product by itself, whether or not `end_sessions` can.
    """

    verify: bool
    set_password: bool
    require_change: bool
    end_sessions: bool
    remembers_closed: bool
    find_by_reference: bool
    change_ends_sessions: bool = False

    @property
    def signs_out(self) -> bool:
        """Return whether a new password ends the account's sessions in the company's product."""
        return self.end_sessions or self.change_ends_sessions


class Verdict(Enum):
    """What a store says of a typed password.

    NEEDS_FACTOR: it fits, but the company asks this account for a second factor, which the portal cannot.
    """

    FITS = "fits"
    WRONG = "wrong"
    NEEDS_FACTOR = "needs factor"


class Directory(Protocol):
    """Find accounts. Raises StoreUnavailable and StoreFault."""

    def find(self, addresses: Sequence[str]) -> list[Entry]:
        """Return the accounts that sign in with up to 500 normalised addresses, ignoring ASCII case.

        Several accounts of one address are all returned. Callers compare addresses once more.
        """
        ...

    def find_by_reference(self, references: Sequence[str]) -> list[Entry]:
        """Return the accounts with these customer numbers, at most 500."""
        ...

    def get(self, ids: Sequence[str]) -> list[Entry]:
        """Return the accounts with these ids, at most 500; those that are gone are missing."""
        ...

    def page(self, after: str | None, limit: int) -> list[Entry]:
        """Return up to `limit` accounts after an id, in the store's own order; none means the end."""
        ...


# Stores, outside the caller's transactions and before the store changes anything, what the store must know
# later to recognise closed passwords: by account id, at most 1,000 bytes each that only the store can read.
KeepClosed = Callable[[Mapping[str, bytes]], None]


class Credentials(Protocol):
    """Verify and change passwords. Raises StoreUnavailable and StoreFault; some raise OutcomeUnknown."""

    capabilities: Capabilities

    def verify(self, account_id: str | None, plain: str, seed: bytes = b"") -> Verdict:
        """Return whether a typed password signs in. Without an account it takes as long, and is WRONG.

        `seed` is a keyed hash of the typed address, the same for each try at it: a store whose hashes have
        several costs draws by it the one that it takes where there is no account.
        """
        ...

    def was_closed(self, account_id: str, plain: str, closed: bytes) -> bool:
        """Return whether a password is the one that `require_change` closed; `closed` is what was kept."""
        ...

    def set_password(self, account_id: str, plain: str) -> None:
        """Store a new password, in NFC, and end a required change. Raises PasswordRefused, OutcomeUnknown.

        A repetition with the same password is harmless.
        """
        ...

    def require_change(self, account_ids: Sequence[str], keep: KeepClosed) -> int:
        """Close the passwords of up to 500 accounts until new ones are set; return how many were open.

        Raises OutcomeUnknown. A repetition is harmless.
        """
        ...

    def end_sessions(self, account_ids: Sequence[str]) -> None:
        """End the accounts' sessions in the company's product. Raises OutcomeUnknown. Repeatable."""
        ...


class ExternalStore(Directory, Credentials, Protocol):
    """What an entry point of the group `portal.identity_stores` provides, built by its `from_settings`."""

    name: str
