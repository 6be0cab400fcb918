"""What a browser has proved so far, while something is still missing.

SIGN_IN: the password fits, and a factor is missing. CONFIRM: the same, of somebody who is signed in. RESET: a
factor was right, for one mailed link; the new password is missing. A proof ends with the account's version,
when a factor is removed, after five tries, and by itself.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from secrets import token_urlsafe

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.accounts.factors.models import Proof
from portal.core.db import ID_BYTES, new_id
from portal.crypto import tokens
from portal.identity import state
from portal.identity.account import Account
from portal.runtime.turns import MOST_ROWS, delete_some

TOKEN_BYTES = 32
TRIES = 5
LONGEST = timedelta(minutes=30)
UNBOUND = bytes(ID_BYTES)
_ADDRESS_SIZE = 256
_ADDRESS_INFO = "portal proof address"


class Purpose(Enum):
    """What a proof is for, and how long it lasts."""

    SIGN_IN = "sign-in"
    CONFIRM = "confirm"
    RESET = "reset"

    @property
    def lifetime(self) -> timedelta:
        """Return how long such a proof lasts."""
        return LONGEST if self is Purpose.RESET else timedelta(minutes=10)


@dataclass(frozen=True)
class Proved:
    """A proof that is valid, and its account."""

    id: bytes
    account: Account
    bound_to: bytes
    address: str = field(repr=False)


def begin(
    session: Session,
    purpose: Purpose,
    account: Account,
    *,
    now: datetime,
    address: str = "",
    bound_to: bytes = UNBOUND,
) -> str:
    """Store a proof and return its token, which is stored nowhere."""
    token = token_urlsafe(TOKEN_BYTES)
    session.add(
        Proof(
            id=new_id(),
            purpose=purpose.value,
            token_hash=tokens.token_hash(token),
            account_id=account.id,
            account_version=account.version,
            bound_to=bound_to,
            address=tokens.lock(token.encode(), address.encode(), _ADDRESS_SIZE, _ADDRESS_INFO),
            made_at=now,
            tries=0,
        )
    )
    session.flush()
    return token


def find(session: Session, store: str, purpose: Purpose, token: str, now: datetime) -> Proved | None:
    """Return the proof of a token, or None where it has ended or the account has changed since."""
    row = session.scalar(select(Proof).where(Proof.token_hash == tokens.token_hash(token)))
    if row is None or row.purpose != purpose.value or not row.made_at <= now < row.made_at + purpose.lifetime:
        return None
    account = state.of_store(session, row.account_id, store)
    if account is None or account.version != row.account_version:
        return None
    # Who must choose a new password does so with this proof; nobody gets in with the old one.
    if account.must_reset and purpose is not Purpose.RESET:
        return None
    address = tokens.unlock(token.encode(), row.address, _ADDRESS_INFO).decode()
    return Proved(row.id, account, row.bound_to, address)


def count_try(session: Session, proof_id: bytes) -> bool:
    """Count a try at a factor before it is checked; return False, and end the proof, after five.

    Of parallel tries each counts.
    """
    counted = session.execute(
        update(Proof)
        .where(Proof.id == proof_id, Proof.tries < TRIES)
        .values(tries=Proof.tries + 1)
        .returning(Proof.id)
    ).first()
    if counted is None:
        session.execute(delete(Proof).where(Proof.id == proof_id))
    return counted is not None


def end(session: Session, proof_id: bytes) -> bool:
    """End a proof; return whether it was there: of parallel calls, one is first."""
    statement = delete(Proof).where(Proof.id == proof_id).returning(Proof.id)
    return session.execute(statement).first() is not None


def end_all(session: Session, account_id: bytes) -> None:
    """End every proof of an account."""
    session.execute(delete(Proof).where(Proof.account_id == account_id))


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Remove up to `limit` proofs that have ended; return how many."""
    return delete_some(session, Proof, Proof.made_at <= now - LONGEST, limit)
