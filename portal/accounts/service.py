"""Sessions and known devices: who is signed in, where, for how long, and who signed in here before.

By the device cookie a browser that signed in before is told from strangers who guess. It holds a random number
and, for each account that signed in here, a keyed hash of that number, the account and the account's version.
It signs nobody in, names nobody, and is worth nothing once the password has changed.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from os import urandom
from secrets import token_urlsafe

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.accounts.models import AccountSession
from portal.core.db import new_id
from portal.crypto import tokens
from portal.crypto.vault import INDEX_BYTES, WebVault
from portal.identity.port import Account, Store

TOKEN_BYTES = 32
ABSOLUTE = timedelta(hours=12)
IDLE = timedelta(hours=1)
SEEN_EVERY = timedelta(minutes=1)
MOST_SESSIONS = 20
TRIES_PER_SESSION = 5
_ADDRESS_SIZE = 256
_DEVICE_SIZE = 64
_ADDRESS_INFO = "portal session address"
_DEVICE_INFO = "portal session device"

DEVICE_NUMBER_BYTES = 16
ACCOUNTS_PER_DEVICE = 5
DEVICE_COOKIE_SECONDS = 400 * 24 * 3600  # the longest that browsers keep a cookie

# A name, and what its user agent says; the first that fits. No version and no model: an owner tells devices
# apart, and nobody else learns much.
_BROWSERS = (
    ("Edge", "Edg"),
    ("Opera", "OPR/"),
    ("Samsung Internet", "SamsungBrowser/"),
    ("Firefox", "Firefox/"),
    ("Firefox", "FxiOS/"),
    ("Chrome", "Chrome/"),
    ("Chrome", "CriOS/"),
    ("Safari", "Safari/"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac", "Macintosh"),
    ("ChromeOS", "CrOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True)
class Resumed:
    """A living session and its account."""

    session_id: bytes
    account: Account
    address: str = field(repr=False)
    began_at: datetime
    seen_at: datetime


@dataclass(frozen=True)
class Listed:
    """One session as its owner sees it."""

    id: bytes
    device: str
    began_at: datetime
    seen_at: datetime
    this_one: bool


def create_session(
    session: Session, vault: WebVault, account: Account, *, address: str, device: str, now: datetime
) -> str:
    """Sign a browser in and return its token, kept nowhere else; the oldest session makes room for the 21st."""
    token, row_id = token_urlsafe(TOKEN_BYTES), new_id()
    session.add(
        AccountSession(
            id=row_id,
            token_hash=tokens.token_hash(token),
            account_id=account.id,
            account_version=account.version,
            created_at=now,
            seen_at=now,
            ends_at=now + ABSOLUTE,
            password_tries=0,
            address=tokens.lock(token.encode(), address.encode(), _ADDRESS_SIZE, _ADDRESS_INFO),
            device=tokens.lock(
                _device_key(vault, row_id), device.encode()[:_DEVICE_SIZE], _DEVICE_SIZE, _DEVICE_INFO
            ),
        )
    )
    session.flush()
    newest = (
        select(AccountSession.id)
        .where(AccountSession.account_id == account.id)
        .order_by(AccountSession.seen_at.desc())
        .limit(MOST_SESSIONS)
    )
    kept = set(session.scalars(newest)) | {row_id}
    session.execute(
        delete(AccountSession).where(AccountSession.account_id == account.id, AccountSession.id.not_in(kept))
    )
    return token


def resume(session: Session, store: Store, token: str, now: datetime) -> Resumed | None:
    """Return the session of a token, unless it is over, was idle for long, or its account moved on."""
    row = session.scalar(select(AccountSession).where(AccountSession.token_hash == tokens.token_hash(token)))
    if row is None or now >= row.ends_at or now - row.seen_at >= IDLE:
        return None
    account = store.get(session, row.account_id)
    if account is None or account.version != row.account_version or account.must_reset:
        return None
    address = tokens.unlock(token.encode(), row.address, _ADDRESS_INFO).decode()
    return Resumed(row.id, account, address, row.created_at, row.seen_at)


def touch(session: Session, session_id: bytes, now: datetime) -> None:
    """Note that a session was used just now."""
    session.execute(
        update(AccountSession)
        .where(AccountSession.id == session_id, AccountSession.seen_at < now)
        .values(seen_at=now)
    )


def sessions_of(session: Session, vault: WebVault, current: Resumed, now: datetime) -> list[Listed]:
    """Return the living sessions of the account, this one first, then the one last used."""
    rows = session.scalars(
        select(AccountSession)
        .where(
            AccountSession.account_id == current.account.id,
            AccountSession.account_version == current.account.version,
            AccountSession.ends_at > now,
            AccountSession.seen_at > now - IDLE,
        )
        .order_by(AccountSession.seen_at.desc())
    )
    listed = [
        Listed(row.id, _device(vault, row), row.created_at, row.seen_at, row.id == current.session_id)
        for row in rows
    ]
    return sorted(listed, key=lambda one: not one.this_one)


def end_session(session: Session, account_id: bytes, session_id: bytes) -> bool:
    """End one session of an account and return whether it was there; one that is over already stays over."""
    ended = session.execute(
        delete(AccountSession)
        .where(AccountSession.account_id == account_id, AccountSession.id == session_id)
        .returning(AccountSession.id)
    ).first()
    return ended is not None


def end_sessions(session: Session, account_id: bytes, keep: bytes | None = None) -> None:
    """End every session of an account, or every one but `keep`."""
    query = delete(AccountSession).where(AccountSession.account_id == account_id)
    session.execute(query if keep is None else query.where(AccountSession.id != keep))


def count_password_try(session: Session, session_id: bytes) -> bool:
    """Count a try at the current password before it is looked at; after five failures the session ends.

    False means that the session is over: who took it over cannot guess on. A right one is followed by
    `clear_password_tries`.
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
    """Take back a try whose password was not looked at."""
    session.execute(
        update(AccountSession)
        .where(AccountSession.id == session_id, AccountSession.password_tries > 0)
        .values(password_tries=AccountSession.password_tries - 1)
    )


