"""Create an incident, and set its titles and what the notice says of it."""

from datetime import datetime

import click

from portal.incidents import announcing, service
from portal.incidents.commands.group import (
    DAY,
    SLUG,
    check_language,
    class_names,
    errors_as_messages,
    incidents,
    past_day,
    unannounced,
)
from portal.runtime.context import Context


@incidents.command()
@SLUG
@click.option("--title", required=True, help="The heading of its page, in the default language.")
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

    It is not visible until it is published. Its title is not the statement's, nor the subject of the notice:
    docs/guide/publish.md says where people see each. Use --discreet if your organisation's name alone says
    something about people, such as a clinic or a shelter: others may see their inbox.
    """
    names, now = class_names(classes), context.clock.now()
    day = past_day(happened, now) if happened else None
    with context.db.write() as session:
        service.create(session, slug, title, names, now, discreet=discreet, happened_on=day)
    click.echo(f"{slug} is a draft. Next: portal incidents statement {slug} FILE")


@incidents.command("classes")
@SLUG
@click.argument("classes")
@click.pass_obj
@errors_as_messages
def set_classes(context: Context, slug: str, classes: str) -> None:
    """Set the data classes of an incident.

    CLASSES are all its classes, separated by ;. A draft gets them at once; on a public incident they wait for
    the next publish. See docs/guide/data-classes.md.
    """
    names = class_names(classes)
    with context.db.write() as session:
        incident = service.by_slug(session, slug)
        waiting = service.stage_classes(session, incident, names, context.clock.now())
    click.echo(f"{slug}: {'; '.join(names)}")
    if waiting:
        click.echo(f"Readers see them after: portal incidents publish {slug}")


@incidents.command("title")
@SLUG
@click.argument("title")
@click.option("--language", required=True, help="The language of TITLE.")
@click.pass_obj
@errors_as_messages
def set_title(context: Context, slug: str, title: str, language: str) -> None:
    """Set the title of an incident in one language."""
    settings = context.settings
    check_language(settings, language)
    vault = context.worker_vault() if unannounced(context, slug) else None
    other = None if language == settings.default_language else language
    with context.db.write() as session:
        announcing.set_title(session, vault, slug, title, other, context.clock.now())
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
    vault = context.worker_vault() if unannounced(context, slug) else None
    with context.db.write() as session:
        announcing.set_discreet(session, vault, slug, context.clock.now(), discreet=state == "on")
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
        service.set_happened(session, slug, past_day(day, now), now)
    click.echo(f"{slug}: happened on {day:%Y-%m-%d}. A notice that has started does not change.")
