"""Publish what was written."""

import click

from portal.incidents import reading, service, writing
from portal.incidents.commands.group import SLUG, errors_as_messages, incidents, unannounced
from portal.runtime.context import Context


@incidents.command()
@SLUG
@click.pass_obj
@errors_as_messages
def publish(context: Context, slug: str) -> None:
    """Publish an incident and all its drafts.

    Needs the worker's keys if a draft is to be mailed to subscribers (notify).
    """
    vault = context.worker_vault() if unannounced(context, slug) else None
    with context.db.write() as session:
        done = writing.publish(session, vault, slug, context.clock.now())
        incident = service.by_slug(session, slug)
        no_statement = not reading.versions(session, incident, [context.settings.default_language])
    if not (done.first or done.statements or done.updates or done.classes):
        click.echo(f"{slug} is public, and there was no draft to publish.")
        return
    for number, language in done.statements:
        click.echo(f"published: statement, version {number} ({language})")
    for number in done.updates:
        click.echo(f"published: update {number}")
    if done.classes:
        click.echo(f"published: data classes {'; '.join(incident.class_names)}")
    click.echo(f"{context.settings.base_url}/incidents/{slug}/")
    if no_statement:
        click.echo(f"There is no statement yet. Add it: portal incidents statement {slug} FILE", err=True)
