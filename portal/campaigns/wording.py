"""The words of a notice: drawn from the published statement, with the usual subject or the operator's.

Imported where they are drawn alone: the Markdown parser is slow to import.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.campaigns import frozen
from portal.campaigns.emails import Part, Words
from portal.campaigns.models import CORRECTION, FIRST, SUPPLEMENTARY, Campaign
from portal.core.dates import day_and_month
from portal.core.i18n import catalogue
from portal.core.i18n import mark as N_
from portal.core.one_line import is_plain
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.exposure import service as exposure
from portal.incidents import reading, writing
from portal.incidents.models import Incident, Statement
from portal.web import markdown

PASSWORDS = "Passwords"
# By kind: where the day of the incident is known, and where it is not.
SUBJECTS = {
    FIRST: (
        N_("Your data and our incident of %(date)s"),
        N_("Your data and an incident at %(organisation)s"),
    ),
    SUPPLEMENTARY: (
        N_("New facts about your data and our incident of %(date)s"),
        N_("New facts about your data and an incident at %(organisation)s"),
    ),
    CORRECTION: (
        N_("Correction: your data and our incident of %(date)s"),
        N_("Correction: your data and an incident at %(organisation)s"),
    ),
}
MOST_OWN = 1_000
_VALUE = re.compile(r"%\\\(\w+\\\)s")
NO_WORDS: Mapping[str, str] = {}


class OwnWordsUnfit(ValueError):
    """The author's own words are longer than 1,000 characters, or more than one paragraph."""


class OwnWordsUnused(ValueError):
    """No mail would have the author's own words, since it says only that there is a message."""


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
    kind: str = FIRST,
    own: Mapping[str, str] = NO_WORDS,
) -> dict[str, Words]:
    """Return what a notice says now, by language; nothing where it is neutral.

    It is neutral for a discreet incident, and where no statement is published; `drafts` counts drafts as
    published. `own` is a paragraph of the author's by language, in Markdown. Raises SummaryMissing,
    SubjectAltered, OwnWordsUnfit, OwnWordsUnused.
    """
    own = {language: _checked(text) for language, text in own.items() if text.strip()}
    if incident.discreet:
        return _without(own)
    subjects = frozen.subjects(session, vault, incident.id)
    passwords = _passwords_taken(session, vault, incident)
    found = {}
    for language in settings.site.languages:
        read_by = [language, settings.default_language]
        versions = reading.versions(session, incident, read_by, drafts=drafts)
        if versions:
            subject = subjects.get(language) or _usual_subject(settings, incident, language, now.date(), kind)
            statement = versions[0].statement
            said = _words(settings, incident, statement, subject, passwords=passwords)
            # Who reads the statement in another language still gets the author's words in their own.
            spoken = language if language in own else statement.language
            found[language] = _with_own(settings, said, kind, own.get(spoken, ""), spoken)
    return found or _without(own)


def outdated(
    session: Session, settings: Settings, incident: Incident, campaign: Campaign, words: Mapping[str, Words]
) -> list[str]:
    """Return what a notice would say in another way if it were drafted now, as codes.

    They are `open`, `discreet`, `day`, `passwords` and `text`. It reads plain columns, without a key, and
    verifies nothing.
    """
    if not words:
        return ["open"] if not incident.discreet and reading.public_statements(session, incident) else []
    found = ["discreet"] if incident.discreet else []
    at = campaign.drafted_at
    for language, said in words.items():
        usual = _usual_subject(settings, incident, language, at.date(), campaign.kind)
        if said.subject != usual and _is_usual(said.subject, language, campaign.kind) and "day" not in found:
            found.append("day")
    if PASSWORDS in incident.class_names and not all(said.passwords for said in words.values()):
        found.append("passwords")
    newer = (Statement.published_at > at) & Statement.withdrawn_at.is_(None)
    taken_back = (Statement.published_at <= at) & (Statement.withdrawn_at > at)
    changed = select(Statement.id).where(Statement.incident_id == incident.id, newer | taken_back)
    return found + ["text"] * (session.scalar(changed.limit(1)) is not None)


def _without(own: Mapping[str, str]) -> dict[str, Words]:
    """Return no words. Raises OwnWordsUnused where the author has some."""
    if own:
        raise OwnWordsUnused
    return {}


def _checked(text: str) -> str:
    text = text.strip()
    if (
        len(text) > MOST_OWN
        or "\n\n" in text.replace("\r\n", "\n")
        or not all(map(is_plain, text.split("\n")))
    ):
        raise OwnWordsUnfit
    return text


def _with_own(settings: Settings, said: Words, kind: str, own: str, language: str = "") -> Words:
    said = said if kind == FIRST else replace(said, kind=kind)
    if not own:
        return said
    text, html = _rendered(settings.base_url + said.path, own)
    other = "" if language in ("", said.language) else language
    return replace(said, own_text=text, own_html=html, own_source=own, own_language=other)


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
    if not writing.fits_email(sections):
        if not statement.summary:
            raise SummaryMissing(statement.language, writing.characters(sections))
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


def _usual_subject(
    settings: Settings, incident: Incident, language: str, today: date, kind: str = FIRST
) -> str:
    say = catalogue(language).gettext
    dated, undated = SUBJECTS[kind]
    if incident.happened_on is None:
        return say(undated) % {"organisation": settings.site.organisation}
    return say(dated) % {"date": day_and_month(incident.happened_on, language, today)}


def _is_usual(subject: str, language: str, kind: str) -> bool:
    """Return whether a subject is the usual one of some day or name, and not the operator's own."""
    say = catalogue(language).gettext
    patterns = (_VALUE.sub(".+", re.escape(say(text))) for text in SUBJECTS[kind])
    return any(re.fullmatch(pattern, subject) for pattern in patterns)
