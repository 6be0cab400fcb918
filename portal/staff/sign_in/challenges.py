"""Questions to passkeys that the worker makes, so that a taken console cannot repeat an old answer."""

from datetime import datetime
from hmac import compare_digest
from os import urandom

from sqlalchemy import delete
from sqlalchemy.orm import Session

from portal.core.db import insert
from portal.crypto import tokens
from portal.crypto.vault import WorkerVault
from portal.crypto.webauthn import LIFETIME, encoded
from portal.runtime.turns import MOST_ROWS, delete_some
from portal.staff.models import StaffChallenge

BYTES = 32


def new(session: Session, vault: WorkerVault, purpose: str, bound: bytes, now: datetime) -> bytes:
    """Store and return a new challenge for a purpose, such as signing in, bound to a session or a link."""
    challenge = urandom(BYTES)
    row_id, ends_at = tokens.token_hash(encoded(challenge)), now + LIFETIME
    values = {"id": row_id, "ends_at": ends_at, "row_mac": _mac(vault, row_id, purpose, bound, ends_at)}
    session.execute(insert(session, StaffChallenge).values(values))
    return challenge


def spend(
    session: Session, vault: WorkerVault, challenge: bytes, purpose: str, bound: bytes, now: datetime
) -> bool:
    """Return whether a challenge was made for this and is answered in time, for the first time."""
    row_id = tokens.token_hash(encoded(challenge))
    row = session.execute(
        delete(StaffChallenge)
        .where(StaffChallenge.id == row_id)
        .returning(StaffChallenge.ends_at, StaffChallenge.row_mac)
    ).first()
    if row is None or row.ends_at <= now:
        return False
    return compare_digest(bytes(row.row_mac), _mac(vault, row_id, purpose, bound, row.ends_at))


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Delete up to `limit` challenges that have ended; return how many."""
    return delete_some(session, StaffChallenge, StaffChallenge.ends_at <= now, limit)


def _mac(vault: WorkerVault, row_id: bytes, purpose: str, bound: bytes, ends_at: datetime) -> bytes:
    return vault.row_mac("staff challenge", row_id, purpose, bound, int(ends_at.timestamp()))
