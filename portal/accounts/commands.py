"""`portal accounts`: import the company's customers."""

from pathlib import Path

import click
from sqlalchemy.orm import Session

from portal.accounts import importing
from portal.audit import service as audit
from portal.people_files import command_line
from portal.people_files.progress import ProgressBars
from portal.runtime.context import Context

NOTHING_STORED = "Nothing was stored."
RUN_AGAIN = "What was stored so far stays. Run the same command again: it goes on where this one ended."


@click.group()
def accounts() -> None:
    """Customers' accounts of the builtin store."""


@accounts.command("import")
@command_line.FILE
@command_line.DRY_RUN
@command_line.REPORT
@click.pass_obj
def import_accounts(context: Context, file: Path, report: Path | None, *, dry_run: bool) -> None:
    """Take in FILE (UTF-8 CSV with a header) with customers and the Argon2id hashes of their passwords.

    Columns: email, password_hash (both needed), account_ref, name, locale. Who has an account already keeps
    the password; name, account_ref and locale are brought up to date. The same file twice changes nothing.
    """
    db, vault, clock = context.db, context.worker_vault(), context.clock
    report = report or command_line.report_of(file)

    def record(session: Session, summary: importing.Summary) -> None:
        details = {"added": summary.added, "changed": summary.changed, "unchanged": summary.unchanged}
        details |= {"bad_rows": summary.bad_rows, "duplicates": summary.duplicates}
        audit.record(session, "accounts.import", "accounts", details, clock.now())

    with command_line.errors_as_messages(file, NOTHING_STORED, RUN_AGAIN), ProgressBars() as bars:
        summary = importing.import_accounts(
            db, vault, clock, file, report, bars.show, finished=record, dry_run=dry_run
        )
    _echo_summary(summary, file, report)
    command_line.echo_closing_lines(summary, dry_run=dry_run)
    if not dry_run:
        click.echo(
            f"Stored. New accounts: {summary.added}; brought up to date, with their own passwords: "
            f"{summary.changed}; "
            f"as they were: {summary.unchanged}."
        )


def _echo_summary(summary: importing.Summary, file: Path, report: Path) -> None:
    click.echo(f"{file.name}: rows: {summary.rows}; accounts: {summary.accounts}.")
    for argon2_params, count in sorted(summary.hashes_by_params.items()):
        click.echo(f"    Argon2id {argon2_params}: {count}")
    if summary.duplicates:
        click.echo(f"Rows with an address that an earlier row has: {summary.duplicates}. They were left out.")
    if summary.bad_rows:
        click.echo(f"Rows that cannot be taken in: {summary.bad_rows}. They were left out.")
    if summary.duplicates or summary.bad_rows:
        click.echo(f"Which, and why: {report}")
