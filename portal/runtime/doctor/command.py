"""Command: `portal doctor`, which checks the configuration and says how to fix it."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from sqlalchemy.exc import DBAPIError

from portal.core.faults import database_cause
from portal.core.settings import Settings
from portal.runtime.command_line import AS_JSON, echo_json
from portal.runtime.context import Context
from portal.runtime.doctor import clocks, env_files, front, key_files, mail_domain, storage
from portal.runtime.doctor.findings import NOTE, OK, WRONG, Check, Finding, Waiting, judged
from portal.runtime.doctor.hash_cost import hash_cost
from portal.runtime.doctor.names import Names, parse_nameserver

# What waits for other machines may take so long, all together.
WAIT_SECONDS = 8.0
UNUSED = "is not used by this version; remove it from the settings"
NOT_IN_PRODUCTION = "not checked: PORTAL_ENVIRONMENT is not production"
NOT_SERVED = "not checked: no web server has run on this database yet; start it: systemctl start portal-web"
SETTINGS_INVALID = 2


@dataclass(frozen=True)
class Asked:
    """What the options say: the files that the settings come from, and another name server."""

    files: Sequence[Path]
    names: Names | None


@click.command()
@click.option(
    "--env-file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Check this file of settings too. Repeatable. Default: /srv/portal/*.env and /etc/portal/*.env.",
)
@click.option(
    "--nameserver",
    metavar="ADDRESS[:PORT]",
    callback=parse_nameserver,
    help="Ask this name server instead of the system's, as where a company's own shows other records.",
)
@AS_JSON
@click.pass_obj
def doctor(
    context: Context, files: tuple[Path, ...], nameserver: tuple[str, int] | None, as_json: bool
) -> None:
    """Check the configuration, and say what is wrong and how to fix it.

    It asks the database, the relay, the name servers, and the portal itself through PORTAL_BASE_URL. Exits
    with 1 where something is wrong, with 2 where the settings are invalid.
    """
    asked = Asked(files or env_files.usual(), None if nameserver is None else Names(nameserver))
    found = []
    for finding in examine(context, asked):
        found.append(finding)
        if not as_json:
            click.echo(finding.line())
    wrong = any(finding.state == WRONG for finding in found)
    if as_json:
        checks = [vars(finding) for finding in found]
        echo_json({"state": WRONG if wrong else OK, "checks": checks})
    if wrong:
        raise click.exceptions.Exit(SETTINGS_INVALID if context.faults else 1)


def examine(context: Context, asked: Asked) -> Iterator[Finding]:
    """Yield what was found: the settings first, and nothing else where they are invalid."""
    read = [env_files.read(file) for file in asked.files]
    yield from (finding for file in read for finding in file.findings)
    faults = [*context.faults, *env_files.faults_of_environment(dict(os.environ))]
    if faults:
        yield from (Finding("settings", WRONG, env_files.located(fault, read)) for fault in faults)
    else:
        yield Finding("settings", OK)
    if context.faults:
        yield Finding("everything else", NOTE, "not checked; fix the settings first")
        return
    # Before the threads begin: it measures the CPU time of this process.
    cost = hash_cost(context.settings)
    yield from _examine_rest(context, asked)
    yield Finding("password hashes", NOTE, cost)
    for notes in context.notes:
        yield from (Finding(check, NOTE, note) for check, note in notes(context.settings))
    yield from (Finding(variable, NOTE, UNUSED) for variable in context.settings.unused)


def _examine_rest(context: Context, asked: Asked) -> Iterator[Finding]:
    keys = list(key_files.check(context.settings))
    keys_right = all(finding.state == OK for finding in keys)
    features = [(name, _of_feature(context, name, keys_right)) for name in context.checks]
    outside = Waiting([*features, *_outside(context.settings, asked)], WAIT_SECONDS)
    yield from keys
    database = storage.fault_of_database(context)
    yield judged("database", database)
    if database is None:
        yield from _with_database(context)
    yield from storage.check_disks(context)
    served = database is not None or storage.has_served(context)
    for finding in outside.findings():
        unserved = not served and finding.check == "front" and finding.state == WRONG
        yield Finding("front", NOTE, NOT_SERVED) if unserved else finding


def _with_database(context: Context) -> Iterator[Finding]:
    try:
        yield judged("keys and database", key_files.check_database(context.settings, context.database))
        yield from storage.check_worker(context)
        yield from clocks.check(context.database, context.clock)
        for look in context.database_checks:
            yield from (judged(*each) for each in look(context.database))
    except DBAPIError as error:
        yield judged("database", f"failed meanwhile ({database_cause(error)})")


def _of_feature(context: Context, name: str, keys_right: bool) -> Check:
    check = context.checks[name]
    return lambda: [judged(*each) for each in check(context.settings, keys_right)]


def _outside(settings: Settings, asked: Asked) -> list[tuple[str, Check]]:
    """Return the checks through the internet: in production alone; demo and test are on this machine."""
    if not settings.production:
        return [("front and DNS", lambda: [Finding("front and DNS", NOTE, NOT_IN_PRODUCTION)])]
    vault = key_files.shared_vault(settings)
    return [
        ("front", lambda: front.check(settings, vault, asked.names)),
        ("console's address", lambda: front.check_console(settings, asked.names or Names())),
        ("SPF, DMARC and DKIM", lambda: mail_domain.check(settings, asked.names or Names())),
    ]
