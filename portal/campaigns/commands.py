"""`portal campaigns`: notify everyone affected, try it before, and show the progress of each notice."""

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.orm import Session

from portal.campaigns import failed as unreached
from portal.campaigns import frozen, service
from portal.campaigns.emails import Words
from portal.campaigns.models import Campaign
from portal.crypto.vault import WorkerVault
from portal.exposure import service as exposure
from portal.identity.service import store_for
from portal.incidents import service as incidents
from portal.incidents.models import PUBLISHED, Incident
from portal.outbox import service as outbox
from portal.outbox.models import BOUNCED, QUEUED
from portal.people_files.progress import bar as progress_bar
from portal.runtime.context import Context

P = ParamSpec("P")
R = TypeVar("R")

SLUG = click.argument("slug")
LANGUAGE = click.option(
    "--language", help="The language of the mail. Default: the first of PORTAL_LANGUAGES."
)
REFUSALS: dict[type[Exception], str] = {
    incidents.IncidentUnknown: "There is no incident '{slug}'. See: portal incidents list",
    exposure.ListNotActive: "No list is active for '{slug}'. See: portal exposure list {slug}",
    service.CountWrong: (
        "--confirm differs from the number of addresses of the active list. Nothing was sent. "
        "Check with: portal campaigns notify {slug} --dry-run"
    ),
    frozen.WordsAltered: (
        "The frozen text of this notice was altered in the database. Nothing was sent. Find out who can "
        "write to the database. Then check the text, and confirm its mark: "
        "portal campaigns notify {slug} --dry-run"
    ),
    frozen.SubjectAltered: (
        "A subject was stored without the worker's keys. Nothing was sent. Set the subject of each language "
        "again: portal campaigns subject {slug} --language L 'TEXT'"
    ),
    frozen.SubjectInvalid: "The subject must be one line of at most 200 characters.",
}


