"""Create, resume, list and end sessions, and recognise known devices.

The device cookie distinguishes a browser that signed in before from strangers who guess. It holds a random
number and, for each account that signed in here, a keyed hash of that number, the account's id and version.
It signs nobody in, identifies nobody, and becomes worthless when the password changes.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from os import urandom
from secrets import token_urlsafe
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from portal.accounts.models import AccountSession
from portal.core.db import among, new_id
from portal.crypto import tokens
from portal.crypto.vault import INDEX_BYTES, WebVault
from portal.identity import state
from portal.identity.account import Account
from portal.runtime.turns import MOST_ROWS, Expired, delete_some

TOKEN_BYTES = 32
ABSOLUTE = timedelta(hours=12)
IDLE = timedelta(hours=1)
SEEN_EVERY = timedelta(minutes=1)
PROVED_FOR = timedelta(minutes=10)
MOST_SESSIONS = 20
TRIES_PER_SESSION = 5
# Built once, from the table rather than the class: somebody waits for each.
_TABLE: Any = AccountSession.__table__
_END = delete(_TABLE).where(_TABLE.c.account_id == bindparam("account"))
_END_OTHERS = _END.where(_TABLE.c.id != bindparam("keep"))
_ADDRESS_SIZE = 256
_DEVICE_SIZE = 64
_ADDRESS_INFO = "portal session address"
_DEVICE_INFO = "portal session device"
# Built once: they run for every sign-in, or every page of who is signed in.
_SESSIONS: Any = AccountSession.__table__
_BY_TOKEN = select(_SESSIONS).where(_SESSIONS.c.token_hash == bindparam("hash"))
_CREATE = insert(_SESSIONS)
_NEWEST = (
    select(_SESSIONS.c.id)
    .where(_SESSIONS.c.account_id == bindparam("account"))
    .order_by(_SESSIONS.c.seen_at.desc())
    .limit(MOST_SESSIONS)
)
_END_OLDEST = delete(_SESSIONS).where(
    _SESSIONS.c.account_id == bindparam("account"),
    _SESSIONS.c.id != bindparam("new"),
    _SESSIONS.c.id.not_in(_NEWEST.scalar_subquery()),
)

EXPIRED = Expired("ended sessions", AccountSession, lambda _retention, now: AccountSession.ends_at <= now)
DEVICE_NUMBER_BYTES = 16
ACCOUNTS_PER_DEVICE = 5
DEVICE_COOKIE_SECONDS = 400 * 24 * 3600  # browsers keep no cookie for longer


class SessionEnded(Exception):
    """The session ended after it was looked up: its owner locked the account meanwhile, or signed out."""


@dataclass(frozen=True)
class Resumed:
    """An active session and its account."""

    session_id: bytes
    account: Account
    address: str = field(repr=False)
    began_at: datetime
    seen_at: datetime
    proved_at: datetime | None = None

    def proved_recently(self, now: datetime) -> bool:
        """Return whether this browser proved whose account it is in the last ten minutes."""
        return self.proved_at is not None and self.proved_at <= now < self.proved_at + PROVED_FOR


@dataclass(frozen=True)
class Listed:
    """One session as shown to its owner."""

    id: bytes
    device: str
    began_at: datetime
    seen_at: datetime
    this_one: bool


def create_session(
    session: Session,
    vault: WebVault,
    account: Account,
    *,
    address: str,
    device: str,
    now: datetime,
    proved_at: datetime | None = None,
) -> str:
    """Create a session and return its token, which is stored nowhere; a 21st session ends the oldest.

    `proved_at` is `now` where everything was proved that a sign-in asks for.
    """
    token, row_id = token_urlsafe(TOKEN_BYTES), new_id()
    values = {
        "id": row_id,
        "token_hash": tokens.token_hash(token),
        "account_id": account.id,
        "account_version": account.version,
        "created_at": now,
        "seen_at": now,
        "proved_at": proved_at,
        "ends_at": now + ABSOLUTE,
        "password_tries": 0,
        "address": tokens.lock(token.encode(), address.encode(), _ADDRESS_SIZE, _ADDRESS_INFO),
        "device": tokens.lock(
            _device_key(vault, row_id), device.encode()[:_DEVICE_SIZE], _DEVICE_SIZE, _DEVICE_INFO
        ),
    }
    session.execute(_CREATE, values)
    session.execute(_END_OLDEST, {"account": account.id, "new": row_id})
    return token


def resume(session: Session, store: str, token: str, now: datetime) -> Resumed | None:
    """Return the session of a token, or None when it has ended, was idle too long or the account changed.

    `store` is the name of the one in use: sessions end with another.
    """
    row = session.execute(_BY_TOKEN, {"hash": tokens.token_hash(token)}).first()
    if row is None or now >= row.ends_at or now - row.seen_at >= IDLE:
        return None
    account = state.of_store(session, row.account_id, store)
    if account is None or account.version != row.account_version or account.must_reset:
        return None
    address = tokens.unlock(token.encode(), row.address, _ADDRESS_INFO).decode()
    return Resumed(row.id, account, address, row.created_at, row.seen_at, row.proved_at)


def touch(session: Session, session_id: bytes, now: datetime) -> None:
    """Record that a session was used at `now`."""
    session.execute(
        update(AccountSession)
        .where(AccountSession.id == session_id, AccountSession.seen_at < now)
        .values(seen_at=now)
    )


def prove(session: Session, session_id: bytes, now: datetime) -> None:
    """Store that a session's browser proved whose account it is, with everything that a sign-in asks for."""
    session.execute(update(AccountSession).where(AccountSession.id == session_id).values(proved_at=now))


