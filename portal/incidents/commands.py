"""`portal incidents`: store, preview and publish the statement and the timeline."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

import click

from portal.core.settings import Settings
from portal.datakinds import taxonomy
from portal.incidents import authoring, reading, service, writing
from portal.incidents.authoring import MAX_BYTES, FileInvalid
from portal.incidents.models import DRAFT, PHASES, PUBLISHED
from portal.runtime.context import Context

P = ParamSpec("P")
R = TypeVar("R")

REFUSALS = (
    service.IncidentUnknown,
    service.SlugInvalid,
    service.SlugTaken,
    service.TitleInvalid,
    writing.NoteMissing,
    writing.TitleMissing,
    writing.UpdateUnknown,
)
FILE = click.argument("file", type=click.File("rb"))
SLUG = click.argument("slug")
DAY = click.DateTime(formats=["%Y-%m-%d"])
MOST_SUGGESTED = 3


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


@incidents.command()
@SLUG
@click.option("--title", required=True, help="The title of the incident, in the portal's default language.")
@click.option(
    "--classes",
    required=True,
    help="The exposed data classes, separated by ;. See docs/guide/data-classes.md.",
)
@click.option("--happened", type=DAY, help="The day for the subject of the notice, like 2026-10-28.")
@click.option("--discreet", is_flag=True, help="The notice says only that there is a message.")
@click.pass_obj
@errors_as_messages
def create(
    context: Context, slug: str, title: str, classes: str, happened: datetime | None, *, discreet: bool
) -> None:
    """Create an incident as a draft.

    It is not visible until it is published. Use --discreet if your organisation's name alone says something
    about people, such as a clinic or a shelter: others may see their inbox.
    """
    names, now = _class_names(classes), context.clock.now()
    day = _past_day(happened, now) if happened else None
    with context.db.write() as session:
        service.create(session, slug, title, names, now, discreet=discreet, happened_on=day)
    click.echo(f"{slug} is a draft. Next: portal incidents statement {slug} FILE")


@incidents.command("title")
@SLUG
@click.argument("title")
@click.option("--language", required=True, help="The language of TITLE.")
@click.pass_obj
@errors_as_messages
def set_title(context: Context, slug: str, title: str, language: str) -> None:
    """Set the title of an incident in one language."""
    settings = context.settings
    _check_language(settings, language)
    vault = context.worker_vault() if _unannounced(context, slug) else None
    other = None if language == settings.default_language else language
    with context.db.write() as session:
        writing.set_title(session, vault, slug, title, other, context.clock.now())
    click.echo(f"{slug} ({language}): {title.strip()}")


@incidents.command("discreet")
@SLUG
@click.argument("state", type=click.Choice(["on", "off"]))
@click.pass_obj
@errors_as_messages
def set_discreet(context: Context, slug: str, state: str) -> None:
    """Make the next notice and updates discreet, or not.

    on: they say only that there is a message. off: they say what happened.
    """
    vault = context.worker_vault() if _unannounced(context, slug) else None
    with context.db.write() as session:
        writing.set_discreet(session, vault, slug, context.clock.now(), discreet=state == "on")
    say = "say only that there is a message" if state == "on" else "tell what happened"
    click.echo(f"{slug}: the next notice and updates {say}. What has started does not change.")


@incidents.command("happened")
@SLUG
@click.argument("day", type=DAY, metavar="DATE")
@click.pass_obj
@errors_as_messages
def set_happened(context: Context, slug: str, day: datetime) -> None:
    """Set the day for the subject of the next notice.

    DATE is like 2026-10-28.
    """
    now = context.clock.now()
    with context.db.write() as session:
        service.set_happened(session, slug, _past_day(day, now), now)
    click.echo(f"{slug}: happened on {day:%Y-%m-%d}. A notice that has started does not change.")


@incidents.command("list")
@click.pass_obj
def list_all(context: Context) -> None:
    """List all incidents, drafts included."""
    with context.db.read() as session:
        rows = service.every(session)
        phases = service.phases(session)
    for incident in rows:
        phase = phases.get(incident.id, "-")
        click.echo(f"{incident.slug}  {incident.state}  {phase}  {incident.title}")
    if not rows:
        click.echo("There is no incident. Create one: portal incidents create SLUG --title T --classes 'A;B'")


@incidents.command()
@SLUG
@click.pass_obj
@errors_as_messages
def show(context: Context, slug: str) -> None:
    """Show an incident with its versions and updates."""
    settings = context.settings
    with context.db.read() as session:
        incident = service.by_slug(session, slug)
        page = reading.page(session, incident, [settings.default_language], drafts=True)
    click.echo(f"{incident.slug}: {incident.title}")
    for language, title in sorted(incident.titles.items()):
        click.echo(f"  {language}: {title}")
    click.echo(f"state: {incident.state}{_since(incident.published_at)}")
    click.echo(f"data: {'; '.join(incident.class_names)}")
    if incident.happened_on:
        click.echo(f"happened: {incident.happened_on}")
    if incident.discreet:
        click.echo("discreet: mails say only that there is a message")
    click.echo("statement:")
    for version in page.versions:
        click.echo(
            f"  version {version.number} ({', '.join(version.languages)}){_since(version.at) or '  draft'}"
            f"  {version.statement.title}"
        )
    click.echo("updates:")
    for entry in page.entries:
        state = "" if entry.update.published_at else "  draft"
        mailing = "  announced" if entry.update.announced_at else ("  notify" if entry.update.notify else "")
        when = _time(entry.update.occurred_at)
        click.echo(f"  {entry.update.number}  {when}  {entry.update.phase}  {entry.title}{mailing}{state}")


@incidents.command("preview")
@SLUG
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The HTML file to write; an existing file is replaced.",
)
@click.option("--language", help="The reader's language. Default: the first of PORTAL_LANGUAGES.")
@click.pass_obj
@errors_as_messages
def write_preview(context: Context, slug: str, output: Path, language: str | None) -> None:
    """Write the page into one HTML file, drafts included."""
    from portal.incidents import preview  # noqa: PLC0415 - imports Flask, which no other command needs

    settings = context.settings
    language = language or settings.default_language
    _check_language(settings, language)
    html = preview.render(settings, context.db, context.clock, slug, language)
    try:
        output.write_text(html, encoding="utf-8")
    except OSError as error:
        message = f"{output} cannot be written ({error.strerror})."
        raise click.ClickException(message) from error
    click.echo(f"{output}: open it in a browser. Nothing was published.")


@incidents.command()
@SLUG
@click.pass_obj
@errors_as_messages
def publish(context: Context, slug: str) -> None:
    """Publish an incident and all its drafts.

    Needs the worker's keys if a draft is to be mailed to subscribers (notify).
    """
    vault = context.worker_vault() if _unannounced(context, slug) else None
    with context.db.write() as session:
        done = writing.publish(session, vault, slug, context.clock.now())
        incident = service.by_slug(session, slug)
        no_statement = not reading.versions(session, incident, [context.settings.default_language])
    if not (done.first or done.statements or done.updates):
        click.echo(f"{slug} is public, and there was no draft to publish.")
        return
    for number, language in done.statements:
        click.echo(f"published: statement, version {number} ({language})")
    for number in done.updates:
        click.echo(f"published: update {number}")
    click.echo(f"{context.settings.base_url}/incidents/{slug}/")
    if no_statement:
        click.echo(f"There is no statement yet. Add it: portal incidents statement {slug} FILE", err=True)


@incidents.command()
@SLUG
@FILE
@click.pass_obj
@errors_as_messages
def statement(context: Context, slug: str, file: BinaryIO) -> None:
    """Store FILE as a draft of the statement.

    FILE is Markdown: front matter with title, language, signed_by, role, note and summary, then the apology,
    then the five sections under ## headings. See docs/guide/publish.md.
    """
    try:
        read = authoring.read_statement(_content(file), context.settings.site.languages)
    except FileInvalid as error:
        raise click.ClickException(f"{file.name}: {error}") from error
    with context.db.write() as session:
        stored = writing.add_statement(session, slug, read.text, context.clock.now())
    click.echo(
        f"version {stored.number} ({stored.language}) is a draft. "
        f"Next: portal incidents preview {slug} --output FILE, then portal incidents publish {slug}"
    )
    for name in read.missing:
        click.echo(f"missing: {name}", err=True)
    length = writing.characters(read.text.sections)
    if length > writing.MAX_MAILED and not read.text.summary:
        click.echo(
            f"too long for the notice: the sections have {length} characters, at most {writing.MAX_MAILED} "
            "fit a mail. Add a line `summary: ...` to the front matter.",
            err=True,
        )


@incidents.command()
@SLUG
@FILE
@click.option(
    "--phase", type=click.Choice(list(PHASES)), metavar="PHASE", help=f"One of {', '.join(PHASES)}."
)
@click.option("--title", help="The title: one line.")
@click.option("--edit", "number", type=int, metavar="ID", help="Change update ID, or add a language to it.")
@click.pass_obj
@errors_as_messages
def update(
    context: Context, slug: str, file: BinaryIO, phase: str | None, title: str | None, number: int | None
) -> None:
    """Add an update to the timeline, or change one.

    It is public at once if the incident is. FILE is Markdown with optional front matter: occurred_at,
    language, notify (and phase, title instead of the options). With notify, subscribers get it by mail, and
    the command needs the worker's keys.
    """
    settings, now = context.settings, context.clock.now()
    try:
        text = authoring.read_update(
            _content(file), settings.site.languages, settings.site.timezone, now, phase=phase, title=title
        )
    except FileInvalid as error:
        raise click.ClickException(f"{file.name}: {error}") from error
    if number is None and (text.phase is None or text.title is None):
        raise click.UsageError("A new update needs --phase and --title.")
    # Before the transaction, because opening the vault for the first time writes to the database.
    needs_vault = text.notify is writing.Notify.YES or number in _unannounced(context, slug)
    vault = context.worker_vault() if needs_vault else None
    with context.db.write() as session:
        if number is None:
            same = writing.find_duplicate(session, slug, text)
            if same is not None:
                raise click.ClickException(
                    f"Update {same} already has this text. Nothing was stored. To change it: --edit {same}"
                )
            row, announced = writing.add_update(session, slug, text, now), False
            done = ""
        else:
            edited = writing.edit_update(session, slug, number, text, now)
            row, announced = edited.update, edited.announced
            done = f", translated ({text.language})" if edited.translated else ", changed"
        if vault is not None and row.notify and row.announced_at is None:
            writing.sign(session, vault, row)
    state = PUBLISHED if row.published_at else DRAFT
    click.echo(f"update {row.number}: {state}{done}")
    if state == PUBLISHED:
        click.echo(f"{settings.base_url}/incidents/{slug}/updates/{row.number}/")
    if announced and text.notify is writing.Notify.YES:
        click.echo("Subscribers already got this update; they are not mailed again.", err=True)
    if row.notify and not announced and len(text.body) > writing.MAX_MAILED:
        click.echo(
            f"too long for a mail: the text has {len(text.body)} characters, and a mail holds "
            f"{writing.MAX_MAILED}. Subscribers get the title and a link.",
            err=True,
        )


def _unannounced(context: Context, slug: str) -> set[int]:
    """Return the numbers of the updates that are still to be mailed."""
    with context.db.read() as session:
        return {row.number for row in writing.unannounced(session, service.by_slug(session, slug).id)}


def _check_language(settings: Settings, language: str) -> None:
    if language not in settings.site.languages:
        raise click.UsageError(
            f"--language must be one of {', '.join(settings.site.languages)}, as in PORTAL_LANGUAGES"
        )


def _class_names(text: str) -> tuple[str, ...]:
    """Return the class names of a `;`-separated list without duplicates, in the spelling of the taxonomy."""
    names = [name.strip() for name in text.split(";") if name.strip()]
    if not names:
        raise click.UsageError("--classes is empty. Separate the data classes with ;, like 'Names;Passwords'")
    written = {one.name.casefold(): one.name for one in taxonomy.load()}
    for name in names:
        if name.casefold() not in written:
            within = [one for one in written if name.casefold() in one]
            near = within[:MOST_SUGGESTED] or get_close_matches(name.casefold(), written, n=MOST_SUGGESTED)
            hint = f" Did you mean {', '.join(written[one] for one in near)}?" if near else ""
            raise click.UsageError(f"{name!r} is not a data class.{hint} See docs/guide/data-classes.md")
    return tuple(dict.fromkeys(written[name.casefold()] for name in names))


def _past_day(given: datetime, now: datetime) -> date:
    # A day has begun somewhere up to 14 hours before it begins in UTC.
    if given.date() > (now + timedelta(hours=14)).date():
        raise click.UsageError(f"{given:%Y-%m-%d} is in the future.")
    return given.date()


def _content(file: BinaryIO) -> bytes:
    return file.read(MAX_BYTES + 1)


def _since(at: object) -> str:
    return f"  {_time(at)}" if at else ""


def _time(at: object) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
