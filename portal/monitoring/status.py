"""`portal status`: the state of the portal in one screen, and what needs action."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import click
from sqlalchemy.orm import Session

from portal.core.db import sqlite_file
from portal.core.disk_space import free_bytes, readable
from portal.crypto import keys, self_test
from portal.crypto.vault import WorkerVault
from portal.exposure import service as exposure
from portal.identity.sealed import process_key
from portal.incidents import service as incidents
from portal.incidents.models import PUBLISHED, RESOLVED, Incident
from portal.incidents.publishing import scheduling
from portal.intake import service as intake
from portal.monitoring.figures import MOST, Figures, List, Notice, collect
from portal.outbox import service as outbox
from portal.outbox.models import BOUNCED
from portal.runtime import heartbeat, schema, storage_check
from portal.runtime.command_line import AS_JSON, Screen, counted, echo_json
from portal.runtime.context import Context

PATIENCE = timedelta(minutes=2)  # the worker looks every ten seconds
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


@dataclass
class Seen:
    """What was seen. `acts` are sentences about what needs it, `unseen` about what this user cannot see."""

    database: str
    free_disk_bytes: int | None
    figures: Figures | None = None
    incidents: list[dict[str, Any]] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


@click.command()
@AS_JSON
@click.pass_obj
def status(context: Context, *, as_json: bool) -> None:
    """Show the state of the portal, and what needs action.

    Incidents, lists, notices, mails, requests, the worker and the database, from figures that are cheap to
    read. Ends with status 1 if something needs action. To check the configuration: portal doctor
    """
    seen = look(context)
    if as_json:
        echo_json(_as_data(context, seen))
    else:
        _show(context, seen)
    if seen.acts:
        raise click.exceptions.Exit(1)


def look(context: Context) -> Seen:
    """Return the state of the portal."""
    db, now = context.database, context.clock.now()
    file = sqlite_file(db.engine.url)
    seen = Seen("up to date", free_bytes(file.absolute().parent) if file else None)
    if file is None:
        seen.unseen.append("the disk of PostgreSQL's server")
    if (fault := schema.fault_of(db)) is not None:
        seen.database = "not at this version"
        seen.acts.append(f"The database {fault}")
        return seen
    seen.figures = collect(db, now)
    with db.read() as session:
        phases = incidents.phases(session)
        every = incidents.every(session)
        schedules = {each.id: incidents.schedule_of(session, each) for each in every}
        if context.settings.identity.external and (why := process_key.why_degraded(session, now)):
            seen.acts.append(f"{why[0].upper()}{why[1:]}")
        seen.acts.extend(_acts(session, every, seen.figures, now))
        seen.acts.extend(_altered(session, context, every, seen))
    seen.incidents = [
        {
            "slug": each.slug,
            "state": each.state,
            "phase": phases.get(each.id),
            "published_at": each.published_at,
            "more_by": each.more_by,
            "scheduled_at": schedule.at if (schedule := schedules[each.id]) else None,
            "title": each.title,
        }
        for each in every
    ]
    if (full := storage_check.fault_of_disk(db)) is not None:
        seen.acts.append(f"{full[0].upper()}{full[1:]}.")
    return seen


def _acts(session: Session, every: list[Incident], figures: Figures, now: datetime) -> Iterator[str]:
    """Yield what needs action, as sentences that name it."""
    causes = (
        heartbeat.why_degraded(session, now),
        intake.why_degraded(session, now),
        outbox.why_degraded(session, now),
    )
    yield from (f"{cause[0].upper()}{cause[1:]}" for cause in causes if cause)
    if figures.mails.paused is not None:
        yield (
            f"Notices and updates are paused ({figures.mails.paused}). "
            "To send them again: portal outbox resume"
        )
    if figures.requests.held:
        held = counted(figures.requests.held, "check waits", "checks wait")
        yield f"{held} for a list. Activate it: portal exposure activate SLUG VERSION"
    for late in scheduling.late(session, now - PATIENCE):
        why = late.fault or "nobody tried"
        yield (
            f"{late.slug} was not published at {late.at:%Y-%m-%d %H:%M} UTC ({why}). "
            f"See: portal incidents publish {late.slug}"
        )
    for each in every:
        if each.state == PUBLISHED and each.more_by is not None and each.more_by <= now:
            yield (
                f"{each.slug} promised more by {each.more_by:%Y-%m-%d %H:%M} UTC. Publish a new version, "
                f"or a new time with --more-by: portal incidents publish {each.slug}"
            )
    listed = {each.slug for each in figures.lists if each.number is not None}
    phases = incidents.phases(session)
    for each in every:
        if each.state == PUBLISHED and phases.get(each.id) != RESOLVED and each.slug not in listed:
            yield (
                f"{each.slug} is published and has no active list, so nobody can check an address. "
                f"Import one: portal exposure import {each.slug} FILE --activate"
            )


def _altered(session: Session, context: Context, every: list[Incident], seen: Seen) -> Iterator[str]:
    """Yield the lists that were not activated with the worker's keys, where this user has them."""
    try:
        vault = WorkerVault(keys.read_worker(context.settings.keys.worker_file))
        self_test.check(context.database, vault)
    except (keys.KeysInvalid, self_test.OtherKeys):
        seen.unseen.append("whether lists were activated with the worker's keys, which this user cannot read")
        return
    verified = exposure.verified_active(session, vault, [each.id for each in every])
    for each in every:
        if exposure.active(session, each.id) is not None and each.id not in verified:
            yield (
                f"The activation of the list of {each.slug} was altered, so no answer uses it. Find out who "
                f"can write to the database, then: portal exposure activate {each.slug} VERSION"
            )


