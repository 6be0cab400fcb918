"""`portal exposure list`, `activate` and `purge`."""

import json
from typing import Any

import click
from sqlalchemy.orm import Session

from portal.exposure import activating, service
from portal.exposure.activating import Comparison
from portal.exposure.importing import comparing
from portal.exposure.models import ExposureList
from portal.exposure.people import delete_people
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.runtime.command_line import AS_JSON, DecisionNeeded, echo_json
from portal.runtime.context import Context

VERSION = click.IntRange(1, 2**31 - 1)
ACCEPT = click.option(
    "--accept-bad-rows",
    is_flag=True,
    help="Activate despite rejected rows: the people in them get no notice.",
)


REPLACE = click.option(
    "--replace",
    is_flag=True,
    help="Activate although more than a tenth of the active version's people are gone.",
)


@click.command("list")
@click.argument("slug")
@AS_JSON
@click.pass_obj
def list_versions(context: Context, slug: str, *, as_json: bool) -> None:
    """Show the versions of a list with their counts."""
    with context.db.read() as session:
        incident = find_incident(session, slug)
        active = service.active(session, incident.id)
        versions = service.versions(session, incident.id)
    if as_json:
        echo_json([_as_data(incident, version, active) for version in versions])
        return
    if not versions:
        click.echo(f"There is no list yet. Import one: portal exposure import {slug} FILE")
    for version in versions:
        mark = _state(version, active).removeprefix("stored")
        click.echo(
            f"version {version.number}  {version.imported_at:%Y-%m-%d %H:%M} UTC  people {version.people}"
            f"  addresses {version.addresses}  rejected {version.bad_rows}  {mark}".rstrip()
        )
        for name, people in json.loads(version.class_counts).items():
            public = "" if name in incident.class_names else "  (not public: see portal incidents classes)"
            click.echo(f"    {name}: {people}{public}")


def _as_data(incident: Incident, version: ExposureList, active: ExposureList | None) -> dict[str, Any]:
    return {
        "version": version.number,
        "state": _state(version, active),
        "imported_at": version.imported_at,
        "rows": version.rows,
        "people": version.people,
        "addresses": version.addresses,
        "duplicates": version.duplicates,
        "bad_rows": version.bad_rows,
        "classes": json.loads(version.class_counts),
        "classes_not_public": service.classes_beyond(version, incident.class_names),
    }


def _state(version: ExposureList, active: ExposureList | None) -> str:
    if version.data_key is None:
        return "destroyed"
    return "active" if active is not None and active.id == version.id else "stored"


@click.command()
@click.argument("slug")
@click.argument("version", type=VERSION)
@ACCEPT
@REPLACE
@AS_JSON
@click.pass_obj
def activate(
    context: Context, slug: str, version: int, *, accept_bad_rows: bool, replace: bool, as_json: bool
) -> None:
    """Use this version of a list for all answers.

    Older versions can be activated again. It is compared with the active one before: nobody should be
    missing by mistake.
    """
    comparison = _compare(context, slug, version)
    if comparison is not None:
        click.echo(compared_line(comparison), err=as_json)
    active = activate_version(
        context, slug, version, comparison, accept_bad_rows=accept_bad_rows, replace=replace
    )
    if as_json:
        echo_json(
            {
                "version": active.number,
                "people": active.people,
                "addresses": active.addresses,
                "compared": comparison_data(comparison),
            }
        )
    else:
        click.echo(active_line(active))


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


def _compare(context: Context, slug: str, number: int) -> Comparison | None:
    """Compare a version with the active one, if that is another one."""
    vault = context.worker_vault()
    with context.db.read() as session:
        incident = find_incident(session, slug)
        active = service.verified_active(session, vault, [incident.id]).get(incident.id)
        versions = service.versions(session, incident.id)
    version = next((one for one in versions if one.number == number and one.data_key), None)
    if version is None or active is None or active.id == version.id:
        return None
    return comparing.compare_versions(context.db, vault, version, active)


