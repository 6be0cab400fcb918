"""Require new passwords of everyone whose password a list exposes, or of all accounts; resumable."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from itertools import islice
from sys import intern

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.audit import service as audit
from portal.core import addresses, db
from portal.core.clock import Clock
from portal.core.db import Database
from portal.crypto.vault import VaultError, WorkerVault
from portal.exposure.people import Person
from portal.identity.port import Account, Store
from portal.reset import service
from portal.reset.emails import ResetRequired
from portal.reset.models import Requirement
from portal.reset.service import REASON_EVERYONE, REASON_EXPOSED

log = logging.getLogger("portal.reset")

EVERYONE = ""
BATCH = 20  # accounts per transaction, which keeps the write lock short
PAGE = 1000

Progress = Callable[[int], None]


class State(Enum):
    """An account's state in a job: to be required now, required before, or renewed through a mailed link."""

    NEWLY = "newly"
    ALREADY = "already"
    RENEWED = "renewed"


@dataclass(frozen=True)
class Cohort:
    """The accounts to require a reset of. `subject` is an incident's slug, or EVERYONE.

    `people` is the number of people in the list. `locales` maps account ids to the list's locale; None means
    all accounts. `altered` counts accounts that were found by index but belong to someone else.
    """

    subject: str
    list_version: int | None = None
    people: int = 0
    locales: dict[bytes, str] | None = None
    altered: int = 0


@dataclass
class Tally:
    """The counts of a run.

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


@dataclass(frozen=True)
class Tools:
    """The parts that the job needs."""

    db: Database
    vault: WorkerVault
    clock: Clock
    store: Store


def gather(
    tools: Tools, subject: str, list_version: int, people: Iterable[Person], progress: Progress
) -> Cohort:
    """Find the accounts of exposed people by customer number and address; writes nothing.

    Holds a 16-byte id per account in memory, and no address. Several people may share an account.
    """
    count, remaining = 0, iter(people)
    locales: dict[bytes, str] = {}
    altered: set[bytes] = set()
    while page := list(islice(remaining, PAGE)):
        with tools.db.read() as session:
            for person in page:
                for account, belongs in _accounts_of(session, tools, person):
                    if belongs:
                        locales[account.id] = locales.get(account.id) or intern(person.locale)
                    else:
                        altered.add(account.id)
        count += len(page)
        progress(len(page))
    return Cohort(subject, list_version, count, locales, len(altered - locales.keys()))


def require(tools: Tools, cohort: Cohort, progress: Progress) -> Tally:
    """Close the old password of every account in the cohort and mail each owner once.

    Commits batch by batch. Each batch locks the job's row, so that a restarted command resumes where the last
    one stopped, and parallel commands share the work. All rows of a run have one time: each its own would
    lead from a mail and its link to the account.
    """
    job_id, since = _start_job(tools, cohort)
    now = tools.clock.now()
    tally = Tally(people=cohort.people, altered=cohort.altered)
    for ids in _batches(tools, cohort):
        with tools.db.write_in_turn() as session:
            job = session.get_one(Requirement, job_id, with_for_update=True, populate_existing=True)
            for account_id in ids:
                tally.accounts += 1
                _require_account(
                    session, tools, job, account_id, (cohort.locales or {}).get(account_id, ""), since, now
                )
            job.cursor = max(job.cursor, ids[-1])
        progress(len(ids))
    return _finish_job(tools, job_id, tally)


def preview(tools: Tools, cohort: Cohort, progress: Progress) -> Tally:
    """Return what `require` would return now, without writing anything."""
    tally = Tally(people=cohort.people, altered=cohort.altered)
    with tools.db.read() as session:
        job = _unfinished(session, cohort)
        since = _first_required(session, cohort, job) or tools.clock.now()
        cursor = job.cursor if job else b""
        if job is not None:
            _add_up(tally, job)
    for ids in _batches(tools, cohort):
        with tools.db.read() as session:
            for account_id in ids:
                account = tools.store.get(session, tools.vault, account_id)
                tally.accounts += 1
                state = _state(account, since)
                done = account_id <= cursor  # counted in the unfinished job already
                if state is State.NEWLY:
                    tally.newly += 1
                    tally.mails += 1
                elif state is State.ALREADY and not done:
                    tally.already += 1
                elif state is State.RENEWED and not done:
                    tally.renewed += 1
        progress(len(ids))
    if cohort.locales is None:
        tally.people = tally.accounts
    return tally


def _require_account(
    session: Session,
    tools: Tools,
    job: Requirement,
    account_id: bytes,
    locale: str,
    since: datetime,
    now: datetime,
) -> None:
    account = tools.store.get(session, tools.vault, account_id)
    state = _state(account, since)
    done = account_id <= job.cursor
    if account is None or (done and state is not State.NEWLY):
        return
    if state is State.RENEWED:
        job.renewed += 1
        return
    everyone = job.subject == EVERYONE
    reason = REASON_EVERYONE if everyone else REASON_EXPOSED
    if state is State.ALREADY or not tools.store.require_reset(session, [account_id], reason, now):
        job.already += 1
        return
    accounts.end_sessions(session, account_id)
    job.newly += 1
    closed = tools.store.get(session, tools.vault, account_id)
    try:
        profile = tools.store.profile(session, tools.vault, account_id)
    except VaultError:
        # A tampered row must not keep the others from their mails.
        log.error(
            "reset: profile of account %s does not decrypt, password locked but owner not mailed; "
            "restore it with: portal accounts import FILE. The owner can then request a link at /reset/",
            account_id.hex(),
        )
        return
    unique = _mail_key(tools.vault, job.id, account_id)
    job.mails += service.mail_link(
        session,
        tools.vault,
        ResetRequired(everyone=everyone),
        account=closed,
        profile=profile,
        locale=profile.language or locale,
        now=now,
        unique=unique,
        batch=job.id,
        renewable=True,
    )


def _mail_key(vault: WorkerVault, job_id: bytes, account_id: bytes) -> bytes:
    return vault.list_index("reset-required", f"{job_id.hex()} {account_id.hex()}")


def mail_keys(session: Session, vault: WorkerVault, account_id: bytes) -> list[tuple[datetime, bytes]]:
    """Return when each required reset began, newest first, and the key of its mail to an account, if any."""
    jobs = select(Requirement.id, Requirement.started_at).order_by(Requirement.started_at.desc())
    return [(at, _mail_key(vault, job_id, account_id)) for job_id, at in session.execute(jobs)]


def _state(account: Account | None, since: datetime) -> State | None:
    if account is None:
        return None
    if account.must_reset:
        return State.ALREADY
    # Not `password_changed_at`: a thief with the exposed password could have changed it. A choice through a
    # mailed link did not rely on that password.
    if account.chosen_by_mail_at is not None and account.chosen_by_mail_at >= since:
        return State.RENEWED
    return State.NEWLY


def _start_job(tools: Tools, cohort: Cohort) -> tuple[bytes, datetime]:
    """Return the job's id, resuming an unfinished one, and since when a new password counts as renewed."""
    with tools.db.write() as session:
        job = _unfinished(session, cohort)
        now = tools.clock.now()
        job_id = job.id if job else _new_job(session, tools, cohort, now)
        return job_id, _first_required(session, cohort, job) or now