def _as_data(context: Context, seen: Seen) -> dict[str, Any]:
    data: dict[str, Any] = {
        "at": context.clock.now(),
        "version": heartbeat.installed_version(),
        "base_url": context.settings.base_url,
        "database": seen.database,
        "free_disk_bytes": seen.free_disk_bytes,
        "incidents": seen.incidents,
    }
    if seen.figures is not None:
        data |= asdict(seen.figures)
        data["workers"]["living"] = len(seen.figures.workers.living)
    return data | {"needs_action": seen.acts, "not_seen": seen.unseen}


def _show(context: Context, seen: Seen) -> None:
    screen, now = Screen(), context.clock.now()
    screen.line(
        f"Portal {heartbeat.installed_version()} at {context.settings.base_url}, {now:%Y-%m-%d %H:%M} UTC",
        indent=0,
    )
    if seen.figures is not None:
        _show_figures(screen, seen, seen.figures, now)
    screen.heading("System")
    disk = "" if seen.free_disk_bytes is None else f"; {readable(seen.free_disk_bytes)} free on its disk"
    screen.line(f"database: {seen.database}{disk}")
    for each in seen.unseen:
        screen.line(f"not seen: {each}")
    screen.heading("Needs action" if seen.acts else "Nothing needs action.")
    for each in seen.acts:
        screen.line(f"- {each}", "yellow")


def _show_figures(screen: Screen, seen: Seen, figures: Figures, now: datetime) -> None:
    screen.heading("Incidents")
    if not seen.incidents:
        screen.line("There is no incident.")
    lists = {each.slug: each for each in figures.lists}
    for incident in seen.incidents:
        phase = f", {incident['phase']}" if incident["phase"] else ""
        screen.line(f"{incident['slug']}: {incident['state']}{phase}")
        for words, at in (("promised: more by", "more_by"), ("drafts are published at", "scheduled_at")):
            if incident[at] is not None:
                screen.line(f"{words} {incident[at]:%Y-%m-%d %H:%M} UTC", indent=4)
        if (version := lists.get(incident["slug"])) is not None:
            screen.line(_list_line(version, now), indent=4)
        for notice in (each for each in figures.notices if each.slug == incident["slug"]):
            screen.line(_notice_line(notice), indent=4)
    screen.heading("Mails")
    waiting = {name: number for name, number in figures.mails.waiting.items() if number}
    by_stream = f" ({', '.join(f'{name} {_many(number)}' for name, number in waiting.items())})"
    since = figures.mails.oldest_waiting_at
    screen.line(
        f"waiting {_many(sum(waiting.values()))}{by_stream if waiting else ''}"
        f"{f', the first since {_age(since, now)}' if since else ''}"
    )
    ended = [f"{state} {_many(n)}" for state, n in figures.mails.ended.items() if state != BOUNCED or n]
    screen.line(", ".join(ended))
    screen.heading("Requests from forms")
    requests = figures.requests
    screen.line(
        f"waiting {_many(requests.waiting)}, held {_many(requests.held)}, failed {_many(requests.failed)}"
    )
    screen.heading("Worker")
    workers = figures.workers
    if workers.living:
        screen.line(f"{counted(len(workers.living), 'worker')} alive, version {', '.join({*workers.living})}")
    else:
        screen.line("none alive", "red")


def _list_line(version: List, now: datetime) -> str:
    if version.number is None or version.imported_at is None:
        return "no active list"
    return (
        f"list version {version.number}: {counted(version.people, 'person', 'people')}, "
        f"{counted(version.addresses, 'address', 'addresses')}, imported {_age(version.imported_at, now)} ago"
    )


def _notice_line(notice: Notice) -> str:
    earlier = f", {notice.earlier} notified before" if notice.earlier else ""
    left_out = f", {notice.left_out} left out on request" if notice.left_out else ""
    left = notice.addresses - notice.queued - notice.earlier - notice.left_out
    progress = "" if not left and notice.ended else f", {left} not yet queued"
    return (
        f"notice to list version {notice.list_number}: {counted(notice.addresses, 'address', 'addresses')}"
        f"{earlier}{left_out}, queued {notice.queued}, sent {notice.sent}{progress}"
    )


def _many(number: int) -> str:
    return f"{MOST} or more" if number == MOST else str(number)


def _age(at: datetime, now: datetime) -> str:
    seconds = int((now - at).total_seconds())
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= 2 * unit:
            return counted(seconds // unit, name)
    return counted(max(seconds, 0), "second")
