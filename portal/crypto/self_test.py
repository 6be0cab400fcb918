"""The database's canary: one row that tells whether a process holds the keys that this database was written with."""

from hmac import compare_digest

from sqlalchemy import LargeBinary, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core.db import Base, Database
from portal.crypto.vault import FINGERPRINT_BYTES, Cell, VaultError, WebVault, WorkerVault

ROW = 1
CELL = Cell("key_canary", "sealed", ROW.to_bytes(1))
SIZES = (128,)
# Several processes may be the first at once.
_LEAVE = text(
    "INSERT INTO key_canary (id, key_id, sealed, fingerprint) VALUES (:id, :key_id, :sealed, :fingerprint) "
    "ON CONFLICT (id) DO NOTHING"
)


class KeyCanary(Base):
    """What the keys of this database must open, and what the web process's alone must be.

    `sealed` holds proofs of every key of the worker, under the storage key; `fingerprint` is a keyed hash.
    """

    __tablename__ = "key_canary"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_id: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(FINGERPRINT_BYTES))


class OtherKeys(Exception):
    """These are not the keys that the database was written with; the message says so to an operator."""


def check(db: Database, vault: WorkerVault) -> bool:
    """See that these are the keys of this database, and tell whether it has a canary at all. Raises OtherKeys."""
    if not vault.self_test():
        raise OtherKeys("The worker's keys do not belong together: restore the file from your offline copy.")
    with db.read() as session:
        return _sings(session, vault)


def keep(db: Database, vault: WorkerVault) -> None:
    """See that these are the keys of this database; the first to come puts its canary there. Raises OtherKeys."""
    if check(db, vault):
        return
    with db.write() as session:
        row = {"id": ROW, "key_id": vault.key_id.decode(), "fingerprint": vault.fingerprint()}
        session.execute(_LEAVE, row | {"sealed": vault.encrypt(CELL, vault.proofs(), SIZES)})
        _sings(session, vault)


def check_web(db: Database, vault: WebVault) -> None:
    """See that these web keys are of this database, as far as it is known whose it is. Raises OtherKeys."""
    with db.read() as session:
        row = session.get(KeyCanary, ROW)
    if row is not None and not compare_digest(row.fingerprint, vault.fingerprint()):
        raise OtherKeys(_of_another(row, "web server's"))


def opens(sealed: bytes, vault: WorkerVault) -> bool:
    """Tell whether a canary was written with these keys."""
    try:
        return compare_digest(vault.decrypt(CELL, sealed), vault.proofs())
    except VaultError:
        return False


def _sings(session: Session, vault: WorkerVault) -> bool:
    row = session.get(KeyCanary, ROW)
    if row is None:
        return False
    if not opens(row.sealed, vault):
        raise OtherKeys(_of_another(row, "worker's"))
    return True


def _of_another(row: KeyCanary, whose: str) -> str:
    return (
        f"These are not the {whose} keys of this database: it was written with the pair '{row.key_id}'. "
        "Restore that pair from your offline copy; nothing was changed."
    )
