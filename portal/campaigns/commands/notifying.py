"""`portal campaigns notify`: send the notice, or compose every mail and send none."""

import sys
from datetime import datetime, timedelta

import click

from portal.campaigns import frozen, service
from portal.campaigns.commands.ledger import echo_ledger
from portal.campaigns.commands.refusals import SLUG, errors_as_messages
from portal.campaigns.commands.words import mark_of, published_incident, why_neutral, words_of
from portal.campaigns.models import Campaign
from portal.campaigns.series import forecast
from portal.crypto.vault import WorkerVault
from portal.exposure import left_out
from portal.exposure import service as exposure
from portal.outbox import service as outbox
from portal.outbox.bulk import lanes
from portal.outbox.models import QUEUED
from portal.people_files.progress import bar as progress_bar
from portal.runtime.command_line import counted
from portal.runtime.context import Context


@click.command()
@SLUG
@click.option("--dry-run", is_flag=True, help="Compose every mail and send none.")
@click.option("--confirm", type=int, help="The number of addresses that --dry-run printed.")
@click.option("--text", help="The mark of the text that --dry-run printed: no other text is sent.")
@click.pass_obj
@errors_as_messages
def notify(context: Context, slug: str, confirm: int | None, text: str | None, *, dry_run: bool) -> None:
    """Send one notice to each address of the active list.

    It contains the published statement of SLUG; if the incident is discreet, only that there is a message.
    Its text is frozen when it begins. Safe to repeat: a second run continues where the first stopped, and no
    address gets the notice twice.
    """
    vault = context.worker_vault()
    if dry_run:
        _rehearse(context, vault, slug)
        return
    if confirm is None:
        raise click.UsageError("Confirm the number of addresses with --confirm COUNT. --dry-run prints it.")
    silent = _silent_addresses(context, vault, slug)
    with context.db.write() as session:
        incident = published_incident(session, slug)
        now = context.clock.now()
        words, begun = words_of(session, vault, context, incident)
        if text is not None and text != mark_of(vault, incident, words):
            raise click.ClickException(
                "The text of the notice has changed since the dry run. Nothing was sent. "
                f"Check it again: portal campaigns notify {slug} --dry-run"
            )
        again = begun is not None and begun.words is None and text is not None
        campaign = service.start(
            session, vault, incident.id, slug, confirm, now, words, silent=silent, replace_altered=again
        )
        neutral = why_neutral(incident, begun) if not campaign.frozen else None
    if neutral:
        click.echo(f"The notice says only that there is a message: {neutral}", err=True)
    if again:
        click.echo(
            "Its text is frozen again. To send what had failed: portal outbox retry --reason not-composed"
        )
    chosen = service.chosen_languages(context.db, vault)
    with progress_bar("Writing", campaign.waiting) as bar:
        while True:
            with context.db.write_in_turn() as session:
                seen = service.advance(session, vault, chosen, campaign.id, context.clock.now())
            if not seen:
                break
            bar.update(seen)
    with context.db.read() as session:
        echo_ledger(service.ledger(session, session.get_one(Campaign, campaign.id)))
    click.echo("Queued. `portal worker` sends it, if it is running. To see the progress: portal campaigns")


def _silent_addresses(context: Context, vault: WorkerVault, slug: str) -> int:
    """Return how many addresses of the active list get no notice because their people are left out."""
    with context.db.read() as session:
        incident = published_incident(session, slug)
        version = exposure.needed(session, vault, incident.id)
    return left_out.matches(context.db, vault, version).addresses


def _rehearse(context: Context, vault: WorkerVault, slug: str) -> None:
    """Compose every mail; print the languages and subjects, and when the last mail would leave."""
    from portal.campaigns import rehearsal  # noqa: PLC0415 - slow to import

    settings, now = context.settings, context.clock.now()
    with context.db.read() as session:
        incident = published_incident(session, slug)
        version = exposure.needed(session, vault, incident.id)
        words, begun = words_of(session, vault, context, incident)
        rate = forecast.present_rate(session, settings, now)
        ahead = outbox.counts(session)[QUEUED]
        paused = lanes.pause_of(session) is not None
    silent = left_out.matches(context.db, vault, version).addresses
    would = counted(version.addresses - silent, "address", "addresses")
    click.echo(f"The notice would go to {would}. Nothing was sent.")
    if silent:
        click.echo(f"  left out on request: addresses {silent}. See: portal exposure except list {slug}")
    chosen = service.chosen_languages(context.db, vault)
    with progress_bar("Composing", version.people, sys.stderr) as bar:
        play = rehearsal.Rehearsal(settings, vault, words)
        done = play.compose_all(context.db, version, chosen, now, bar.update)
    count = confirmed = version.addresses - silent
    if begun is not None:
        click.echo(f"It started on {begun.at:%Y-%m-%d %H:%M} UTC; {begun.waiting} are not yet queued.")
        count = begun.waiting
    if begun is not None and begun.words is None:
        click.echo("  ITS FROZEN TEXT WAS ALTERED. Below is the text it would have now.")
    if not words:
        click.echo(f"The notice says only that there is a message: {why_neutral(incident, begun)}")
    for language, number in done.languages.most_common():
        said = frozen.shown(words, language, settings.default_language) if words else None
        subject = f", subject: {said.subject}" if said else ""
        untranslated = f", statement in {said.language}" if said and said.untranslated else ""
        content = f", {said.extent}" if said else ""
        click.echo(f"  {language}: addresses {number}{untranslated}{content}{subject}")
    click.echo(f"  composed {done.languages.total() - done.unfit}, at most {done.size} bytes each")
    click.echo(f"  cannot be composed {done.unfit}")
    if done.unfit:
        click.echo("    These addresses do not fit a mail header: correct them, and import the list again.")
    if done.tampered:
        click.echo(f"  tampered rows {done.tampered}: import the list again, and activate it.")
    if done.smtputf8:
        click.echo(f"  need a relay with SMTPUTF8 {done.smtputf8}")
    if unnamed := exposure.classes_beyond(version, incident.class_names):
        click.echo(
            f"  NOT AMONG THE INCIDENT'S CLASSES, BUT ON THE LIST: {', '.join(unnamed)}. The incident's page "
            "does not say that they were taken."
        )
    click.echo(f"  {_when_done(count, ahead, rate, now)}{' Delivery is paused.' if paused else ''}")
    mark = mark_of(vault, incident, words)
    click.echo(f"To send it: portal campaigns notify {slug} --confirm {confirmed} --text {mark}")


def _when_done(mails: int, ahead: int, rate: float | None, now: datetime) -> str:
    behind = f", behind {ahead} that already wait," if ahead else ""
    if rate is None:
        return (
            f"{counted(mails, 'mail')} would be queued{behind.rstrip(',')}. How long that takes is unknown: "
            "too few mails were sent lately to tell the rate, and PORTAL_MAIL_RATE is not set."
        )
    last = now + timedelta(seconds=(mails + ahead) / rate)
    pace = f"{rate:.4g} {'mail' if rate == 1 else 'mails'} a second"
    return f"At {pace}, the last of {mails}{behind} would leave at {last:%Y-%m-%d %H:%M} UTC."
