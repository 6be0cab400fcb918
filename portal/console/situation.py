"""Where each incident stands, what it needs next, and what is wrong. It reads few rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.audit.models import AuditEntry
from portal.campaigns import models as campaigns
from portal.campaigns.series import progress
from portal.console.audit.reading import NEEDS_TWO
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.incidents.drafts import entries, posting, statements, store
from portal.incidents.models import DRAFT, PUBLISHED, RESOLVED, Incident
from portal.outbox import service as outbox
from portal.runtime import heartbeat
from portal.staff.approvals.models import Approval
from portal.staff.approvals.service import State

DRAFT_OLD = timedelta(days=1)
ALONE_SHOWN = timedelta(days=7)
# Of what needs a second person in the console. Staff are invited by a command where nobody is there yet.
_COMMANDS = sorted(action for action in NEEDS_TWO if not action.startswith("staff."))


class Step(StrEnum):
    """What an incident needs next."""

    WRITE = "write"
    PUBLISH = "publish"
    UPLOAD = "upload"
    ACTIVATE = "activate"
    NOTIFY = "notify"
    FOLLOW = "follow"
    RESUME = "resume"
    UPDATE = "update"


class Trouble(StrEnum):
    """What is wrong. The page has words and a link for each."""

    WORKER = "worker"
    MAIL = "mail"
    NO_LIST = "no-list"
    OLD_DRAFT = "old-draft"
    OLD_UPDATE = "old-update"
    OLD_NOTICE = "old-notice"
    PROMISE = "promise"
    UNCONFIRMED = "unconfirmed"
    ALONE = "alone"


@dataclass(frozen=True)
class Row:
    """An incident as the first page shows it: its `hours` since it was detected, and what it needs next.

    `phase` is empty before the first update is public; one that is resolved has no `step`. `notice` is the
    number of the one that the step is about, if any.
    """

    incident: Incident
    phase: str
    hours: int
    step: Step | None
    notice: int = 0


@dataclass(frozen=True)
class Banner:
    """One thing that is wrong, of an incident or of everything, and how often."""

    trouble: Trouble
    slug: str = ""
    count: int = 0


def rows(session: Session, now: datetime) -> list[Row]:
    """Return every incident, the newest first, those that are resolved last."""
    phases = incidents.phases(session)
    paused = {one.incident_id: one.number for one in reversed(progress.paused(session))}
    found = []
    for one in incidents.every(session):
        phase = phases.get(one.id, "")
        hours = int((now - incidents.detected_at(session, one)).total_seconds()) // 3600
        step = None if phase == RESOLVED else _next_step(session, one)
        number = paused.get(one.id, 0)
        if step is not None and number:
            step = Step.RESUME  # people wait for their email: nothing is more urgent
        found.append(Row(one, phase, max(hours, 0), step, number))
    newest = sorted(found, key=lambda row: row.incident.created_at, reverse=True)
    return sorted(newest, key=lambda row: row.step is None)


def banners(session: Session, languages: tuple[str, ...], now: datetime) -> list[Banner]:
    """Return what is wrong, the worst first."""
    return [*_everywhere(session, now), *_of_incidents(session, languages, now)]


def _everywhere(session: Session, now: datetime) -> Iterator[Banner]:
    if heartbeat.why_degraded(session, now) is not None:
        yield Banner(Trouble.WORKER)
    if outbox.why_degraded(session, now) is not None:
        yield Banner(Trouble.MAIL)
    if alone := posting.unconfirmed(session):
        yield Banner(Trouble.UNCONFIRMED, alone[0].slug, len(alone))
    since = now - ALONE_SHOWN
    of_commands = select(func.count()).where(
        AuditEntry.action.in_(_COMMANDS),
        AuditEntry.at > since,
        AuditEntry.details.contains('"by":"operator ', autoescape=True),
    )
    of_staff = select(func.count()).where(
        Approval.asked_by == Approval.decided_by,
        Approval.state.in_((State.DONE, State.APPROVED)),
        Approval.decided_at > since,
    )
    if count := (session.scalar(of_commands) or 0) + (session.scalar(of_staff) or 0):
        yield Banner(Trouble.ALONE, count=count)


def _of_incidents(session: Session, languages: tuple[str, ...], now: datetime) -> Iterator[Banner]:
    phases = incidents.phases(session)
    for one in incidents.every(session):
        if phases.get(one.id) == RESOLVED:
            continue
        if one.state == PUBLISHED and exposure.active(session, one.id) is None:
            yield Banner(Trouble.NO_LIST, one.slug)
        if one.more_by is not None and one.more_by <= now:
            yield Banner(Trouble.PROMISE, one.slug)
        drafts = (text for text in statements.standings(session, one, languages) if text.changed)
        if any(text.saved and text.saved.saved_at < now - DRAFT_OLD for text in drafts):
            yield Banner(Trouble.OLD_DRAFT, one.slug)
        if any(entry.saved_at < now - DRAFT_OLD for entry in entries.drafts(session, one).values()):
            yield Banner(Trouble.OLD_UPDATE, one.slug)
        notices = progress.of_incident(session, one.id)
        if any(each.state == campaigns.DRAFT and each.drafted_at < now - DRAFT_OLD for each in notices):
            yield Banner(Trouble.OLD_NOTICE, one.slug)


def _next_step(session: Session, incident: Incident) -> Step:
    if incident.state == DRAFT:
        return Step.PUBLISH if store.heads(session, incident) else Step.WRITE
    if exposure.active(session, incident.id) is None:
        return Step.ACTIVATE if exposure.versions(session, incident.id) else Step.UPLOAD
    notices = progress.of_incident(session, incident.id)
    if not any(notice.begun_at for notice in notices):
        return Step.NOTIFY
    return Step.UPDATE if notices[0].ended_at else Step.FOLLOW
