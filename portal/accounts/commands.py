"""`portal accounts`: import the company's customers."""

import sys
from pathlib import Path
from typing import Any

import click

from portal.accounts import importing
from portal.core.db import sqlite_file
from portal.people_files import command_line
from portal.people_files.progress import ProgressBars
from portal.runtime.command_line import AS_JSON, echo_json
from portal.runtime.context import Context

NOTHING_STORED = "Nothing was stored."


@click.group()
def accounts() -> None:
    """Manage customers' accounts in the builtin store."""


@accounts.command("import")
@command_line.FILE
@command_line.DRY_RUN
@command_line.REPORT
@command_line.reading_options
@AS_JSON
@click.pass_obj
def import_accounts(
    context: Context,
    file: Path,
    report: Path | None,
    reading: command_line.Reading,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import accounts with their Argon2id password hashes.

    FILE is CSV with any usual separator, or an XLSX workbook, with a header: email, password_hash (both
    required), account_ref, name, locale. Quote the hash, because it contains commas. Existing accounts keep
    their password; their name, account_ref and locale are updated. Importing the same file twice changes
    nothing.
    """
    # Opened here: a missing database or key file is not an error of the import.
    db, vault = context.db, context.worker_vault()
    report = report or command_line.report_of(file)
    database = sqlite_file(db.engine.url)
    with (
        command_line.errors_as_messages(file, database, NOTHING_STORED),
        ProgressBars(sys.stderr if as_json else None) as bars,
    ):
        options = command_line.confirming(
            reading, file, bars, NOTHING_STORED, dry_run=dry_run, as_json=as_json
        )
        summary = importing.import_accounts(
            db, vault, context.clock, file, report, bars.show, dry_run=dry_run, options=options
        )
    if as_json:
        echo_json(_as_data(summary, report, dry_run=dry_run))
        return
    _echo_summary(summary, file, report)
    command_line.echo_closing_lines(summary, dry_run=dry_run)
    if not dry_run:
        click.echo(
            f"Stored. New accounts: {summary.added}; updated, passwords kept: {summary.changed}; "
            f"unchanged: {summary.unchanged}."
        )


def _as_data(summary: importing.Summary, report: Path, *, dry_run: bool) -> dict[str, Any]:
    return command_line.as_data(summary) | {
        "accounts": summary.accounts,
        "duplicates": summary.duplicates,
        "hashes": [
            {"argon2_params": params, "accounts": count}
            for params, count in sorted(summary.hashes_by_params.items())
        ],
        "report": str(report) if summary.bad_rows or summary.duplicates else None,
        "dry_run": dry_run,
        "added": summary.added,
        "changed": summary.changed,
        "unchanged": summary.unchanged,
    }


def _echo_summary(summary: importing.Summary, file: Path, report: Path) -> None:
    click.echo(f"{file.name}: rows: {summary.rows}; accounts: {summary.accounts}.")
    for argon2_params, count in sorted(summary.hashes_by_params.items()):
        click.echo(f"    Argon2id {argon2_params}: {count}")
    if summary.duplicates:
        click.echo(f"Rows that repeat an earlier row's address, skipped: {summary.duplicates}.")
    if summary.bad_rows:
        click.echo(f"Invalid rows, skipped: {summary.bad_rows}.")
        command_line.echo_reasons(summary)
    if summary.duplicates or summary.bad_rows:
        click.echo(f"Line numbers and reasons: {report}")
