"""Invitations: links by which a member chooses how to sign in, once, for a few days."""

from base64 import b32encode
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


def new(session: Session, vault: WorkerVault, member: Member, *, replaces: bool, now: datetime) -> str:
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
        "made_at": now,
        "ends_at": ends_at,
        "row_mac": _mac(vault, row_id, member, replaces, ends_at),
    }
    session.execute(insert(session, StaffInvitation).values(values))
    return token


def find(session: Session, vault: WorkerVault, token: str, now: datetime) -> tuple[Member, bool]:
    """Return who is invited by a token, and whether what they had is removed. Raises InvitationOver."""
    row_id = tokens.token_hash(token)
    row = session.scalar(select(StaffInvitation).where(StaffInvitation.id == row_id).with_for_update())
    if row is None or row.ends_at <= now:
        raise InvitationOver
    try:
        member = members.verified(session, vault, row.member_id)
    except MemberMissing as error:
        raise InvitationOver from error
    mac = _mac(vault, row_id, member, row.replaces, row.ends_at)
    if not compare_digest(bytes(row.row_mac), mac):
        raise InvitationOver
    if member.state is State.REMOVED:
        raise InvitationOver
    return member, row.replaces


def use(session: Session, token: str) -> bool:
    """Use up an invitation; return whether it was there: of parallel calls, one is first."""
    mine = StaffInvitation.id == tokens.token_hash(token)
    return bool(session.execute(delete(StaffInvitation).where(mine).returning(StaffInvitation.id)).all())


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Delete up to `limit` invitations that have ended; return how many."""
    return delete_some(session, StaffInvitation, StaffInvitation.ends_at <= now, limit)


def _mac(vault: WorkerVault, row_id: bytes, member: Member, replaces: bool, ends_at: datetime) -> bytes:
    end = int(ends_at.timestamp())
    return vault.row_mac("staff invitation", row_id, member.id, member.version, int(replaces), end)
