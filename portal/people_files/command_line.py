"""What the commands that import a file of people share: arguments, error messages, closing lines."""

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
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Where rows left out are told."
)


def report_of(file: Path) -> Path:
    """Return where the rows of a file that are left out are reported unless `--report` says otherwise."""
    return file.with_name(f"{file.name}.report.csv")


@contextmanager
def errors_as_messages(file: Path, nothing_stored: str, database_failed: str) -> Iterator[None]:
    """Turn what stops an import into the command's message: exit code 1, no traceback.

    `nothing_stored` and `database_failed` say what is true of the data afterwards: where the file, the report
    or the disk failed, and where the database did.
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
    """Print what ends the summary of every import."""
    if not counts.whole:
        click.echo("The last line has no line break at its end. Check that the file was not cut off.")
    if dry_run:
        click.echo("This was a dry run: nothing was stored.")
