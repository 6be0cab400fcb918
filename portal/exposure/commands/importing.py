"""`portal exposure import`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from portal.core.db import sqlite_file
from portal.datakinds.names import Meanings, did_you_mean, find
from portal.datakinds.taxonomy import UnknownDataClass
from portal.exposure import importing, service
from portal.exposure.commands.exceptions import ACCEPT_LEFT_OUT, EXCEPT, people_of, store
from portal.exposure.commands.stops import WIDEN, staged_line, stops_text
from portal.exposure.commands.versions import (
    ACCEPT,
    REPLACE,
    activate_version,
    active_line,
    compared_line,
    comparison_data,
    count_rows,
    find_incident,
)
from portal.people_files import command_line
from portal.people_files.progress import ProgressBars
from portal.runtime.command_line import AS_JSON, DecisionNeeded, counted, echo_json
from portal.runtime.context import Context

NOTHING_STORED = "Nothing was stored; the active list is untouched."


def _meanings(texts: tuple[str, ...]) -> Meanings:
    pairs = []
    for text in texts:
        word, _, kind = text.rpartition("=")
        try:
            pairs.append((word, find(kind).name))
        except UnknownDataClass:
            word = ""
        if not word.strip():
            hint = f"'{text}' is not WORD=KIND.{did_you_mean(kind)}"
            raise click.BadParameter(hint, param_hint="--means")
    return tuple(pairs)


MEANS = click.option(
    "--means",
    "meanings",
    multiple=True,
    metavar="WORD=KIND",
    help="Read a word in data_classes as this kind of data. Repeatable.",
)


@dataclass(frozen=True)
class Run:
    """What one run of the command was asked for."""

    slug: str
    file: Path
    report: Path
    dry_run: bool
    as_json: bool


@click.command("import")
@click.argument("slug")
@command_line.FILE
@command_line.DRY_RUN
@click.option("--activate", "activate_it", is_flag=True, help="Use the list for answers at once.")
@command_line.REPORT
@ACCEPT
@REPLACE
@MEANS
@WIDEN
@EXCEPT
@ACCEPT_LEFT_OUT
@command_line.reading_options
@AS_JSON
@click.pass_obj
def import_list(
    context: Context,
    slug: str,
    file: Path,
    report: Path | None,
    reading: command_line.Reading,
    exceptions: Path | None,
    meanings: tuple[str, ...],
    *,
    dry_run: bool,
    activate_it: bool,
    accept_bad_rows: bool,
    replace: bool,
    widen: bool,
    accept_left_out: bool,
    as_json: bool,
) -> None:
    """Import a file as a new version of a list.

    FILE is CSV with any usual separator, or an XLSX workbook, with a header: email (required), account_ref,
    name, locale, jurisdiction, data_classes (separated by ;). A row without data_classes has all classes of
    the incident SLUG. Where something in the file had to be guessed or mended, a preview shows it first. The
    version is not used until it is activated. It is compared with the active one, and stops where it may be
    the wrong file.
    """
    db, vault, clock = context.db, context.worker_vault(), context.clock
    with db.read() as session:
        incident = find_incident(session, slug)
    run = Run(slug, file, report or command_line.report_of(file), dry_run, as_json)
    people = people_of(context, exceptions, yes=reading.yes, dry_run=dry_run) if exceptions else []
    database = sqlite_file(db.engine.url)
    with (
        command_line.errors_as_messages(file, database, NOTHING_STORED),
        ProgressBars(sys.stderr if as_json else None) as bars,
    ):
        source = importing.Source(
            incident.id,
            incident.next_class_names,
            file,
            run.report,
            must_be_whole=activate_it and not dry_run,
            options=command_line.confirming(
                reading, file, bars, NOTHING_STORED, dry_run=dry_run, as_json=as_json
            ),
            meanings=_meanings(meanings),
            widen=widen,
            must_not_lose=activate_it and not replace,
            to_leave_out=0 if accept_left_out else len(people),
        )
        try:
            summary = importing.import_list(db, vault, clock, source, bars.show, dry_run=dry_run)
        except importing.ImportRunning:
            raise click.ClickException(
                "Another import is running. Wait until it has finished, then run the command again."
            ) from None
        except importing.ImportUndecided as undecided:
            bars.end()
            _echo_summary(undecided.summary, run, active=False)
            raise DecisionNeeded(
                f"{stops_text(undecided.summary, source, incident)}\n{NOTHING_STORED}"
            ) from None
    if people and not dry_run:
        with db.read() as session:
            version = service.version(session, summary.list_id)
        store(context, vault, incident, people, version, err=as_json)
    elif people:
        click.echo(f"To leave out of notices: {counted(len(people), 'person', 'people')}.", err=as_json)
    if dry_run or not activate_it:
        _echo_summary(summary, run, active=False)
        return
    try:
        active = activate_version(
            context,
            slug,
            summary.number,
            summary.comparison,
            accept_bad_rows=accept_bad_rows,
            replace=replace,
        )
    except click.ClickException:
        _echo_summary(summary, run, active=False)
        raise
    _echo_summary(summary, run, active=True)
    click.echo(active_line(active), err=as_json)


CORRECT = "Correct the file and import it again, or accept that."


def _echo_summary(summary: importing.Summary, run: Run, *, active: bool) -> None:
    """Print what was read, what it is compared with the active version, and what became of it."""
    if run.as_json:
        echo_json(_as_data(summary, run, active=active))
        return
    click.echo(
        f"{run.file.name}: {count_rows(summary.rows)}; people: {summary.people}; "
        f"addresses: {summary.addresses}."
    )
    if summary.duplicates:
        click.echo(f"{count_rows(summary.duplicates)} named a person again; their data classes were merged.")
    if summary.bad_rows:
        click.echo(f"{count_rows(summary.bad_rows)} rejected. Lines and reasons: {run.report}")
        command_line.echo_reasons(summary)
    if summary.comparison is not None:
        click.echo(compared_line(summary.comparison))
    command_line.echo_closing_lines(summary, dry_run=run.dry_run)
    if not summary.number:
        return
    stored = f"Stored as version {summary.number}."
    click.echo(stored if active else f"{stored} It is not used until it is activated.")
    if summary.staged:
        click.echo(staged_line(summary, run.slug))
    elif not active:
        command = f"portal exposure activate {run.slug} {summary.number}"
        if summary.bad_rows:
            click.echo(f"The rejected rows are not in it, and their people would not be notified. {CORRECT}")
            command += " --accept-bad-rows"
        click.echo(f"To activate it: {command}")


def _as_data(summary: importing.Summary, run: Run, *, active: bool) -> dict[str, Any]:
    return command_line.as_data(summary) | {
        "people": summary.people,
        "addresses": summary.addresses,
        "duplicates": summary.duplicates,
        "classes": summary.class_counts,
        "classes_not_listed": list(summary.beyond),
        "classes_staged": summary.staged,
        "report": str(run.report) if summary.bad_rows else None,
        "dry_run": run.dry_run,
        "version": summary.number or None,
        "active": active,
        "compared": comparison_data(summary.comparison),
    }