def clear_password_tries(session: Session, session_id: bytes) -> None:
    """Begin the count of tries anew, after a right one."""
    session.execute(update(AccountSession).where(AccountSession.id == session_id).values(password_tries=0))


def purge(session: Session, now: datetime) -> None:
    """Remove the sessions that are over."""
    session.execute(
        delete(AccountSession).where((AccountSession.ends_at <= now) | (AccountSession.seen_at <= now - IDLE))
    )


def known_device(vault: WebVault, cookie: str | None, account: bytes, version: int) -> str | None:
    """Return the device's number where this account signed in on it at this version, else None."""
    number, proofs = _device_cookie(cookie)
    genuine = _device_proof(vault, number, account, version)
    found = [compare_digest(proof, genuine) for proof in proofs]
    return number.hex() if any(found) else None


def device_cookie_with(vault: WebVault, cookie: str | None, account: bytes, version: int) -> str:
    """Return the cookie that a browser gets when the account signs in; it keeps the latest five."""
    number, proofs = _device_cookie(cookie)
    if not proofs:
        number = urandom(DEVICE_NUMBER_BYTES)
    proof = _device_proof(vault, number, account, version)
    kept = [other for other in proofs if not compare_digest(other, proof)]
    return urlsafe_b64encode(number + b"".join([*kept, proof][-ACCOUNTS_PER_DEVICE:])).decode()


def describe_device(user_agent: str) -> str:
    """Return browser and system as `Firefox/Android`, either of them empty where it is not a usual one."""
    browser = next((name for name, sign in _BROWSERS if sign in user_agent), "")
    system = next((name for name, sign in _SYSTEMS if sign in user_agent), "")
    return f"{browser}/{system}"


def _device_key(vault: WebVault, session_id: bytes) -> bytes:
    return vault.bucket("session device", session_id.hex())


def _device(vault: WebVault, row: AccountSession) -> str:
    return tokens.unlock(_device_key(vault, row.id), row.device, _DEVICE_INFO).decode()


def _device_cookie(cookie: str | None) -> tuple[bytes, list[bytes]]:
    """Return the number and the proofs of a cookie; one that we did not make has none."""
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
