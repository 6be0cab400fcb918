"""Store password hashes encrypted, and open them: the only code that knows their stored form.

Verbatim, they could be joined with the company's own customer table, which holds the same hashes: each
person's `must_reset` would tell who is on the list. Decision 0046.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from hmac import compare_digest
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from portal.core.db import Database
from portal.crypto.hashing import MAX_ENCODED
from portal.crypto.self_test import ROW, KeyCanary
from portal.crypto.vault import Cell, VaultError, WebVault
from portal.identity.builtin.models import HAS_PLAIN_HASH, AccountRow

# Earlier versions accepted hashes of up to 1,000 characters, which take the longer form.
SIZES = (MAX_ENCODED + 2, 1024)
LONGEST = SIZES[-1] - 2
# As an expression, so that one statement reads it together with an account.
FINGERPRINT = select(KeyCanary.fingerprint).where(KeyCanary.id == ROW).scalar_subquery()
_PLAIN = "$"  # as in HAS_PLAIN_HASH
_TABLE: Any = AccountRow.__table__
# Where neither hash has changed since it was read.
_ENCRYPT = (
    update(_TABLE)
    .where(
        AccountRow.id == bindparam("account_id"),
        AccountRow.password_hash == bindparam("password"),
        AccountRow.closed_hash == bindparam("closed"),
    )
    .values(password_hash=bindparam("password_now"), closed_hash=bindparam("closed_now"))
)
_DECOY = b64encode(bytes(SIZES[0] + 28)).decode()


def encrypt(vault: WebVault, account_id: bytes, password_hash: str) -> str:
    """Return the stored form of an account's hash: base64 of an AEAD under a key of both processes.

    Bound to the account and not to the column: `require_reset` copies one column into the other. Raises
    ValueError where it does not fit.
    """
    return b64encode(vault.encrypt_hash(_cell(account_id), password_hash.encode(), SIZES)).decode()


def decrypt(vault: WebVault, account_id: bytes, stored: str, fingerprint: bytes | None) -> str:
    """Return an account's hash, or an empty string where the stored form is not valid.

    `fingerprint` is the one in the database (`FINGERPRINT`). It says whether hashes of an earlier version,
    in the clear, are still accepted: bound to no account, they could be exchanged between rows.
    """
    try:
        if stored.startswith(_PLAIN):
            return stored if plain_accepted(vault, fingerprint) else ""
        return vault.decrypt_hash(_cell(account_id), b64decode(stored)).decode()
    except (VaultError, ValueError, TypeError):  # a forged cell may be no text
        return ""


def decrypt_decoy(vault: WebVault) -> None:
    """Take as long as opening an account's two hashes, where there is no account."""
    for _ in range(2):
        decrypt(vault, bytes(16), _DECOY, None)


def plain_accepted(vault: WebVault, fingerprint: bytes | None) -> bool:
    """Return whether the database may still hold hashes in the clear, as the keys' fingerprint in it says."""
    return fingerprint is not None and compare_digest(fingerprint, vault.plain_fingerprint())


def plain_rows(session: Session, limit: int) -> Sequence[Row[bytes, str, str]]:
    """Return id and both hashes, as stored, of up to `limit` accounts with a hash in the clear."""
    columns = (AccountRow.id, AccountRow.password_hash, AccountRow.closed_hash)
    return session.execute(select(*columns).where(HAS_PLAIN_HASH).order_by(AccountRow.id).limit(limit)).all()


def count_plain(session: Session) -> int:
    """Return the number of accounts with a hash in the clear: a read of their own index."""
    return session.scalar(select(func.count()).select_from(AccountRow).where(HAS_PLAIN_HASH)) or 0


def check_encrypted(db: Database) -> Iterator[tuple[str, str | None]]:
    """Yield the line of `portal doctor` about hashes in the clear. They are no fault: the worker is at it."""
    with db.read() as session:
        left = count_plain(session)
    yield f"password hashes, {left} accounts for the worker to encrypt" if left else "password hashes", None


def encrypt_rows(session: Session, vault: WebVault, rows: Iterable[Row[bytes, str, str]]) -> None:
    """Encrypt the hashes of `plain_rows`; accounts that have changed since are left for the next turn."""
    values = [
        {
            "account_id": account_id,
            "password": password_hash,
            "closed": closed_hash,
            "password_now": _encrypt_if_plain(vault, account_id, password_hash),
            "closed_now": _encrypt_if_plain(vault, account_id, closed_hash),
        }
        for account_id, password_hash, closed_hash in rows
    ]
    session.connection().execute(_ENCRYPT, values)


def _encrypt_if_plain(vault: WebVault, account_id: bytes, stored: str) -> str:
    if not stored.startswith(_PLAIN):
        return stored
    # No version stored a longer one: what is cut here was never a hash.
    return encrypt(vault, account_id, stored[:LONGEST])


def _cell(account_id: bytes) -> Cell:
    return Cell("identity_accounts", "password hash", account_id)
