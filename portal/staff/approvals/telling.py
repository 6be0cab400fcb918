"""Mail approvers that something waits: the first at once, what follows within two minutes in one."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.core.db import insert
from portal.runtime.parts import WorkerParts
from portal.staff import members
from portal.staff.approvals import service
from portal.staff.approvals.models import Told
from portal.staff.emails import ApprovalNeeded, tell
from portal.staff.members import Member, MemberMissing
from portal.staff.roles import Role

QUIET = timedelta(minutes=2)
# What `tell_gathered` adds: it runs once a minute.
LATEST = QUIET + timedelta(minutes=1)


def tell_approvers(
    session: Session, parts: WorkerParts, roles: Iterable[Role], but: bytes, url: str
) -> list[bytes]:
    """Mail everyone with one of these roles but whoever asked, or have it gathered for them.

    Return the ids of those: each gets a mail by LATEST, unless nothing waits for them by then.
    """
    now = parts.clock.now()
    # A time further ahead is nobody's of ours: it must keep no mail back.
    session.execute(delete(Told).where(Told.until > now + QUIET))
    told = []
    for member in members.with_role(session, parts.vault, *roles):
        if member.id == but:
            continue
        told.append(member.id)
        begun = insert(session, Told).values(member_id=member.id, until=now + QUIET, more=False)
        first = session.execute(begun.on_conflict_do_nothing().returning(Told.member_id)).first()
        if first is not None:
            tell(session, parts, member, ApprovalNeeded(url))
        else:
            session.execute(update(Told).where(Told.member_id == member.id).values(more=True))
    return told


def tell_gathered(parts: WorkerParts) -> None:
    """Mail each approver once of what was asked for since their last mail, where it still waits for them."""
    now = parts.clock.now()
    with parts.db.write() as session:
        due = select(Told.member_id, Told.more).where(Told.until <= now).with_for_update(skip_locked=True)
        for member_id, more in session.execute(due).all():
            mine = Told.member_id == member_id
            if not more:
                session.execute(delete(Told).where(mine))
                continue
            try:
                member = members.verified(session, parts.vault, member_id)
            except MemberMissing:
                session.execute(delete(Told).where(mine))
                continue
            if not member.active or not _waits_for(session, parts, member):
                session.execute(delete(Told).where(mine))
                continue
            session.execute(update(Told).where(mine).values(until=now + QUIET, more=False))
            tell(session, parts, member, ApprovalNeeded(f"{parts.settings.console.url}/approvals/"))


def _waits_for(session: Session, parts: WorkerParts, member: Member) -> bool:
    """Return whether there is anything that a member can approve."""
    valid, _void = service.by_validity(session, parts.actions, service.waiting(session), parts.clock.now())
    return any(
        one.asked_by != member.id
        and parts.actions[one.kind].approve & member.roles
        and not service.about(parts.actions[one.kind], one, member.id)
        for one in valid
    )
