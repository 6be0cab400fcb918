"""`portal accounts`: take in the company's customers."""

import sqlite3
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.accounts import take_in
from portal.audit import service as audit
from portal.people_files.csv_file import FileRefused
from portal.people_files.report import ReportUnwritable
from portal.runtime.context import Context

NOTHING_STORED = "Nothing was stored."
RUN_AGAIN = "What was stored so far stays. Run the same command again: it goes on where this one ended."


@click.group()
def accounts() -> None:
    """Customers' accounts of the builtin store."""


@accounts.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check the whole file and store nothing.")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Where rows left out are told."
)
@click.pass_obj
def import_accounts(context: Context, file: Path, report: Path | None, *, dry_run: bool) -> None:
    """Take in FILE (UTF-8 CSV with a header) with customers and the Argon2id hashes of their passwords.

    Columns: email, password_hash (both needed), account_ref, name, locale. Who has an account already keeps
    the password; name, account_ref and locale are brought up to date. The same file twice changes nothing.
    """
    db, vault = context.db, context.worker_vault()
    report = report or file.with_name(f"{file.name}.report.csv")
    bars = _Bars()

    def record(session: Session, summary: take_in.Summary) -> None:
        details = {"added": summary.added, "changed": summary.changed, "unchanged": summary.unchanged}
        details |= {"bad_rows": summary.bad_rows, "duplicates": summary.duplicates}
        audit.record(session, "accounts.import", "accounts", details, context.clock.now())

    try:
        summary = take_in.take_in(
            db, vault, context.clock, file, report, bars.show, finished=record, dry_run=dry_run
        )
    except ReportUnwritable as error:
        raise click.ClickException(f"{error} {NOTHING_STORED}") from None
    except FileRefused as error:
        raise click.ClickException(
            f"{file.name}, line {error.line}: {error.reason}. {NOTHING_STORED}"
        ) from None
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or "no room for temporary files"
        raise click.ClickException(f"The disk failed: {reason}. {NOTHING_STORED}") from None
    except DBAPIError as error:
        full = "the disk is full" if "full" in str(error.orig) else type(error.orig).__name__
        raise click.ClickException(f"The database failed: {full}. {RUN_AGAIN}") from None
    finally:
        bars.end()
    _print_summary(summary, file, report)
    if dry_run:
        click.echo("This was a dry run: nothing was stored.")
        return
    click.echo(
        f"Stored. New accounts: {summary.added}; brought up to date, with their own passwords: "
        f"{summary.changed}; "
        f"as they were: {summary.unchanged}."
    )


def _print_summary(summary: take_in.Summary, file: Path, report: Path) -> None:
    click.echo(f"{file.name}: rows: {summary.rows}; accounts: {summary.accounts}.")
    for argon2_params, count in sorted(summary.hashes_by_params.items()):
        click.echo(f"    Argon2id {argon2_params}: {count}")
    if summary.duplicates:
        click.echo(f"Rows with an address that an earlier row has: {summary.duplicates}. They were left out.")
    if summary.bad_rows:
        click.echo(f"Rows that cannot be taken in: {summary.bad_rows}. They were left out.")
    if summary.duplicates or summary.bad_rows:
        click.echo(f"Which, and why: {report}")
    if not summary.whole:
        click.echo("The last line has no line break at its end. Check that the file was not cut off.")


class _Bars:
    """How far it is: one bar for each stage, one after the other."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar: Any = None

    def show(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` of a stage are done."""
        if stage != self._stage:
            self.end()
            self._stage = stage
            self._bar = click.progressbar(length=max(1, total), label=stage)
            self._bar.__enter__()
        self._bar.update(done - self._bar.pos)

    def end(self) -> None:
        """Leave the terminal as it should be."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