def errors_as_messages(command: Callable[P, R]) -> Callable[P, R]:
    """Decorate a command so that expected errors end it with one line, and no traceback."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return command(*arguments, **options)
        except tuple(REFUSALS) as error:
            message = REFUSALS[type(error)].format(slug=options["slug"])
            raise click.ClickException(message) from None

    return run


@click.group(invoke_without_command=True)
@click.pass_context
def campaigns(context: click.Context) -> None:
    """Send the notice to everyone affected. Without a command, print the progress of each notice."""
    if context.invoked_subcommand is not None:
        return
    with context.obj.db.read() as session:
        found = service.campaigns(session)
        if not found:
            click.echo("No notice has been started.")
        for campaign in found:
            slug = incidents.by_id(session, campaign.incident_id).slug
            number = service.list_number(session, campaign)
            started = f"{campaign.begun_at:%Y-%m-%d %H:%M} UTC"
            click.echo(f"{slug}: notice to list version {number}, started {started}")
            _show(service.ledger(session, campaign))


@campaigns.command()
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
    with context.db.write() as session:
        incident = _published(session, slug)
        now = context.clock.now()
        words, begun = _words(session, vault, context, incident)
        if text is not None and text != _mark(vault, incident, words):
            raise click.ClickException(
                "The text of the notice has changed since the dry run. Nothing was sent. "
                f"Check it again: portal campaigns notify {slug} --dry-run"
            )
        again = begun is not None and begun.words is None and text is not None
        campaign = service.start(
            session, vault, incident.id, slug, confirm, now, words, replace_altered=again
        )
        neutral = _why_neutral(incident, begun) if not campaign.frozen else None
    if neutral:
        click.echo(f"The notice says only that there is a message: {neutral}", err=True)
    if again:
        click.echo(
            "Its text is frozen again. To send what had failed: portal outbox retry --reason not-composed"
        )
    chosen = service.chosen_languages(context.db, vault, store_for(context.settings))
    remaining = campaign.addresses - campaign.written - campaign.earlier
    with progress_bar("Writing", remaining) as bar:
        while True:
            with context.db.write_in_turn() as session:
                seen = service.advance(session, vault, chosen, campaign.id, context.clock.now())
            if not seen:
                break
            bar.update(seen)
    with context.db.read() as session:
        _show(service.ledger(session, session.get_one(Campaign, campaign.id)))
    click.echo("Queued. `portal worker` sends it, if it is running. To see the progress: portal campaigns")


def _rehearse(context: Context, vault: WorkerVault, slug: str) -> None:
    """Compose every mail; print the languages and subjects, and when the last mail would leave."""
    from portal.campaigns import rehearsal  # noqa: PLC0415 - slow to import

    settings, now = context.settings, context.clock.now()
    with context.db.read() as session:
        incident = _published(session, slug)
        version = exposure.needed(session, vault, incident.id)
        words, begun = _words(session, vault, context, incident)
        rate = rehearsal.present_rate(session, settings, now)
        ahead = outbox.counts(session)[QUEUED]
        paused = outbox.pause_of(session) is not None
    click.echo(f"The notice would go to {version.addresses} addresses. Nothing was sent.")
    chosen = service.chosen_languages(context.db, vault, store_for(settings))
    with progress_bar("Composing", version.people, sys.stderr) as bar:
        play = rehearsal.Rehearsal(settings, vault, words)
        done = play.compose_all(context.db, version, chosen, now, bar.update)
    count = version.addresses
    if begun is not None:
        click.echo(f"It started on {begun.at:%Y-%m-%d %H:%M} UTC; {begun.waiting} are not yet queued.")
        count = begun.waiting
    if begun is not None and begun.words is None:
        click.echo("  ITS FROZEN TEXT WAS ALTERED. Below is the text it would have now.")
    if not words:
        click.echo(f"The notice says only that there is a message: {_why_neutral(incident, begun)}")
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
    mark = _mark(vault, incident, words)
    click.echo(f"To send it: portal campaigns notify {slug} --confirm {version.addresses} --text {mark}")


def _when_done(mails: int, ahead: int, rate: float | None, now: datetime) -> str:
    behind = f", behind {ahead} that already wait," if ahead else ""
    if rate is None:
        return (
            f"{mails} mails would be queued{behind.rstrip(',')}. How long that takes is unknown: too few "
            "mails were sent lately to tell the rate, and PORTAL_MAIL_RATE is not set."
        )
    last = now + timedelta(seconds=(mails + ahead) / rate)
    return (
        f"At {rate:.4g} mails a second, the last of {mails}{behind} would leave at {last:%Y-%m-%d %H:%M} UTC."
    )


@campaigns.command()
@SLUG
@LANGUAGE
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write: .html for the HTML part, .txt for the text, .eml for the whole mail.",
)
@click.pass_obj
@errors_as_messages
def preview(context: Context, slug: str, language: str | None, output: Path) -> None:
    """Write the notice into a file, drafts included. Sends nothing."""
    from portal.campaigns import rehearsal  # noqa: PLC0415 - slow to import

    settings, now = context.settings, context.clock.now()
    language = _checked_language(context, language)
    vault = context.worker_vault()
    with context.db.read() as session:
        incident = incidents.by_slug(session, slug)
        words = _drawn(session, vault, context, incident, drafts=True)
    address = settings.site.contact_email or settings.mail.sender
    composed = rehearsal.Rehearsal(settings, vault, words).compose(address, language, now)
    message = message_from_bytes(composed.content, policy=policy.default)
    part = message.get_body(("plain",) if output.suffix == ".txt" else ("html",))
    content = composed.content if output.suffix == ".eml" or part is None else part.get_content().encode()
    try:
        output.write_bytes(content)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written ({error.strerror}).") from None
    click.echo(f"{output}: {composed.subject}")
    if not words:
        click.echo(f"The notice says only that there is a message: {_why_neutral(incident, None)}")
    click.echo("Nothing was sent.")


@campaigns.command("test")
@SLUG
@LANGUAGE
@click.option("--to", "address", required=True, help="One of PORTAL_TEST_RECIPIENTS.")
@click.pass_obj
@errors_as_messages
def send_test(context: Context, slug: str, language: str | None, address: str) -> None:
    """Send the notice to one test recipient, drafts included.

    The mail is the same as the notice, and nothing marks it as a test. It skips the queue and ignores a
    pause. At most 20 a day.
    """
    from portal.campaigns import rehearsal  # noqa: PLC0415 - slow to import

    language = _checked_language(context, language)
    if address not in context.settings.mail.test_recipients:
        raise click.ClickException(
            "This address is not among the test recipients. Add it to PORTAL_TEST_RECIPIENTS "
            "(default: PORTAL_CONTACT_EMAIL)."
        )
    vault, now = context.worker_vault(), context.clock.now()
    with context.db.write() as session:
        incident = incidents.by_slug(session, slug)
        words = _drawn(session, vault, context, incident, drafts=True)
        try:
            left = rehearsal.send_test(
                session, vault, incident, words, address=address, language=language, now=now
            )
        except rehearsal.TooManyTests:
            raise click.ClickException(
                "20 tests were sent within 24 hours. Nothing was sent. Try again later."
            ) from None
    if not words:
        click.echo(f"The notice says only that there is a message: {_why_neutral(incident, None)}")
    click.echo(f"Queued. `portal worker` sends it, if it is running. Tests left for today: {left}")


@campaigns.command()
@SLUG
@click.argument("text")
@click.option("--language", required=True, help="The language of TEXT.")
@click.pass_obj
@errors_as_messages
def subject(context: Context, slug: str, text: str, language: str) -> None:
    """Set the subject of the next notice in one language."""
    language = _checked_language(context, language)
    vault = context.worker_vault()
    with context.db.write() as session:
        incident = incidents.by_slug(session, slug)
        frozen.set_subject(session, vault, incident, language, text, context.clock.now())
    click.echo(f"{slug} ({language}): {text.strip()}")
    click.echo("A notice that has started does not change.")


@campaigns.command()
@SLUG
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The CSV file to create, with mode 0600. It must not exist.",
)
@click.pass_obj
@errors_as_messages
def failed(context: Context, slug: str, output: Path) -> None:
    """List people who got no notice, for letters and calls.

    Writes one line per person: email, name, account_ref, reason. `uncertain` means that the notice may have
    arrived. The portal does not read bounces, so people whose mail came back are missing.
    """
    vault = context.worker_vault()
    with context.db.write() as session:
        incident = incidents.by_slug(session, slug)
        missed = unreached.missed(session, incident.id, slug, context.clock.now())
    try:
        number = unreached.write(output, unreached.people(context.db, vault, missed))
    except FileExistsError:
        raise click.ClickException(f"{output} exists. Choose another file with --output.") from None
    except OSError as error:
        raise click.ClickException(
            f"{output} cannot be written ({error.strerror}). Choose another file with --output."
        ) from None
    click.echo(f"{output}: people {number}, addresses {len(missed.reasons)}. Delete it after use.")


def _published(session: Session, slug: str) -> Incident:
    incident = incidents.by_slug(session, slug)
    if incident.state != PUBLISHED:
        raise click.ClickException(
            f"The incident '{slug}' is not published, so the link in the notice would lead nowhere. "
            f"Publish it first: portal incidents publish {slug}"
        )
    return incident


def _words(
    session: Session, vault: WorkerVault, context: Context, incident: Incident
) -> tuple[dict[str, Words], service.Begun | None]:
    """Return what the notice says: the frozen words of one that began, unless altered, else those of now."""
    begun = service.begun(session, vault, incident.id)
    if begun is not None and begun.words is not None:
        return begun.words, begun
    return _drawn(session, vault, context, incident), begun


def _drawn(
    session: Session, vault: WorkerVault, context: Context, incident: Incident, *, drafts: bool = False
) -> dict[str, Words]:
    from portal.campaigns import wording  # noqa: PLC0415 - slow to import

    settings, now = context.settings, context.clock.now()
    try:
        return wording.drawn(session, vault, settings, incident, now, drafts=drafts)
    except wording.SummaryMissing as error:
        raise click.ClickException(f"Nothing was sent: {error}.") from None


def _mark(vault: WorkerVault, incident: Incident, words: dict[str, Words]) -> str:
    return frozen.fingerprint(vault, incident.id, words)[:8].hex()


def _why_neutral(incident: Incident, begun: service.Begun | None) -> str:
    if begun is not None:
        return "it was frozen that way when it started."
    if incident.discreet:
        return "the incident is discreet."
    return f"no statement is published. Store one: portal incidents statement {incident.slug} FILE"


def _checked_language(context: Context, language: str | None) -> str:
    languages = context.settings.site.languages
    if language is not None and language not in languages:
        raise click.UsageError(f"--language must be one of {', '.join(languages)}, as in PORTAL_LANGUAGES")
    return language or context.settings.default_language


def _show(ledger: service.Ledger) -> None:
    click.echo(f"  addresses {ledger.addresses}")
    click.echo(f"  notified with an earlier list {ledger.earlier}")
    click.echo(f"  not yet queued {ledger.waiting}")
    for state, count in ledger.states.items():
        # Nothing reads the mails that come back, so 0 would not be true.
        click.echo(f"  {state} {'not known' if state == BOUNCED and not count else count}")
    click.echo(
        "  The counts add up."
        if ledger.adds_up
        else "  THE COUNTS DO NOT ADD UP: an address is missing or counted twice. Rows were changed by hand."
    )
