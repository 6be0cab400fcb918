"""Check a stored statement or update, and the parts of a file: everything that needs no front matter."""

import re
from collections.abc import Iterator, Sequence

from portal.incidents.checker.findings import Finding, Weight, in_order, limited
from portal.incidents.checker.kinds import class_findings
from portal.incidents.checker.leaks import leaks
from portal.incidents.checker.links import broken_links
from portal.incidents.checker.phrases import apology_faults, hedges, passwords_here
from portal.incidents.checker.prose import Part
from portal.incidents.checker.readability import readability_findings
from portal.incidents.checker.sections import SECTIONS, missing_findings, missing_sections, section_of
from portal.incidents.checker.site import Site
from portal.incidents.writing import StatementText

LEAST_NOTE = 20
_PHONE = re.compile(r"(?<!\d)\+?\(?\d(?:[ \-./()]{0,2}\d){6,14}")


def check_statement(
    text: StatementText, site: Site, *, page: str = "", classes: Sequence[str] = ()
) -> list[Finding]:
    """Return what is to be said of a stored statement, stops first.

    `page` is the path of its incident's page, empty where it is not known; `classes` are the names of the
    data classes that the incident lists, compared with the text unless there are none.
    """
    apology = Part.read("The apology", text.apology)
    sections = [Part.read(f"“{section.heading}”", section.text) for section in text.sections]
    lines = [
        Part.one_line(name, said)
        for name, said in (
            ("title", text.title),
            ("signed_by", text.signed_by),
            ("role", text.role),
            ("note", text.note or ""),
            *((f"“{section.heading}”", section.heading) for section in text.sections),
        )
        if said
    ]
    if text.summary:
        lines.append(Part.read("summary", text.summary))
    found = [*statement_findings(apology, sections, lines, text.language, site, page)]
    found += missing_findings(missing_sections([section.heading for section in text.sections], text.language))
    if classes:
        numbers = [section_of(section.heading, text.language) for section in text.sections]
        if None in numbers and len(numbers) == len(SECTIONS):  # named freely, so they count by position
            numbers = list(range(len(SECTIONS)))
        involved = next((part for part, at in zip(sections, numbers, strict=True) if at == 1), None)
        found += class_findings([apology, *sections], involved, classes, text.language)
    if text.note:
        found += note_findings(text.note)
    return in_order(limited(found))


def check_update(title: str | None, body: str, language: str, site: Site, *, page: str = "") -> list[Finding]:
    """Return what is to be said of a stored update, stops first; `page` is the path of its page."""
    lines = [Part.one_line("title", title)] if title else []
    return in_order(limited(update_findings(Part.read("The update", body), lines, language, site, page)))


def statement_findings(
    apology: Part, sections: Sequence[Part], lines: Sequence[Part], language: str, site: Site, page: str
) -> Iterator[Finding]:
    """Yield the findings of a statement; `lines` are its title, its signature and the like."""
    parts = [apology, *sections]
    for part in (*lines, *parts):
        yield from leaks(part, language)
        yield from broken_links(part, site, page)
        yield from hedges(part, language)
        yield from passwords_here(part, site, language)
    yield from apology_faults(apology, sections, language)
    yield from readability_findings(parts, language)
    if site.contact is False and not any(_names_contact(part) for part in parts):
        yield Finding(
            "no-contact",
            Weight.STOP,
            None,
            "no contact: neither the statement nor the site names an email address or a phone number",
            "PORTAL_CONTACT_EMAIL=help@example.com",
        )


def update_findings(
    body: Part, lines: Sequence[Part], language: str, site: Site, page: str
) -> Iterator[Finding]:
    """Yield the findings of an update."""
    for part in (*lines, body):
        yield from leaks(part, language)
        yield from broken_links(part, site, page)
        yield from hedges(part, language)
        yield from passwords_here(part, site, language)
    yield from readability_findings([body], language)


def note_findings(note: str, line: int | None = None) -> Iterator[Finding]:
    """Yield that the note of a correction is too short to say what was corrected."""
    if len(note.strip()) < LEAST_NOTE:
        yield Finding(
            "short-note",
            Weight.ASK,
            line,
            f"note: a correction says what was wrong, in {LEAST_NOTE} characters or more",
            "note: The stolen file also holds dates of birth. We had missed them.",
        )


def _names_contact(part: Part) -> bool:
    links = [link.href for paragraph in part.paragraphs for link in paragraph.links]
    return any(href.startswith(("mailto:", "tel:")) for href in links) or bool(_PHONE.search(part.text()))
