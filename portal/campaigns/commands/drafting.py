"""`portal campaigns draft` and `start`: a notice of the series, with its audience and waves."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from portal.audit.staff import operator
from portal.campaigns import frozen, service
from portal.campaigns.commands.refusals import SLUG, checked_language, errors_as_messages
from portal.campaigns.commands.words import published_incident
from portal.campaigns.models import FIRST, KINDS, SUPPLEMENTARY
from portal.campaigns.series import drafting, steering, writing
from portal.campaigns.series.audience import ALL, BASES
from portal.campaigns.series.waves import TooManyWaves
from portal.crypto.vault import WorkerVault
from portal.datakinds.taxonomy import UnknownDataClass, find
from portal.incidents import service as incidents
from portal.runtime.command_line import counted
from portal.runtime.context import Context
from portal.runtime.parts import WorkerParts

NUMBER = click.option("--number", type=click.IntRange(1), help="The number of the notice.")
REST = "rest"
MOST_OWN_BYTES = 10_000


@click.command()
@SLUG
@click.option("--kind", type=click.Choice(KINDS), help="Default: first, or supplementary after a first one.")
@click.option("--to", "base", type=click.Choice(BASES), default=ALL, help="Whom. Default: the whole list.")
@click.option("--since", type=click.IntRange(1), help="The notice that --to means. Default: the newest.")
@click.option("--class", "classes", multiple=True, help="Only people whose data of this class were taken.")
@click.option("--language", "languages", multiple=True, help="Only people who get it in this language.")
@click.option("--worst-first", is_flag=True, help="Waves by severity, the worst affected first.")
@click.option("--wave", "cuts", multiple=True, metavar="SIZE[@TIME]", help="A wave, as 500@2026-12-01T09:00.")
@click.option("--per-hour", type=click.IntRange(1), help="The most mails queued in an hour.")
@click.option("--own", multiple=True, metavar="LANGUAGE=FILE", help="A paragraph of your own words.")
@click.option("--number", type=click.IntRange(1), help="The draft to replace. Default: a new one.")
@click.pass_obj
@errors_as_messages
def draft(context: Context, /, slug: str, base: str, number: int | None, **options: Any) -> None:
    """Draft a notice: whom it is for, in which waves. Sends nothing.

    Counts the addresses and freezes the text: a later change of the statement does not change it. Times are
    UTC. What --wave leaves goes in a last wave; `rest@TIME` says when.
    """
    vault = context.worker_vault()
    parts = WorkerParts(context.settings, context.db, context.clock, vault)
    for language in options["languages"]:
        checked_language(context, language)
    fields = {
        "incident": slug,
        "kind": options["kind"] or _usual_kind(context, slug),
        "base": base,
        "since": options["since"],
        "classes": [_class(name) for name in options["classes"]],
        "languages": list(options["languages"]),
        "worst_first": options["worst_first"],
        "waves": [_cut(text) for text in options["cuts"]],
        "per_hour": options["per_hour"],
        "own": dict(_own(context, given) for given in options["own"]),
        "replaces": number,
        "by": operator().user,
    }
    try:
        done = writing.draft(parts, fields)
    except ValueError as error:
        if type(error).__name__ not in _UNFIT and not isinstance(error, TooManyWaves):
            raise
        said = _UNFIT.get(type(error).__name__) or "The notice would have more than 50 waves."
        raise click.ClickException(said or str(error)) from None
    with context.db.read() as session:
        incident = incidents.by_slug(session, slug)
        campaign = steering.found(session, incident.id, done["notice"])
        described = drafting.described(session, campaign)
    click.echo(f"{slug}: notice {campaign.number} ({campaign.kind}) is a draft. Nothing was sent.")
    echo_plan(described)
    if done["outside"]:
        click.echo(f"  not in the audience {done['outside']}")
    for language, words in described["words"].items():
        click.echo(f"  {language}: {words['subject']}")
    if not described["words"]:
        click.echo("  It says only that there is a message.")
    mark = mark_of(vault, described)
    click.echo(f"To read it: portal campaigns preview {slug} --number {campaign.number} --output FILE")
    click.echo(
        f"To start it: portal campaigns start {slug} --number {campaign.number} "
        f"--confirm {campaign.expected} --text {mark}"
    )


@click.command()
@SLUG
@NUMBER
@click.option("--confirm", type=int, required=True, help="The number of mails that `draft` printed.")
@click.option("--text", help="The mark that `draft` printed: nothing else is sent.")
@click.pass_obj
@errors_as_messages
def start(context: Context, slug: str, number: int | None, confirm: int, text: str | None) -> None:
    """Start a drafted notice. The worker queues and sends it, wave by wave."""
    vault = context.worker_vault()
    with context.db.write() as session:
        incident = published_incident(session, slug)
        campaign = steering.locked(session, incident.id, number)
        if text is not None and text != mark_of(vault, drafting.described(session, campaign)):
            raise click.ClickException(
                "The notice is not the one that was drafted under this mark. Nothing was sent. "
                f"See: portal campaigns status {slug}"
            )
        steering.start(session, vault, campaign, confirm, context.clock.now(), operator().user)
    mails = counted(campaign.expected, "mail")
    click.echo(f"{slug}: notice {campaign.number} has started, {mails}. `portal worker` queues and sends it.")
    click.echo(f"To see the progress: portal campaigns status {slug}")


def echo_plan(described: dict[str, Any]) -> None:
    """Print whom a notice is for, and its waves."""
    click.echo(f"  list version {described['list']}, {audience_in_words(described['audience'])}")
    click.echo(f"  mails {described['mails']}")
    if described["per_hour"]:
        click.echo(f"  at most {described['per_hour']} an hour")
    for wave in described["waves"]:
        click.echo(f"  {wave_in_words(wave)}")


def audience_in_words(audience: dict[str, Any]) -> str:
    """Return whom a notice is for, in an operator's words."""
    base = audience.get("base", ALL)
    said = "the whole list" if base == ALL else f"{base.replace('-', ' ')}: notice {audience['since']}"
    for name in ("classes", "languages"):
        if audience.get(name):
            said += f"; {name}: {', '.join(audience[name])}"
    return said


