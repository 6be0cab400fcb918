"""Who is staff: stored by the worker under a row MAC, read by the console and the worker."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from portal.core.db import insert, new_id
from portal.crypto.vault import Cell, ConsoleVault, VaultError, WorkerVault
from portal.staff import held
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
    """There is no such member, or their row was altered without the worker's keys, or put back."""


def add(
    session: Session,
    vault: WorkerVault,
    address: str,
    roles: Iterable[Role],
    language: str,
    now: datetime,
    name: str = "",
) -> Member:
    """Add an invited member, or one again who was removed. `address` is normalised. Raises AddressTaken."""
    index = vault.staff.staff_index(address)
    if session.scalar(select(StaffMember.id).where(StaffMember.address_index == index)) is not None:
        try:
            former = by_address(session, vault, address)
        except MemberMissing as error:
            raise AddressTaken from error
        if former.state is not State.REMOVED:
            raise AddressTaken
        return change(
            session,
            vault,
            former,
            name=name or former.name,
            roles=frozenset(roles),
            state=State.INVITED,
            language=language,
        )
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
    held.note(session, vault, {held.key(held.MEMBER, member.id): _mac(vault, member)})


def change(session: Session, vault: WorkerVault, member: Member, **changes: object) -> Member:
    """Store a changed member; it ends their sessions. Returns the member as it is now."""
    changed = replace(member, version=member.version + 1, **changes)  # type: ignore[arg-type]
    store(session, vault, changed)
    return changed


def verified(session: Session, vault: WorkerVault, member_id: bytes) -> Member:
    """Return a member whose row the worker wrote last, locked until the transaction ends.

    Raises MemberMissing.
    """
    return _locked(session, vault, StaffMember.id == member_id)


def by_address(session: Session, vault: WorkerVault, address: str) -> Member:
    """Return the member with a normalised address. Raises MemberMissing."""
    index = vault.staff.staff_index(address)
    return _locked(session, vault, StaffMember.address_index == index)


def with_role(session: Session, vault: WorkerVault, *roles: Role) -> list[Member]:
    """Return the active members with one of these roles whose rows the worker wrote last."""
    found = []
    active = select(StaffMember.id).where(StaffMember.state == State.ACTIVE).order_by(StaffMember.id)
    for member_id in session.scalars(active).all():
        try:
            member = verified(session, vault, member_id)
        except MemberMissing:
            continue
        if member.active and member.roles & set(roles):
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


def remove(session: Session, vault: WorkerVault, address: str) -> Member:
    """Remove the member with a normalised address, whoever wrote their row. Raises MemberMissing, PutBack.

    No session or invitation of before is of the version that they have then, whichever row was put back.
    """
    index = vault.staff.staff_index(address)
    query = select(StaffMember).where(StaffMember.address_index == index).with_for_update()
    row = session.scalar(query)
    if row is None:
        raise MemberMissing
    above = max(row.version, held.load(session, vault).number) + 1
    former = replace(read(vault.staff, row), address=address, version=above)
    removed = replace(former, roles=frozenset(), state=State.REMOVED)
    store(session, vault, removed)
    return removed


def activate(session: Session, vault: WorkerVault, member: Member, name: str, language: str) -> Member:
    """Store that an invited member joined. Returns the member as it is now."""
    return change(session, vault, member, name=name[:NAME_LENGTH], language=language, state=State.ACTIVE)


def put_back(session: Session, vault: WorkerVault, member: Member, row_mac: bytes) -> bool:
    """Return whether a member's row is not the one that the worker wrote last. Raises PutBack."""
    now = held.load(session, vault)
    mine = now.has(held.key(held.MEMBER, member.id), row_mac)
    return not (mine and held.needs_log(session, vault, member.id, now))


def genuine(vault: WorkerVault, member: Member, row_mac: bytes) -> bool:
    """Return whether the worker wrote a member's row, at some time."""
    return compare_digest(bytes(row_mac), _mac(vault, member))


def _locked(session: Session, vault: WorkerVault, which: ColumnElement[bool]) -> Member:
    """Return the one member, locked. What is held is read after it, so that it is of no earlier change."""
    row = session.scalar(select(StaffMember).where(which).with_for_update())
    if row is None:
        raise MemberMissing
    member = read(vault.staff, row)
    if not genuine(vault, member, row.row_mac):
        log.error(
            "staff: the row of member %s was inserted or altered without the worker's keys, so they cannot "
            "sign in; find out who can write to the database",
            row.id.hex(),
        )
        raise MemberMissing
    try:
        outdated = put_back(session, vault, member, row.row_mac)
    except held.PutBack as error:
        raise MemberMissing from error
    if outdated:
        log.error(
            "staff: an earlier row of member %s was put back, so they cannot sign in; find out who can write "
            "to the database, then run: portal staff remove ADDRESS",
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
