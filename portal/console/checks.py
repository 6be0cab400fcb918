"""Checks of `portal doctor` of the console: its key file, and who may sign in."""

import os
from collections.abc import Iterator

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.console import rights
from portal.core.clock import SystemClock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto import keys
from portal.runtime.command_line import counted
from portal.staff.approvals import service as approvals
from portal.staff.members import State
from portal.staff.models import StaffInvitation, StaffMember
from portal.staff.people.jobs import ACTIONS
from portal.staff.roles import Role

FEWEST_ADMINS = 2
INVITATION = "staff.invite"
GROUP_AND_OTHERS = 0o077


def check(settings: Settings, _keys_right: bool) -> Iterator[tuple[str, str | None]]:
    """Yield what is wrong with the console where there is one: PORTAL_CONSOLE_URL says so."""
    if not settings.console.url:
        return
    yield "console keys", _fault_of_keys(settings)
    database = Database(settings.database_url)
    try:
        with database.read() as session:
            found = [
                ("admins", _too_few_admins(session, settings)),
                ("invitations", _nobody_can_join(session)),
            ]
    except DBAPIError:
        return  # said of the database itself
    finally:
        database.dispose()
    yield from found


def notes(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what an operator should know of the console's settings, and is no fault."""
    if settings.console.url and (said := _rights_beyond(settings)):
        yield "console's rights", said
    if settings.console.url and settings.console.one_person:
        said = "PORTAL_APPROVALS is one: nobody checks what is published or mailed"
        yield "approvals", f"{said}. It is for a company of one person; with a second one, remove it"


def _rights_beyond(settings: Settings) -> str | None:
    """Return that the console's role in PostgreSQL may read or write what is not the console's, or None."""
    database = Database(settings.database_url)
    try:
        if database.is_sqlite:
            return None
        with database.read() as session:
            worker = os.access(settings.keys.worker_file, os.R_OK)
            role = rights.ROLE if worker else str(session.scalar(text("SELECT current_user")))
            found = rights.too_many(session, role)
    except DBAPIError:
        return None  # said of the database itself
    finally:
        database.dispose()
    if not found:
        return None
    return (
        f"the role {role} can read or write {counted(len(found), 'table')} more than it should, such as "
        f"{found[0]}; take its rights away: portal console grants, see docs/guide/console.md"
    )


def _fault_of_keys(settings: Settings) -> str | None:
    files = settings.keys
    file = files.console_file
    readable = [other for other in (files.web_file, files.worker_file) if os.access(other, os.R_OK)]
    if not files.embedded and file.exists() and not os.access(file, os.R_OK) and readable:
        return None  # the console's user has it
    try:
        own = keys.read_console(file)
    except keys.KeysInvalid as error:
        return str(error)
    if files.worker_file in readable:
        try:
            right = keys.for_console(keys.read_worker(files.worker_file))
        except keys.KeysInvalid:
            return None  # said of the worker's
        if (own.key_id, own.staff_index, own.sealing_public) != (
            right.key_id,
            right.staff_index,
            right.sealing_public,
        ):
            return (
                f"{file} is of another worker's keys, so the worker takes none of its orders; move it away, "
                "and make a new one as the worker's user: portal keys console"
            )
    if file.stat().st_mode & GROUP_AND_OTHERS:
        return f"other users can read {file}; run: chmod 600 {file}"
    return None if files.embedded else _fault_of_owner(settings)


def _fault_of_owner(settings: Settings) -> str | None:
    """Return whose file it is beside the console's user, or None."""
    file = settings.keys.console_file
    others = (
        (settings.keys.web_file, "the web server's user"),
        (settings.keys.worker_file, "the worker's user"),
    )
    for other, who in others:
        if other.exists() and other.stat().st_uid == file.stat().st_uid != 0:
            return f"{who} owns {file}; run as root: chown portal-console {file}"
    return None


def _too_few_admins(session: Session, settings: Settings) -> str | None:
    active = session.scalars(select(StaffMember.roles).where(StaffMember.state == State.ACTIVE))
    admins = sum(Role.ADMIN in roles.split() for roles in active)
    if admins >= (1 if settings.console.one_person else FEWEST_ADMINS):
        return None
    return (
        f"{counted(admins, 'admin')} can sign in, so nobody can agree to what an admin asks for, or let one "
        "in again; invite another: portal staff invite admin ADDRESS"
    )


def _nobody_can_join(session: Session) -> str | None:
    """Return that people are invited and have no link any more, or None."""
    invited = set(session.scalars(select(StaffMember.id).where(StaffMember.state == State.INVITED)))
    invited -= set(session.scalars(select(StaffInvitation.member_id)))
    # They get a link once a second person agrees.
    asked = [one for one in approvals.waiting(session) if one.kind == INVITATION]
    waits, _void = approvals.by_validity(session, ACTIONS, asked, SystemClock().now())
    invited -= {bytes.fromhex(approvals.fields_of(one)["member"]) for one in waits}
    if not invited:
        return None
    return (
        f"{counted(len(invited), 'person was', 'people were')} invited and did not join in time; who: portal "
        "staff list; for a new link: portal staff recover ADDRESS"
    )
