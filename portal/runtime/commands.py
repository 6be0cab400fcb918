"""`portal keys`, `portal db` and `portal doctor`."""

import os
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
from argon2.low_level import Type, hash_secret_raw
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from portal.core.db import sqlite_file
from portal.core.settings import Settings
from portal.crypto import keys as keyfiles
from portal.crypto import self_test
from portal.crypto.vault import WebVault, WorkerVault
from portal.runtime import backup, schema
from portal.runtime.context import Context

CONNECT_SECONDS = 10
TAKEN = 200
# What doctor tries, in KiB, and how long one hash may take: as dear as people will wait for.
HASH_MEMORY = (47_104, 65_536, 98_304, 131_072, 196_608, 262_144)
HASH_SECONDS = 0.25
TOO_LONG = 4
MOST_TIMES = 3
OTHERS = 0o077
UNUSED = "is not used by this version; remove it from the settings"


@click.group()
def keys() -> None:
    """The portal's keys."""


@keys.command()
@click.pass_obj
def generate(context: Context) -> None:
    """Make both key files; existing ones are never overwritten."""
    settings = context.settings
    try:
        keyfiles.write_pair(*keyfiles.generate(), settings.web_keys_file, settings.worker_keys_file)
    except keyfiles.KeysInvalid as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"For the web server: {settings.web_keys_file}")
    click.echo(f"For the worker:     {settings.worker_keys_file}")
    click.echo(
        "Copy both to a place that is not connected to any network, now: without them nothing stored can be "
        "read."
    )


@keys.command()
@click.pass_obj
def renew_session(context: Context) -> None:
    """Make a new secret for the web server's sessions; the former one is still read, until the next renewal."""
    file = context.settings.web_keys_file
    try:
        keyfiles.renew_session(file)
    except keyfiles.KeysInvalid as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"A new session secret is in {file}. Restart the web server now.")
    click.echo("Whoever is signed in stays so until the next renewal.")


@click.group()
def db() -> None:
    """The database."""


@db.command()
@click.pass_obj
def upgrade(context: Context) -> None:
    """Bring the database to this version of the portal; safe to repeat."""
    try:
        schema.upgrade(context.database)
    except schema.DatabaseNewer as error:
        raise click.ClickException(f"The database {schema.AHEAD}.") from error
    except schema.UpgradeBlocked as error:
        raise click.ClickException(str(error)) from error
    click.echo("The database is up to date.")


@db.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def back_up(context: Context, file: Path) -> None:
    """Copy the database to FILE while everything runs; an existing file is never overwritten."""
    _sqlite_file(context, "pg_dump --format=custom")
    try:
        backup.save(context.database, file)
    except backup.BackupRefused as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"The database is copied to {file}. It opens with the worker's keys alone: keep those apart from it."
    )


@db.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def restore(context: Context, file: Path) -> None:
    """Put the copy FILE in the database's place; the web server and the worker must be stopped."""
    target = _sqlite_file(context, "pg_restore")
    try:
        vault = WorkerVault(keyfiles.read_worker(context.settings.worker_keys_file))
        target.parent.mkdir(parents=True, exist_ok=True)
        backup.put_back(file, target, vault)
    except (keyfiles.KeysInvalid, backup.BackupRefused) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{file} is in the database's place. Now run: portal db upgrade, and portal doctor")


def _sqlite_file(context: Context, instead: str) -> Path:
    file = sqlite_file(make_url(context.settings.database_url))
    if file is None:
        raise click.ClickException(f"This is for SQLite. For PostgreSQL, use its own tool: {instead}")
    return file


@click.command()
@click.pass_obj
def doctor(context: Context) -> None:
    """Check the configuration, and say what is wrong and how to mend it."""
    faults = 0
    for name, fault in examine(context):
        click.echo(f"{'ok   ' if fault is None else 'WRONG'} {name}{'' if fault is None else f': {fault}'}")
        faults += fault is not None
    click.echo(f"note  password hashes: {_hash_cost(context.settings)}")
    for variable in context.settings.unused:
        click.echo(f"note  {variable}: {UNUSED}")
    if faults:
        raise click.exceptions.Exit(1)


def examine(context: Context) -> Iterator[tuple[str, str | None]]:
    """Yield each thing that was looked at, with what is wrong with it or None."""
    settings = context.settings
    yield "settings", None
    web_keys, worker_keys = _web_keys(settings), _worker_keys(settings)
    yield "web keys", web_keys
    yield "worker keys", worker_keys
    database = _database(context)
    yield "database", database
    if database is None:
        yield "keys and database", _keys_of_database(context)
    if settings.mail_fault is not None:
        # Which keys this user can read tells whether it needs the relay at all.
        yield (
            "mail relay",
            "not looked at; mend the keys first" if web_keys or worker_keys else settings.mail_fault,
        )
    elif not settings.web_alone:  # the web server hands no mail over, and need not know how
        yield "mail relay", _relay(settings)


def _hash_cost(settings: Settings) -> str:
    """Say what a hash costs here, and the costliest that this machine can bear on every core at once."""
    cost = settings.argon2
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    best = None
    for candidate in HASH_MEMORY:
        if candidate * cores > memory // 4 or _hash_seconds(candidate, 1, 1) > HASH_SECONDS:
            break
        best = candidate
    seconds = _hash_seconds(cost.memory, cost.time, cost.lanes)
    taken = f"m={cost.memory},t={cost.time},p={cost.lanes} takes {seconds * 1000:.0f} ms"
    if seconds > HASH_SECONDS:
        return (
            f"{taken}; people will notice the wait, and OWASP's least is m=47104,t=1,p=1 or m=19456,t=2,p=1"
        )
    if best is None or best <= cost.memory * cost.time:
        return f"{taken}; that suits this machine"
    return f"{taken}; this machine can bear PORTAL_ARGON2=m={best},t=1,p=1"