def keep_proved(session: Session, current: Resumed) -> None:
    """Let one browser keep what it had proved before `unprove`, and no longer than before.

    For the browser that changed the factors: otherwise a stolen session proved itself by one change after
    the other. Raises SessionEnded where its session ended since it was looked up: roll back what it changed.
    """
    this = (AccountSession.id == current.session_id) & (
        AccountSession.account_version == current.account.version
    )
    kept = update(AccountSession).where(this).values(proved_at=current.proved_at)
    if session.execute(kept.returning(AccountSession.id)).first() is None:
        raise SessionEnded


def unprove(session: Session, account_id: bytes) -> None:
    """Forget what the browsers of an account proved: with another set of factors, they prove it anew."""
    session.execute(
        update(AccountSession).where(AccountSession.account_id == account_id).values(proved_at=None)
    )


def sessions_of(session: Session, vault: WebVault, current: Resumed, now: datetime) -> list[Listed]:
    """Return the account's active sessions, the current one first, then by last use."""
    listed = devices_of(session, vault, current.account, now, current.session_id)
    return sorted(listed, key=lambda one: not one.this_one)


def devices_of(
    session: Session, vault: WebVault, account: Account, now: datetime, this_one: bytes = b""
) -> list[Listed]:
    """Return an account's active sessions, by last use."""
    rows = session.scalars(
        select(AccountSession).where(*_active(account, now)).order_by(AccountSession.seen_at.desc())
    )
    return [
        Listed(
            row.id,
            device=tokens.unlock(_device_key(vault, row.id), row.device, _DEVICE_INFO).decode(),
            began_at=row.created_at,
            seen_at=row.seen_at,
            this_one=row.id == this_one,
        )
        for row in rows
    ]


def lives(session: Session, account: Account, session_id: bytes, now: datetime) -> bool:
    """Return whether a session of an account is still active."""
    found = select(AccountSession.id).where(AccountSession.id == session_id, *_active(account, now))
    return session.scalar(found) is not None


def _active(account: Account, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        AccountSession.account_id == account.id,
        AccountSession.account_version == account.version,
        AccountSession.ends_at > now,
        AccountSession.seen_at > now - IDLE,
    )


def end_session(session: Session, account_id: bytes, session_id: bytes) -> bool:
    """End one session of an account; return whether it existed."""
    ended = session.execute(
        delete(AccountSession)
        .where(AccountSession.account_id == account_id, AccountSession.id == session_id)
        .returning(AccountSession.id)
    ).first()
    return ended is not None


