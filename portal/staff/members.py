"""Who is staff: stored by the worker under a row MAC, read by the console and the worker."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.db import insert, new_id
from portal.crypto.vault import Cell, ConsoleVault, VaultError, WorkerVault
from portal.staff import roles as staff_roles
from portal.staff.models import StaffMember
from portal.staff.roles import Role

log = logging.getLogger("portal.staff")

LABEL = "portal staff"
NAME_LENGTH = 60  # characters
SIZES = (256, 512)
UNREADABLE = "?"


class State(StrEnum):
    """What a member is. The values enter row MACs: they stay."""

    INVITED = "invited"
    ACTIVE = "active"
    REMOVED = "removed"


@dataclass(frozen=True)
class Member:
    """A member of staff, decrypted."""

    id: bytes
    name: str
    address: str
    roles: frozenset[Role]
    state: State
    language: str
    version: int
    added_at: datetime

    @property
    def active(self) -> bool:
        """Whether they may sign in."""
        return self.state is State.ACTIVE

    @property
    def shown(self) -> str:
        """Return the name to show: the address until they chose one."""
        return self.name or self.address


class AddressTaken(Exception):
    """A member of staff has this address already."""


class MemberMissing(Exception):
    """There is no such member, or their row was altered without the worker's keys."""


def add(
    session: Session,
    vault: WorkerVault,
    address: str,
    roles: Iterable[Role],
    language: str,
    now: datetime,
    name: str = "",
) -> Member:
    """Add an invited member. `address` is normalised. Raises AddressTaken."""
    index = vault.staff.staff_index(address)
    if session.scalar(select(StaffMember.id).where(StaffMember.address_index == index)) is not None:
        raise AddressTaken
    member = Member(new_id(), name, address, frozenset(roles), State.INVITED, language, 1, now)
    store(session, vault, member)
    return member


def store(session: Session, vault: WorkerVault, member: Member) -> None:
    """Write a member's row."""
    staff = vault.staff
    values = {
        "id": member.id,
        "name": staff.encrypt_own(LABEL, _name_cell(member.id), member.name.encode(), SIZES),
        "address": staff.encrypt_own(LABEL, _address_cell(member.id), member.address.encode(), SIZES),
        "address_index": staff.staff_index(member.address),
        "roles": staff_roles.written(member.roles),
        "state": member.state.value,
        "language": member.language,
        "version": member.version,
        "added_at": member.added_at,
        "row_mac": _mac(vault, member),
    }
    statement = insert(session, StaffMember).values(values)
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


def change(session: Session, vault: WorkerVault, member: Member, **changes: object) -> Member:
    """Store a changed member; it ends their sessions. Returns the member as it is now."""
    changed = replace(member, version=member.version + 1, **changes)  # type: ignore[arg-type]
    store(session, vault, changed)
    return changed


def verified(session: Session, vault: WorkerVault, member_id: bytes) -> Member:
    """Return a member whose row the worker wrote, locked until the transaction ends. Raises MemberMissing."""
    return _verified(
        vault, session.scalar(select(StaffMember).where(StaffMember.id == member_id).with_for_update())
    )


def by_address(session: Session, vault: WorkerVault, address: str) -> Member:
    """Return the member with a normalised address. Raises MemberMissing."""
    index = vault.staff.staff_index(address)
    return _verified(vault, session.scalar(select(StaffMember).where(StaffMember.address_index == index)))


def with_role(session: Session, vault: WorkerVault, role: Role) -> list[Member]:
    """Return the active members with a role whose rows the worker wrote."""
    found = []
    for row in session.scalars(select(StaffMember).where(StaffMember.state == State.ACTIVE)):
        try:
            member = _verified(vault, row)
        except MemberMissing:
            continue
        if role in member.roles:
            found.append(member)
    return found


def listed(session: Session, vault: ConsoleVault) -> list[Member]:
    """Return every member as the console shows them, those who left last; nothing is verified."""
    rows = session.scalars(select(StaffMember))
    order = {State.ACTIVE: 0, State.INVITED: 1, State.REMOVED: 2}
    return sorted(
        (read(vault, row) for row in rows), key=lambda one: (order[one.state], one.shown.casefold())
    )


def names(session: Session, vault: ConsoleVault) -> dict[bytes, str]:
    """Return the name to show of every member, by id."""
    return {member.id: member.shown for member in listed(session, vault)}


def read(vault: ConsoleVault, row: StaffMember) -> Member:
    """Return a row decrypted, but not verified: what does not decrypt is a question mark, without roles."""
    try:
        name = vault.decrypt_own(LABEL, _name_cell(row.id), row.name).decode()
        address = vault.decrypt_own(LABEL, _address_cell(row.id), row.address).decode()
        roles, state = staff_roles.parse(row.roles), State(row.state)
    except (VaultError, ValueError, AttributeError):
        name, address, roles, state = UNREADABLE, UNREADABLE, frozenset(), State.REMOVED
    return Member(row.id, name, address, roles, state, row.language, row.version, row.added_at)


def activate(session: Session, vault: WorkerVault, member: Member, name: str, language: str) -> Member:
    """Store that an invited member joined. Returns the member as it is now."""
    return change(session, vault, member, name=name[:NAME_LENGTH], language=language, state=State.ACTIVE)


def _verified(vault: WorkerVault, row: StaffMember | None) -> Member:
    if row is None:
        raise MemberMissing
    member = read(vault.staff, row)
    if not compare_digest(bytes(row.row_mac), _mac(vault, member)):
        log.error(
            "staff: the row of member %s was inserted or altered without the worker's keys, so they cannot "
            "sign in; find out who can write to the database",
            row.id.hex(),
        )
        raise MemberMissing
    return member


def _mac(vault: WorkerVault, member: Member) -> bytes:
    return vault.row_mac(
        "staff member",
        member.id,
        member.name,
        member.address,
        staff_roles.written(member.roles),
        member.state.value,
        member.language,
        member.version,
    )


def _name_cell(member_id: bytes) -> Cell:
    return Cell("staff_members", "name", member_id)


def _address_cell(member_id: bytes) -> Cell:
    return Cell("staff_members", "address", member_id)
