"""`portal exposure import`."""

import sys
from pathlib import Path

import click

from portal.core.db import sqlite_file
from portal.exposure import importing, service
from portal.exposure.commands.versions import ACCEPT, activate_version, count_rows, find_incident
from portal.exposure.models import ExposureList
from portal.incidents.models import Incident
from portal.people_files import command_line
from portal.people_files.progress import ProgressBars
from portal.runtime.command_line import AS_JSON, echo_json
from portal.runtime.context import Context

NOTHING_STORED = "Nothing was stored; the active list is untouched."


@click.command("import")
@click.argument("slug")
@command_line.FILE
@command_line.DRY_RUN
@click.option("--activate", "activate_it", is_flag=True, help="Use the list for answers at once.")
@command_line.REPORT
@ACCEPT
@command_line.reading_options
@AS_JSON
@click.pass_obj
def import_list(
    context: Context,
    slug: str,
    file: Path,
    report: Path | None,
    reading: command_line.Reading,
    *,
    dry_run: bool,
    activate_it: bool,
    accept_bad_rows: bool,
    as_json: bool,
) -> None:
    """Import a file as a new version of a list.

    FILE is CSV with any usual separator, or an XLSX workbook, with a header: email (required), account_ref,
    name, locale, jurisdiction, data_classes (separated by ;). A row without data_classes has all classes of
    the incident SLUG. Where something in the file had to be guessed or mended, a preview shows it first. The
    version is not used until it is activated.
    """
    db, vault, clock = context.db, context.worker_vault(), context.clock
    with db.read() as session:
        incident = find_incident(session, slug)
    report = report or command_line.report_of(file)
    database = sqlite_file(db.engine.url)
    with (
        command_line.errors_as_messages(file, database, NOTHING_STORED),
        ProgressBars(sys.stderr if as_json else None) as bars,
    ):
        source = importing.Source(
            incident.id,
            incident.class_names,
            file,
            report,
            must_be_whole=activate_it and not dry_run,
            options=command_line.confirming(
                reading, file, bars, NOTHING_STORED, dry_run=dry_run, as_json=as_json
            ),
        )
        try:
            summary = importing.import_list(db, vault, clock, source, bars.show, dry_run=dry_run)
        except importing.ImportRunning:
            raise click.ClickException(
                "Another import is running. Wait until it has finished, then run the command again."
            ) from None
    if as_json:
        _echo_as_json(
            context,
            slug,
            incident,
            summary,
            report,
            dry_run=dry_run,
            activate_it=activate_it,
            accept_bad_rows=accept_bad_rows,
        )
        return
    _echo_summary(summary, file, report)
    command_line.echo_closing_lines(summary, dry_run=dry_run)
    if dry_run:
        return
    if (difference := _difference(context, incident, summary.list_id)) is not None:
        click.echo(
            f"Compared with the active version {difference.number}, ignoring case: "
            f"new addresses: {difference.new}; gone: {difference.gone}."
        )
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
        command_line.echo_reasons(summary)


def _echo_as_json(
    context: Context,
    slug: str,
    incident: Incident,
    summary: importing.Summary,
    report: Path,
    *,
    dry_run: bool,
    activate_it: bool,
    accept_bad_rows: bool,
) -> None:
    data = command_line.as_data(summary) | {
        "people": summary.people,
        "addresses": summary.addresses,
        "duplicates": summary.duplicates,
        "classes": summary.class_counts,
        "report": str(report) if summary.bad_rows else None,
        "dry_run": dry_run,
        "version": None if dry_run else summary.number,
        "active": False,
        "compared": None,
    }
    if not dry_run:
        difference = _difference(context, incident, summary.list_id)
        if difference is not None:
            data["compared"] = {"version": difference.number, "new": difference.new, "gone": difference.gone}
        if activate_it:
            activate_version(context, slug, summary.number, accept_bad_rows=accept_bad_rows, err=True)
            data["active"] = True
    echo_json(data)


def _difference(context: Context, incident: Incident, list_id: int) -> service.Difference | None:
    """Return the difference from the active version, if there is one."""
    with context.db.read() as session:
        active = service.active(session, incident.id)
        if active is None:
            return None
        return service.difference(session, session.get_one(ExposureList, list_id), active)
