"""List and show incidents, and preview their pages."""

from pathlib import Path

import click

from portal.incidents import reading, service
from portal.incidents.commands.group import (
    SLUG,
    check_language,
    errors_as_messages,
    incidents,
    since,
    time_text,
)
from portal.runtime.context import Context


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
    click.echo(f"state: {incident.state}{since(incident.published_at)}")
    click.echo(f"data: {'; '.join(incident.class_names)}")
    if incident.staged_classes is not None:
        click.echo(f"data with the next publish: {'; '.join(incident.next_class_names)}")
    if incident.happened_on:
        click.echo(f"happened: {incident.happened_on}")
    if incident.discreet:
        click.echo("discreet: mails say only that there is a message")
    click.echo("statement:")
    for version in page.versions:
        click.echo(
            f"  version {version.number} ({', '.join(version.languages)}){since(version.at) or '  draft'}"
            f"  {version.statement.title}"
        )
    click.echo("updates:")
    for entry in page.entries:
        state = "" if entry.update.published_at else "  draft"
        mailing = "  announced" if entry.update.announced_at else ("  notify" if entry.update.notify else "")
        when = time_text(entry.update.occurred_at)
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
    check_language(settings, language)
    html = preview.render(settings, context.db, context.clock, slug, language)
    try:
        output.write_text(html, encoding="utf-8")
    except OSError as error:
        message = f"{output} cannot be written ({error.strerror})."
        raise click.ClickException(message) from error
    click.echo(f"{output}: open it in a browser. Nothing was published.")
