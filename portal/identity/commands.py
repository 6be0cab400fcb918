"""`portal identity`: what the company's user store can do, and which rights it needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO

import click
from sqlalchemy import make_url

from portal.audit import service as audit
from portal.core.addresses import AddressInvalid, normalise
from portal.identity import checking, registry
from portal.identity.checking import NotTried, Tried
from portal.identity.ports import Capabilities, ExternalStore, OutcomeUnknown, StoreFault, StoreUnavailable
from portal.runtime.command_line import AS_JSON, DecisionNeeded, counted, echo_json
from portal.runtime.context import Context

CAN = {
    "verify": "verify passwords",
    "set_password": "set new passwords",
    "require_change": "lock old passwords",
    "remembers_closed": "refuse a locked password as the new one",
    "end_sessions": "end sessions in your product",
    "change_ends_sessions": "end sessions in your product when a password changes",
    "find_by_reference": "find people by their customer number",
}
# Its accounts sign in here alone: see docs/guide/stores.md, "What each can do".
BUILTIN_CAN = {
    "end_sessions": "end sessions here, and not in your product",
    "change_ends_sessions": "end sessions here when a password changes, and not in your product",
}
HERE = {"builtin", "link"}  # stores without a table or server of the company
FILE_NEEDED = (
    "To try the store, give the test account's password with --password-file FILE, or a dash to read it from "
    "standard input. Nothing was changed."
)


@dataclass(frozen=True)
class Hashes:
    """How many of the company's hashes are of one format."""

    format: str
    accounts: int
    verified: bool


@dataclass
class Seen:
    """What was counted and tried; None is what was not asked for, or cannot be counted."""

    store: str
    can: Capabilities
    accounts: int | None = None
    inactive: int | None = None
    shared_addresses: int | None = None
    hashes: list[Hashes] | None = None
    tried: list[Tried] | None = None


@click.group()
def identity() -> None:
    """Check the company's user store, and print the rights it needs."""


@identity.command()
@click.option("--account", metavar="ADDRESS", help="Try everything on your test account.")
@click.option(
    "--password-file", type=click.File(encoding="utf-8"), help="Its password, in a file. A dash: from input."
)
@click.option("--yes", is_flag=True, help="Change the test account's password, and put it back.")
@AS_JSON
@click.pass_obj
def check(
    context: Context, account: str | None, password_file: IO[str] | None, *, yes: bool, as_json: bool
) -> None:
    """Show what the user store can and cannot do, and try it.

    It reads all accounts, and counts them, the addresses that two of them share, and hashes that cannot be
    verified. With --account it tries each capability on a test account: the password is changed twice,
    locked, and put back. Ends with status 1 if something failed.
    """
    settings = context.settings
    with _faults_as_messages():
        seen = Seen(settings.identity.store, registry.capabilities(settings))
        if seen.store not in HERE:
            store = registry.build(settings)
            seen.accounts, seen.shared_addresses = checking.count(store)
            seen.inactive, seen.hashes = _counted(store)
            if account is not None:
                seen.tried = _tried(context, store, account, password_file, yes=yes)
        elif account is not None:
            raise click.ClickException(
                f"PORTAL_IDENTITY_STORE is '{seen.store}': it has no test account. Leave out --account."
            )
    if as_json:
        echo_json(asdict(seen))
    else:
        _show(seen)
    if any(each.fault for each in seen.tried or ()):
        raise click.exceptions.Exit(1)


@identity.command()
@click.option("--role", metavar="NAME", help="The role, if not the user of PORTAL_IDENTITY_SQL_URL.")
@click.pass_obj
def grants(context: Context, role: str | None) -> None:
    """Print the GRANTs for the store `sql`, and no more than it needs.

    They are for PostgreSQL. The owner of the tables runs them. After a change of the settings, run it again.
    """
    settings = context.settings.identity
    if settings.store != "sql":
        raise click.ClickException(f"PORTAL_IDENTITY_STORE is '{settings.store}': only 'sql' needs rights.")
    if not settings.sql.url:
        raise click.ClickException("PORTAL_IDENTITY_SQL_URL is required: it names the database and the role.")
    url = make_url(settings.sql.url)
    if url.get_backend_name() == "sqlite":
        raise click.ClickException(
            "SQLite has no rights of its own: the worker's user must read and write the file and its folder, "
            "and its service needs ReadWritePaths= with that folder: systemctl edit portal-worker"
        )
    if (role := role or url.username) is None:
        raise click.UsageError("PORTAL_IDENTITY_SQL_URL names no user. Name the role with --role.")
    from portal.identity.sql.grants import statements  # noqa: PLC0415 - only for this store

    for statement in statements(settings.sql, role):
        click.echo(statement)


@contextmanager
def _faults_as_messages() -> Iterator[None]:
    try:
        yield
    except (StoreFault, StoreUnavailable, OutcomeUnknown, NotTried) as error:
        text = str(error)
        raise click.ClickException(f"{text[:1].upper()}{text[1:]}.") from error


def _counted(store: ExternalStore) -> tuple[int | None, list[Hashes] | None]:
    """Return how many accounts are inactive, and all hashes by format, where the store has a table."""
    from portal.identity.sql.store import SqlStore  # noqa: PLC0415 - slow to import

    if not isinstance(store, SqlStore):
        return None, None
    found = store.count_hashes()
    hashes = [Hashes(name, number, verified) for (name, verified), number in found.most_common()]
    return store.count_inactive(), hashes


def _tried(
    context: Context, store: ExternalStore, account: str, password_file: IO[str] | None, *, yes: bool
) -> list[Tried]:
    try:
        entry = checking.only_account(store, normalise(account))
    except AddressInvalid as error:
        raise click.UsageError(f"--account is not an address: {error}") from None
    if password_file is None:
        raise click.UsageError(FILE_NEEDED)
    if not yes:
        raise DecisionNeeded(
            "The password of this account would be changed, locked and put back, and its sessions would end. "
            "To do that: --yes. Nothing was changed."
        )
    with context.db.write() as session:
        audit.record(session, "identity.check", store.name, {}, context.clock.now())
    return list(checking.try_all(store, entry, password_file.readline().rstrip("\r\n")))


def _show(seen: Seen) -> None:
    click.echo(f"Store: {seen.store}")
    can = asdict(seen.can)
    words_of = CAN | BUILTIN_CAN if seen.store == "builtin" else CAN
    for capability, words in words_of.items():
        click.echo(f"  {'can' if can[capability] else 'CANNOT'} {words}")
    if seen.accounts is not None:
        of_all = f" active, {seen.inactive} inactive" if seen.inactive else ""
        click.echo(f"Accounts: {seen.accounts}{of_all}")
    if seen.shared_addresses:
        shared = counted(seen.shared_addresses, "address has", "addresses have")
        click.echo(f"  {shared} more than one account: nobody there can choose a password here")
    for each in seen.hashes or ():
        click.echo(f"  {each.accounts}: {each.format}{'' if each.verified else ' (nobody signs in with it)'}")
    for one in seen.tried or ():
        click.echo(f"  {words_of.get(one.capability, one.capability)}: {one.fault or 'works'}")
