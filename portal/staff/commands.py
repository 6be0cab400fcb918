"""`portal staff`: invite the first members, list them, and let one in again."""

import click

from portal.audit import service as audit
from portal.core.addresses import AddressInvalid, normalise
from portal.runtime.command_line import AS_JSON, echo_json
from portal.runtime.context import Context
from portal.staff import accepting, held, members, roles, sessions
from portal.staff.members import AddressTaken, Member, MemberMissing
from portal.staff.roles import Role
from portal.staff.sign_in import credentials, invitations

HOLD_AGAIN = (
    "What the portal keeps of who is staff was altered. Look at who is: portal staff accept; then run it "
    "with --yes, and remove who must not be there"
)
ROLE = click.Choice([role.value for role in Role])


@click.group()
def staff() -> None:
    """Invite and list the staff who use the console."""


@staff.command()
@click.argument("role", type=ROLE)
@click.argument("address")
@click.option(
    "--also", type=click.Choice([role.value for role in Role]), multiple=True, help="A further role."
)
@click.option("--name", default="", help="Their name. They can change it when they join.")
@click.option("--language", help="The language of mails to them. Default: the site's first.")
@click.pass_obj
def invite(
    context: Context, role: str, address: str, also: tuple[str, ...], name: str, language: str | None
) -> None:
    """Print a link by which somebody joins. It works once, for three days.

    Give it to them yourself: whoever opens it first joins. Invite two admins; they invite the others in the
    console.
    """
    vault, now = context.worker_vault(), context.clock.now()
    wanted = frozenset({Role(role), *map(Role, also)})
    try:
        normalised = normalise(address)
    except AddressInvalid as error:
        raise click.ClickException(f"The address is not one that mail can reach: {error}") from error
    with context.db.write() as session:
        try:
            member = members.add(
                session,
                vault,
                normalised,
                wanted,
                language or context.settings.default_language,
                now,
                name,
            )
        except AddressTaken as error:
            raise click.ClickException(
                "Somebody with this address is there already. To let them in again: "
                "portal staff recover ADDRESS"
            ) from error
        token = invitations.new(session, vault, member, replaces=False, now=now)
        audit.record(session, "staff.invite", member.id.hex(), {"roles": roles.written(wanted)}, now)
    _print_link(context, token)


@staff.command()
@click.argument("address")
@click.pass_obj
def recover(context: Context, address: str) -> None:
    """Print a link for somebody who cannot sign in any more.

    Everything that they signed in with before is removed when they do.
    """
    vault, now = context.worker_vault(), context.clock.now()
    with context.db.write() as session:
        try:
            member = members.by_address(session, vault, normalise(address))
        except (AddressInvalid, MemberMissing) as error:
            raise click.ClickException("Nobody with this address is staff: portal staff list") from error
        token = invitations.new(session, vault, member, replaces=True, now=now)
        audit.record(session, "staff.recover", member.id.hex(), {}, now)
    _print_link(context, token)


@staff.command()
@click.argument("address")
@click.pass_obj
def remove(context: Context, address: str) -> None:
    """Remove somebody: they are signed out, and cannot sign in any more.

    It works on a row that somebody altered or put back, too. To let them in again, invite them.
    """
    vault, now = context.worker_vault(), context.clock.now()
    with context.db.write() as session:
        try:
            member = members.remove(session, vault, normalise(address))
            credentials.remove(session, vault, member.id)
        except (AddressInvalid, MemberMissing) as error:
            raise click.ClickException("Nobody with this address is staff: portal staff list") from error
        except held.PutBack as error:
            raise click.ClickException(HOLD_AGAIN) from error
        sessions.strike(session, vault, sessions.end_all(session, member.id))
        audit.record(session, "staff.roles", member.id.hex(), {"before": "?", "after": ""}, now)
    click.echo("Removed.")


@staff.command()
@click.option("--yes", is_flag=True, help="Do it. Without it, only list who that is.")
@click.pass_obj
def accept(context: Context, *, yes: bool) -> None:
    """Let in exactly who is staff by the database as it is now.

    For after an upgrade from a build without this command, and after somebody altered what the portal keeps
    of who is staff. Read the list first: an earlier row of somebody who was removed is in it, too.
    """
    vault, now = context.worker_vault(), context.clock.now()
    with context.db.write() as session:
        found, tags = accepting.as_they_are(session, vault)
        for member in found:
            click.echo(f"{member.state}  {member.address}  {roles.written(member.roles)}".rstrip())
        if yes:
            held.hold_again(session, vault, tags)
            audit.record(session, "staff.accept", "", {"members": len(found)}, now)
    click.echo("They can sign in." if yes else "If these are right: portal staff accept --yes")


@staff.command("list")
@AS_JSON
@click.pass_obj
def list_members(context: Context, *, as_json: bool) -> None:
    """List the staff, with roles and state."""
    vault = context.worker_vault()
    with context.db.read() as session:
        found = members.listed(session, vault.staff)
    if as_json:
        echo_json([_as_json(member) for member in found])
        return
    for member in found:
        click.echo(f"{member.state}  {member.address}  {roles.written(member.roles)}  {member.name}".rstrip())
    if not found:
        click.echo("Nobody yet. Invite two admins: portal staff invite admin ADDRESS")


def _as_json(member: Member) -> dict[str, object]:
    return {
        "address": member.address,
        "name": member.name,
        "roles": sorted(member.roles),
        "state": member.state.value,
        "added_at": member.added_at,
    }


def _print_link(context: Context, token: str) -> None:
    url = context.settings.console.url or "PORTAL_CONSOLE_URL"
    click.echo(f"{url}{invitations.PATH.format(token=token)}")
    if not context.settings.console.url:
        click.echo("PORTAL_CONSOLE_URL is not set: put the console's address in its place.", err=True)
