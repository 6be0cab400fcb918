"""`portal passwords`: build a file of stolen passwords, and look one up in it.

Both need no settings, no keys and no database.
"""

import os
import signal
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from getpass import getpass
from pathlib import Path

import click

from portal.blocklists.corpus import Corpus, CorpusRefused
from portal.blocklists.lists import CORPUS, RANGES, files_of
from portal.core.clock import SystemClock
from portal.core.disk_space import readable
from portal.core.settings import Settings, SettingsInvalid
from portal.people_files.progress import ProgressBars
from portal.runtime.command_line import AS_JSON, counted, echo_json

FOUND = 1
OLD = timedelta(days=365)
MAX_LINE = 4096
PATH = click.Path(path_type=Path, exists=True)


@click.group()
def passwords() -> None:
    """Build a file of stolen passwords, and look one up."""


@passwords.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=PATH)
@click.option(
    "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write."
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["hashes", "words"]),
    help="What the lines are. Default: seen from them.",
)
@AS_JSON
def build(files: tuple[Path, ...], output: Path, kind: str | None, *, as_json: bool) -> None:
    """Build one compact file from lists of passwords.

    FILE is Pwned Passwords by SHA-1 as text, its downloader's folder with a file per prefix, or a list of
    words, one a line; each may be gzip. Several become one. The portal uses the file that
    PORTAL_PASSWORD_CORPUS_FILE or PORTAL_EXPOSED_PASSWORDS_FILE names, and a new one without a restart.
    OUTPUT is replaced once the new file is whole.
    """
    # Only this command needs numpy.
    from portal.blocklists.building import build as build_corpus  # noqa: PLC0415
    from portal.blocklists.sources import Kind, SourceRefused  # noqa: PLC0415

    if not output.parent.is_dir():
        raise click.BadParameter(f"There is no folder {output.parent}.", param_hint="--output")
    clock = SystemClock()
    begun = clock.now()
    try:
        with _terminated_as_interrupted(), ProgressBars(sys.stderr) as bars:
            built = build_corpus(files, output, kind=Kind(kind) if kind else None, now=begun, show=bars.show)
    except SourceRefused as refused:
        raise click.ClickException(f"{refused}. {output} is as it was.") from refused
    except OSError as error:
        raise click.ClickException(
            f"The disk failed: {error.strerror or error}. {output} is as it was."
        ) from error
    except KeyboardInterrupt:
        raise click.ClickException(f"Interrupted. {output} is as it was.") from None
    if as_json:
        seconds = round((clock.now() - begun).total_seconds(), 1)
        echo_json(
            {
                "output": str(output),
                "files": built.files,
                "hashes": built.hashes,
                "bytes": built.size,
                "seconds": seconds,
            }
        )
        return
    sources, size = counted(built.files, "file"), readable(built.size)
    click.echo(f"{output}: {counted(built.hashes, 'password')} from {sources}, {size}.")


class LookUpFailed(click.ClickException):
    """Nothing was looked up. Status 2: with 1 a script would take the password for a stolen one."""

    exit_code = 2


@passwords.command()
@click.option("--corpus", type=PATH, help="The file to look in. Default: PORTAL_PASSWORD_CORPUS_FILE.")
@AS_JSON
@click.pass_context
def check(context: click.Context, corpus: Path | None, *, as_json: bool) -> None:
    """Look one password up in a file of stolen passwords.

    It is asked for at the terminal, and not shown, or is the first line of standard input. Ends with status
    0 where the file does not have it, 1 where it has, and 2 where it could not be looked up.
    """
    path = corpus or _configured()
    if path is None:
        raise click.UsageError("Name a file with --corpus, or set PORTAL_PASSWORD_CORPUS_FILE.")
    password = _typed()
    if not password:
        raise LookUpFailed("There is no password to look up.")
    try:
        found = Corpus(path).holds(unicodedata.normalize("NFC", password))
    except CorpusRefused as refused:
        raise LookUpFailed(f"{path} {refused}.") from refused
    if as_json:
        echo_json({"corpus": str(path), "found": found})
    else:
        click.echo("This password is in the file." if found else "This password is not in the file.")
    context.exit(FOUND if found else 0)


def check_files(settings: Settings, _keys_right: bool) -> Iterator[tuple[str, str | None]]:
    """Yield what is wrong with the lists of passwords, for `portal doctor`; it reads files whole."""
    for setting, path in files_of(settings.passwords):
        try:
            Corpus(path).verify()
        except CorpusRefused as refused:
            yield f"{setting}: {path}", str(refused)
        else:
            yield f"{setting}: {path}", None

    if settings.passwords.range_url:
        yield RANGES, _fault_of_service(settings)


def _fault_of_service(settings: Settings) -> str | None:
    """Return what is wrong with the service; it is asked for a password that every list has."""
    from portal.blocklists.ranges import RangeService, RangeUnavailable  # noqa: PLC0415 - few need it

    try:
        known = RangeService(settings.passwords.range_url, settings.passwords.range_seconds).holds("password")
    except RangeUnavailable as error:
        return f"{error}. Check the URL, and that this machine may reach it"
    return None if known else "it does not know the password 'password'. Is the URL that of range requests?"


def notes(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield, for `portal doctor`, what the files of passwords hold, and whether a new one is due."""
    now = SystemClock().now()
    for setting, path in files_of(settings.passwords):
        with suppress(CorpusRefused):  # `check_files` says why
            header = Corpus(path).header
            built = f"{counted(header.hashes, 'password')}, built on {header.built_at:%Y-%m-%d}"
            due = setting == CORPUS and now - header.built_at > OLD
            yield str(path), f"{built}{'; get a newer list, and build it again' if due else ''}"


def _configured() -> Path | None:
    """Return the file that the settings name, whatever else they lack."""
    try:
        return Settings.from_env(os.environ).passwords.corpus_file
    except SettingsInvalid as invalid:
        return invalid.settings.passwords.corpus_file


def _typed() -> str:
    """Return the password that is typed, or the first line of standard input. Raises LookUpFailed."""
    if sys.stdin.isatty():
        return getpass("Password: ")
    line = sys.stdin.buffer.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise LookUpFailed(f"The first line has more than {MAX_LINE} bytes.")
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise LookUpFailed("The first line is not UTF-8.") from error


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that nothing half written stays."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
