"""What stops the publication of an incident's drafts, what its author must accept, and what they are told."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.settings import Settings
from portal.incidents import reading
from portal.incidents.checker.findings import Finding, Weight
from portal.incidents.checker.sections import SECTIONS, missing_sections
from portal.incidents.checker.site import Numbers, Site
from portal.incidents.checker.texts import check_statement, check_update
from portal.incidents.models import Incident, Statement, Update
from portal.incidents.publishing.plan import Plan
from portal.incidents.writing import StatementText

MISSING = "missing-section"
MISMATCH = "class-mismatch"
# What a holding statement tells; when more follows is the third part, and is its clock.
HOLDING = (SECTIONS[0], SECTIONS[3])


@dataclass(frozen=True)
class Placed:
    """A finding, and the draft that it is about: empty where it is about the incident or the site."""

    where: str
    finding: Finding

    def __str__(self) -> str:
        """Return where it is, what it is, and its code."""
        where = f"{self.where}: " if self.where else ""
        return f"{where}{self.finding}  [{self.finding.code}]"


def site_of(session: Session, settings: Settings) -> Site:
    """Return what the checker is told of the site: all incidents with what is public or about to be."""
    slugs = {row.id: row.slug for row in session.scalars(select(Incident))}
    versions: dict[bytes, set[int]] = {}
    updates: dict[bytes, set[int]] = {}
    for found, column in ((versions, Statement), (updates, Update)):
        for incident_id, number in session.execute(select(column.incident_id, column.number)):
            found.setdefault(incident_id, set()).add(number)
    site, elsewhere = settings.site, settings.identity.elsewhere
    return Site(
        site.languages,
        settings.base_url,
        {slug: Numbers(versions.get(key, ()), updates.get(key, ())) for key, slug in slugs.items()},
        contact=bool(site.contact_email or site.contact_phone),
        company_page=elsewhere.url if elsewhere else "",
    )


def findings(
    session: Session, settings: Settings, planned: Plan, *, more_by: datetime | None = None
) -> list[Placed]:
    """Return all findings about a publication; with `more_by` the statement is a holding one."""
    site, slug = site_of(session, settings), planned.incident.slug
    page = f"/incidents/{slug}/"
    found = [Placed("", one) for one in _of_incident(planned)]
    for draft in planned.statements:
        text = text_of(draft.statement)
        # A holding statement says what is known: which data was taken often is not yet.
        classes = planned.incident.next_class_names if more_by is None else ()
        said = check_statement(text, site, page=page, classes=classes)
        if more_by is not None:
            said = [one for one in said if one.code != MISSING] + list(holding_findings(text))
        found += [Placed(draft.name, one) for one in said]
    for entry in planned.updates:
        for words in entry.wordings:
            here = f"{page}updates/{entry.update.number}/"
            name = f"update {entry.update.number} ({words.language})"
            told = check_update(words.title, words.body, words.language, site, page=here)
            found += [Placed(name, one) for one in told]
    if planned.classes is not None and not planned.statements:
        found += _of_classes(session, planned, site)
    return found + [Placed("", one) for one in _older_languages(session, planned)]


def stopping(found: Iterable[Placed]) -> list[Placed]:
    """Return the findings that forbid the publication."""
    return [one for one in found if one.finding.weight is Weight.STOP]


def asking(found: Iterable[Placed], accepted: tuple[str, ...] = ()) -> list[Placed]:
    """Return the findings that the author must still accept by their code."""
    return [one for one in found if one.finding.weight is Weight.ASK and one.finding.code not in accepted]


def text_of(row: Statement) -> StatementText:
    """Return the text of a stored version."""
    return StatementText(
        row.language, row.title, row.signed_by, row.role, row.note, row.apology, row.sections, row.summary
    )


def _of_incident(planned: Plan) -> Iterator[Finding]:
    if not planned.statements and not planned.newest:
        slug = planned.incident.slug
        how = f"portal incidents statement {slug} FILE"
        yield Finding("no-statement", Weight.STOP, None, f"there is no statement. Store one: {how}")


def _of_classes(session: Session, planned: Plan, site: Site) -> Iterator[Placed]:
    """Yield what the public statement lacks, in each language, of classes that come without a new one."""
    newest = {row.language: row for row in reading.public_statements(session, planned.incident)}
    for row in newest.values():
        name = f"statement, version {row.number} ({row.language})"
        said = check_statement(text_of(row), site, classes=planned.classes or ())
        yield from (Placed(name, one) for one in said if one.code == MISMATCH)


def holding_findings(text: StatementText) -> Iterator[Finding]:
    """Yield a stop for each of the two parts that a holding statement lacks."""
    missing = missing_sections([section.heading for section in text.sections], text.language)
    for name in HOLDING:
        if name in missing:
            yield Finding(
                "holding-part", Weight.STOP, None, f"a holding statement also says: {name}", f"## {name}"
            )


def _older_languages(session: Session, planned: Plan) -> Iterator[Finding]:
    """Yield a warning for each language whose readers will find the newest version in another one."""
    versions: dict[str, int] = {}
    drafts = [draft.statement for draft in planned.statements]
    for statement in (*reading.public_statements(session, planned.incident), *drafts):
        versions[statement.language] = max(statement.number, versions.get(statement.language, 0))
    newest = max(versions.values(), default=0)
    of_newest = ", ".join(sorted(language for language, number in versions.items() if number == newest))
    for language, number in sorted(versions.items()):
        if number < newest and planned.statements:
            yield Finding(
                "older-language",
                Weight.WARN,
                None,
                f"the statement in {language} stays at version {number}: its readers get version {newest} in "
                f"{of_newest}, and are told so",
            )
