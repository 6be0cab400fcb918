"""Store statements and updates."""

from typing import BinaryIO

import click

from portal.incidents import authoring, writing
from portal.incidents.authoring import FileInvalid
from portal.incidents.commands.group import (
    FILE,
    SLUG,
    content,
    errors_as_messages,
    incidents,
    unannounced,
)
from portal.incidents.models import DRAFT, PHASES, PUBLISHED
from portal.runtime.context import Context


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
        read = authoring.read_statement(content(file), context.settings.site.languages)
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
            content(file), settings.site.languages, settings.site.timezone, now, phase=phase, title=title
        )
    except FileInvalid as error:
        raise click.ClickException(f"{file.name}: {error}") from error
    if number is None and (text.phase is None or text.title is None):
        raise click.UsageError("A new update needs --phase and --title.")
    # Before the transaction, because opening the vault for the first time writes to the database.
    needs_vault = text.notify is writing.Notify.YES or number in unannounced(context, slug)
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
