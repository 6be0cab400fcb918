"""The words of a notice: drawn from the published statement, with the usual subject or the operator's.

Imported where they are drawn alone: the Markdown parser is slow to import.
"""

from datetime import date, datetime

from sqlalchemy.orm import Session

from portal.campaigns import frozen
from portal.campaigns.emails import Part, Words
from portal.core.dates import day_and_month
from portal.core.i18n import catalogue
from portal.core.i18n import mark as N_
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.exposure import service as exposure
from portal.incidents import reading, writing
from portal.incidents.models import Incident, Statement
from portal.web import markdown

PASSWORDS = "Passwords"
DATED_SUBJECT = N_("Your data and our incident of %(date)s")
SUBJECT = N_("Your data and an incident at %(organisation)s")


class SummaryMissing(ValueError):
    """The sections of the statement are too long for a mail, and its front matter has no summary."""

    def __init__(self, language: str, characters: int) -> None:
        """Store the language of the statement and the length of its sections."""
        self.language = language
        self.characters = characters
        super().__init__(
            f"the sections of the statement in {language} have {characters} characters, and a mail holds "
            f"{writing.MAX_MAILED}: add a line `summary: ...` to its front matter"
        )


def drawn(
    session: Session,
    vault: WorkerVault,
    settings: Settings,
    incident: Incident,
    now: datetime,
    *,
    drafts: bool = False,
) -> dict[str, Words]:
    """Return what a notice says now, by language; nothing where it is neutral.

    It is neutral for a discreet incident, and where no statement is published; `drafts` counts drafts as
    published. Raises SummaryMissing and SubjectAltered.
    """
    if incident.discreet:
        return {}
    own = frozen.subjects(session, vault, incident.id)
    passwords = _passwords_taken(session, vault, incident)
    found = {}
    for language in settings.site.languages:
        read_by = [language, settings.default_language]
        versions = reading.versions(session, incident, read_by, drafts=drafts)
        if versions:
            subject = own.get(language) or _usual_subject(settings, incident, language, now.date())
            found[language] = _words(settings, incident, versions[0].statement, subject, passwords=passwords)
    return found


def _passwords_taken(session: Session, vault: WorkerVault, incident: Incident) -> bool:
    """Return whether the incident's classes or the active list hold passwords: one may be outdated."""
    if PASSWORDS in incident.class_names:
        return True
    try:
        return exposure.exposed_count(session, vault, incident.id, PASSWORDS) > 0
    except exposure.ListNotActive:
        return False


def _words(
    settings: Settings, incident: Incident, statement: Statement, subject: str, *, passwords: bool
) -> Words:
    path = f"/incidents/{incident.slug}/"
    page_url = settings.base_url + path
    sections = list(statement.sections)
    characters = writing.characters(sections)
    if characters > writing.MAX_MAILED:
        if not statement.summary:
            raise SummaryMissing(statement.language, characters)
        parts = [Part("", *_rendered(page_url, statement.summary))]
    else:
        parts = [Part(heading, *_rendered(page_url, text)) for heading, text in sections]
    return Words(
        subject=subject,
        language=statement.language,
        title=statement.title,
        parts=tuple(parts),
        signed_by=statement.signed_by,
        role=statement.role,
        path=path,
        passwords=passwords,
    )


def _rendered(page_url: str, text: str) -> tuple[str, str]:
    return markdown.plain(text, page_url), markdown.absolute(markdown.render(text), page_url)


def _usual_subject(settings: Settings, incident: Incident, language: str, today: date) -> str:
    say = catalogue(language).gettext
    if incident.happened_on is None:
        return say(SUBJECT) % {"organisation": settings.site.organisation}
    return say(DATED_SUBJECT) % {"date": day_and_month(incident.happened_on, language, today)}
