"""`portal accounts`: import the company's customers."""

from pathlib import Path

import click

from portal.accounts import importing
from portal.core.db import sqlite_file
from portal.people_files import command_line
from portal.people_files.progress import ProgressBars
from portal.runtime.context import Context

NOTHING_STORED = "Nothing was stored."


@click.group()
def accounts() -> None:
    """Manage customers' accounts in the builtin store."""


@accounts.command("import")
@command_line.FILE
@command_line.DRY_RUN
@command_line.REPORT
@click.pass_obj
def import_accounts(context: Context, file: Path, report: Path | None, *, dry_run: bool) -> None:
    """Import accounts with their Argon2id password hashes.

    FILE is CSV in UTF-8 with a header: email, password_hash (both required), account_ref, name, locale. Quote
    the hash, because it contains commas. Existing accounts keep their password; their name, account_ref and
    locale are updated. Importing the same file twice changes nothing.
    """
    # Opened here: a missing database or key file is not an error of the import.
    db, vault = context.db, context.worker_vault()
    report = report or command_line.report_of(file)
    database = sqlite_file(db.engine.url)
    with command_line.errors_as_messages(file, database, NOTHING_STORED), ProgressBars() as bars:
        summary = importing.import_accounts(
            db, vault, context.clock, file, report, bars.show, dry_run=dry_run
        )
    _echo_summary(summary, file, report)
    command_line.echo_closing_lines(summary, dry_run=dry_run)
    if not dry_run:
        click.echo(
            f"Stored. New accounts: {summary.added}; updated, passwords kept: {summary.changed}; "
            f"unchanged: {summary.unchanged}."
        )


def _echo_summary(summary: importing.Summary, file: Path, report: Path) -> None:
    click.echo(f"{file.name}: rows: {summary.rows}; accounts: {summary.accounts}.")
    for argon2_params, count in sorted(summary.hashes_by_params.items()):
        click.echo(f"    Argon2id {argon2_params}: {count}")
    if summary.duplicates:
        click.echo(f"Rows that repeat an earlier row's address, skipped: {summary.duplicates}.")
    if summary.bad_rows:
        click.echo(f"Invalid rows, skipped: {summary.bad_rows}.")
    if summary.duplicates or summary.bad_rows:
        click.echo(f"Line numbers and reasons: {report}")