def end_sessions(session: Session, account_id: bytes, keep: bytes | None = None) -> None:
    """End every session of an account, except `keep`."""
    if keep is None:
        session.execute(_END, {"account": account_id})
    else:
        session.execute(_END_OTHERS, {"account": account_id, "keep": keep})


def end_all_sessions(session: Session, account_ids: Collection[bytes]) -> None:
    """End every session of these accounts."""
    session.execute(delete(AccountSession).where(among(session, AccountSession.account_id, account_ids)))


def count_password_try(session: Session, session_id: bytes) -> bool:
    """Count an attempt at the current password before checking it; the sixth in a row ends the session.

    Returns False when the session has ended, so that someone who took it over cannot keep guessing. Call
    `clear_password_tries` after a correct password.
    """
    counted = session.execute(
        update(AccountSession)
        .where(AccountSession.id == session_id, AccountSession.password_tries < TRIES_PER_SESSION)
        .values(password_tries=AccountSession.password_tries + 1)
        .returning(AccountSession.id)
    ).first()
    if counted is None:
        session.execute(delete(AccountSession).where(AccountSession.id == session_id))
    return counted is not None


def forgive_password_try(session: Session, session_id: bytes) -> None:
    """Undo the count of an attempt whose password was not checked."""
    session.execute(
        update(AccountSession)
        .where(AccountSession.id == session_id, AccountSession.password_tries > 0)
        .values(password_tries=AccountSession.password_tries - 1)
    )


def clear_password_tries(session: Session, session_id: bytes) -> None:
    """Reset the count of attempts after a correct password."""
    session.execute(update(AccountSession).where(AccountSession.id == session_id).values(password_tries=0))


def purge_idle(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Remove up to `limit` sessions that were idle too long; return how many."""
    return delete_some(session, AccountSession, AccountSession.seen_at <= now - IDLE, limit)


def known_device(vault: WebVault, cookie: str | None, account: bytes, version: int) -> str | None:
    """Return the device's number (hex) if this account signed in on it at this version, else None."""
    number, proofs = _device_cookie(cookie)
    genuine = _device_proof(vault, number, account, version)
    found = [compare_digest(proof, genuine) for proof in proofs]
    return number.hex() if any(found) else None


def device_cookie_with(vault: WebVault, cookie: str | None, account: bytes, version: int) -> str:
    """Return the cookie's new value after the account signed in; it holds the latest five accounts."""
    number, proofs = _device_cookie(cookie)
    if not proofs:
        number = urandom(DEVICE_NUMBER_BYTES)
    proof = _device_proof(vault, number, account, version)
    others = [other for other in proofs if not compare_digest(other, proof)]
    return urlsafe_b64encode(number + b"".join([*others, proof][-ACCOUNTS_PER_DEVICE:])).decode()


def _device_key(vault: WebVault, session_id: bytes) -> bytes:
    return vault.bucket("session device", session_id.hex())


def _device_cookie(cookie: str | None) -> tuple[bytes, list[bytes]]:
    """Return (device number, proofs) from a cookie; a malformed cookie has no proofs."""
    try:
        raw = urlsafe_b64decode(cookie or "")
    except (Error, ValueError):
        raw = b""
    most = DEVICE_NUMBER_BYTES + ACCOUNTS_PER_DEVICE * INDEX_BYTES
    if (
        not DEVICE_NUMBER_BYTES + INDEX_BYTES <= len(raw) <= most
        or (len(raw) - DEVICE_NUMBER_BYTES) % INDEX_BYTES
    ):
        return bytes(DEVICE_NUMBER_BYTES), []
    rest = raw[DEVICE_NUMBER_BYTES:]
    return raw[:DEVICE_NUMBER_BYTES], [rest[i : i + INDEX_BYTES] for i in range(0, len(rest), INDEX_BYTES)]


def _device_proof(vault: WebVault, number: bytes, account: bytes, version: int) -> bytes:
    return vault.bucket("known device", number.hex(), account.hex(), str(version))
