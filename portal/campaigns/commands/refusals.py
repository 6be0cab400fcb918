"""What the commands of a notice share: their options, and messages for expected errors."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from portal.campaigns import frozen, service
from portal.campaigns.series import binding, drafting, steering
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.runtime.context import Context

P = ParamSpec("P")
R = TypeVar("R")

SLUG = click.argument("slug")
LANGUAGE = click.option(
    "--language", help="The language of the mail. Default: the first of PORTAL_LANGUAGES."
)
REFUSALS: dict[type[Exception], str] = {
    incidents.IncidentUnknown: "There is no incident '{slug}'. See: portal incidents list",
    exposure.ListNotActive: "No list is active for '{slug}'. See: portal exposure list {slug}",
    service.CountWrong: (
        "--confirm differs from the number of addresses of the active list. Nothing was sent. "
        "Check with: portal campaigns notify {slug} --dry-run"
    ),
    frozen.WordsAltered: (
        "The frozen text of this notice was altered in the database. Nothing was sent. Find out who can "
        "write to the database. Then check the text, and confirm its mark: "
        "portal campaigns notify {slug} --dry-run"
    ),
    frozen.SubjectAltered: (
        "A subject was stored without the worker's keys. Nothing was sent. Set the subject of each language "
        "again: portal campaigns subject {slug} --language L 'TEXT'"
    ),
    service.NoticeHeld: (
        "The notice is paused. Nothing was queued. To go on: portal campaigns resume {slug}. "
        "See: portal campaigns status {slug}"
    ),
    steering.NoticeUnknown: "There is no such notice. See: portal campaigns status {slug}",
    steering.NoticeState: "Not possible: the notice is {error}. See: portal campaigns status {slug}",
    steering.NoticeForged: (
        "The notice was altered in the database without the worker's keys. Nothing was sent. Find out who "
        "can write to the database. Then stop it, and draft another: portal campaigns stop {slug} --reason T"
    ),
    steering.ListChanged: (
        "Another version of the list is active now than when this was drafted. Nothing was sent. "
        "Draft it again: portal campaigns draft {slug}"
    ),
    binding.LeftOutChanged: (
        "Other people are left out now than when this was drafted. Nothing was sent. "
        "Draft it again: portal campaigns draft {slug}"
    ),
    drafting.SinceMissing: "There is no such notice to refer to. See: portal campaigns status {slug}",
    drafting.FormerListGone: (
        "The list of that notice was destroyed, so nobody knows who is new. Use: --to not-reached"
    ),
    drafting.AlreadyTold: (
        "A first notice to everyone on this list has been started. To tell more: --kind supplementary. "
        "See: portal campaigns status {slug}"
    ),
    frozen.SubjectInvalid: "The subject must be one line of at most 200 characters.",
}


def errors_as_messages(command: Callable[P, R]) -> Callable[P, R]:
    """Decorate a command so that expected errors end it with one line, and no traceback."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return command(*arguments, **options)
        except tuple(REFUSALS) as error:
            message = REFUSALS[type(error)].format(slug=options["slug"], error=error)
            raise click.ClickException(message) from None

    return run


def checked_language(context: Context, language: str | None) -> str:
    """Return a language that the portal has, by default its first. Raises UsageError."""
    languages = context.settings.site.languages
    if language is not None and language not in languages:
        raise click.UsageError(f"--language must be one of {', '.join(languages)}, as in PORTAL_LANGUAGES")
    return language or context.settings.default_language
