"""The port to the company's user store: what the portal asks of it, whichever store it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from portal.crypto.vault import WebVault, WorkerVault


class AccountMissing(Exception):
    """There is no account under this id (any more)."""


@dataclass(frozen=True)
class Account:
    """What the web process may know of an account: no address, no name.

    `version` grows by one whenever the password changes or a new one is required; whatever was made for an
    older version (a session, a mailed link) is dead. `closed_hash` is that of the password which a required
    reset closed last, or one that no password fits. `chosen_by_mail_at` is when a password was last chosen by
    a mailed link.
    """

    id: bytes
    version: int
    must_reset: bool
    password_hash: str = field(repr=False)
    closed_hash: str = field(repr=False)
    password_changed_at: datetime | None = None
    reset_required_at: datetime | None = None
    reset_reason: str | None = None
    chosen_by_mail_at: datetime | None = None


@dataclass(frozen=True, repr=False)
class Profile:
    """Who an account belongs to; for the worker alone. `address` is stored exactly as the store has it.

    `locale` is the company's word for the person's language, `chosen` the person's own, from the portal's
    pages.
    """

    address: str
    name: str = ""
    account_ref: str = ""
    locale: str = ""
    chosen: str = ""

    @property
    def language(self) -> str:
        """The language to write to this person in; empty where nobody said one."""
        return self.chosen or self.locale


class Store(Protocol):
    """A user store. Methods that write take part in the caller's transaction; none commits."""

    def find(self, session: Session, vault: WebVault, address: str) -> Account | None:
        """Return the account that signs in with a normalised address, whatever its ASCII case."""
        ...

    def get(self, session: Session, account_id: bytes) -> Account | None:
        """Return an account by its id."""
        ...

    def all_indexes(self, session: Session, after: bytes | None, limit: int) -> list[bytes]:
        """Return up to `limit` account indexes (`vault.account_index`) in ascending order, after `after`."""
        ...

    def dummy_hash(self, session: Session, vault: WebVault, address: str) -> str | None:
        """Return a hash that no password fits, as costly as an account's might be; None means the usual cost.

        Verifying it takes the time that a real account's hash takes, so that time does not tell who has an
        account. The same address gets the same cost as long as the store's mixture of costs does not change.
        """
        ...

    def set_password(
        self,
        session: Session,
        account_id: bytes,
        *,
        expected_version: int,
        password_hash: str,
        now: datetime,
        by_mail: bool = False,
    ) -> bool:
        """Store a new password's hash where the version is still the expected one; what required it is over.

        `by_mail` says that a mailed link was the proof, and not an earlier password.

        The version grows by one. False means that another change was first, and nothing was stored.
        """
        ...

    def upgrade_hash(self, session: Session, account: Account, password_hash: str) -> bool:
        """Replace the hash of an unchanged password by one of today's cost; sessions and links stay alive."""
        ...

    def require_reset(
        self, session: Session, account_ids: Sequence[bytes], reason: str, now: datetime
    ) -> int:
        """Close the passwords of these accounts until new ones are chosen; return how many were still open.

        `reason` is a short word for the record, the same for everyone it concerns, never about one person.
        """
        ...

    def profile(self, session: Session, vault: WorkerVault, account_id: bytes) -> Profile:
        """Return whose account it is; only the worker has the key. Raises AccountMissing."""
        ...

    def choose_language(self, session: Session, vault: WorkerVault, account_id: bytes, language: str) -> None:
        """Keep the language that the person chose. Raises AccountMissing, VaultError."""
        ...

    def chosen_languages(
        self, session: Session, vault: WorkerVault, after: bytes | None, limit: int
    ) -> tuple[dict[bytes, str], bytes | None]:
        """Return the languages that owners of the next accounts chose, by account index, and where to go on, or None.

        By pages of all accounts, whoever is asked about: looked up by address, they would show whom a list names.
        """
        ...

    def find_by_ref(self, session: Session, vault: WorkerVault, account_ref: str) -> list[Account]:
        """Return the accounts of one customer number of the company; several people may share one."""
        ...

    def all_ids(self, session: Session, after: bytes | None, limit: int) -> list[bytes]:
        """Return up to `limit` account ids in ascending order, after `after`; for jobs that walk over all."""
        ...