def activate_version(
    context: Context,
    slug: str,
    number: int,
    comparison: Comparison | None,
    *,
    accept_bad_rows: bool,
    replace: bool,
) -> ExposureList:
    """Activate a version that was compared with the active one. Raises ClickException for what stops it."""
    now, vault = context.clock.now(), context.worker_vault()
    try:
        with context.db.write() as session:
            incident = find_incident(session, slug)
            former = service.active(session, incident.id)
            if former is not None and former.number != number and former.notifying:
                click.echo(
                    f"A notice to version {former.number} is being sent, and goes on with that version. "
                    f"To hold it: portal campaigns pause {slug} --reason T",
                    err=True,
                )
            return activating.activate(
                session,
                vault,
                incident.id,
                number,
                now,
                accept_bad_rows=accept_bad_rows,
                comparison=comparison,
                replace=replace,
            )
    except service.ListUnknown:
        raise click.ClickException(
            f"There is no version {number}. See: portal exposure list {slug}"
        ) from None
    except service.ListDestroyed:
        raise click.ClickException(
            f"Version {number} was destroyed. Import the list again: portal exposure import {slug} FILE"
        ) from None
    except activating.ListHasBadRows as error:
        raise click.ClickException(
            f"Not activated: {count_rows(error.bad_rows)} rejected; their people would not be notified. "
            "Correct the file and import it again, or accept it: "
            f"portal exposure activate {slug} {number} --accept-bad-rows"
        ) from None
    except activating.ListBeyondClasses as error:
        raise click.ClickException(
            f"Not activated: the incident's page does not say that these data were taken: "
            f"{', '.join(error.names)}. {_way_on(slug, number, error)}"
        ) from None
    except activating.ListNotCompared:
        raise click.ClickException(
            "Not activated: another version was activated meanwhile. See: "
            f"portal exposure list {slug}. Then run: portal exposure activate {slug} {number}"
        ) from None
    except activating.ListLosesMany as error:
        raise DecisionNeeded(
            f"Not activated: {lost_line(error.comparison)} If that is right: "
            f"portal exposure activate {slug} {number} --replace"
        ) from None


def _way_on(slug: str, number: int, error: activating.ListBeyondClasses) -> str:
    then = f"portal exposure activate {slug} {number}"
    if error.staged:
        return f"They are staged. First publish them: portal incidents publish {slug}. Then run: {then}"
    return (
        f"First add them: portal incidents classes {slug} with all its classes, then "
        f"portal incidents publish {slug}. Then run: {then}"
    )


def active_line(version: ExposureList) -> str:
    """Return that a version is active, with its counts."""
    return f"Version {version.number} is active. People: {version.people}; addresses: {version.addresses}."


def compared_line(comparison: Comparison) -> str:
    """Return how a version compares with the active one."""
    return (
        f"Compared with version {comparison.number}: new {comparison.new}, gone {comparison.gone}, "
        f"changed {comparison.changed}."
    )


def lost_line(comparison: Comparison) -> str:
    """Return how many people are gone."""
    return (
        f"{comparison.gone} of the {comparison.people} people of version {comparison.number} are not on it: "
        "more than a tenth. The file may be cut, or another incident's."
    )


def comparison_data(comparison: Comparison | None) -> dict[str, int] | None:
    """Return a comparison for JSON."""
    if comparison is None:
        return None
    counts = {"new": comparison.new, "gone": comparison.gone, "changed": comparison.changed}
    return {"version": comparison.number} | counts


def count_rows(count: int) -> str:
    """Return a number of rows in words."""
    return "1 row" if count == 1 else f"{count} rows"


def find_incident(session: Session, slug: str) -> Incident:
    """Return an incident. Raises ClickException for an unknown slug."""
    try:
        return incidents.by_slug(session, slug)
    except incidents.IncidentUnknown:
        raise click.ClickException(f"There is no incident '{slug}'. See: portal incidents list") from None
