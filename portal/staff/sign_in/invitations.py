"""Invitations: links by which a member chooses how to sign in, once, for a few days."""

from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from secrets import token_bytes

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.core.db import insert
from portal.crypto import tokens
from portal.crypto.vault import WorkerVault
from portal.runtime.turns import MOST_ROWS, delete_some
from portal.staff import members
from portal.staff.members import Member, MemberMissing, State
from portal.staff.models import StaffInvitation

LIFETIME = timedelta(days=3)
PATH = "/invitation/{token}/"


class InvitationOver(Exception):
    """The link was used, replaced, has ended, or was never made."""


@dataclass(frozen=True)
class Invited:
    """Who is invited, and to what: to join, to replace how they sign in, or to add a passkey to that."""

    member: Member
    replaces: bool
    adds: bool


def new(
    session: Session,
    vault: WorkerVault,
    member: Member,
    *,
    replaces: bool,
    now: datetime,
    adds: bool = False,
) -> str:
    """Make an invitation in the place of earlier ones of this member, and return its token.

    It is of the member as they are: what changes them, such as joining or other roles, ends it. So a used one
    that is put back into the database lets nobody in.
    """
    session.execute(delete(StaffInvitation).where(StaffInvitation.member_id == member.id))
    token = b32encode(token_bytes(tokens.TOKEN_BYTES)).decode().lower()
    row_id, ends_at = tokens.token_hash(token), (now + LIFETIME).replace(microsecond=0)
    values = {
        "id": row_id,
        "member_id": member.id,
        "replaces": replaces,
        "adds": adds,
        "made_at": now,
        "ends_at": ends_at,
        "row_mac": _mac(vault, row_id, Invited(member, replaces, adds), ends_at),
    }
    session.execute(insert(session, StaffInvitation).values(values))
    return token


def find(session: Session, vault: WorkerVault, token: str, now: datetime) -> Invited:
    """Return who is invited by a token, and to what. Raises InvitationOver."""
    row_id = tokens.token_hash(token)
    row = session.scalar(select(StaffInvitation).where(StaffInvitation.id == row_id).with_for_update())
    if row is None or row.ends_at <= now:
        raise InvitationOver
    try:
        member = members.verified(session, vault, row.member_id)
    except MemberMissing as error:
        raise InvitationOver from error
    found = Invited(member, row.replaces, row.adds)
    if not compare_digest(bytes(row.row_mac), _mac(vault, row_id, found, row.ends_at)):
        raise InvitationOver
    if member.state is State.REMOVED or (found.adds and not member.active):
        raise InvitationOver
    return found


def use(session: Session, token: str) -> bool:
    """Use up an invitation; return whether it was there: of parallel calls, one is first."""
    mine = StaffInvitation.id == tokens.token_hash(token)
    return bool(session.execute(delete(StaffInvitation).where(mine).returning(StaffInvitation.id)).all())


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Delete up to `limit` invitations that have ended; return how many."""
    return delete_some(session, StaffInvitation, StaffInvitation.ends_at <= now, limit)


def _mac(vault: WorkerVault, row_id: bytes, invited: Invited, ends_at: datetime) -> bytes:
    member, end = invited.member, int(ends_at.timestamp())
    kind = 2 if invited.adds else int(invited.replaces)
    return vault.row_mac("staff invitation", row_id, member.id, member.version, kind, end)
