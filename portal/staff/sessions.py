"""Sessions of staff: begun and proved by the worker, seen and ended by the console."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from secrets import token_urlsafe

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.core.db import insert
from portal.crypto import tokens
from portal.crypto.vault import Cell, ConsoleVault, VaultError, WorkerVault
from portal.runtime.turns import MOST_ROWS, delete_some
from portal.staff import held, members
from portal.staff.members import Member, MemberMissing
from portal.staff.models import StaffMember, StaffSession

log = logging.getLogger("portal.staff")

LIFETIME = timedelta(hours=8)
IDLE = timedelta(minutes=30)
SEEN_EVERY = timedelta(minutes=1)
# How long a member is known to be at the keyboard after they confirmed it.
STEP_UP = timedelta(minutes=5)
# What was confirmed in time when the page opened may reach the worker a little later.
GRACE = timedelta(minutes=1)
BROWSER_LENGTH = 60
SIZES = (256, 512)


@dataclass(frozen=True, repr=False)
class SignedIn:
    """A live session, as the console reads it: nothing of it is verified with the worker's keys."""

    id: bytes
    member: Member
    began_at: datetime
    seen_at: datetime
    proved_at: datetime
    how: str
    browser: str

    def fresh(self, now: datetime) -> bool:
        """Return whether the member confirmed lately that it is them."""
        return now - self.proved_at < STEP_UP


class SessionOver(Exception):
    """The session has ended, or its row was altered without the worker's keys."""


def begin(session: Session, vault: WorkerVault, member: Member, how: str, browser: str, now: datetime) -> str:
    """Store a new session, proved as of now, and return its token."""
    token = token_urlsafe(32)
    row_id = tokens.token_hash(token)
    now = now.replace(microsecond=0)
    row_mac = _row_mac(vault, row_id, member.id, member.version, now)
    values = {
        "id": row_id,
        "member_id": member.id,
        "member_version": member.version,
        "browser": vault.staff.encrypt_own(
            members.LABEL, _cell(row_id), browser[:BROWSER_LENGTH].encode(), SIZES
        ),
        "began_at": now,
        "seen_at": now,
        "row_mac": row_mac,
        "proved_at": now,
        "how": how,
        "proof_mac": _proof_mac(vault, row_id, now, how),
    }
    session.execute(insert(session, StaffSession).values(values))
    held.note(session, vault, {held.key(held.SESSION, row_id): row_mac})
    return token


def verified(
    session: Session, vault: WorkerVault, token: str, now: datetime
) -> tuple[Member, bytes, datetime, str]:
    """Return whose session a token is, its id, and when it was last proved, and how. Raises SessionOver.

    Idle or not is the console's to say: it alone sees reading.
    """
    row_id = tokens.token_hash(token)
    row = session.get(StaffSession, row_id)
    if row is None or not now - LIFETIME < row.began_at <= now + GRACE:
        raise SessionOver
    macs = (
        (row.row_mac, _row_mac(vault, row_id, row.member_id, row.member_version, row.began_at)),
        (row.proof_mac, _proof_mac(vault, row_id, row.proved_at, row.how)),
    )
    if not all(compare_digest(bytes(given), right) for given, right in macs):
        raise SessionOver
    try:
        member = members.verified(session, vault, row.member_id)
        valid = held.load(session, vault)
    except (MemberMissing, held.PutBack) as error:
        raise SessionOver from error
    if not valid.has(held.key(held.SESSION, row_id), row.row_mac):
        log.error("staff: session %s was put back after it had ended: refused", row_id.hex()[:16])
        raise SessionOver
    if not member.active or member.version != row.member_version:
        raise SessionOver
    return member, row_id, row.proved_at, row.how


def prove(session: Session, vault: WorkerVault, session_id: bytes, how: str, now: datetime) -> None:
    """Store that the member of a session confirmed just now that it is them."""
    now = now.replace(microsecond=0)
    values = {"proved_at": now, "how": how, "proof_mac": _proof_mac(vault, session_id, now, how)}
    session.execute(update(StaffSession).where(StaffSession.id == session_id).values(values))


