"""The group of commands, and what they share: arguments, messages, and the readings of options."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from typing import BinaryIO, ParamSpec, TypeVar

import click

from portal.core.settings import Settings
from portal.datakinds.names import parse_classes
from portal.datakinds.taxonomy import UnknownDataClass
from portal.incidents import announcing, service, writing
from portal.incidents.authoring import MAX_BYTES
from portal.incidents.publishing import discarding, scheduling, withdrawing
from portal.runtime.context import Context
from portal.runtime.parts import IncidentUses

P = ParamSpec("P")
R = TypeVar("R")

REFUSALS = (
    discarding.NotADraft,
    scheduling.NotScheduled,
    service.IncidentUnknown,
    service.Scheduled,
    service.SlugInvalid,
    service.SlugTaken,
    service.TitleInvalid,
    writing.NoteMissing,
    writing.TitleMissing,
    writing.UpdateUnknown,
    writing.UpdateWithdrawn,
    withdrawing.AlreadyWithdrawn,
    withdrawing.NotPublished,
    withdrawing.ReasonInvalid,
)
FILE = click.argument("file", type=click.File("rb"))
SLUG = click.argument("slug")
DAY = click.DateTime(formats=["%Y-%m-%d"])


def errors_as_messages(command: Callable[P, R]) -> Callable[P, R]:
    """Decorate a command so that expected errors end it with one line, and no traceback."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return command(*arguments, **options)
        except REFUSALS as error:
            raise click.ClickException(_sentence(str(error))) from error

    return run


def _sentence(words: str) -> str:
    """Return an error's words as a sentence; one that ends with a command has no full stop."""
    return f"{words[0].upper()}{words[1:]}{'' if ': portal ' in words else '.'}"


@click.group()
def incidents() -> None:
    """Write and publish incidents: the statement and the timeline."""


def unannounced(context: Context, slug: str) -> set[int]:
    """Return the numbers of the updates that are still to be mailed."""
    with context.db.read() as session:
        return {row.number for row in announcing.unannounced(session, service.by_slug(session, slug).id)}


def uses(context: Context) -> IncidentUses:
    """Return what the features above the incidents keep of one. Raises RuntimeError if not handed in."""
    if context.uses is None:
        message = "this command needs Context.uses"
        raise RuntimeError(message)
    return context.uses()


def check_language(settings: Settings, language: str) -> None:
    """Refuse a language that the portal does not offer. Raises UsageError."""
    if language not in settings.site.languages:
        raise click.UsageError(
            f"--language must be one of {', '.join(settings.site.languages)}, as in PORTAL_LANGUAGES"
        )


def class_names(text: str) -> tuple[str, ...]:
    """Return the class names of a `;`-separated list without duplicates, in the spelling of the taxonomy."""
    try:
        names = tuple(one.name for one in parse_classes(text))
    except UnknownDataClass as error:
        raise click.UsageError(f"{error} To find one: portal exposure classes WORD") from None
    if not names:
        raise click.UsageError("--classes is empty. Separate the data classes with ;, like 'Names;Passwords'")
    return names


def past_day(given: datetime, now: datetime) -> date:
    """Return a day that has come. Raises UsageError."""
    # A day has begun somewhere up to 14 hours before it begins in UTC.
    if given.date() > (now + timedelta(hours=14)).date():
        raise click.UsageError(f"{given:%Y-%m-%d} is in the future.")
    return given.date()


def content(file: BinaryIO) -> bytes:
    """Return what a file holds, at most one byte more than is allowed."""
    return file.read(MAX_BYTES + 1)


def since(at: datetime | None) -> str:
    """Return a time behind two blanks, or nothing."""
    return f"  {time_text(at)}" if at else ""


def time_text(at: datetime) -> str:
    """Return a time in UTC, to the minute, whatever zone it was written in."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
