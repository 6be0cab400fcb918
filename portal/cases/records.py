"""Read and write how a case stands, under a lock: for the worker and the commands, which hold its keys."""

import logging
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.staff import Operator
from portal.cases import sealed
from portal.cases.models import Case
from portal.cases.sealed import Contact, Record, State
from portal.cases.service import next_look
from portal.core.clock import start_of_day
from portal.crypto.vault import VaultError, WorkerVault

log = logging.getLogger("portal.cases")

HOUR = timedelta(hours=1)


class CaseUnknown(Exception):
    """No case has this number, or it was deleted."""


class CaseAltered(Exception):
    """The row was tampered with: what the worker stored does not decrypt."""


def locked(session: Session, vault: WorkerVault, number: str) -> tuple[Case, Record]:
    """Return a case and how it stands; nobody else changes it until the transaction ends.

    Raises CaseUnknown, CaseAltered.
    """
    row = session.scalar(select(Case).where(Case.number == number).with_for_update())
    if row is None:
        raise CaseUnknown
    return row, record_of(vault, row)


def record_of(vault: WorkerVault, row: Case) -> Record:
    """Return how a case stands: as it was opened, until the worker first looked. Raises CaseAltered."""
    try:
        if row.record is not None:
            return sealed.decrypt(vault, row.number, row.record)
        contact = contact_of(vault, row)
        return Record(opened_at=contact.opened_at, language=contact.language)
    except VaultError as error:
        raise CaseAltered from error


def contact_of(vault: WorkerVault, row: Case) -> Contact:
    """Return how the person can be reached: a stranger's words. Raises VaultError."""
    return sealed.open_contact(vault, row.number, row.contact)


def store(row: Case, vault: WorkerVault, record: Record, cooling: timedelta, now: datetime) -> None:
    """Store how a case stands, seal the person's view of it anew, and say when to look again.

    The same columns change at every look, whatever became of the case.
    """
    row.record = sealed.encrypt(vault, row.number, record)
    try:
        row.view = sealed.seal_view(row.public, row.number, record.view(ends_at(record, cooling, now)))
    except ValueError:  # who can write to the database gave it another key; the case goes on
        log.error("cases: the view of a case cannot be sealed, its row was tampered with; it goes on")
    closed = record.state is State.CLOSED
    row.look_at = None if closed else next_look(now)
    row.closed_on = start_of_day(now) if closed else None


def ends_at(record: Record, cooling: timedelta, now: datetime) -> datetime | None:
    """Return the hour in which the wait ends at the earliest, or None where it has not begun or is over."""
    if record.state is not State.CONFIRMED or not record.seen_at:
        return None
    left = max(cooling.total_seconds() - record.cooled, 0)
    hours = ceil((now.timestamp() + left) / HOUR.total_seconds())
    return datetime.fromtimestamp(hours * HOUR.total_seconds(), now.tzinfo)


def write_audit(
    session: Session,
    vault: WorkerVault,
    action: str,
    number: str,
    now: datetime,
    who: Operator | None = None,
    **details: str,
) -> int:
    """Write the audit row of an action about a case; return its number. Without `who` the worker did it.

    The case is kept as a keyed hash, which the worker's keys alone can compare: the log is not encrypted.
    """
    said = details | {"case": vault.list_index("case", number).hex()}
    if who is not None:
        said["ran_as"] = who.ran_as
    return audit.record(session, f"cases.{action}", who.user if who else "", said, now)
