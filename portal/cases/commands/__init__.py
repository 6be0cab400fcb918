"""`portal cases`: what the company's people do for somebody who cannot reach their inbox."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from portal.audit.staff import operator
from portal.cases.sealed import (
    LONGEST_REASON,
    LONGEST_TEXT,
    Record,
    State,
    grouped_number,
    normalise_number,
)
from portal.core.addresses import AddressInvalid, normalise
from portal.core.one_line import is_plain
from portal.runtime.command_line import AS_JSON, Screen, counted, echo_json
from portal.runtime.context import Context

_MOST_LISTED = 1_000
_LISTED = ("number", "opened_on", "state", "language", "days")
NOTHING_DONE = "Nothing was changed."
# How the worker counts, and ids of rows.
_UNSHOWN = {"account", "version", "seen_at", "turn", "cooled"}
NUMBER = click.argument("number", metavar="NUMBER")


@click.group()
def cases() -> None:
    """Help people who cannot reach their inbox.

    Two people decide: one records how identity was proven, another confirms it. See docs/guide/cases.md.
    """


@cases.command("list")
@click.option("--all", "closed", is_flag=True, help="Also list closed cases.")
@AS_JSON
@click.pass_obj
def list_cases(context: Context, *, closed: bool, as_json: bool) -> None:
    """List the cases that are not closed, the oldest first."""
    from portal.cases import staff  # noqa: PLC0415 - slow to import

    vault, now = context.worker_vault(), context.clock.now()
    with context.db.read() as session:
        found = staff.listed(session, vault, closed=closed, limit=_MOST_LISTED)
    rows = [
        (
            one.number,
            one.opened_on.date(),
            one.record.state.value if one.record else "altered",
            one.record.language if one.record else "",
            (now - one.opened_on).days,
        )
        for one in found
    ]
    if as_json:
        echo_json([dict(zip(_LISTED, row, strict=True)) for row in rows])
        return
    screen = Screen()
    for number, opened_on, state, language, days in rows:
        old = counted(days, "day")
        screen.line(f"{grouped_number(number)}  {opened_on}  {state}  {language}  {old}", indent=0)
    if not rows:
        click.echo("No case is open.")
    if len(rows) == _MOST_LISTED:
        click.echo(f"The list ends after {_MOST_LISTED} cases. Close some: portal cases close", err=True)


@cases.command()
@NUMBER
@click.option("--reason", help="Why you look, such as a ticket number. The audit log keeps it.")
@AS_JSON
@click.pass_obj
def show(context: Context, number: str, reason: str | None, *, as_json: bool) -> None:
    """Show a case: how to reach the person, and what was done.

    Each look is in the audit log.
    """
    from portal.cases import staff  # noqa: PLC0415 - slow to import

    number, said = _number(number), _reason(reason)
    vault = context.worker_vault()
    with _refusals(), context.db.write() as session:
        entry, found = staff.show(session, vault, number, said, operator(), context.clock.now())
    record = found.record
    if as_json:
        data: dict[str, Any] = {
            name: value if not name.endswith("_at") else datetime.fromisoformat(value) if value else None
            for name, value in asdict(record).items()
            if name not in _UNSHOWN
        }
        data |= {"number": number, "state": record.state.value}
        data["contact"] = found.contact.text if found.contact else None
        data["notices"], data["verification"] = list(found.notices), found.verification
        data["proof"] = found.proof or None
        echo_json({"audit_entry": entry, "case": data})
        return
    screen = Screen()
    screen.line(f"Recorded as entry {entry} of the audit log.", indent=0)
    screen.heading(f"Case {grouped_number(number)}: {record.state.value}")
    contact = found.contact.text if found.contact else "(does not open: the row was tampered with)"
    screen.line(f"Reach them at: {contact}  (their words; language {record.language})")
    for line in _history(record, found.notices, found.verification):
        screen.line(line)
    if found.proof:
        screen.line(f"To confirm exactly this: portal cases confirm {number} --proof {found.proof}", indent=0)


@cases.command()
@NUMBER
@click.option("--address", help="The address that the account has. - reads it from standard input.")
@click.option("--reference", help="The account's customer number, instead of its address.")
@click.option("--new-address", required=True, help="The address that the person reaches now.")
@click.option("--how", required=True, help="How identity was proven, for the second person.")
@click.option(
    "--remove-factors", is_flag=True, help="Also remove passkeys, authenticator app and recovery codes."
)
@click.pass_obj
def prove(
    context: Context,
    number: str,
    address: str | None,
    reference: str | None,
    new_address: str,
    how: str,
    *,
    remove_factors: bool,
) -> None:
    """Record how somebody proved who they are.

    A second person must confirm it. What you write is encrypted; the audit log says who recorded it.
    """
    from portal.cases import staff  # noqa: PLC0415 - slow to import
    from portal.cases.commands import accounts  # noqa: PLC0415

    number, how = _number(number), _one_line(how, "--how", LONGEST_TEXT)
    if (address is None) is (reference is None):
        raise click.UsageError("Give --address or --reference, one of them.")
    new = _address(new_address, "--new-address")
    old = _address(sys.stdin.readline() if address == "-" else address, "--address") if address else None
    vault, now = context.worker_vault(), context.clock.now()
    _refuse_without_accounts(context)
    owner = accounts.find(context, vault, old, reference or "", new)
    proof = staff.Proof(owner, new, how, remove_factors)
    with _refusals(), context.db.write() as session:
        staff.prove(session, vault, context.settings, number, proof, operator(), now)
    click.echo(
        f"Recorded for case {grouped_number(number)}. Somebody else must confirm it:\n"
        f"portal cases show {number} --reason T"
    )


@cases.command()
@NUMBER
@click.option("--proof", default="", help="The mark that 'show' printed: no other proof is confirmed.")
@click.pass_obj
def confirm(context: Context, number: str, proof: str) -> None:
    """Confirm a recorded proof as a second person.

    The new address and every old one are mailed. Nothing else happens before the wait is over.
    """
    from portal.cases import staff  # noqa: PLC0415 - slow to import

    number = _number(number)
    vault, settings = context.worker_vault(), context.settings
    _refuse_without_accounts(context)
    with _refusals(), context.db.write() as session:
        record = staff.confirm(session, vault, settings, number, proof, operator(), context.clock.now())
    hours = int(settings.accounts.case_cooling.total_seconds() // 3600)
    moves = (
        "the address changes, and a link for a new password goes there"
        if staff.is_builtin(settings)
        else "a link for a new password goes there; the account's address is yours to change"
    )
    old = counted(len(record.notices), "old address", "old addresses")
    click.echo(
        f"Confirmed. Mails go to the new address and to {old}. "
        f"At least {hours} hours after the last has left, if nobody stopped it, {moves}."
    )


@cases.command()
@NUMBER
@click.option("--reason", help="What the person reads, in their language. The audit log keeps it.")
@click.pass_obj
def close(context: Context, number: str, reason: str | None) -> None:
    """Close a case; what is not done yet does not happen."""
    from portal.cases import staff  # noqa: PLC0415 - slow to import

    number, said = _number(number), _reason(reason)
    vault, settings = context.worker_vault(), context.settings
    with _refusals(), context.db.write() as session:
        staff.close(
            session,
            vault,
            settings.accounts.case_cooling,
            number,
            said,
            operator(),
            context.clock.now(),
        )
    click.echo(f"Case {grouped_number(number)} is closed.")


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what a case refuses into a message and status 1."""
    from portal.cases.records import CaseAltered, CaseUnknown  # noqa: PLC0415 - slow to import
    from portal.cases.staff import Refused  # noqa: PLC0415

    try:
        yield
    except Refused as refused:
        raise click.ClickException(f"{refused} {NOTHING_DONE}") from refused
    except CaseUnknown as unknown:
        message = "No case has this number, or it was deleted. See: portal cases list --all"
        raise click.ClickException(message) from unknown
    except CaseAltered as altered:
        message = "This case's row was tampered with. Ask the person to open another case."
        raise click.ClickException(message) from altered


