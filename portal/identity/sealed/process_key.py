"""The key pair of a worker process: made when it starts, never stored, gone when it ends."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hmac import compare_digest
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from sqlalchemy import bindparam, delete, literal, or_, select
from sqlalchemy.orm import Session

from portal.core.db import ID_BYTES, Utc, insert, new_id
from portal.crypto.vault import ConsoleVault, PageVault, WorkerVault, open_with, seal_to
from portal.identity.sealed.models import WorkerKey, readable
from portal.runtime.heartbeat import START, database_time

BEAT_SECONDS = 5.0
# Nothing is sealed to a process that was silent for so long: it died, or will not come to it in time.
SILENT = timedelta(seconds=20)
FORGET = timedelta(minutes=1)
_AHEAD = timedelta(seconds=5)


class NoWorker(Exception):
    """No worker process has published a key lately, so nobody could open the job."""


@dataclass(frozen=True, repr=False)
class Recipient:
    """A living worker process, to which jobs can be sealed."""

    key_id: bytes
    public: X25519PublicKey


class ProcessKey:
    """This process's key pair. Nothing writes the private key anywhere."""

    def __init__(self, vault: WorkerVault) -> None:
        """Make the pair."""
        self.key_id = new_id()
        self._private = X25519PrivateKey.generate()
        self._vault = vault

    def publish(self, session: Session, now: datetime) -> None:
        """Store the public key and that this process lives; forget processes long silent."""
        now, public = database_time(session, now), self._private.public_key().public_bytes_raw()
        proof = _proof(self._vault, self.key_id, public)
        staff_proof = _proof(self._vault.staff, self.key_id, public)
        row = {
            "id": self.key_id,
            "public": public,
            "proof": proof,
            "staff_proof": staff_proof,
            "beat_at": now,
        }
        statement = insert(session, WorkerKey).values(row)
        session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))
        gone = or_(WorkerKey.beat_at < now - FORGET, WorkerKey.beat_at > now + FORGET)
        session.execute(delete(WorkerKey).where(gone))

    def withdraw(self, session: Session) -> None:
        """Remove the public key, so that nothing more is sealed to this process."""
        session.execute(delete(WorkerKey).where(WorkerKey.id == self.key_id))

    def open(self, purpose: str, job_id: bytes, sealed: bytes) -> bytes:
        """Return what `seal` sealed to this process. Raises VaultError."""
        return open_with(self._private, purpose, job_id, self._vault.open(purpose, job_id, sealed))


def newest(session: Session, vault: PageVault, now: datetime) -> Recipient:
    """Return the process that beat last, `now` being the database's time. Raises NoWorker.

    A row without its proof was planted, and is no process.
    """
    living = {"after": now - SILENT, "before": now + _AHEAD}
    statement = _newest(session.get_bind().dialect.name, of_staff=isinstance(vault, ConsoleVault))
    for row in session.execute(statement, living):
        key_id, public = bytes(row.id), bytes(row.public)
        if len(key_id) == ID_BYTES and compare_digest(_proof(vault, key_id, public), bytes(row.proof)):
            return Recipient(key_id, X25519PublicKey.from_public_bytes(public))
    raise NoWorker


@cache
def _newest(dialect: str, *, of_staff: bool) -> Any:
    """Return the statement of `newest`, built once: somebody waits for it."""
    proof: Any = WorkerKey.staff_proof if of_staff else WorkerKey.proof
    columns = WorkerKey.id, WorkerKey.public, proof.label("proof")
    after, before = (bindparam(name, type_=Utc()) for name in ("after", "before"))
    living = (WorkerKey.beat_at > after) & (WorkerKey.beat_at < before)
    return (
        select(*columns)
        .where(living, readable(dialect, WorkerKey.id, WorkerKey.public, proof))
        .order_by(WorkerKey.beat_at.desc())
    )


def why_degraded(session: Session, now: datetime) -> str | None:
    """Return that no process takes passwords for the company's own store, and what to do, or None."""
    now = database_time(session, now)
    living = (WorkerKey.beat_at > now - SILENT) & (WorkerKey.beat_at < now + _AHEAD)
    if session.scalar(select(literal(1)).where(living).limit(1)) is not None:
        return None
    return f"no worker takes passwords, so nobody can sign in or choose a new one; {START}"


def seal(vault: PageVault, recipient: Recipient, purpose: str, job_id: bytes, plaintext: bytes) -> bytes:
    """Seal twice: to the process, and around that to the worker's long-term key.

    The key file alone opens nothing, since the process's key dies with it; a planted key alone opens nothing
    either.
    """
    return vault.seal(purpose, job_id, seal_to(recipient.public, purpose, job_id, plaintext))


def _proof(vault: PageVault, key_id: bytes, public: bytes) -> bytes:
    return vault.bucket("worker process key", key_id.hex(), public.hex())
