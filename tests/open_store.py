"""The builtin store as tests look into it: with the hashes that no caller in the portal sees."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from portal.crypto.hashing import is_unset
from portal.crypto.vault import WebVault, WorkerVault
from portal.identity import state
from portal.identity.account import Account, Profile
from portal.identity.builtin import passwords
from portal.identity.builtin.passwords import NewPassword, Password
from portal.identity.builtin.store import BuiltinStore


@dataclass(frozen=True)
class OpenAccount(Account):
    """An account with its hashes; they are empty where a row was tampered with."""

    password_hash: str = field(default="", repr=False)
    closed_hash: str = field(default="", repr=False)

    @property
    def unset(self) -> bool:
        return is_unset(self.password_hash)


class OpenStore(BuiltinStore):
    """The builtin store, and what the portal does with its accounts elsewhere."""

    def find(self, session: Session, vault: WebVault, address: str) -> OpenAccount | None:
        return _open(passwords.at_address(session, vault, address))

    def get(self, session: Session, vault: WebVault, account_id: bytes) -> OpenAccount | None:
        return _open(passwords.of(session, vault, account_id))

    def profile(self, session: Session, vault: WorkerVault, account_id: bytes) -> Profile:
        return state.owner(session, vault, account_id)

    def choose_language(self, session: Session, vault: WorkerVault, account_id: bytes, language: str) -> None:
        state.choose_language(session, vault, account_id, language)

    def chosen_languages(
        self, session: Session, vault: WorkerVault, after: bytes | None, limit: int
    ) -> tuple[dict[bytes, str], bytes | None]:
        return state.chosen_languages(session, vault, after, limit)

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
        account = Account(account_id, self.name, expected_version)
        new = NewPassword(password_hash)
        return passwords.store(session, vault, account, new, now=now, by_mail_at=by_mail_at)

    def upgrade_hash(
        self, session: Session, vault: WebVault, account: OpenAccount, password_hash: str
    ) -> bool:
        read = Account(**{name: getattr(account, name) for name in Account.__dataclass_fields__})
        password = Password(read, account.password_hash, account.closed_hash)
        return passwords.renew(session, vault, password, NewPassword(password_hash))


def _open(password: Password | None) -> OpenAccount | None:
    if password is None:
        return None
    return OpenAccount(**vars(password.account), password_hash=password.stored, closed_hash=password.closed)
