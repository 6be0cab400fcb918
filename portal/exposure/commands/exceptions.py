"""`portal exposure except`: people who are left out of notices on request."""

from pathlib import Path

import click

from portal.core.addresses import AddressInvalid, mask, normalise
from portal.core.db import sqlite_file
from portal.crypto.vault import WorkerVault
from portal.exposure import left_out, service
from portal.exposure.commands.versions import find_incident
from portal.exposure.importing.exceptions import read_exceptions, store_exceptions
from portal.exposure.left_out import Who
from portal.exposure.models import ExposureList
from portal.incidents.models import Incident
from portal.people_files import command_line
from portal.people_files.progress import ProgressBars
from portal.people_files.reading import ReadOptions
from portal.runtime.command_line import AS_JSON, DecisionNeeded, counted, echo_json
from portal.runtime.context import Context

NOTHING_STORED = "Nothing was stored."
EXCEPT = click.option(
    "--except",
    "exceptions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="People to leave out of notices: email, account_ref. They stay on the list.",
)
ACCEPT_LEFT_OUT = click.option(
    "--accept-left-out", is_flag=True, help="Leave out more than a tenth of the people on the list."
)


@click.group("except")
def exceptions() -> None:
    """Leave people out of notices: those who died, or staff.

    It stops the notices of the incident alone. On its lists and in answers people stay, and another person at
    the same address is notified.
    """


@exceptions.command("add")
@click.argument("slug")
@command_line.FILE
@command_line.DRY_RUN
@ACCEPT_LEFT_OUT
@click.option("--yes", is_flag=True, help="Store what was guessed or mended without asking.")
@click.pass_obj
def add(context: Context, slug: str, file: Path, *, dry_run: bool, accept_left_out: bool, yes: bool) -> None:
    """Leave the people of a file out of notices.

    FILE has the columns email and account_ref, as the list has them: a person is an exact address with its
    reference. A notice that has begun leaves out those whose mail is not yet queued.
    """
    vault = context.worker_vault()
    with context.db.read() as session:
        incident = find_incident(session, slug)
        active = service.active(session, incident.id)
    people = people_of(context, file, yes=yes, dry_run=dry_run)
    check_share(len(people), active.people if active else 0, accepted=accept_left_out)
    if dry_run:
        click.echo(f"To leave out: {counted(len(people), 'person', 'people')}.")
        click.echo("This was a dry run: nothing was stored.")
        return
    store(context, vault, incident, people, active)


@exceptions.command("list")
@click.argument("slug")
@AS_JSON
@click.pass_obj
def list_exceptions(context: Context, slug: str, *, as_json: bool) -> None:
    """Show who is left out, masked.

    And how many of them are on the active list.
    """
    vault = context.worker_vault()
    with context.db.read() as session:
        incident = find_incident(session, slug)
        active = service.active(session, incident.id)
    people = sorted(left_out.every(context.db, vault, incident.id))
    matches = left_out.matches(context.db, vault, active) if active else left_out.Matches(0, 0)
    if as_json:
        echo_json(
            {
                "people": len(people),
                "people_on_active_list": matches.people,
                "addresses_without_notice": matches.addresses,
            }
        )
        return
    for address, ref in people:
        click.echo(f"{mask(address)}  {f'account_ref {ref[:1]}…{ref[-1:]}' if ref else 'no account_ref'}")
    click.echo(_counts(len(people), matches))


@exceptions.command("remove")
@click.argument("slug")
@click.argument("address")
@click.option("--ref", default="", help="The account_ref of the person, if they have one.")
@click.pass_obj
def remove(context: Context, slug: str, address: str, ref: str) -> None:
    """Notify a person again.

    A notice that has ended already does not come back to them.
    """
    vault = context.worker_vault()
    try:
        who = normalise(address), ref.strip()
    except AddressInvalid:
        raise click.UsageError("ADDRESS is not a single email address.") from None
    try:
        with context.db.write() as session:
            left_out.remove(session, vault, find_incident(session, slug), who, context.clock.now())
    except left_out.NotLeftOut:
        raise click.ClickException(
            f"Nobody with exactly this address and --ref is left out. See: portal exposure except list {slug}"
        ) from None
    click.echo("Removed. The next notice goes to this person too.")


def silenced_line(number: int, people: int) -> str:
    """Return that many people would get no notice, and how to say that it is meant."""
    return (
        f"{number} people would be left out of notices, more than a tenth of the {people} on the list. Is it "
        "the right file? If so, add --accept-left-out."
    )


def people_of(context: Context, file: Path, *, yes: bool, dry_run: bool) -> list[Who]:
    """Return the people of a file of exceptions. Raises ClickException where it cannot be used."""
    database = sqlite_file(context.db.engine.url)
    reading = command_line.Reading(ReadOptions(), yes)
    with command_line.errors_as_messages(file, database, NOTHING_STORED), ProgressBars() as bars:
        options = command_line.confirming(reading, file, bars, NOTHING_STORED, dry_run=dry_run, as_json=False)
        return read_exceptions(file, command_line.report_of(file), options, bars.show)


def check_share(number: int, people: int, *, accepted: bool) -> None:
    """Stop a file that leaves out a large part of a list, as if it were the list. Raises DecisionNeeded."""
    if left_out.is_large_part(number, people) and not accepted:
        raise DecisionNeeded(f"{silenced_line(number, people)} {NOTHING_STORED}")


def store(
    context: Context,
    vault: WorkerVault,
    incident: Incident,
    people: list[Who],
    version: ExposureList | None,
    *,
    err: bool = False,
) -> None:
    """Store people to leave out, and say how many of them are on a version."""
    new = store_exceptions(context.db, vault, context.clock, incident, people)
    click.echo(
        f"Left out on request: {counted(len(people), 'person', 'people')}, {new} of them new.", err=err
    )
    if version is not None:
        total = sum(1 for _ in left_out.every(context.db, vault, incident.id))
        click.echo(_counts(total, left_out.matches(context.db, vault, version)), err=err)


def _counts(total: int, matches: left_out.Matches) -> str:
    said = (
        f"All in all {counted(total, 'person', 'people')}; on the list: {matches.people}; addresses that get "
        f"no notice: {matches.addresses}."
    )
    if matches.people < total:
        said += " The others are not on it as they are written: check the address and the account_ref."
    return said
