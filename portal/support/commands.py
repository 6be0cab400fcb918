"""`portal support`: find out for a caller what the portal knows of one address, and who has looked."""

import sys
from dataclasses import asdict
from datetime import timedelta

import click

from portal.audit.staff import operator
from portal.core.addresses import AddressInvalid, normalise
from portal.core.one_line import is_plain
from portal.runtime.command_line import AS_JSON, counted, echo_json
from portal.runtime.context import Context

LONGEST_REASON = 200
LONGEST_REFERENCE = 100


@click.group()
def support() -> None:
    """Look up an address for somebody who calls."""


@support.command()
@click.argument("who", metavar="ADDRESS|REFERENCE")
@click.option("--reason", help="Why you look, such as a ticket number. The audit log keeps it.")
@click.option("--scan", is_flag=True, help="For a REFERENCE: also read every list, a minute per million.")
@AS_JSON
@click.pass_obj
def find(context: Context, who: str, reason: str | None, *, scan: bool, as_json: bool) -> None:
    """Show what the portal knows of one address.

    Is it on a list, with which data; must its owner choose a password; which mails went there, and what
    became of them. REFERENCE is a customer number, which finds accounts, or with --scan also people on a
    list; with --scan it may be the reference that the answer page shows. A dash (-) reads the line from
    standard input, so that it is in no list of processes. Each look is in the audit log.
    """
    from portal.support import finding  # noqa: PLC0415 - slow to import

    text = _line_of(who)
    reason = _checked_reason(reason, text)
    address = _address_of(text)
    looked = finding.find(context, address, text, _staff(reason), scan=scan and address is None)
    finding.show(context, looked, as_json=as_json)


@support.command()
@click.option("--days", type=click.IntRange(1, 3650), default=30, help="How far back. Default: 30.")
@AS_JSON
@click.pass_obj
def looks(context: Context, days: int, *, as_json: bool) -> None:
    """Count who looked how often, and at how many people.

    From the audit log, which no command can change. For each look, with its reason: portal audit list
    --action support.find
    """
    from portal.support import service  # noqa: PLC0415 - slow to import

    with context.db.read() as session:
        found = service.lookers(session, context.clock.now() - timedelta(days=days))
    if as_json:
        echo_json([asdict(each) for each in found])
        return
    for each in found:
        click.echo(
            f"{each.user}: {counted(each.looks, 'look')} at {counted(each.people, 'person', 'people')}, "
            f"the last on {each.last_at:%Y-%m-%d %H:%M} UTC"
        )
    if not found:
        click.echo(f"Nobody looked in the last {counted(days, 'day')}.")


def _line_of(who: str) -> str:
    text = (sys.stdin.readline() if who == "-" else who).strip()
    if not text or (len(text) > LONGEST_REFERENCE and "@" not in text) or not text.isprintable():
        raise click.UsageError("Give one address, or one reference.")
    return text


def _address_of(text: str) -> str | None:
    """Return a normalised address, or None for a reference. Raises UsageError."""
    if "@" not in text:
        return None
    try:
        return normalise(text)
    except AddressInvalid as error:
        raise click.UsageError(f"This is not an address: {error} Nothing was looked up.") from None


def _checked_reason(reason: str | None, text: str) -> str:
    if reason is None:
        raise click.UsageError(
            "Say why you look, with --reason, such as --reason 'ticket 4711'. The audit log keeps it, with "
            "your user name, so that looks can be accounted for. Nothing was looked up."
        )
    said = reason.strip()
    if not 0 < len(said) <= LONGEST_REASON or not is_plain(said):
        raise click.UsageError(f"--reason must be one line of at most {LONGEST_REASON} characters.")
    if "@" in said or text.casefold() in said.casefold():
        raise click.UsageError(
            "--reason must not name the person: the audit log is not encrypted. Give a ticket number."
        )
    return said


def _staff(reason: str) -> tuple[str, str, str]:
    """Return who logged in, as whom the command runs, and why."""
    who = operator()
    return who.user, who.ran_as, reason
