"""Click arguments, error messages and closing lines shared by the commands that import files of people."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from portal.people_files.reading import RowCounts
from portal.people_files.stopping import EXPECTED, ImportStopped, reason_of

FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
DRY_RUN = click.option("--dry-run", is_flag=True, help="Check the whole file and store nothing.")
REPORT = click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the report of rejected rows (default: FILE.report.csv).",
)


def report_of(file: Path) -> Path:
    """Return the default path of the report of rejected rows: `FILE.report.csv`, beside the file."""
    return file.with_name(f"{file.name}.report.csv")


@contextmanager
def errors_as_messages(file: Path, database: Path | None, nothing_stored: str) -> Iterator[None]:
    """Turn what stops an import into a ClickException: one message, exit code 1, no traceback.

    Each message ends with what became of the data: `nothing_stored`, or the message of ImportStopped.
    `database` is the file of an SQLite database.
    """
    try:
        yield
    except ImportStopped as stopped:
        reason = reason_of(stopped.__cause__ or stopped, file, database)
        raise click.ClickException(f"{reason} {stopped}") from None
    except EXPECTED as error:
        raise click.ClickException(f"{reason_of(error, file, database)} {nothing_stored}") from None


def echo_closing_lines(counts: RowCounts, *, dry_run: bool) -> None:
    """Print the warning about a missing last line break, and that a dry run stored nothing."""
    if not counts.whole:
        click.echo("Warning: the last line has no line break. Check that the file is complete.")
    if dry_run:
        click.echo("This was a dry run: nothing was stored.")
