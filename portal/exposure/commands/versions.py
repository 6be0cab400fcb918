"""`portal exposure list`, `activate` and `purge`."""

import json

import click
from sqlalchemy.orm import Session

from portal.exposure import service
from portal.exposure.people import delete_people
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.runtime.context import Context

VERSION = click.IntRange(1, 2**31 - 1)
ACCEPT = click.option(
    "--accept-bad-rows",
    is_flag=True,
    help="Activate despite rejected rows: the people in them get no notice.",
)


@click.command("list")
@click.argument("slug")
@click.pass_obj
def list_versions(context: Context, slug: str) -> None:
    """Show the versions of a list with their counts."""
    with context.db.read() as session:
        incident = find_incident(session, slug)
        active = service.active(session, incident.id)
        versions = service.versions(session, incident.id)
    if not versions:
        click.echo(f"There is no list yet. Import one: portal exposure import {slug} FILE")
    for version in versions:
        mark = "active" if active is not None and active.id == version.id else ""
        mark = mark if version.data_key else "destroyed"
        click.echo(
            f"version {version.number}  {version.imported_at:%Y-%m-%d %H:%M} UTC  people {version.people}"
            f"  addresses {version.addresses}  rejected {version.bad_rows}  {mark}".rstrip()
        )
        for name, people in json.loads(version.class_counts).items():
            click.echo(f"    {name}: {people}")


@click.command()
@click.argument("slug")
@click.argument("version", type=VERSION)
@ACCEPT
@click.pass_obj
def activate(context: Context, slug: str, version: int, *, accept_bad_rows: bool) -> None:
    """Use this version of a list for all answers.

    Older versions can be activated again.
    """
    activate_version(context, slug, version, accept_bad_rows=accept_bad_rows)


@click.command()
@click.argument("slug")
@click.argument("version", type=VERSION)
@click.option(
    "--stop-notice",
    is_flag=True,
    help="Destroy it while its notice is being sent: the rest get no notice.",
)
@click.pass_obj
def purge(context: Context, slug: str, version: int, *, stop_notice: bool) -> None:
    """Destroy a version of a list for good.

    First its key, then its rows. Without the key no copy of the rows can be read, but a backup of the whole
    database contains both. The active version cannot be destroyed. The counts stay. If interrupted, run it
    again.
    """
    try:
        with context.db.write() as session:
            incident = find_incident(session, slug)
            destroyed = service.destroy(
                session, incident.id, version, context.clock.now(), stop_notice=stop_notice
            )
    except service.ListUnknown:
        raise click.ClickException(
            f"There is no version {version}. See: portal exposure list {slug}"
        ) from None
    except service.ListActive:
        raise click.ClickException(
            f"Version {version} is active. First activate another: portal exposure activate {slug} VERSION"
        ) from None
    except service.ListNotifying:
        raise click.ClickException(
            f"A notice to version {version} is still being sent and needs the list. Wait until it is done "
            f"(see: portal campaigns), or stop it: portal exposure purge {slug} {version} --stop-notice"
        ) from None
    for _ in delete_people(context.db, destroyed.id):
        pass
    click.echo(
        f"Version {version} is destroyed and can no longer be read. Backups still hold it: let them expire."
    )


def activate_version(
    context: Context, slug: str, number: int, *, accept_bad_rows: bool, err: bool = False
) -> None:
    """Activate a version, and say so (`err`: on standard error). Raises ClickException for what stops it."""
    now, vault = context.clock.now(), context.worker_vault()
    try:
        with context.db.write() as session:
            incident = find_incident(session, slug)
            version = service.activate(
                session, vault, incident.id, number, now, accept_bad_rows=accept_bad_rows
            )
    except service.ListUnknown:
        raise click.ClickException(
            f"There is no version {number}. See: portal exposure list {slug}"
        ) from None
    except service.ListDestroyed:
        raise click.ClickException(
            f"Version {number} was destroyed. Import the list again: portal exposure import {slug} FILE"
        ) from None
    except service.ListHasBadRows as error:
        raise click.ClickException(
            f"Not activated: {count_rows(error.bad_rows)} rejected; their people would not be notified. "
            "Correct the file and import it again, or accept it: "
            f"portal exposure activate {slug} {number} --accept-bad-rows"
        ) from None
    active = f"Version {number} is active. People: {version.people}; addresses: {version.addresses}."
    click.echo(active, err=err)


def count_rows(count: int) -> str:
    """Return a number of rows in words."""
    return "1 row" if count == 1 else f"{count} rows"


def find_incident(session: Session, slug: str) -> Incident:
    """Return an incident. Raises ClickException for an unknown slug."""
    try:
        return incidents.by_slug(session, slug)
    except incidents.IncidentUnknown:
        raise click.ClickException(f"There is no incident '{slug}'. See: portal incidents list") from None
