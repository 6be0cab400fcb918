"""The worker's side of who is staff: invitations and roles, with a second person; ending sessions, alone."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.addresses import AddressInvalid, normalise
from portal.runtime.parts import WorkerParts
from portal.staff import members, roles, sessions
from portal.staff.approvals.service import Action, needs_unchanged
from portal.staff.emails import Invitation, PasskeyInvitation, PasskeyInvited, tell
from portal.staff.members import AddressTaken, Member, MemberMissing, State
from portal.staff.models import StaffMember
from portal.staff.orders import Acting, Order, Refused
from portal.staff.roles import Role
from portal.staff.sign_in import credentials, invitations

ADMIN = frozenset({Role.ADMIN})
FEWEST_ADMINS = 2


def add(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Add somebody to invite, without access until a second person agrees. Fields: email, roles, language."""
    try:
        address, wanted = normalise(fields["email"]), roles.parse(fields["roles"])
    except (AddressInvalid, ValueError) as error:
        raise Refused("no-member") from error
    with parts.db.write() as session:
        now = parts.clock.now()
        try:
            member = members.add(session, parts.vault, address, wanted, fields["language"], now)
        except AddressTaken as error:
            raise Refused("address-taken") from error
        audit.record(session, "staff.add", member.id.hex(), {"roles": roles.written(wanted)}, now)
    return {"member": member.id.hex()}


def end_sessions(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Sign a member out everywhere. Fields: member."""
    with parts.db.write() as session:
        member = _member(session, parts, fields)
        sessions.strike(session, parts.vault, sessions.end_all(session, member.id))
        members.change(session, parts.vault, member)
        audit.record(session, "staff.end-sessions", member.id.hex(), {}, parts.clock.now())
    return {}


def describe_invitation(session: Session, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return who is invited as what, by id: the console shows the address."""
    row = _row(session, fields)
    if row.state == State.REMOVED:
        raise Refused("no-member")
    return {"member": row.id.hex(), "version": row.version, "roles": row.roles}


def invite(parts: WorkerParts, fields: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Mail an invitation; a member who joined before gets new ways to sign in, in place of the old ones."""
    with parts.db.write() as session:
        needs_unchanged(session, describe_invitation, fields, shown)
        now, member = parts.clock.now(), _member(session, parts, fields)
        replaces = member.state is State.ACTIVE
        token = invitations.new(session, parts.vault, member, replaces=replaces, now=now)
        url = f"{parts.settings.console.url}{invitations.PATH.format(token=token)}"
        tell(session, parts, member, Invitation(url))
        audit.record(session, "staff.invite", member.id.hex(), {"again": replaces}, now)
    return {}


def describe_passkey(session: Session, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return who is invited to add a passkey to how they sign in."""
    row = _row(session, fields)
    if row.state != State.ACTIVE:
        raise Refused("no-member")
    return {"member": row.id.hex(), "version": row.version, "roles": row.roles}


def invite_passkey(parts: WorkerParts, fields: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Mail a link that adds one passkey; the other admins are mailed that somebody gets one."""
    with parts.db.write() as session:
        needs_unchanged(session, describe_passkey, fields, shown)
        now, member = parts.clock.now(), _member(session, parts, fields)
        token = invitations.new(session, parts.vault, member, replaces=False, adds=True, now=now)
        url = parts.settings.console.url
        tell(session, parts, member, PasskeyInvitation(f"{url}{invitations.PATH.format(token=token)}"))
        for other in members.with_role(session, parts.vault, Role.ADMIN):
            if other.id != member.id:
                tell(session, parts, other, PasskeyInvited(f"{url}/staff/{member.id.hex()}/"))
        audit.record(session, "staff.invite-passkey", member.id.hex(), {}, now)
    return {}


def describe_roles(session: Session, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return whose roles change, from what to what; none after it means that they are removed."""
    row = _row(session, fields)
    try:
        after = roles.written(roles.parse(fields["roles"]))
    except ValueError as error:
        raise Refused("no-member") from error
    others = session.scalars(
        select(StaffMember.roles).where(StaffMember.state == State.ACTIVE, StaffMember.id != row.id)
    )
    admins = sum(Role.ADMIN in one.split() for one in others)
    if Role.ADMIN in row.roles.split() and Role.ADMIN not in after.split() and admins < FEWEST_ADMINS:
        raise Refused("last-admin")
    return {"member": row.id.hex(), "version": row.version, "before": row.roles, "after": after}


def change_roles(parts: WorkerParts, fields: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Change a member's roles, or remove them; either ends their sessions.

    A second run, after a crash, changes nothing. Of two changes at once, the second one sees the first: so
    two admins stay.
    """
    with parts.db.write() as session:
        session.execute(select(StaffMember.id).order_by(StaffMember.id).with_for_update())
        member, after = _member(session, parts, shown), roles.parse(shown["after"])
        if member.version > shown["version"] and member.roles == after:
            return {}
        needs_unchanged(session, describe_roles, fields, shown)
        if after:
            members.change(session, parts.vault, member, roles=after)
        else:
            credentials.remove(session, parts.vault, member.id)
            members.change(session, parts.vault, member, roles=after, state=State.REMOVED)
        sessions.strike(session, parts.vault, sessions.end_all(session, member.id))
        details = {"before": roles.written(member.roles), "after": roles.written(after)}
        audit.record(session, "staff.roles", member.id.hex(), details, parts.clock.now())
    return {}


def _row(session: Session, fields: Mapping[str, str]) -> StaffMember:
    try:
        row = session.get(StaffMember, bytes.fromhex(fields["member"]))
    except ValueError:
        row = None
    if row is None:
        raise Refused("no-member")
    return row


def _member(session: Session, parts: WorkerParts, fields: Mapping[str, Any]) -> Member:
    try:
        return members.verified(session, parts.vault, bytes.fromhex(fields["member"]))
    except (MemberMissing, ValueError) as error:
        raise Refused("no-member") from error


ORDERS = {
    "add": Order(add, ADMIN, step_up=True, counted=True),
    "end-sessions": Order(end_sessions, ADMIN),
}
ACTIONS = {
    "staff.invite": Action(describe_invitation, invite, ask=ADMIN, approve=ADMIN | {Role.APPROVER}),
    "staff.passkey": Action(describe_passkey, invite_passkey, ask=ADMIN, approve=ADMIN, not_for_oneself=True),
    "staff.roles": Action(describe_roles, change_roles, ask=ADMIN, approve=ADMIN | {Role.APPROVER}),
}
