"""The interface to the company's user store, which every store implements."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from portal.crypto.hashing import is_unset
from portal.crypto.vault import WebVault, WorkerVault
from portal.identity import account
from portal.identity.account import Profile


@dataclass(frozen=True)
class Account(account.Account):
    """An account with its hashes, of the builtin store.

    `closed_hash` is the hash of the password closed by the last required reset, or one that no password
    matches. A hash is empty where the stored one was tampered with: verify a dummy instead.
    """

    password_hash: str = field(default="", repr=False)
    closed_hash: str = field(default="", repr=False)

    @property
    def unset(self) -> bool:
        """Return whether the company gave no usable hash, and the owner has chosen no password since."""
        return is_unset(self.password_hash)


class Store(Protocol):
    """A user store. Methods write in the caller's transaction and never commit."""

    def find(self, session: Session, vault: WebVault, address: str) -> Account | None:
        """Return the account that signs in with a normalised address, ignoring ASCII case, or None."""
        ...

    def get(self, session: Session, vault: WebVault, account_id: bytes) -> Account | None:
        """Return an account by its id, or None."""
        ...

    def all_indexes(self, session: Session, after: bytes | None, limit: int) -> list[bytes]:
        """Return up to `limit` account indexes (`vault.account_index`) greater than `after`, ascending."""
        ...

    def dummy_hash(self, session: Session, vault: WebVault, address: str) -> str | None:
        """Return a hash that no password matches, or None to use the configured Argon2 parameters.

        Verifying it takes as long as verifying a real account's hash, so that timing does not reveal who has
        an account. An address keeps the same cost while the store's distribution of costs does not change.
        """
        ...

    def set_password(
        self,
        session: Session,
        vault: WebVault,
        account_id: bytes,
        *,
        expected_version: int,
        password_hash: str,
        now: datetime,
        by_mail_at: datetime | None = None,
    ) -> bool:
        """Store a new password's hash, end a required reset, and increase the version by one.

        `by_mail_at` is given where a mailed link was the proof, not an earlier password, and stored as
        `chosen_by_mail_at`. No exact time of `now` is stored: it would lead from a visit to the account.
        Returns False, and stores nothing, when the version is not `expected_version`: another change came
        first.
        """
        ...

    def upgrade_hash(self, session: Session, vault: WebVault, account: Account, password_hash: str) -> bool:
        """Replace an unchanged password's hash by one of today's cost; sessions and links stay valid.

        Returns False, and stores nothing, when the account changed since it was read.
        """
        ...

    def require_reset(
        self, session: Session, account_ids: Sequence[bytes], reason: str, now: datetime
    ) -> list[bytes]:
        """Close the passwords of these accounts until new ones are chosen; return those that were open.

        `reason` is a short code, the same for the whole cohort; it must not reveal anything about one person.
        """
        ...

    def profile(self, session: Session, vault: WorkerVault, account_id: bytes) -> Profile:
        """Return the account's owner, with the worker's keys. Raises AccountMissing, VaultError."""
        ...

    def choose_language(self, session: Session, vault: WorkerVault, account_id: bytes, language: str) -> None:
        """Store the language that the person chose. Raises AccountMissing, VaultError."""
        ...

    def chosen_languages(
        self, session: Session, vault: WorkerVault, after: bytes | None, limit: int
    ) -> tuple[dict[bytes, str], bytes | None]:
        """Return chosen languages by account index for up to `limit` accounts, and the next `after` or None.

        Callers read all accounts page by page: look-ups by address would reveal whom a list names.
        """
        ...

    def references(self, session: Session, vault: WorkerVault, account_id: bytes) -> list[str]:
        """Return the company's customer numbers of an account, sorted. Raises AccountMissing, VaultError."""
        ...

    def find_by_ref(self, session: Session, vault: WorkerVault, account_ref: str) -> list[Account]:
        """Return the accounts with this customer number of the company; several people may share it.

        An account that only the web process says to have it is none of them.
        """
        ...

    def all_ids(self, session: Session, after: bytes | None, limit: int) -> list[bytes]:
        """Return up to `limit` account ids greater than `after`, ascending, for jobs that read them all."""
        ...
