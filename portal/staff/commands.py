"""`portal staff`: invite the first members, list them, and let one in again."""

import click

from portal.audit import service as audit
from portal.core.addresses import AddressInvalid, normalise
from portal.runtime.command_line import AS_JSON, echo_json
from portal.runtime.context import Context
from portal.staff import members, roles
from portal.staff.members import AddressTaken, Member, MemberMissing
from portal.staff.roles import Role
from portal.staff.sign_in import invitations

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
