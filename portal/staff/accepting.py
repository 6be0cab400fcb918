"""Read every row of staff that the worker wrote, at whatever time: for an operator who looks at them."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.crypto.vault import WorkerVault
from portal.staff import held, members
from portal.staff.members import Member
from portal.staff.models import StaffCredential, StaffMember
from portal.staff.sign_in import credentials


def as_they_are(session: Session, vault: WorkerVault) -> tuple[list[Member], dict[bytes, bytes]]:
    """Return the members whose rows have a right MAC, and what to hold: them and their credentials.

    Sessions are not: everyone signs in again.
    """
    found, tags = [], {}
    for row in session.scalars(select(StaffMember).order_by(StaffMember.added_at)):
        member = members.read(vault.staff, row)
        if members.genuine(vault, member, row.row_mac):
            found.append(member)
            tags[held.key(held.MEMBER, row.id)] = bytes(row.row_mac)[: held.TAG_BYTES]
    for one in session.scalars(select(StaffCredential)):
        tag = credentials.tag_of(one.kind, one.content)
        tags[held.key(held.CREDENTIAL, one.id)] = tag
    return found, tags
