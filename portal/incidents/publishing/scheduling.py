"""Publish drafts at a set time: exactly those that their author confirmed, and nothing that came later.

The worker does it. The row is signed with its keys, because the web process can write the table; what is
confirmed cannot be edited or discarded until it is published or cancelled.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.faults import parsed
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.incidents import announcing, service
from portal.incidents.models import Incident, Schedule
from portal.incidents.publishing import checks, promises
from portal.incidents.publishing.plan import Plan, plan
from portal.incidents.service import Published

log = logging.getLogger("portal.incidents")

ALTERED = "the row was altered without the worker's keys"
CHANGED = "the drafts are not those that were confirmed"
CANCELLED = "it was cancelled, or is not the one that was confirmed last"
SCHEDULED, FORGOTTEN = "incidents.schedule", "incidents.cancel"  # in the audit log


class NotScheduled(LookupError):
    """Nothing of the incident is to be published at a set time."""


@dataclass(frozen=True)
class Late:
    """A publication at a set time that did not happen; `fault` says why, None where nobody tried."""

    slug: str
    at: datetime
    fault: str | None


def schedule(
    session: Session,
    vault: WorkerVault,
    planned: Plan,
    at: datetime,
    now: datetime,
    accepted: tuple[str, ...] = (),
    more_by: datetime | None = None,
    request: str = "",
    *,
    whole: bool = False,
) -> None:
    """Store that the drafts of a plan are published at a time. Raises Scheduled.

    `request` is the id of what was asked of a second person, where it was; `whole` says that `more_by` is
    what a holding statement promised before, and that these are none.
    """
    incident = planned.incident
    service.refuse_scheduled(session, incident)
    said = planned.content | {"accepted": list(accepted), "more_by": _iso(more_by)}
    said |= {"promises": len(incident.promises)}
    said |= ({"request": request} if request else {}) | ({"whole": True} if whole else {})
    content = json.dumps(said, sort_keys=True)
    row = Schedule(incident_id=incident.id, at=at, content=content)
    row.row_mac = _row_mac(vault, row)
    session.add(row)
    session.flush()
    details: dict[str, str | int | bool | None] = {"at": _minute(at)}
    if accepted:
        details["accepted"] = " ".join(accepted)
    audit.record(session, SCHEDULED, incident.slug, details, now)


def request_of(row: Schedule) -> str:
    """Return the id of the request that a publication at a set time belongs to, or nothing."""
    return str(parsed(row.content, "incidents_schedules", row.incident_id).get("request", ""))


def cancel(session: Session, slug: str, now: datetime) -> None:
    """Forget that drafts are published at a set time; they stay drafts. Raises NotScheduled."""
    row = service.schedule_of(session, service.locked(session, slug))
    if row is None:
        raise NotScheduled(f"nothing of {slug} is scheduled. See: portal incidents show {slug}")
    session.delete(row)
    session.flush()
    audit.record(session, FORGOTTEN, slug, {}, now)


def due(session: Session, now: datetime) -> list[str]:
    """Return the slugs of the incidents whose time has come, and which did not fail before."""
    rows = session.scalars(
        select(Incident.slug)
        .join(Schedule, Schedule.incident_id == Incident.id)
        .where(Schedule.at <= now, Schedule.fault.is_(None))
        .order_by(Schedule.at)
    )
    return list(rows)


def late(session: Session, before: datetime) -> list[Late]:
    """Return the publications that failed, or that nobody tried although their time was before then."""
    rows = session.execute(
        select(Incident.slug, Schedule.at, Schedule.fault)
        .join(Schedule, Schedule.incident_id == Incident.id)
        .where((Schedule.at < before) | Schedule.fault.is_not(None))
        .order_by(Schedule.at)
    )
    return [Late(slug, at, fault) for slug, at, fault in rows]


def publish_due(
    session: Session, vault: WorkerVault, settings: Settings, slug: str, now: datetime
) -> Published | None:
    """Publish what was confirmed for now; return None, and store why, where it must not be published."""
    incident = service.locked(session, slug)
    row = service.schedule_of(session, incident)
    if row is None or row.at > now or row.fault is not None:
        return None
    planned = plan(session, slug)
    content = json.loads(row.content) if compare_digest(row.row_mac, _row_mac(vault, row)) else None
    chosen = None if content is None else planned.only(content)
    row.fault = ALTERED if content is None else CHANGED if chosen is None else None
    if row.fault is None and not _confirmed_last(session, slug, row):
        row.fault = CANCELLED
    if row.fault is None and chosen is not None and content is not None:
        more_by, whole = _promise(incident, content, now)
        accepted = tuple(content["accepted"])
        found = checks.findings(session, settings, chosen, more_by=None if whole else more_by)
        open_now = [*checks.stopping(found), *checks.asking(found, accepted)]
        if not open_now:
            session.delete(row)
            session.flush()
            return announcing.publish(
                session, vault, slug, now, chosen.chosen(accepted, more_by, whole=whole)
            )
        row.fault = "; ".join(str(one) for one in open_now)[:1000]
    session.flush()
    log.error(
        "incidents: %s was not published at %s: %s; its drafts stay drafts. To try again: "
        "portal incidents publish %s --cancel",
        slug,
        f"{row.at:%Y-%m-%d %H:%M} UTC",
        row.fault,
        slug,
    )
    return None


def _promise(incident: Incident, content: Mapping[str, Any], now: datetime) -> tuple[datetime | None, bool]:
    """Return what readers are promised once it is public, and whether these are no holding statement.

    What a public update promised or took back after the publication was confirmed is the later word: it
    stays. A withdrawal says nothing new, so it changes nothing of what was confirmed. Only a holding
    statement cannot do without a time to come. An earlier version stored what was promised, not after how
    many `promises`.
    """
    known, stands = len(incident.promises), _iso(incident.more_by)
    if "promises" in content:
        known = content["promises"]
    elif content.get("promised", stands) != stands:
        known = 0
    said = content["more_by"] and datetime.fromisoformat(content["more_by"])
    whole, later = said is None or "whole" in content, promises.since(incident, known)
    if later is None:
        return said, whole
    newer = promises.time_of(later)
    if not whole and (newer is None or newer <= now):
        return said, whole
    return newer, whole


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _confirmed_last(session: Session, slug: str, row: Schedule) -> bool:
    """Return whether the audit log's last word on the incident's schedule is this one.

    A row that was cancelled still has a valid MAC: who can write the database could put it back.
    """
    last = audit.newest_of(session, slug, (SCHEDULED, FORGOTTEN))
    return last is not None and last.action == SCHEDULED and json.loads(last.details)["at"] == _minute(row.at)


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def _row_mac(vault: WorkerVault, row: Schedule) -> bytes:
    at = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    return vault.row_mac("publication", row.incident_id, at, row.content)
