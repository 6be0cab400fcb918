"""`portal exposure import`."""

from pathlib import Path

import click

from portal.core.db import sqlite_file
from portal.exposure import importing, service
from portal.exposure.commands.versions import ACCEPT, activate_version, count_rows, find_incident
from portal.exposure.models import ExposureList
from portal.incidents.models import Incident
from portal.people_files import command_line
from portal.people_files.progress import ProgressBars
from portal.runtime.context import Context

NOTHING_STORED = "Nothing was stored; the active list is untouched."


@click.command("import")
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
        incident = find_incident(session, slug)
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
        activate_version(context, slug, summary.number, accept_bad_rows=accept_bad_rows)
    else:
        click.echo(f"To activate it: portal exposure activate {slug} {summary.number}")


def _echo_summary(summary: importing.Summary, file: Path, report: Path) -> None:
    click.echo(
        f"{file.name}: {count_rows(summary.rows)}; people: {summary.people}; addresses: {summary.addresses}."
    )
    if summary.duplicates:
        click.echo(f"{count_rows(summary.duplicates)} named a person again; their data classes were merged.")
    if summary.bad_rows:
        click.echo(f"{count_rows(summary.bad_rows)} rejected. Lines and reasons: {report}")


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
