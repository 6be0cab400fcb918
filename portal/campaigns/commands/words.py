"""What a notice to an incident would say now, or says since it began."""

import click
from sqlalchemy.orm import Session

from portal.campaigns import frozen, service
from portal.campaigns.emails import Words
from portal.campaigns.series import steering
from portal.crypto.vault import WorkerVault
from portal.incidents import service as incidents
from portal.incidents.models import PUBLISHED, Incident
from portal.runtime.context import Context


def published_incident(session: Session, slug: str) -> Incident:
    """Return a published incident. Raises ClickException for a draft."""
    incident = incidents.by_slug(session, slug)
    if incident.state != PUBLISHED:
        raise click.ClickException(
            f"The incident '{slug}' is not published, so the link in the notice would lead nowhere. "
            f"Publish it first: portal incidents publish {slug}"
        )
    return incident


def words_of(
    session: Session, vault: WorkerVault, context: Context, incident: Incident
) -> tuple[dict[str, Words], service.Begun | None]:
    """Return what the notice says: the frozen words of one that began, unless altered, else those of now."""
    begun = service.begun(session, vault, incident.id)
    if begun is not None and begun.words is not None:
        return begun.words, begun
    return drawn_words(session, vault, context, incident), begun


def drawn_words(
    session: Session, vault: WorkerVault, context: Context, incident: Incident, *, drafts: bool = False
) -> dict[str, Words]:
    """Return what a notice would say now, by language. Raises ClickException if it cannot be drawn."""
    from portal.campaigns import wording  # noqa: PLC0415 - slow to import

    settings, now = context.settings, context.clock.now()
    try:
        return wording.drawn(session, vault, settings, incident, now, drafts=drafts)
    except wording.SummaryMissing as error:
        raise click.ClickException(f"Nothing was sent: {error}.") from None


def said_by(
    session: Session, vault: WorkerVault, context: Context, incident: Incident, number: int | None
) -> dict[str, Words]:
    """Return the frozen words of a notice of the series, or without a number what a first one would say.

    Raises NoticeUnknown, WordsAltered.
    """
    if number is None:
        return drawn_words(session, vault, context, incident, drafts=True)
    campaign = steering.found(session, incident.id, number)
    return frozen.read(session, vault, campaign.id) if campaign.frozen else {}


def mark_of(vault: WorkerVault, incident: Incident, words: dict[str, Words]) -> str:
    """Return the mark of a text, which `--text` names."""
    return frozen.fingerprint(vault, incident.id, words)[:8].hex()


def why_neutral(incident: Incident, begun: service.Begun | None) -> str:
    """Return why a notice says only that there is a message."""
    if begun is not None:
        return "it was frozen that way when it started."
    if incident.discreet:
        return "the incident is discreet."
    return f"no statement is published. Store one: portal incidents statement {incident.slug} FILE"
