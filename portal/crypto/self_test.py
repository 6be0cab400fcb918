"""Check that a process holds the keys that the database was written with, by one canary row."""

from hmac import compare_digest

from sqlalchemy import LargeBinary, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core.db import Base, Database
from portal.crypto.vault import FINGERPRINT_BYTES, Cell, VaultError, WebVault, WorkerVault

ROW = 1
CELL = Cell("key_canary", "sealed", ROW.to_bytes(1))
SIZES = (128,)
# Several processes may insert the first row at once.
_INSERT = text(
    "INSERT INTO key_canary (id, key_id, sealed, fingerprint) VALUES (:id, :key_id, :sealed, :fingerprint) "
    "ON CONFLICT (id) DO NOTHING"
)


class KeyCanary(Base):
    """The one row that keys are checked against.

    `sealed` holds proofs of all of the worker's keys, encrypted under the storage key. `fingerprint`, a keyed
    hash, checks the web process's keys, and says whether the database may still hold plain password hashes.
    """

    __tablename__ = "key_canary"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_id: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(FINGERPRINT_BYTES))


class OtherKeys(Exception):
    """The keys are not those that the database was written with; the message is for operators."""


def check(db: Database, vault: WorkerVault) -> bool:
    """Return whether the database has a canary, and check it. Raises OtherKeys."""
    if not vault.self_test():
        raise OtherKeys(
            "The keys in PORTAL_WORKER_KEYS_FILE do not belong together: restore the file from your "
            "offline copy."
        )
    with db.read() as session:
        return _check_row(session, vault)


def check_or_store(db: Database, vault: WorkerVault) -> None:
    """Check the canary; insert it where the database has none yet. Raises OtherKeys."""
    if check(db, vault):
        return
    with db.write() as session:
        row = {"id": ROW, "key_id": vault.key_id.decode(), "fingerprint": vault.fingerprint()}
        session.execute(_INSERT, row | {"sealed": vault.encrypt(CELL, vault.proofs(), SIZES)})
        _check_row(session, vault)  # another process may have inserted the canary of other keys


def check_web(db: Database, vault: WebVault) -> None:
    """Check the web process's keys; a database without a canary accepts any. Raises OtherKeys."""
    with db.read() as session:
        row = session.get(KeyCanary, ROW)
    if row is None:
        return
    own = (vault.fingerprint(), vault.plain_fingerprint())
    if not any(compare_digest(row.fingerprint, one) for one in own):
        raise OtherKeys(_mismatch(row, "web server's"))


def refuse_plain_hashes(session: Session, vault: WebVault) -> bool:
    """Write the fingerprint of a database without plain password hashes; return False if it was there."""
    written = session.execute(
        update(KeyCanary)
        .where(KeyCanary.id == ROW, KeyCanary.fingerprint == vault.plain_fingerprint())
        .values(fingerprint=vault.fingerprint())
        .returning(KeyCanary.id)
    )
    return written.first() is not None


def opens(sealed: bytes, vault: WorkerVault) -> bool:
    """Return whether a canary was written with these keys."""
    try:
        return compare_digest(vault.decrypt(CELL, sealed), vault.proofs())
    except VaultError:
        return False


def _check_row(session: Session, vault: WorkerVault) -> bool:
    row = session.get(KeyCanary, ROW)
    if row is None:
        return False
    if not opens(row.sealed, vault):
        raise OtherKeys(_mismatch(row, "worker's"))
    return True


def _mismatch(row: KeyCanary, whose: str) -> str:
    return (
        f"These are not the {whose} keys of this database: it was written with key pair {row.key_id}. "
        "Restore that pair from your offline copy. Nothing was changed."
    )