def _hash_seconds(memory: int, time_cost: int, lanes: int) -> float:
    """Return what a hash takes; the shortest of three times where the first is long, since the machine may be busy."""
    took: list[float] = []
    while not took or (HASH_SECONDS < min(took) < TOO_LONG * HASH_SECONDS and len(took) < MOST_TIMES):
        begin = time.perf_counter()
        hash_secret_raw(b"a password to measure", bytes(16), time_cost, memory, lanes, 32, Type.ID)
        took.append(time.perf_counter() - begin)
    return min(took)


def _web_keys(settings: Settings) -> str | None:
    if _is_of_the_other(settings.web_keys_file, settings.worker_keys_file, settings):
        return None
    try:
        web = keyfiles.read_web(settings.web_keys_file)
    except keyfiles.KeysInvalid as error:
        return str(error)
    if os.access(settings.worker_keys_file, os.R_OK):
        try:
            worker = keyfiles.read_worker(settings.worker_keys_file)
        except keyfiles.KeysInvalid:
            return _mode(settings.web_keys_file)  # said of the worker's file
        if (web.sealing_public, web.account_index) != (worker.sealing_public, worker.account_index):
            return "do not belong to the worker's; restore both from your offline copy"
    return _mode(settings.web_keys_file)


def _worker_keys(settings: Settings) -> str | None:
    file = settings.worker_keys_file
    if _is_of_the_other(file, settings.web_keys_file, settings):
        return None
    try:
        vault = WorkerVault(keyfiles.read_worker(file))
    except keyfiles.KeysInvalid as error:
        return str(error)
    if not vault.self_test():
        return "the keys of this file do not belong together; restore it from your offline copy"
    return _mode(file)


def _is_of_the_other(file: Path, own: Path, settings: Settings) -> bool:
    """Tell whether a key file is not this user's to read. Where one user holds both, each must be there."""
    return not settings.embedded and not os.access(file, os.R_OK) and os.access(own, os.R_OK)


def _keys_of_database(context: Context) -> str | None:
    """Compare what can be read of the keys; what is wrong with a file as such was said before."""
    settings = context.settings
    try:
        with suppress(keyfiles.KeysInvalid):
            self_test.check_web(context.database, WebVault(keyfiles.read_web(settings.web_keys_file)))
        with suppress(keyfiles.KeysInvalid):
            vault = WorkerVault(keyfiles.read_worker(settings.worker_keys_file))
            if vault.self_test():
                self_test.check(context.database, vault)
    except self_test.OtherKeys as error:
        return str(error)
    return None


def _mode(file: Path) -> str | None:
    if file.stat().st_mode & OTHERS:
        return f"others can read {file}; run: chmod 600 {file}"
    return None


def _database(context: Context) -> str | None:
    try:
        if (fault := schema.fault_of(context.database)) is not None:
            return fault
    except DBAPIError as error:
        return f"does not answer ({type(error.orig).__name__}); see PORTAL_DATABASE_URL"
    except OSError as error:
        return f"its folder cannot be made ({error.strerror}); see PORTAL_DATABASE_URL"
    try:
        context.database.try_to_write()
    except DBAPIError as error:
        return f"cannot be written ({type(error.orig).__name__}); {_who_may_write(context)}"
    return None


def _who_may_write(context: Context) -> str:
    """Say what must be writable, for whom."""
    file = sqlite_file(context.database.engine.url)
    if file is None:
        return "see PORTAL_DATABASE_URL"
    beside = [file.with_name(f"{file.name}{end}") for end in ("", "-wal", "-shm")]
    wrong = [path for path in (file.parent, *beside) if path.exists() and not os.access(path, os.W_OK)]
    named = " and ".join(str(path) for path in wrong) or str(file)
    return f"this user must be able to write {named}: see 'Two users' in the operator's guide"


def _relay(settings: Settings) -> str | None:
    mail = settings.mail
    context = ssl.create_default_context()
    try:
        if mail.tls == "tls":
            host: smtplib.SMTP = smtplib.SMTP_SSL(
                mail.host, mail.port, timeout=CONNECT_SECONDS, context=context
            )
        else:
            host = smtplib.SMTP(mail.host, mail.port, timeout=CONNECT_SECONDS)
        with host:
            if mail.tls == "starttls":
                host.starttls(context=context)
            if mail.user is not None:
                host.login(mail.user, mail.password or "")
            host.ehlo_or_helo_if_needed()
            # A relay that wants us to sign in, or does not send in this name, says so here.
            code, _words = host.mail(settings.mail_sender)
            host.rset()
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        return f"{_why_not(error)}; see PORTAL_MAIL_URL"
    if not TAKEN <= code < TAKEN + 100:
        return f"refuses to send from {settings.mail_sender} (smtp-{code}); see PORTAL_MAIL_URL and PORTAL_MAIL_SENDER"
    return None


def _why_not(error: Exception) -> str:
    """Return why no mail can be handed over, without anything that a relay or a setting said."""
    match error:
        case smtplib.SMTPAuthenticationError() | UnicodeError():
            return "does not take the user and password"
        case smtplib.SMTPNotSupportedError():
            return "offers no TLS, or no way to sign in"
        case ssl.SSLCertVerificationError():
            return "shows a certificate that nobody vouches for, or one for another name"
        case ssl.SSLError():
            return "does not speak TLS on this port as PORTAL_MAIL_URL says"
        case socket.gaierror():
            return "has a name that is not known"
        case TimeoutError():
            return f"does not answer within {CONNECT_SECONDS} seconds"
        case ConnectionRefusedError():
            return "is not there: nothing listens on this port"
        case _:
            return f"does not take us ({type(error).__name__})"
