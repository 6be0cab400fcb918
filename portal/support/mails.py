"""Find the mails to one address.

The outbox has no index of addresses: each kind of mail is found by the key that keeps it from leaving twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.orm import Session

from portal.campaigns import service as campaigns
from portal.campaigns.models import FIRST
from portal.campaigns.series.audience import key_of
from portal.crypto.vault import WorkerVault
from portal.exposure.emails import PURPOSE as CHECK
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.intake import replies
from portal.intake import service as intake
from portal.outbox import service as outbox
from portal.reset import service as reset
from portal.reset.emails import PURPOSE as RESET
from portal.reset.require.mailing import mail_keys
from portal.rotation import service as rotation
from portal.subscriptions import service as subscribing
from portal.subscriptions.emails import PURPOSE as SUBSCRIBE
from portal.support.accounts import AccountFound

MOST_UPDATES = 20
MOST_CHANGES = 3  # versions of an account whose "password changed" mail is looked for
# What is asked for in a form, and the name of the mail that answers it.
FORMS = {CHECK: "answer", RESET: "reset link", SUBSCRIBE: "confirm updates"}


@dataclass(frozen=True, repr=False)
class MailFound:
    """One mail. `incident` is a slug or empty. `link_until`: until then the link in it works.

    `to` is the stored address where it differs from the one that was looked for.
    """

    kind: str
    incident: str
    trace: outbox.Trace
    asked_at: datetime | None = None
    link_until: datetime | None = None
    link_used: bool = False
    to: str = ""

    @property
    def at(self) -> datetime:
        """When it ended, was asked for or is tried next: what sorts mails."""
        match self.trace.ended or self.asked_at or self.trace.next_attempt:
            case datetime() as at:
                return at
            case date() as day:
                return datetime.combine(day, time.min, UTC)
        return datetime.min.replace(tzinfo=UTC)


def of_address(
    session: Session,
    vault: WorkerVault,
    every: Sequence[Incident],
    address: str,
    listed_as: frozenset[str],
    account: AccountFound | None,
    now: datetime,
    forms: Mapping[str, str] = FORMS,
) -> list[MailFound]:
    """Return the mails to an address, newest first; `listed_as` are the spellings that lists hold.

    `forms` are the purposes of links that an address may have asked for, with what the mails are called.
    """
    found = [
        *_notices(session, vault, every, address, listed_as),
        *_about_account(session, vault, account, now),
        *_requested(session, vault, every, address, forms),
        *_updates(session, vault, every, address),
    ]
    return sorted(found, key=lambda mail: mail.at, reverse=True)


def subscriptions(
    session: Session, vault: WorkerVault, every: Sequence[Incident], address: str
) -> Iterator[tuple[Incident, subscribing.State]]:
    """Yield the incidents whose updates an address gets, or has left."""
    for incident in every:
        state = subscribing.state_of(session, vault, incident.id, address)
        if state.subscription_id is not None or state.left:
            yield incident, state


def _notices(
    session: Session, vault: WorkerVault, every: Sequence[Incident], address: str, listed_as: frozenset[str]
) -> Iterator[MailFound]:
    begun = campaigns.campaigns(session)
    # First notices share the keys of their mails.
    notices = {(one.incident_id, 0 if one.kind == FIRST else one.number): one for one in reversed(begun)}
    slugs = {incident.id: incident.slug for incident in every}
    for notice in (each for each in notices.values() if each.incident_id in slugs):
        for stored in sorted(listed_as | {address}):
            trace = outbox.trace(session, vault, unique=key_of(vault, notice, stored))
            if trace is not None:
                yield MailFound(
                    "notice", slugs[notice.incident_id], trace, to="" if stored == address else stored
                )


def _about_account(
    session: Session, vault: WorkerVault, account: AccountFound | None, now: datetime
) -> Iterator[MailFound]:
    if account is None:
        return
    for at, key in mail_keys(session, vault, account.id):
        trace = outbox.trace(session, vault, unique=key)
        if trace is not None:
            ends = intake.link_ends(session, trace.row_id) if trace.row_id else None
            until = reset.form_until(ends[0]) if ends else None
            yield MailFound("reset required", "", trace, at, until, link_used=bool(ends and ends[1]))
    for version in range(account.version, max(account.version - MOST_CHANGES, 0), -1):
        trace = outbox.trace(session, vault, unique=reset.changed_key(vault, account.id, version))
        if trace is not None:
            yield MailFound("password changed", "", trace)
    for month in (now, now.replace(day=1) - timedelta(days=1)):
        trace = outbox.trace(session, vault, unique=rotation.reminder_key(vault, account.id, month))
        if trace is not None:
            yield MailFound("reminder", "", trace)


def _requested(
    session: Session,
    vault: WorkerVault,
    every: Sequence[Incident],
    address: str,
    forms: Mapping[str, str],
) -> Iterator[MailFound]:
    slugs = {incident.id.hex(): incident.slug for incident in every}
    for purpose, kind in forms.items():
        for row_id, at, topic in replies.answered(session, vault, purpose, address):
            trace = outbox.trace(session, vault, row_id=row_id)
            if trace is not None:
                until, used = intake.link_ends(session, row_id) or (None, False)
                yield MailFound(kind, slugs.get(topic, ""), trace, at, until, used)


def _updates(
    session: Session, vault: WorkerVault, every: Sequence[Incident], address: str
) -> Iterator[MailFound]:
    for incident, state in subscriptions(session, vault, every, address):
        if state.subscription_id is None:
            continue
        for update in incidents.updates(session, incident.id, MOST_UPDATES):
            key = subscribing.update_key(vault, update.id, state.subscription_id)
            trace = outbox.trace(session, vault, unique=key)
            if trace is not None:
                yield MailFound(f"update {update.number}", incident.slug, trace)
