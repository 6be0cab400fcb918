"""Check a file before anybody reads it, without a database and without complete settings."""

import os
from typing import BinaryIO

import click

from portal.core.clock import SystemClock
from portal.core.settings import Settings, SettingsInvalid
from portal.incidents.checker.files import check_statement_file, check_update_file, is_update
from portal.incidents.checker.findings import Finding, Weight, as_data, as_lines
from portal.incidents.checker.prose import Part
from portal.incidents.checker.readability import Readability, readability
from portal.incidents.checker.site import Site
from portal.incidents.commands.group import FILE, content, incidents
from portal.incidents.writing import StatementText, UpdateText
from portal.runtime.command_line import AS_JSON, counted, echo_json
from portal.runtime.context import Context

KINDS = click.Choice(["statement", "update"])
EXPLAINED = {Weight.STOP: "must be fixed", Weight.ASK: "to decide", Weight.WARN: "to consider"}


@incidents.command()
@FILE
@click.option("--as", "kind", type=KINDS, help="What FILE is. Default: seen from its front matter.")
@AS_JSON
@click.pass_context
def check(click_context: click.Context, file: BinaryIO, kind: str | None, *, as_json: bool) -> None:
    """Check FILE, a statement or an update, before you store it.

    It says all that is wrong at once: stop (nothing is stored), ask (you must accept it when you publish) and
    warn. Ends with status 1 where there is a stop. It needs no database, and no keys.
    """
    context: Context | None = click_context.obj
    settings, clock = _settings(context), context.clock if context else SystemClock()
    written = content(file)
    kind = kind or ("update" if is_update(written) else "statement")
    elsewhere = settings.identity.elsewhere
    site = Site(settings.site.languages, settings.base_url, company_page=elsewhere.url if elsewhere else "")
    text: StatementText | UpdateText | None
    if kind == "update":
        update = check_update_file(written, site, settings.site.timezone, clock.now())
        text, findings = update.text, update.findings
    else:
        statement = check_statement_file(written, site)
        text, findings = statement.text, statement.findings
    easy = readability(_parts(text), text.language) if text is not None else None
    stopped = any(one.weight is Weight.STOP for one in findings)
    if as_json:
        echo_json(
            {
                "file": file.name,
                "kind": kind,
                "ok": not stopped,
                "readability": {"value": round(easy.value, 1), "words": easy.words} if easy else None,
                "findings": as_data(findings),
            }
        )
    else:
        _echo(file.name, kind, findings, easy)
    if stopped:
        click_context.exit(1)


def _settings(context: Context | None) -> Settings:
    """Return the settings, as far as they are valid: a newcomer checks a file before there are any."""
    if context is not None:
        return context.settings
    try:
        return Settings.from_env(os.environ)
    except SettingsInvalid as error:
        return error.settings


def _parts(text: StatementText | UpdateText) -> list[Part]:
    if isinstance(text, UpdateText):
        return [Part.read("", text.body)]
    return [Part.read("", text.apology), *(Part.read("", section.text) for section in text.sections)]


def _echo(name: str, kind: str, findings: list[Finding], easy: Readability | None) -> None:
    for line in as_lines(findings):
        click.echo(line)
    if easy is not None:
        click.echo(f"reading: {easy.words}")
    counts = {weight: sum(one.weight is weight for one in findings) for weight in Weight}
    said = ", ".join(f"{counts[weight]} {words}" for weight, words in EXPLAINED.items())
    click.echo(f"{name}: {kind}; {counted(len(findings), 'finding')}: {said}")