def resume(session: Session, vault: ConsoleVault, token: str, now: datetime) -> SignedIn | None:
    """Return the live session of a token, or None where it has ended or was idle for half an hour."""
    found = _live(session, vault, now, StaffSession.id == tokens.token_hash(token))
    return found[0] if found else None


def listed(session: Session, vault: ConsoleVault, member_id: bytes, now: datetime) -> list[SignedIn]:
    """Return the live sessions of a member, the one seen last first."""
    found = _live(session, vault, now, StaffSession.member_id == member_id)
    return sorted(found, key=lambda one: one.seen_at, reverse=True)


def touch(session: Session, session_id: bytes, now: datetime) -> None:
    """Store that a session was seen."""
    session.execute(update(StaffSession).where(StaffSession.id == session_id).values(seen_at=now))


def end(session: Session, member_id: bytes, session_id: bytes) -> bool:
    """End one session of a member; return whether there was one."""
    mine = (StaffSession.id == session_id) & (StaffSession.member_id == member_id)
    return bool(session.execute(delete(StaffSession).where(mine).returning(StaffSession.id)).all())


def end_all(session: Session, member_id: bytes, but: bytes = b"") -> list[bytes]:
    """End every session of a member but one; return their ids."""
    mine = (StaffSession.member_id == member_id) & (StaffSession.id != but)
    return list(session.scalars(delete(StaffSession).where(mine).returning(StaffSession.id)))


def gone(session: Session, ids: Iterable[bytes]) -> list[bytes]:
    """Return those of these sessions that have no row any more."""
    return [one for one in ids if session.get(StaffSession, one) is None]


def strike(session: Session, vault: WorkerVault, ids: Iterable[bytes]) -> None:
    """Hold sessions that ended no more: then a copy of their rows lets nobody in. Raises PutBack."""
    if gone := {held.key(held.SESSION, one): None for one in ids}:
        held.note(session, vault, gone)


def strike_gone(session: Session, vault: WorkerVault) -> None:
    """Strike every session whose row is gone, as where the console ended it without a worker."""
    began = {name for name in held.load(session, vault).tags if name.startswith(held.SESSION)}
    there = {held.key(held.SESSION, one) for one in session.scalars(select(StaffSession.id))}
    if gone := began - there:
        held.note(session, vault, dict.fromkeys(gone))


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Delete up to `limit` sessions that have ended; return how many."""
    return delete_some(session, StaffSession, StaffSession.began_at <= now - LIFETIME, limit)


def _live(session: Session, vault: ConsoleVault, now: datetime, which: object) -> list[SignedIn]:
    query = (
        select(StaffSession, StaffMember)
        .join(StaffMember, StaffMember.id == StaffSession.member_id)
        .where(
            which,  # type: ignore[arg-type]
            StaffSession.began_at > now - LIFETIME,
            StaffSession.seen_at > now - IDLE,
            StaffSession.member_version == StaffMember.version,
        )
    )
    found = []
    for row, member_row in session.execute(query):
        member = members.read(vault, member_row)
        try:
            browser = vault.decrypt_own(members.LABEL, _cell(row.id), row.browser).decode()
        except (VaultError, ValueError):
            browser = members.UNREADABLE
        if member.active:
            found.append(SignedIn(row.id, member, row.began_at, row.seen_at, row.proved_at, row.how, browser))
    return found


def _row_mac(vault: WorkerVault, row_id: bytes, member_id: bytes, version: int, began_at: datetime) -> bytes:
    return vault.row_mac("staff session", row_id, member_id, version, int(began_at.timestamp()))


def _proof_mac(vault: WorkerVault, row_id: bytes, proved_at: datetime, how: str) -> bytes:
    return vault.row_mac("staff session proof", row_id, int(proved_at.timestamp()), how)


def _cell(row_id: bytes) -> Cell:
    return Cell("staff_sessions", "browser", row_id)
