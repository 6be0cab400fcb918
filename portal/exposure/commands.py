"""`portal exposure`: import affected lists, activate and destroy their versions."""

import json
from pathlib import Path

import click
from sqlalchemy.orm import Session

from portal.core.db import sqlite_file
from portal.exposure import importing, service
from portal.exposure.models import ExposureList
from portal.exposure.people import delete_people
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.people_files import command_line
from portal.people_files.progress import ProgressBars
from portal.runtime.context import Context

NOTHING_STORED = "Nothing was stored; the active list is untouched."
VERSION = click.IntRange(1, 2**31 - 1)
ACCEPT = click.option(
    "--accept-bad-rows",
    is_flag=True,
    help="Activate despite rejected rows: the people in them get no notice.",
)


@click.group()
def exposure() -> None:
    """Import, activate and destroy lists of affected people."""


@exposure.command("import")
@click.argument("slug")
@command_line.FILE
@command_line.DRY_RUN
@click.option("--activate", "activate_it", is_flag=True, help="Use the list for answers at once.")
@command_line.REPORT
@ACCEPT
@click.pass_obj
def import_list(
    context: Context,
    slug: str,
    file: Path,
    report: Path | None,
    *,
    dry_run: bool,
    activate_it: bool,
    accept_bad_rows: bool,
) -> None:
    """Import a file as a new version of a list.

    FILE is CSV in UTF-8 with a header: email (required), account_ref, name, locale, jurisdiction,
    data_classes (separated by ;). A row without data_classes has all classes of the incident SLUG. The
    version is not used until it is activated.
    """
    db, vault, clock = context.db, context.worker_vault(), context.clock
    with db.read() as session:
        incident = _incident(session, slug)
    report = report or command_line.report_of(file)
    source = importing.Source(
        incident.id, incident.class_names, file, report, must_be_whole=activate_it and not dry_run
    )
    database = sqlite_file(db.engine.url)
    with command_line.errors_as_messages(file, database, NOTHING_STORED), ProgressBars() as bars:
        try:
            summary = importing.import_list(db, vault, clock, source, bars.show, dry_run=dry_run)
        except importing.ImportRunning:
            raise click.ClickException(
                "Another import is running. Wait until it has finished, then run the command again."
            ) from None
    _echo_summary(summary, file, report)
    command_line.echo_closing_lines(summary, dry_run=dry_run)
    if dry_run:
        return
    _echo_difference(context, incident, summary.list_id)
    click.echo(f"Stored as version {summary.number}. It is not used until it is activated.")
    if activate_it:
        _activate(context, slug, summary.number, accept_bad_rows=accept_bad_rows)
    else:
        click.echo(f"To activate it: portal exposure activate {slug} {summary.number}")


@exposure.command("list")
@click.argument("slug")
@click.pass_obj
def list_versions(context: Context, slug: str) -> None:
    """Show the versions of a list with their counts."""
    with context.db.read() as session:
        incident = _incident(session, slug)
        active = service.active(session, incident.id)
        versions = service.versions(session, incident.id)
    if not versions:
        click.echo(f"There is no list yet. Import one: portal exposure import {slug} FILE")
    for version in versions:
        mark = "active" if active is not None and active.id == version.id else ""
        mark = mark if version.data_key else "destroyed"
        click.echo(
            f"version {version.number}  {version.imported_at:%Y-%m-%d %H:%M} UTC  people {version.people}"
            f"  addresses {version.addresses}  rejected {version.bad_rows}  {mark}".rstrip()
        )
        for name, people in json.loads(version.class_counts).items():
            click.echo(f"    {name}: {people}")


@exposure.command()
@click.argument("slug")
@click.argument("version", type=VERSION)
@ACCEPT
@click.pass_obj
def activate(context: Context, slug: str, version: int, *, accept_bad_rows: bool) -> None:
    """Use this version of a list for all answers.

    Older versions can be activated again.
    """
    _activate(context, slug, version, accept_bad_rows=accept_bad_rows)


@exposure.command()
@click.argument("slug")
@click.argument("version", type=VERSION)
@click.option(
    "--stop-notice",
    is_flag=True,
    help="Destroy it while its notice is being sent: the rest get no notice.",
)
@click.pass_obj
def purge(context: Context, slug: str, version: int, *, stop_notice: bool) -> None:
    """Destroy a version of a list for good.

    First its key, then its rows. Without the key no copy of the rows can be read, but a backup of the whole
    database contains both. The active version cannot be destroyed. The counts stay. If interrupted, run it
    again.
    """
    try:
        with context.db.write() as session:
            incident = _incident(session, slug)
            destroyed = service.destroy(
                session, incident.id, version, context.clock.now(), stop_notice=stop_notice
            )
    except service.ListUnknown:
        raise click.ClickException(
            f"There is no version {version}. See: portal exposure list {slug}"
        ) from None
    except service.ListActive:
        raise click.ClickException(
            f"Version {version} is active. First activate another: portal exposure activate {slug} VERSION"
        ) from None
    except service.ListNotifying:
        raise click.ClickException(
            f"A notice to version {version} is still being sent and needs the list. Wait until it is done "
            f"(see: portal campaigns), or stop it: portal exposure purge {slug} {version} --stop-notice"
        ) from None
    for _ in delete_people(context.db, destroyed.id):
        pass
    click.echo(
        f"Version {version} is destroyed and can no longer be read. Backups still hold it: let them expire."
    )


def _activate(context: Context, slug: str, number: int, *, accept_bad_rows: bool) -> None:
    now, vault = context.clock.now(), context.worker_vault()
    try:
        with context.db.write() as session:
            incident = _incident(session, slug)
            version = service.activate(
                session, vault, incident.id, number, now, accept_bad_rows=accept_bad_rows
            )
    except service.ListUnknown:
        raise click.ClickException(
            f"There is no version {number}. See: portal exposure list {slug}"
        ) from None
    except service.ListDestroyed:
        raise click.ClickException(
            f"Version {number} was destroyed. Import the list again: portal exposure import {slug} FILE"
        ) from None
    except service.ListHasBadRows as error:
        raise click.ClickException(
            f"Not activated: {_rows(error.bad_rows)} rejected; their people would not be notified. Correct "
            f"the file and import it again, or accept it: portal exposure activate {slug} {number} "
            "--accept-bad-rows"
        ) from None
    click.echo(f"Version {number} is active. People: {version.people}; addresses: {version.addresses}.")


def _echo_summary(summary: importing.Summary, file: Path, report: Path) -> None:
    click.echo(
        f"{file.name}: {_rows(summary.rows)}; people: {summary.people}; addresses: {summary.addresses}."
    )
    if summary.duplicates:
        click.echo(f"{_rows(summary.duplicates)} named a person again; their data classes were merged.")
    if summary.bad_rows:
        click.echo(f"{_rows(summary.bad_rows)} rejected. Lines and reasons: {report}")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _echo_difference(context: Context, incident: Incident, list_id: int) -> None:
    with context.db.read() as session:
        active = service.active(session, incident.id)
        if active is None:
            return
        difference = service.difference(session, session.get_one(ExposureList, list_id), active)
    click.echo(
        f"Compared with the active version {difference.number}, ignoring case: "
        f"new addresses: {difference.new}; gone: {difference.gone}."
    )


def _incident(session: Session, slug: str) -> Incident:
    try:
        return incidents.by_slug(session, slug)
    except incidents.IncidentUnknown:
        raise click.ClickException(f"There is no incident '{slug}'. See: portal incidents list") from None