def _new_job(session: Session, tools: Tools, cohort: Cohort, now: datetime) -> bytes:
    """Add a job; its id derives from the number of finished ones, so parallel commands add only one."""
    finished = session.scalar(
        select(func.count())
        .select_from(Requirement)
        .where(*_jobs_of(cohort), Requirement.finished_at.is_not(None))
    )
    job_id = tools.vault.list_index("reset-require", f"{cohort.subject} {cohort.list_version} {finished}")
    statement = db.insert(session, Requirement).values(
        id=job_id,
        subject=cohort.subject,
        list_version=cohort.list_version,
        started_at=now,
        cursor=b"",
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


def _finish_job(tools: Tools, job_id: bytes, tally: Tally) -> Tally:
    with tools.db.write() as session:
        job = session.get_one(Requirement, job_id, with_for_update=True, populate_existing=True)
        _add_up(tally, job)
        if job.subject == EVERYONE:
            tally.people = tally.accounts
        if job.finished_at is None:
            job.finished_at = tools.clock.now()
            audit.record(session, "reset.required", job.subject or "everyone", asdict(tally), job.finished_at)
    return tally


def _unfinished(session: Session, cohort: Cohort) -> Requirement | None:
    return session.scalars(
        select(Requirement)
        .where(*_jobs_of(cohort), Requirement.finished_at.is_(None))
        .order_by(Requirement.started_at)
        .limit(1)
    ).first()


def _jobs_of(cohort: Cohort) -> tuple[ColumnElement[bool], ...]:
    return (
        Requirement.subject == cohort.subject,
        Requirement.list_version.is_not_distinct_from(cohort.list_version),
    )


def _first_required(session: Session, cohort: Cohort, job: Requirement | None) -> datetime | None:
    """Return since when a new password counts as renewed, or None if nothing was required yet.

    An incident is one event, however often a reset is required for it.
    """
    if cohort.subject == EVERYONE:
        return job.started_at if job else None
    return session.scalar(
        select(func.min(Requirement.started_at)).where(Requirement.subject == cohort.subject)
    )


def _add_up(tally: Tally, job: Requirement) -> None:
    tally.newly += job.newly
    tally.already += job.already
    tally.renewed += job.renewed
    tally.mails += job.mails


def _accounts_of(session: Session, tools: Tools, person: Person) -> Iterator[tuple[Account, bool]]:
    """Yield accounts, and whether each is this person's."""
    if person.account_ref:
        for account in tools.store.find_by_ref(session, tools.vault, person.account_ref):
            yield account, True
    found = tools.store.find(session, tools.vault, person.address)
    if found is not None:
        yield found, _belongs(session, tools, found, person)


def _belongs(session: Session, tools: Tools, account: Account, person: Person) -> bool:
    """Return whether the account found by an address has it in its profile, which only the worker can write.

    The web process can write the index columns: by inserting rows for guessed addresses and watching which of
    them are closed, a thief could otherwise learn who is on the list.
    """
    try:
        profile = tools.store.profile(session, tools.vault, account.id)
    except VaultError:
        return False
    return addresses.sign_in_name(profile.address) == addresses.sign_in_name(person.address)


def _batches(tools: Tools, cohort: Cohort) -> Iterator[list[bytes]]:
    if cohort.locales is not None:
        ordered = sorted(cohort.locales)
        for start in range(0, len(ordered), BATCH):
            yield ordered[start : start + BATCH]
        return
    after: bytes | None = None
    while True:
        with tools.db.read() as session:
            ids = tools.store.all_ids(session, after, BATCH)
        if not ids:
            return
        yield ids
        after = ids[-1]
