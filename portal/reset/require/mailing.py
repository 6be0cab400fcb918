"""Mail the owners of closed passwords, a page with one statement each for mails and links."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.db import new_id
from portal.crypto.vault import WorkerVault
from portal.identity.account import Account, Profile
from portal.intake import replies
from portal.outbox.bulk.adding import Letter, enqueue_many
from portal.reset.emails import PURPOSE, ResetRequired
from portal.reset.models import Requirement
from portal.reset.require.cohorts import EVERYONE
from portal.reset.service import RENEWABLE_FOR, renewable


@dataclass(frozen=True, repr=False)
class Recipient:
    """The owner of a closed password; `account` is as it is now. `locale` is the list's.

    `store_id` is the account's id in a store of the company's.
    """

    account: Account
    profile: Profile
    locale: str = ""
    store_id: str = ""


def mail_owners(
    session: Session, vault: WorkerVault, job: Requirement, recipients: Iterable[Recipient]
) -> int:
    """Queue a mail with a renewable link for each account that this job has not mailed; return how many.

    The job's row must be locked. All rows of a job have one time: each its own would lead from a mail and its
    link to the account.
    """
    return mail_links(
        session,
        vault,
        {_mail_key(vault, job.id, one.account.id): one for one in recipients},
        everyone=job.subject == EVERYONE,
        now=job.started_at,
        batch=job.id,
    )


def mail_links(
    session: Session,
    vault: WorkerVault,
    recipients: dict[bytes, Recipient],
    *,
    everyone: bool,
    now: datetime,
    batch: bytes,
) -> int:
    """Queue a mail with a renewable link by unique key, where no mail has that key; return how many."""
    to = {new_id(): (unique, one) for unique, one in recipients.items()}
    mail = ResetRequired(everyone=everyone)
    letters = [
        Letter(row_id, unique, mail, one.profile.address, one.profile.language or one.locale)
        for row_id, (unique, one) in to.items()
    ]
    queued = enqueue_many(session, vault, letters, now=now, batch=batch)
    contents = {
        row_id: renewable(one.account, one.profile, one.store_id)
        for row_id, (_, one) in sorted(to.items())
        if row_id in queued
    }
    replies.prepare_many(session, vault, PURPOSE, contents, now=now, lifetime=RENEWABLE_FOR)
    return len(queued)


def _mail_key(vault: WorkerVault, job_id: bytes, account_id: bytes) -> bytes:
    return vault.list_index("reset-required", f"{job_id.hex()} {account_id.hex()}")


def mail_keys(session: Session, vault: WorkerVault, account_id: bytes) -> list[tuple[datetime, bytes]]:
    """Return when each required reset began, newest first, and the key of its mail to an account, if any."""
    jobs = select(Requirement.id, Requirement.started_at).order_by(Requirement.started_at.desc())
    return [(at, _mail_key(vault, job_id, account_id)) for job_id, at in session.execute(jobs)]
