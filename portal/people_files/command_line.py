"""Click arguments, error messages and closing lines shared by the commands that import files of people."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.exc import DBAPIError

from portal.people_files.csv_file import FileRefused
from portal.people_files.reading import RowCounts
from portal.people_files.report import ReportUnwritable

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
def errors_as_messages(file: Path, nothing_stored: str, database_failed: str) -> Iterator[None]:
    """Turn the errors that stop an import into a ClickException: one message, exit code 1, no traceback.

    Each message ends with the state of the data: `nothing_stored` if the file, the report or the disk failed,
    `database_failed` if the database did.
    """
    try:
        yield
    except FileRefused as error:
        raise click.ClickException(
            f"{file.name}, line {error.line}: {error.reason}. {nothing_stored}"
        ) from None
    except ReportUnwritable as error:
        raise click.ClickException(f"{error} {nothing_stored}") from None
    except OSError as error:
        raise click.ClickException(f"The disk failed: {error.strerror}. {nothing_stored}") from None
    except DBAPIError as error:
        reason = "the disk is full" if "full" in str(error.orig) else type(error.orig).__name__
        raise click.ClickException(f"The database failed: {reason}. {database_failed}") from None


def echo_closing_lines(counts: RowCounts, *, dry_run: bool) -> None:
    """Print the warning about a missing last line break, and that a dry run stored nothing."""
    if not counts.whole:
        click.echo("Warning: the last line has no line break. Check that the file is complete.")
    if dry_run:
        click.echo("This was a dry run: nothing was stored.")
