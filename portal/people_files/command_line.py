"""Options, the preview's question, messages and closing lines of the commands that import files."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from portal.people_files.formats.refusal import FileRefused, OptionUnusable, Undecided
from portal.people_files.preview import preview_lines, reason_lines, undecided_lines, unknown_lines
from portal.people_files.progress import ProgressBars
from portal.people_files.reading import ColumnsUndecided, ReadOptions, RowCounts
from portal.people_files.stopping import EXPECTED, ImportStopped, reason_of

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
DRY_RUN = click.option("--dry-run", is_flag=True, help="Check the whole file and store nothing.")
REPORT = click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the report of rejected rows (default: FILE.report.csv).",
)
_READING = (
    click.option(
        "--encoding", default="", metavar="NAME", help="Encoding of a text that is not UTF-8: cp1252."
    ),
    click.option("--sheet", default="", metavar="NAME", help="Sheet of a workbook that has several."),
    click.option(
        "--map",
        "mapped",
        multiple=True,
        metavar="HEADER=COLUMN",
        help="Read a column of the file as this one. Repeatable.",
    ),
    click.option(
        "--ignore", "ignored", multiple=True, metavar="HEADER", help="Leave a column out. Repeatable."
    ),
    click.option("--yes", is_flag=True, help="Store what was guessed, mapped or mended without asking."),
)


@dataclass(frozen=True)
class Reading:
    """What the options say about reading a file."""

    options: ReadOptions
    yes: bool


def reading_options(command: Command) -> Command:
    """Add the options about reading a file; their values arrive as one argument, `reading`."""

    @wraps(command)
    def gathered(
        *args: Any,
        encoding: str,
        sheet: str,
        mapped: tuple[str, ...],
        ignored: tuple[str, ...],
        yes: bool,
        **rest: Any,
    ) -> Any:
        pairs = tuple(_pair(text) for text in mapped)
        options = ReadOptions(encoding=encoding, sheet=sheet, mapped=pairs, ignored=ignored)
        return command(*args, reading=Reading(options, yes), **rest)

    result: Any = gathered
    for option in reversed(_READING):
        result = option(result)
    return result  # type: ignore[no-any-return]


def _pair(text: str) -> tuple[str, str]:
    header, equals, column = text.rpartition("=")
    if not equals or not header.strip() or not column.strip():
        raise click.BadParameter(f"'{text}' is not HEADER=COLUMN.", param_hint="--map")
    return header, column.strip().lower()


class NotConfirmed(click.ClickException):
    """Nothing was stored: an option must say what is wanted. Status 2."""

    exit_code = 2


def report_of(file: Path) -> Path:
    """Return the default path of the report of rejected rows: `FILE.report.csv`, beside the file."""
    return file.with_name(f"{file.name}.report.csv")


def confirming(
    reading: Reading, file: Path, bars: ProgressBars, nothing_stored: str, *, dry_run: bool, as_json: bool
) -> ReadOptions:
    """Return the options, with a preview after the last row where something was guessed, mapped or mended.

    At a terminal the preview asks; elsewhere `--yes` must be given, or NotConfirmed is raised.
    """

    def confirm(counts: RowCounts) -> None:
        if not counts.needs_preview:
            return
        bars.end()
        for line in preview_lines(counts, file.name):
            click.echo(line, err=as_json)
        if dry_run or reading.yes:
            return
        if sys.stdin.isatty() and sys.stdout.isatty():
            if not click.confirm("Is that right?", err=as_json):
                raise click.ClickException(nothing_stored)
        else:
            raise NotConfirmed(f"{nothing_stored} If the preview is right, run the command again with --yes.")

    return replace(reading.options, confirm=confirm)


@contextmanager
def errors_as_messages(file: Path, database: Path | None, nothing_stored: str) -> Iterator[None]:
    """Turn what stops an import into a ClickException: one message, no traceback.

    The exit code is 1, and 2 where an option must decide something. Each message ends with what became of the
    data: `nothing_stored`, or the message of ImportStopped. `database` is the file of an SQLite database.
    """
    try:
        yield
    except ImportStopped as stopped:
        reason = reason_of(stopped.__cause__ or stopped, file, database)
        raise click.ClickException(f"{reason} {stopped}") from None
    except OptionUnusable as error:
        raise NotConfirmed(f"{error} {nothing_stored}") from None
    except ColumnsUndecided as undecided:
        lines = "\n".join(undecided_lines(undecided, _command_so_far()))
        reason = f"{file.name}, line {undecided.line}: its columns must be decided first."
        if undecided.encoding:
            reason = reason_of(undecided, file, database)
        raise NotConfirmed(f"{reason} {nothing_stored}\n{lines}") from None
    except Undecided as undecided:
        raise NotConfirmed(f"{reason_of(undecided, file, database)} {nothing_stored}") from None
    except EXPECTED as error:
        said = f"{reason_of(error, file, database)} {nothing_stored}"
        if isinstance(error, FileRefused) and error.counts is not None:
            said = "\n".join([said, *unknown_lines(error.counts, _command_so_far())])
        raise click.ClickException(said) from None


def _command_so_far() -> list[str]:
    """Return the words of the running command, as they were typed."""
    context = click.get_current_context()
    words = ["portal", *context.command_path.split()[1:]]
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        values = [str(each) for each in (value if isinstance(value, tuple) else (value,))]
        if isinstance(parameter, click.Argument):
            words += values
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            words.append(parameter.opts[0])
        else:
            words += [word for each in values for word in (parameter.opts[0], each)]
    return words


def echo_closing_lines(counts: RowCounts, *, dry_run: bool) -> None:
    """Print blank and rejected rows by reason, the missing last line break, and that nothing was stored."""
    if counts.blank_rows:
        click.echo(f"Blank lines: {counts.blank_rows}.")
    if not counts.whole:
        click.echo("Warning: the last line has no line break. Check that the file is complete.")
    if dry_run:
        click.echo("This was a dry run: nothing was stored.")


def echo_reasons(counts: RowCounts) -> None:
    """Print why rows were rejected, with counts, and how to say what unknown words mean."""
    for line in (*reason_lines(counts), *unknown_lines(counts, _command_so_far())):
        click.echo(line)


def as_data(counts: RowCounts) -> dict[str, Any]:
    """Return what was read, for JSON."""
    return {
        "read_as": counts.description,
        "columns": [
            {"header": column.shown, "column": column.target or None, "how": column.how.name.lower()}
            for column in counts.layout.columns
        ],
        "rows": counts.rows,
        "blank_rows": counts.blank_rows,
        "hidden_rows": counts.hidden_rows,
        "bad_rows": counts.bad_rows,
        "bad_rows_because": [
            {"reason": reason, "rows": rows} for reason, rows in counts.reasons.most_common()
        ],
        "mended": [
            {"what": note, "rows": rows, "first_lines": counts.notes.lines[note]}
            for note, rows in counts.notes.counts.most_common()
        ],
        "last_line_is_whole": counts.whole,
    }