def wave_in_words(wave: dict[str, Any]) -> str:
    """Return a wave in an operator's words."""
    worst, least = wave["severities"]
    said = f"wave {wave['number']}: {counted(wave['mails'], 'mail')}"
    if (worst, least) != (5, 0):
        said += f", severity {worst}" if worst == least else f", severity {worst} to {least}"
    if wave["not_before"]:
        said += f", not before {datetime.fromisoformat(wave['not_before']):%Y-%m-%d %H:%M} UTC"
    return said


def mark_of(vault: WorkerVault, described: dict[str, Any]) -> str:
    """Return the mark of all that a draft says and does, which `--text` names."""
    return frozen.mark(vault, described)


_UNFIT = {
    "OwnWordsUnfit": "Your own words must be one paragraph of at most 1000 characters.",
    "OwnWordsUnused": "The mail says only that there is a message, so it cannot have your own words.",
    "SummaryMissing": "",
}


def _usual_kind(context: Context, slug: str) -> str:
    with context.db.read() as session:
        incident = incidents.by_slug(session, slug)
        begun = any(each.incident_id == incident.id for each in service.campaigns(session))
    return SUPPLEMENTARY if begun else FIRST


def _class(name: str) -> str:
    try:
        return find(name).name
    except UnknownDataClass:
        raise click.UsageError(f"'{name}' is no data class. See: portal exposure classes") from None


def _cut(text: str) -> dict[str, Any]:
    size, _, at = text.partition("@")
    try:
        limit = None if size in ("", REST) else int(size)
        not_before = datetime.fromisoformat(at) if at else None
    except ValueError:
        limit, not_before = 0, None
    if limit is not None and limit < 1:
        raise click.UsageError(f"--wave {text}: write SIZE, SIZE@TIME or rest@TIME, as 500@2026-12-01T09:00")
    if not_before is not None and not_before.tzinfo is None:
        not_before = not_before.replace(tzinfo=UTC)
    return {"limit": limit, "not_before": not_before.isoformat() if not_before else None}


def _own(context: Context, given: str) -> tuple[str, str]:
    language, _, name = given.partition("=")
    checked_language(context, language)
    try:
        content = Path(name).read_bytes()[:MOST_OWN_BYTES].decode()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{name} cannot be read: {type(error).__name__}.") from None
    return language, content
