"""Store password hashes encrypted, and open them: the only code that knows their stored form.

Verbatim, they could be joined with the company's own customer table, which holds the same hashes: each
person's `must_reset` would tell who is on the list. Decision 0046.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from hmac import compare_digest
from typing import Any

from sqlalchemy import Row, bindparam, func, select, union, update
from sqlalchemy.orm import Session

from portal.core.db import Database
from portal.crypto.formats.registry import MAX_ENCODED
from portal.crypto.self_test import ROW, KeyCanary
from portal.crypto.vault import Cell, VaultError, WebVault
from portal.identity.builtin.models import HAS_PLAIN_HASH, AccountRow
from portal.identity.models import HAS_PLAIN_CLOSED, AccountState

# Earlier versions accepted hashes of up to 1,000 characters, which take the longer form.
SIZES = (MAX_ENCODED + 2, 1024)
LONGEST = SIZES[-1] - 2
# As an expression, so that one statement reads it together with an account.
FINGERPRINT = select(KeyCanary.fingerprint).where(KeyCanary.id == ROW).scalar_subquery()
_PLAIN = "$"  # as in HAS_PLAIN_HASH
_ACCOUNTS: Any = AccountRow.__table__
_STATES: Any = AccountState.__table__
_HAVE_PLAIN = (
    select(AccountRow.id).where(HAS_PLAIN_HASH),
    select(AccountState.id).where(HAS_PLAIN_CLOSED),
)
# Where the hash has not changed since it was read.
_ENCRYPT = tuple(
    update(column.table)
    .where(column.table.c.id == bindparam("account"), column == bindparam("read"))
    .values({column: bindparam("encrypted")})
    for column in (_ACCOUNTS.c.password_hash, _STATES.c.closed)
)
_DECOY = b64encode(bytes(SIZES[0] + 28)).decode()


def encrypt(vault: WebVault, account_id: bytes, password_hash: str) -> str:
    """Return the stored form of an account's hash: base64 of an AEAD under a key of both processes.

    Bound to the account and not to the column: `require_reset` copies it into `AccountState.closed`. Raises
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


def plain_rows(session: Session, limit: int) -> Sequence[Row[Any]]:
    """Return id and both hashes, as stored, of up to `limit` accounts with a hash in the clear."""
    ids: list[bytes] = []
    for found in _HAVE_PLAIN:
        if len(ids) < limit:
            column = found.selected_columns.id
            left = found.where(column.not_in(ids)).order_by(column).limit(limit - len(ids))
            ids += session.scalars(left)
    columns: tuple[Any, ...] = (AccountRow.id, AccountRow.password_hash, AccountState.closed)
    rows = select(*columns).join(AccountState, AccountState.id == AccountRow.id)
    return session.execute(rows.where(AccountRow.id.in_(ids)).order_by(AccountRow.id)).all()


def count_plain(session: Session) -> int:
    """Return the number of accounts with a hash in the clear: a read of their own indexes."""
    return session.scalar(select(func.count()).select_from(union(*_HAVE_PLAIN).subquery())) or 0


def check_encrypted(db: Database) -> Iterator[tuple[str, str | None]]:
    """Yield the line of `portal doctor` about hashes in the clear. They are no fault: the worker is at it."""
    with db.read() as session:
        left = count_plain(session)
    yield f"password hashes, {left} accounts for the worker to encrypt" if left else "password hashes", None


def encrypt_rows(session: Session, vault: WebVault, rows: Iterable[Row[Any]]) -> None:
    """Encrypt the hashes of `plain_rows`; those that have changed since are left for the next turn."""
    rows = list(rows)
    for place, statement in enumerate(_ENCRYPT, start=1):
        values = [
            {"account": row[0], "read": row[place], "encrypted": _encrypted(vault, row[0], row[place])}
            for row in rows
            if row[place].startswith(_PLAIN)
        ]
        if values:
            session.connection().execute(statement, values)


def _encrypted(vault: WebVault, account_id: bytes, plain: str) -> str:
    # No version stored a longer one: what is cut here was never a hash.
    return encrypt(vault, account_id, plain[:LONGEST])


def _cell(account_id: bytes) -> Cell:
    return Cell("identity_accounts", "password hash", account_id)