def _refuse_without_accounts(context: Context) -> None:
    if context.settings.identity.elsewhere is not None:
        raise click.ClickException(
            "The portal cannot reach accounts with PORTAL_IDENTITY_STORE=link. Change the address in your "
            f"own system. {NOTHING_DONE}"
        )


def _number(typed: str) -> str:
    """Return the digits of a number; whether there is such a case is asked later."""
    number = normalise_number(typed)
    if not number or len(typed) > 2 * len(number) + 10:
        raise click.UsageError("Give the case's number, such as 1234567890.")
    return number


def _one_line(text: str, option: str, longest: int) -> str:
    said = text.strip()
    if not 0 < len(said) <= longest or not is_plain(said):
        raise click.UsageError(f"{option} must be one line of at most {longest} characters.")
    return said


def _reason(reason: str | None) -> str:
    if reason is None:
        raise click.UsageError(f"Give --reason. The audit log keeps it. {NOTHING_DONE}")
    said = _one_line(reason, "--reason", LONGEST_REASON)
    if "@" in said:
        raise click.UsageError("--reason must not name the person: the audit log is not encrypted.")
    return said


def _address(typed: str, option: str) -> str:
    try:
        return normalise(typed)
    except AddressInvalid as error:
        raise click.UsageError(f"{option} is not an address: {error} {NOTHING_DONE}") from None


def _history(record: Record, notices: tuple[str, ...], verification: str) -> Iterator[str]:
    """Yield a line for each thing that was done, in order."""
    yield f"{_at(record.opened_at)}  opened"
    if record.proved_at:
        yield f"{_at(record.proved_at)}  identity recorded by {record.taken_by}: {record.how}"
        yield f"account {record.old}, to be reached at {record.new}"
        if record.remove_factors:
            yield "its second factors are to be removed"
    if record.confirmed_at:
        yield f"{_at(record.confirmed_at)}  confirmed by {record.confirmed_by}"
        yield f"mails to old addresses: {', '.join(notices)}; to the new one: {verification}"
    if record.verified_at:
        yield f"{_at(record.verified_at)}  new address confirmed"
    if record.state is State.CONFIRMED:
        waited = (
            f"waited {record.cooled // 3600} hours so far" if record.seen_at else "the wait has not begun"
        )
        yield waited
    if record.stopped_at:
        yield f"{_at(record.stopped_at)}  stopped: {record.stopped_why}"
    if record.changed_at:
        yield f"{_at(record.changed_at)}  done: a link for a new password was mailed to the new address"
        if record.store_id:
            yield "the account's address in your store is unchanged: change it there"
    if record.closed_at:
        yield f"{_at(record.closed_at)}  closed by {record.closed_by}: {record.reason}"


def _at(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC" if text else "-"
