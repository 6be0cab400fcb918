"""Record a look, then find one person and show what was found."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import click

from portal.core.addresses import AddressInvalid, folded, mask, normalise
from portal.core.settings import Settings
from portal.identity import external
from portal.identity.ports import Entry
from portal.identity.service import is_external
from portal.people_files.progress import bar as progress_bar
from portal.runtime.command_line import Screen, counted, echo_json
from portal.runtime.context import Context
from portal.runtime.parts import Unavailable
from portal.support import service, shown
from portal.support.hints import hints as hints_for
from portal.support.service import Found, Staff, Tools

# On one core of a small server. Said before a long scan.
PEOPLE_A_MINUTE = 1_000_000


@dataclass(frozen=True, repr=False)
class Looked:
    """A look and what it found. `by_reference`: addresses were not typed, so they are shown masked.

    `unread` is how many people the lists hold, where a scan might find more than the accounts.
    """

    entry: int
    staff: Staff
    found: list[Found]
    by_reference: bool
    scanned: bool
    unread: int


def find(context: Context, address: str | None, text: str, staff: Staff, *, scan: bool) -> Looked:
    """Record the look, then return what there is about an address, or about those of a reference."""
    db, clock = context.db, context.clock
    identity = context.settings.identity
    page = identity.elsewhere.url if identity.elsewhere else None
    tools = Tools(context.worker_vault(), identity.store, page)
    looked_for = folded(address) if address else text
    with db.write() as session:
        entry = service.record(session, tools.vault, looked_for, staff, clock.now())
    with db.read() as session:
        size = 0 if address else service.scan_size(session, tools.vault)
    addresses = [address] if address else _addresses(context, tools, text, size if scan else 0)
    found = []
    for one in addresses:
        entries = _asked(context, external.entries_at, one)
        with db.read() as session:
            found.append(service.look(session, tools, one, clock.now(), entries))
    return Looked(entry, staff, found, address is None, scan, 0 if scan else size)


def show(context: Context, looked: Looked, *, as_json: bool) -> None:
    """Print what was found."""
    settings, now = context.settings, context.clock.now()
    results = [
        (each, mask(each.address) if looked.by_reference else each.address,
         hints_for(each, settings.base_url, settings.mail.sender, now))
        for each in looked.found
    ]  # fmt: skip
    if as_json:
        found = [shown.as_data(*result) for result in results]
        echo_json({"audit_entry": looked.entry, "scanned": looked.scanned, "found": found})
        return
    screen = Screen()
    user, _ran_as, reason = looked.staff
    screen.line(f"Recorded as entry {looked.entry} of the audit log: {user}, {reason}.", indent=0)
    for each, address, hints in results:
        if looked.by_reference:
            screen.line(f"Found: {address}", "bold", indent=0)
        shown.show(screen, each, hints)
    if not looked.found:
        screen.line(_nothing_found(looked, accounts_seen=settings.identity.elsewhere is None), indent=0)


def _nothing_found(looked: Looked, *, accounts_seen: bool) -> str:
    if looked.scanned:
        who = "No account and no person" if accounts_seen else "No person"
        return f"{who} on an active list has this reference. Ask for the address."
    minutes = counted(looked.unread // PEOPLE_A_MINUTE + 1, "minute")
    accounts = "No account has this reference." if accounts_seen else "The portal cannot see accounts."
    return (
        f"{accounts} The lists can only be read whole: add --scan. It reads "
        f"{counted(looked.unread, 'person', 'people')}, which takes about {minutes}. Asking for the address "
        "is quicker."
    )


def _asked(context: Context, question: Callable[[Settings, str], list[Entry]], value: str) -> list[Entry]:
    """Return what a store of the company's answers; none is asked where accounts are the portal's own."""
    if not is_external(context.settings):
        return []
    try:
        return question(context.settings, value)
    except Unavailable as error:
        message = "The user store cannot be asked now, and nothing is shown without it. Try again later."
        raise click.ClickException(message) from error


def _readable(stored: list[str]) -> list[str]:
    """Return the addresses of accounts, normalised; say how many are none. Raises ClickException if all."""
    readable = []
    for one in stored:
        with suppress(AddressInvalid):
            readable.append(normalise(one))
    if odd := len(stored) - len(readable):
        message = (
            f"{counted(odd, 'account')} with this reference {'has' if odd == 1 else 'have'} no email address "
            "that the portal can read, so nobody can be written to there. Mend it in the user store."
        )
        if not readable:
            raise click.ClickException(message)
        click.echo(message, err=True)
    return readable


def _addresses(context: Context, tools: Tools, reference: str, scanned: int) -> list[str]:
    """Return the addresses of a reference: of accounts, and of the `scanned` people on the lists."""
    stored = [one.address for one in _asked(context, external.entries_with, reference)]
    with context.db.read() as session:
        stored += service.addresses_of_accounts(session, tools, reference)
    found = dict.fromkeys(_readable(stored))
    if scanned:
        with progress_bar("Reading", scanned, sys.stderr) as bar:
            for read, more in service.scan(context.db, tools.vault, reference):
                found |= dict.fromkeys(sorted(more))
                bar.update(read)
    return list(found)[: service.MOST_FOUND]
