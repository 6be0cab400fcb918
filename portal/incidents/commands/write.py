"""Store statements and updates."""

from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

import click

from portal.audit.staff import OPERATOR, operator
from portal.incidents import announcing, authoring, service, writing
from portal.incidents.authoring import FileInvalid
from portal.incidents.checker.findings import Finding, Weight, as_lines
from portal.incidents.checker.site import Numbers, Site
from portal.incidents.commands.group import (
    FILE,
    SLUG,
    content,
    errors_as_messages,
    incidents,
    unannounced,
    uses,
)
from portal.incidents.drafts import statements
from portal.incidents.models import DRAFT, PHASES, PUBLISHED
from portal.incidents.publishing.checks import MISSING, site_of
from portal.runtime.command_line import DecisionNeeded, counted
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
    languages = context.settings.site.languages
    try:
        read = authoring.read_statement(content(file), languages, _site(context))
    except FileInvalid as error:
        raise click.ClickException(f"{file.name}: {error}") from error
    with context.db.write() as session:
        now = context.clock.now()
        stored = writing.add_statement(session, slug, read.text, now)
        # The editor goes on with it; an author who has it open is told.
        statements.take_file(session, slug, read.text, f"{OPERATOR}{operator().user}", now)
    click.echo(
        f"version {stored.number} ({stored.language}) is a draft. "
        f"Next: portal incidents preview {slug} --output FILE, then portal incidents publish {slug}"
    )
    for name in read.missing:
        click.echo(f"missing: {name}", err=True)
    _echo([one for one in read.findings if one.code != MISSING])
    length = writing.characters(read.text.sections)
    if length > writing.MAX_MAILED and not read.text.summary:
        click.echo(
            f"too long for the notice: the sections have {length} characters, at most {writing.MAX_MAILED} "
            "fit a mail. Add a line `summary: ...` to the front matter.",
            err=True,
        )


def _echo(findings: Sequence[Finding]) -> None:
    """Print what does not stop a text, on standard error."""
    for line in as_lines(findings):
        click.echo(line, err=True)


def _site(context: Context, slug: str = "") -> Site:
    """Return what the checker is told of the site before a text is stored: contact is asked at publishing.

    With a slug, its incident has one update more: the one that is about to be stored may lead to itself.
    """
    with context.db.read() as session:
        site = replace(site_of(session, context.settings), contact=None)
    known = site.incidents or {}
    if slug not in known:
        return site
    updates = {*known[slug].updates, max(known[slug].updates, default=0) + 1}
    return replace(site, incidents={**known, slug: Numbers(known[slug].versions, updates)})


def _ask_before_public(
    context: Context, slug: str, number: int | None, asked: Sequence[Finding], accepted: tuple[str, ...]
) -> None:
    """Raise DecisionNeeded where the text would be public at once, and something is not accepted."""
    unanswered = [one for one in asked if one.code not in accepted]
    with context.db.read() as session:
        incident = service.by_slug(session, slug)
        row = None if number is None else writing.update_of(session, incident, number)
        public = incident.state == PUBLISHED if row is None else row.published_at is not None
        if not unanswered or not public or (row is not None and row.withdrawn_at is not None):
            return
    _echo(unanswered)
    options = " ".join(f"--accept {code}" for code in sorted({one.code for one in unanswered}))
    raise DecisionNeeded(
        "Nothing was stored. The update would be public at once. Correct it, or accept what is asked: "
        f"{options}"
    )


def _ask_before_mailing(context: Context, slug: str, text: writing.UpdateText, number: int | None) -> None:
    """Raise DecisionNeeded where subscribers would be mailed at once. Raises UpdateUnknown."""
    with context.db.read() as session:
        incident = service.by_slug(session, slug)
        row = None if number is None else writing.update_of(session, incident, number)
        if row is not None and (row.announced_at is not None or row.withdrawn_at is not None):
            return
        notify = row is not None and row.notify and text.notify is not writing.Notify.NO
        public = incident.state == PUBLISHED if row is None else row.published_at is not None
        if not public or not (notify or text.notify is writing.Notify.YES):
            return
        people = uses(context).subscribers(session, incident.id)
    raise DecisionNeeded(
        f"Nothing was stored. The update would be public at once, and mailed to "
        f"{counted(people, 'subscriber')}: what they get cannot be changed. To do it, add --confirm."
    )


@incidents.command()
@SLUG
@FILE
@click.option(
    "--phase", type=click.Choice(list(PHASES)), metavar="PHASE", help=f"One of {', '.join(PHASES)}."
)
@click.option("--title", help="The title: one line.")
@click.option("--edit", "number", type=int, metavar="ID", help="Change update ID, or add a language to it.")
@click.option("--accept", "accepted", multiple=True, metavar="CODE", help="Accept what is asked; repeatable.")
@click.option("--confirm", is_flag=True, help="Mail it to subscribers; needed with notify once it is public.")
@click.pass_obj
@errors_as_messages
def update(
    context: Context,
    slug: str,
    file: BinaryIO,
    phase: str | None,
    title: str | None,
    number: int | None,
    accepted: tuple[str, ...],
    *,
    confirm: bool,
) -> None:
    """Add an update to the timeline, or change one.

    It is public at once if the incident is. FILE is Markdown with optional front matter: occurred_at,
    language, notify (and phase, title instead of the options). With notify, subscribers get it by mail: the
    command needs the worker's keys, and --confirm once the incident is public.
    """
    settings, now = context.settings, context.clock.now()
    try:
        read = authoring.read_update(
            content(file),
            settings.site.languages,
            settings.site.timezone,
            now,
            phase=phase,
            title=title,
            site=_site(context, slug),
            page=f"/incidents/{slug}/updates/{number or 0}/",
        )
    except FileInvalid as error:
        raise click.ClickException(f"{file.name}: {error}") from error
    text = read.text
    if number is None and (text.phase is None or text.title is None):
        raise click.UsageError("A new update needs --phase and --title.")
    asked = [one for one in read.findings if one.weight is Weight.ASK]
    _ask_before_public(context, slug, number, asked, accepted)
    if not confirm:
        _ask_before_mailing(context, slug, text, number)
    used = tuple(sorted({one.code for one in asked} & set(accepted)))
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
            row, announced = writing.add_update(session, slug, text, now, used), False
            done = ""
        else:
            edited = writing.edit_update(session, slug, number, text, now, used)
            row, announced = edited.update, edited.announced
            done = f", translated ({text.language})" if edited.translated else ", changed"
        if vault is not None and row.notify and row.announced_at is None:
            announcing.sign(session, vault, row)
    state = PUBLISHED if row.published_at else DRAFT
    click.echo(f"update {row.number}: {state}{done}")
    if state == PUBLISHED:
        click.echo(f"{settings.base_url}/incidents/{slug}/updates/{row.number}/")
    _echo(read.findings)
    if announced and text.notify is writing.Notify.YES:
        click.echo("Subscribers already got this update; they are not mailed again.", err=True)
    if row.notify and not announced and len(text.body) > writing.MAX_MAILED:
        click.echo(
            f"too long for a mail: the text has {len(text.body)} characters, and a mail holds "
            f"{writing.MAX_MAILED}. Subscribers get the title and a link.",
            err=True,
        )
