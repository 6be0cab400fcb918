"""List and show incidents, and preview their pages."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import click

from portal.core.clock import SystemClock
from portal.core.db import Database
from portal.incidents import reading, service
from portal.incidents.commands.group import (
    SLUG,
    check_language,
    errors_as_messages,
    incidents,
    since,
    time_text,
)
from portal.incidents.models import Incident, Schedule
from portal.incidents.publishing import scheduling
from portal.incidents.publishing.withdrawn import WithdrawnVersion
from portal.runtime.command_line import AS_JSON, echo_json
from portal.runtime.context import Context


@incidents.command("list")
@AS_JSON
@click.pass_obj
def list_all(context: Context, *, as_json: bool) -> None:
    """List all incidents, drafts included."""
    now = context.clock.now()
    with context.db.read() as session:
        rows = service.every(session)
        phases = service.phases(session)
        schedules = {one.id: service.schedule_of(session, one) for one in rows}
    if as_json:
        echo_json([_as_data(one, phases.get(one.id), schedules[one.id], now) for one in rows])
        return
    for incident in rows:
        phase = phases.get(incident.id, "-")
        click.echo(f"{incident.slug}  {incident.state}  {phase}  {incident.title}")
        for line in _due_lines(incident, schedules[incident.id], now):
            click.echo(f"  {line}")
    if not rows:
        click.echo("There is no incident. Create one: portal incidents create SLUG --title T --classes 'A;B'")


PATIENCE = timedelta(minutes=2)  # the worker looks every ten seconds


def _due_lines(incident: Incident, schedule: Schedule | None, now: datetime) -> Iterator[str]:
    """Yield what is to happen at a set time, and what should have happened."""
    if incident.more_by is not None:
        late = "  THAT HAS PASSED: publish a new version" if incident.more_by <= now else ""
        yield f"promised: more by {time_text(incident.more_by)}{late}"
    if schedule is not None:
        fault = f"  NOT PUBLISHED: {schedule.fault}" if schedule.fault else ""
        yield f"scheduled: its drafts at {time_text(schedule.at)}{fault}"


def check_promises(db: Database) -> Iterator[tuple[str, str | None]]:
    """Yield the lines of `portal doctor` about what should be public by now, and is not."""
    now = SystemClock().now()
    with db.read() as session:
        late = scheduling.late(session, now - PATIENCE)
        overdue = [
            (one.slug, one.more_by)
            for one in service.published(session)
            if one.more_by is not None and one.more_by <= now
        ]
    for one in late:
        why = one.fault or "nobody tried: is the worker running?"
        cancel = f"portal incidents publish {one.slug} --cancel"
        yield (
            "scheduled publication",
            f"{one.slug} was not published at {time_text(one.at)}: {why}; see: {cancel}",
        )
    for slug, more_by in overdue:
        promised = f"{slug} promised more by {time_text(more_by)}"
        yield "holding statement", f"{promised}: publish a new version, or promise a new time with --more-by"


def _as_data(
    incident: Incident, phase: str | None, schedule: Schedule | None, now: datetime
) -> dict[str, object]:
    return {
        "slug": incident.slug,
        "title": incident.title,
        "state": incident.state,
        "phase": phase,
        "published_at": incident.published_at,
        "data_classes": list(incident.class_names),
        "staged_data_classes": None if incident.staged_classes is None else list(incident.next_class_names),
        "discreet": incident.discreet,
        "happened_on": incident.happened_on,
        "more_by": incident.more_by,
        "more_overdue": incident.more_by is not None and incident.more_by <= now,
        "scheduled_at": schedule.at if schedule else None,
        "schedule_fault": schedule.fault if schedule else None,
    }


@incidents.command()
@SLUG
@AS_JSON
@click.pass_obj
@errors_as_messages
def show(context: Context, slug: str, *, as_json: bool) -> None:
    """Show an incident with its versions and updates."""
    settings, now = context.settings, context.clock.now()
    with context.db.read() as session:
        incident = service.by_slug(session, slug)
        page = reading.page(session, incident, [settings.default_language], drafts=True)
        schedule = service.schedule_of(session, incident)
    if as_json:
        phase = page.latest.update.phase if page.latest else None
        echo_json(_as_data(incident, phase, schedule, now) | _texts_as_data(page))
        return
    click.echo(f"{incident.slug}: {incident.title}")
    for language, title in sorted(incident.titles.items()):
        click.echo(f"  {language}: {title}")
    click.echo(f"state: {incident.state}{since(incident.published_at)}")
    click.echo(f"data: {'; '.join(incident.class_names)}")
    if incident.staged_classes is not None:
        click.echo(f"data with the next publish: {'; '.join(incident.next_class_names)}")
    if incident.happened_on:
        click.echo(f"happened: {incident.happened_on}")
    if incident.discreet:
        click.echo("discreet: mails say only that there is a message")
    for line in _due_lines(incident, schedule, now):
        click.echo(line)
    click.echo("statement:")
    for version in page.all_versions:
        if isinstance(version, WithdrawnVersion):
            at = time_text(version.withdrawal.at)
            click.echo(f"  version {version.number} ({', '.join(version.languages)})  withdrawn {at}")
            continue
        click.echo(
            f"  version {version.number} ({', '.join(version.languages)}){since(version.at) or '  draft'}"
            f"  {version.statement.title}"
        )
    click.echo("updates:")
    for entry in page.entries:
        state = "" if entry.update.published_at else "  draft"
        state = "  withdrawn" if entry.withdrawal else state
        mailing = "  announced" if entry.update.announced_at else ("  notify" if entry.update.notify else "")
        when = entry.update.occurred_on or time_text(entry.update.occurred_at)
        click.echo(f"  {entry.update.number}  {when}  {entry.update.phase}  {entry.title}{mailing}{state}")


def _texts_as_data(page: reading.Page) -> dict[str, object]:
    return {
        "versions": [
            {
                "number": one.number,
                "languages": list(one.languages),
                "title": None if isinstance(one, WithdrawnVersion) else one.statement.title,
                "published_at": one.at,
                "withdrawn_at": one.withdrawal.at if isinstance(one, WithdrawnVersion) else None,
            }
            for one in page.all_versions
        ],
        "updates": [
            {
                "number": one.update.number,
                "phase": one.update.phase,
                "title": one.title,
                "occurred_at": one.update.occurred_at,
                "published_at": one.update.published_at,
                "notify": one.update.notify,
                "announced_at": one.update.announced_at,
                "withdrawn_at": one.update.withdrawn_at,
            }
            for one in page.entries
        ],
    }


@incidents.command("preview")
@SLUG
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The HTML file to write; an existing file is replaced.",
)
@click.option("--language", help="The reader's language. Default: the first of PORTAL_LANGUAGES.")
@click.pass_obj
@errors_as_messages
def write_preview(context: Context, slug: str, output: Path, language: str | None) -> None:
    """Write the page into one HTML file, drafts included."""
    from portal.incidents import preview  # noqa: PLC0415 - imports Flask, which no other command needs

    settings = context.settings
    language = language or settings.default_language
    check_language(settings, language)
    html = preview.render(settings, context.db, context.clock, slug, language)
    try:
        output.write_text(html, encoding="utf-8")
    except OSError as error:
        message = f"{output} cannot be written ({error.strerror})."
        raise click.ClickException(message) from error
    click.echo(f"{output}: open it in a browser. Nothing was published.")
