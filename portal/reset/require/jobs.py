"""The row of a job: start it or go on with it, count each account once, and finish it."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core import db
from portal.crypto.vault import WorkerVault
from portal.reset.models import CountedAccount, Requirement
from portal.reset.require.cohorts import EVERYONE, Cohort, Tools
from portal.runtime.turns import UNREAD, Turns, delete_some


@dataclass
class Tally:
    """The counts of a job.

    Of the `accounts`, `newly` were required now, `already` before, and `renewed` have since chosen a new
    password through a mailed link. `altered` rows were tampered with and skipped.
    """

    people: int = 0
    altered: int = 0
    accounts: int = 0
    newly: int = 0
    already: int = 0
    renewed: int = 0
    mails: int = 0


def start(tools: Tools, cohort: Cohort) -> tuple[bytes, datetime]:
    """Return the job's id, resuming an unfinished one, and since when a new password counts as renewed."""
    with tools.db.write() as session:
        job = unfinished(session, tools, cohort)
        now = tools.clock.now()
        job_id = job.id if job else _new_job(session, tools, cohort, now)
        return job_id, first_required(session, cohort, job) or now


def cursor_of(session: Session, job_id: bytes) -> bytes:
    """Return how far a job has come."""
    return session.execute(select(Requirement.cursor).where(Requirement.id == job_id)).scalar_one()


def locked(session: Session, job_id: bytes) -> Requirement:
    """Return a job's row and lock it, so that no other command advances it meanwhile."""
    return session.get_one(Requirement, job_id, with_for_update=True)


def not_counted(
    session: Session, vault: WorkerVault, job_id: bytes, accounts: Collection[bytes], *, altered: bool = False
) -> dict[bytes, bytes]:
    """Return the accounts that a job has not counted, by the key under which it counts each.

    `altered` ones are counted apart: such an account may also be somebody's by customer number.
    """
    keys = {counting_key(vault, job_id, account, altered=altered): account for account in accounts}
    counted = select(CountedAccount.key).where(db.among(session, CountedAccount.key, keys.keys()))
    for known in session.scalars(counted).all() if keys else ():
        del keys[known]
    return keys


def count_once(
    session: Session,
    vault: WorkerVault,
    job: Requirement,
    accounts: Collection[bytes],
    *,
    altered: bool = False,
) -> set[bytes]:
    """Return the accounts that the job, which is locked, had not counted so far; now it has."""
    if job.subject == EVERYONE:  # reads each account once
        return set(accounts)
    keys = not_counted(session, vault, job.id, accounts, altered=altered)
    db.insert_many(session, CountedAccount, [{"key": key} for key in sorted(keys)])
    return set(keys.values())


def counting_key(vault: WorkerVault, job_id: bytes, account: bytes, *, altered: bool = False) -> bytes:
    """Return the key under which a job counts an account; it leads nobody from one to the other."""
    name = f"{job_id.hex()} {account.hex()}{' altered' if altered else ''}"
    return job_id + vault.list_index("reset-counted", name)


def finish(tools: Tools, job_id: bytes) -> Tally:
    """Finish a job whose end was reached, unless another command has, and return its counts."""
    _forget_counted(tools, job_id)
    with tools.db.write() as session:
        job = locked(session, job_id)
        tally = tally_of(job)
        if job.finished_at is None:
            job.finished_at = tools.clock.now()
            audit.record(session, "reset.required", job.subject or "everyone", asdict(tally), job.finished_at)
    return tally


def _forget_counted(tools: Tools, job_id: bytes) -> None:
    """Delete what a job noted to count each account once: on SQLite in short turns."""
    of_job = CountedAccount.key.between(job_id, job_id + b"\xff" * len(job_id))
    if not tools.db.is_sqlite:  # nobody waits for these rows
        with tools.db.write() as session:
            session.execute(delete(CountedAccount).where(of_job), execution_options=UNREAD)
        return
    turns, deleted = Turns(tools.db), 1
    while deleted:
        with turns.take() as session:
            deleted = delete_some(session, CountedAccount, of_job, turns.rows)


def tally_of(job: Requirement) -> Tally:
    """Return what a job has counted so far."""
    accounts = job.newly + job.already + job.renewed
    people = accounts if job.subject == EVERYONE else job.people
    return Tally(people, job.altered, accounts, job.newly, job.already, job.renewed, job.mails)


def under_way(session: Session, subject: str, list_version: int | None) -> Tally | None:
    """Return the counts so far of a job that has begun and is not finished, or None."""
    mine = (
        Requirement.subject == subject,
        Requirement.list_version.is_not_distinct_from(list_version),
        Requirement.finished_at.is_(None),
    )
    job = session.scalar(select(Requirement).where(*mine).order_by(Requirement.started_at.desc()).limit(1))
    return None if job is None else tally_of(job)


def unfinished(session: Session, tools: Tools, cohort: Cohort) -> Requirement | None:
    """Return the job for a cohort that was interrupted, or is under way, or None."""
    return session.get(Requirement, _current_id(session, tools, cohort))


def first_required(session: Session, cohort: Cohort, job: Requirement | None) -> datetime | None:
    """Return since when a new password counts as renewed, or None if nothing was required yet.

    An incident is one event, however often a reset is required for it.
    """
    if cohort.subject == EVERYONE:
        return job.started_at if job else None
    return session.scalar(
        select(func.min(Requirement.started_at)).where(Requirement.subject == cohort.subject)
    )


def _new_job(session: Session, tools: Tools, cohort: Cohort, now: datetime) -> bytes:
    """Add a job, unless a parallel command has; return its id."""
    job_id = _current_id(session, tools, cohort)
    statement = db.insert(session, Requirement).values(
        id=job_id,
        subject=cohort.subject,
        list_version=cohort.list_version,
        started_at=now,
        cursor=b"",
        people=0,
        altered=0,
        newly=0,
        already=0,
        renewed=0,
        mails=0,
    )
    added = session.execute(statement.on_conflict_do_nothing().returning(Requirement.id)).first()
    if added is not None:
        details = {"list_version": cohort.list_version, "people": cohort.people}
        audit.record(session, "reset.require", cohort.subject or "everyone", details, now)
    return job_id


def _current_id(session: Session, tools: Tools, cohort: Cohort) -> bytes:
    """Return the id of the unfinished job, or of the next one: it derives from the number of finished ones.

    So parallel commands work on the same one. A job in one user store is none in another: its cursor may mean
    nothing there, and what it has passed is still open there.
    """
    of_cohort = (
        Requirement.subject == cohort.subject,
        Requirement.list_version.is_not_distinct_from(cohort.list_version),
        Requirement.finished_at.is_not(None),
    )
    finished = session.scalar(select(func.count()).select_from(Requirement).where(*of_cohort))
    store = f" {tools.store.name}" if tools.store else ""
    name = f"{cohort.subject} {cohort.list_version} {finished}{store}"
    return tools.vault.list_index("reset-require", name)
