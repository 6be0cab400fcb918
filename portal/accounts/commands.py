"""`portal accounts`: import the company's customers."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from portal.accounts.importing import run
from portal.core.db import sqlite_file
from portal.crypto.formats import layouts
from portal.crypto.formats.cost import FREE
from portal.crypto.formats.layouts import Layout
from portal.identity.service import hasher_for
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
@click.option(
    "--digest",
    default="",
    metavar="LAYOUT",
    help="What plain digests were made of: 'sha1(salt+password)'.",
)
@AS_JSON
@click.pass_obj
def import_accounts(
    context: Context,
    file: Path,
    report: Path | None,
    reading: command_line.Reading,
    *,
    digest: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import accounts and their password hashes into the store `builtin`.

    FILE is CSV with any usual separator, or an XLSX workbook, with a header: email (required), password_hash,
    account_ref, name, locale. Quote a hash that contains commas. Where it is empty, or no password can match
    it, the owner must choose a password by email. A plain digest, such as MD5, is taken with --digest only,
    and fast ones are wrapped in Argon2id, which takes time. Existing accounts keep their password; their name
    and locale are updated, and customer numbers added. Importing the same file twice changes nothing.
    """
    if context.settings.identity.store != "builtin":
        raise click.ClickException(
            f"{NOTHING_STORED} Accounts are imported into the builtin store alone, and "
            f"PORTAL_IDENTITY_STORE={context.settings.identity.store} names another one."
        )
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
        summary = run.import_accounts(
            db,
            vault,
            context.clock,
            file,
            report,
            bars.show,
            hasher=hasher_for(context.settings),
            layout=_layout(digest),
            dry_run=dry_run,
            options=options,
        )
    if as_json:
        echo_json(_as_data(summary, report, dry_run=dry_run))
        return
    _echo_summary(summary, file, report)
    _echo_comparison(summary, dry_run=dry_run)
    command_line.echo_closing_lines(summary, dry_run=dry_run)


def _as_data(summary: run.Summary, report: Path, *, dry_run: bool) -> dict[str, Any]:
    return command_line.as_data(summary) | {
        "accounts": summary.accounts,
        "shared_rows": summary.shared_rows,
        "moved": summary.moved,
        "hashes": [
            {"format": name, "cost": cost, "accounts": count}
            for (name, cost), count in sorted(summary.hashes.items())
        ],
        "must_choose_because": [
            {"reason": reason, "accounts": count} for reason, count in sorted(summary.must_choose.items())
        ],
        "report": str(report) if summary.bad_rows else None,
        "dry_run": dry_run,
        **asdict(summary.stored),
    }


def _layout(text: str) -> Layout | None:
    """Return the layout that an option declares. Raises click.BadParameter."""
    try:
        return layouts.parse(text) if text else None
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--digest") from None


def _described(name: str, cost: str) -> str:
    if cost == FREE:
        return f"{name}, wrapped in Argon2id"
    return cost if cost.startswith(name) else f"{name} {cost}"


def _echo_summary(summary: run.Summary, file: Path, report: Path) -> None:
    click.echo(f"{file.name}: rows: {summary.rows}; accounts: {summary.accounts}.")
    for (name, cost), count in sorted(summary.hashes.items()):
        click.echo(f"    {_described(name, cost)}: {count}")
    for reason, count in sorted(summary.must_choose.items()):
        click.echo(f"    without a usable hash ({reason}): {count}")
    if summary.shared_rows:
        click.echo(
            f"Rows at the address of another row: {summary.shared_rows}. Each address is one account, with "
            "all of its customer numbers."
        )
    if summary.bad_rows:
        click.echo(f"Invalid rows, skipped: {summary.bad_rows}.")
        command_line.echo_reasons(summary)
        click.echo(f"Line numbers and reasons: {report}")


def _echo_comparison(summary: run.Summary, *, dry_run: bool) -> None:
    stored = summary.stored
    click.echo(
        f"{'Compared' if dry_run else 'Stored'}. New accounts: {stored.added}; updated, passwords kept: "
        f"{stored.changed}; unchanged: {stored.unchanged}."
    )
    if summary.moved:
        click.echo(
            f"Left alone, because their owner has changed the address here since: {summary.moved}. Update "
            "the addresses in your own records."
        )
    if stored.chosen_since:
        click.echo(f"Owners who have chosen a password here since, which stays: {stored.chosen_since}.")
    if stored.must_choose:
        click.echo(
            "Accounts whose owner must choose a password by email, which they ask for at /reset/: "
            f"{stored.must_choose}."
        )
