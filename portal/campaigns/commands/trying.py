"""`portal campaigns preview`, `test` and `subject`: what comes before a notice."""

from email import message_from_bytes, policy
from pathlib import Path

import click

from portal.campaigns import frozen
from portal.campaigns.commands.refusals import LANGUAGE, SLUG, checked_language, errors_as_messages
from portal.campaigns.commands.words import said_by, why_neutral
from portal.incidents import service as incidents
from portal.runtime.context import Context


@click.command()
@SLUG
@LANGUAGE
@click.option("--number", type=click.IntRange(1), help="A notice of the series. Default: a first one.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write: .html for the HTML part, .txt for the text, .eml for the whole mail.",
)
@click.pass_obj
@errors_as_messages
def preview(context: Context, slug: str, language: str | None, number: int | None, output: Path) -> None:
    """Write the notice into a file, drafts included. Sends nothing."""
    from portal.campaigns import rehearsal  # noqa: PLC0415 - slow to import

    settings, now = context.settings, context.clock.now()
    language = checked_language(context, language)
    vault = context.worker_vault()
    with context.db.read() as session:
        incident = incidents.by_slug(session, slug)
        words = said_by(session, vault, context, incident, number)
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
        click.echo(f"The notice says only that there is a message: {why_neutral(incident, None)}")
    click.echo("Nothing was sent.")


@click.command("test")
@SLUG
@LANGUAGE
@click.option("--number", type=click.IntRange(1), help="A notice of the series. Default: a first one.")
@click.option("--to", "address", required=True, help="One of PORTAL_TEST_RECIPIENTS.")
@click.pass_obj
@errors_as_messages
def send_test(context: Context, slug: str, language: str | None, number: int | None, address: str) -> None:
    """Send the notice to one test recipient, drafts included.

    The mail is the same as the notice, and nothing marks it as a test. It skips the queue and ignores a
    pause. At most 20 a day.
    """
    from portal.campaigns import rehearsal  # noqa: PLC0415 - slow to import

    language = checked_language(context, language)
    if address not in context.settings.mail.test_recipients:
        raise click.ClickException(
            "This address is not among the test recipients. Add it to PORTAL_TEST_RECIPIENTS "
            "(default: PORTAL_CONTACT_EMAIL)."
        )
    vault, now = context.worker_vault(), context.clock.now()
    with context.db.write() as session:
        incident = incidents.by_slug(session, slug)
        words = said_by(session, vault, context, incident, number)
        try:
            left = rehearsal.send_test(
                session, vault, incident, words, address=address, language=language, now=now
            )
        except rehearsal.TooManyTests:
            raise click.ClickException(
                "20 tests were sent within 24 hours. Nothing was sent. Try again later."
            ) from None
    if not words:
        click.echo(f"The notice says only that there is a message: {why_neutral(incident, None)}")
    click.echo(f"Queued. `portal worker` sends it, if it is running. Tests left for today: {left}")


@click.command()
@SLUG
@click.argument("text")
@click.option("--language", required=True, help="The language of TEXT.")
@click.pass_obj
@errors_as_messages
def subject(context: Context, slug: str, text: str, language: str) -> None:
    """Set the subject of the next notice in one language."""
    language = checked_language(context, language)
    vault = context.worker_vault()
    with context.db.write() as session:
        incident = incidents.by_slug(session, slug)
        frozen.set_subject(session, vault, incident, language, text, context.clock.now())
    click.echo(f"{slug} ({language}): {text.strip()}")
    click.echo("A notice that has started does not change.")
