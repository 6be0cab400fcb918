"""Turn authors' files into statements and updates; what is wrong with them is said with its line."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.incidents import frontmatter, markdown
from portal.incidents.frontmatter import FileInvalid, Source
from portal.incidents.models import PHASES, TITLE_LENGTH, Section
from portal.incidents.service import checked_title
from portal.incidents.writing import StatementText, UpdateText
from portal.kit.i18n import catalogue
from portal.kit.i18n import mark as N_

# The five sections after the apology, in the order of the model letter of California's law and of the FTC.
SECTIONS = (
    N_("What happened"),
    N_("What information was involved"),
    N_("What we are doing"),
    N_("What you can do"),
    N_("For more information"),
)
STATEMENT_KEYS = ("title", "language", "signed_by", "role", "note")
UPDATE_KEYS = ("phase", "title", "occurred_at", "language", "notify")


@dataclass(frozen=True)
class Read:
    """A statement that was read, and the names of the sections that it does not have."""

    text: StatementText
    missing: list[str]


def read_statement(content: bytes, languages: tuple[str, ...]) -> Read:
    """Read a statement: front matter, the apology, and the five sections under `##` headings. Raises FileInvalid."""
    source = frontmatter.read(content, STATEMENT_KEYS)
    language = source.language(languages)
    apology, found = _split(source, language)
    if not apology.strip():
        raise FileInvalid(
            f"line {source.first_line}: the apology is missing; it stands before the first ## heading"
        )
    text = StatementText(
        language=language,
        title=source.one_line("title", TITLE_LENGTH),
        signed_by=source.one_line("signed_by", TITLE_LENGTH),
        role=source.one_line("role", TITLE_LENGTH),
        note=source.one_line("note", frontmatter.MAX_VALUE, needed=False) or None,
        apology=apology,
        sections=[found[number] for number in sorted(found)],
    )
    return Read(text, [name for number, name in enumerate(SECTIONS) if number not in found])


def read_update(
    content: bytes,
    languages: tuple[str, ...],
    zone: str,
    now: datetime,
    *,
    phase: str | None,
    title: str | None,
) -> UpdateText:
    """Read an update; what the command says and the file says too must agree. Raises FileInvalid, TitleInvalid."""
    title = None if title is None else checked_title(title)
    source = frontmatter.read(content, UPDATE_KEYS)
    own_phase = source.one_line("phase", TITLE_LENGTH, needed=False) or None
    if own_phase is not None and own_phase not in PHASES:
        raise source.fault("phase", f"must be one of {', '.join(PHASES)}")
    own_title = source.one_line("title", TITLE_LENGTH, needed=False) or None
    for key, own, given in (("phase", own_phase, phase), ("title", own_title, title)):
        if own is not None and given is not None and own != given:
            raise source.fault(key, "differs from what the command says")
    if not source.body.strip():
        raise FileInvalid(f"line {source.first_line}: the text is missing")
    return UpdateText(
        language=source.language(languages),
        phase=phase or own_phase,
        title=title or own_title,
        body=source.body.strip(),
        occurred_at=source.moment("occurred_at", zone, now),
        notify=source.yes_or_no("notify"),
    )


def _split(source: Source, language: str) -> tuple[str, dict[int, Section]]:
    """Return the apology, and the sections by their places in SECTIONS."""
    env: dict[str, Any] = {}
    tokens = markdown.parse(source.body, env)
    headings: list[tuple[int, int, str]] = []
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2" and token.level == 0 and token.map:
            headings.append((token.map[0], token.map[1], " ".join(tokens[place + 1].content.split())))
    lines = source.body.split("\n")
    ends = [start for start, _, _ in headings[1:]] + [len(lines)]
    definitions = _definitions(env)
    found: dict[int, Section] = {}
    by_place = len(headings) == len(SECTIONS)
    for place, ((start, after, heading), end) in enumerate(zip(headings, ends, strict=False)):
        line = source.first_line + start
        number = _section(heading, language)
        if number is None and by_place:
            number = place
        if number is None:
            raise FileInvalid(f"line {line}: the ## headings are: {'; '.join(_names(language))}")
        if number in found:
            raise FileInvalid(f"line {line}: this section stands there twice")
        if len(heading) > TITLE_LENGTH:
            raise FileInvalid(f"line {line}: this heading is longer than {TITLE_LENGTH} characters")
        text = "\n".join(lines[after:end]).strip()
        if not text:
            raise FileInvalid(f"line {line}: this section is empty")
        found[number] = Section(heading, text + definitions)
    apology = "\n".join(lines[: headings[0][0]] if headings else lines).strip()
    return (apology + definitions if apology else ""), found


def _section(heading: str, language: str) -> int | None:
    """Return the place of a heading among SECTIONS, in the file's language or in English."""
    for names in (_names(language), SECTIONS):
        plain = [_plain(name) for name in names]
        if _plain(heading) in plain:
            return plain.index(_plain(heading))
    return None


def _names(language: str) -> tuple[str, ...]:
    words = catalogue(language)
    return tuple(words.gettext(name) for name in SECTIONS)


def _plain(heading: str) -> str:
    return heading.casefold().strip(" .:?!¿¡")


def _definitions(env: dict[str, Any]) -> str:
    """Return the link references of a whole file, so that each part can be read by itself."""
    lines = []
    for label, reference in env.get("references", {}).items():
        title = reference["title"].replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        lines.append(f"[{label}]: <{reference['href']}>" + (f' "{title}"' if title else ""))
    return "\n\n" + "\n".join(lines) if lines else ""
