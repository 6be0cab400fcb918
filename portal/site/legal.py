"""The pages that the law asks for: Markdown that admins saved, else that in PORTAL_LEGAL_DIR, else drafts."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from babel import Locale
from markupsafe import Markup

from portal.core.settings import Settings
from portal.core.settings.site import LEGAL_PAGES
from portal.core.shipped import LEGAL_DRAFTS
from portal.web import markdown

NAMES = LEGAL_PAGES
# What a statement and a notice lead people to look for.
READ_FIRST = ("privacy", "imprint")
DRAFT_LANGUAGE = "en"  # every draft exists in it

_TITLE = re.compile(r"\A\s*# +([^\n]+)\n")
# A line for some kinds of identity store alone, as in the drafts: `{link} Nothing is stored here.`
_FOR_STORES = re.compile(r"^\{((?:(?:builtin|external|link),?)+)\} ?(.*\n?)", re.MULTILINE)
_MARKS = re.compile(r"([\\`*_\[\]<>&#|])")


@dataclass(frozen=True)
class LegalPage:
    """A text with the language that it is in; a draft is one that nobody has replaced.

    Its main headings have the ids `part-1`, `part-2`, …
    """

    title: str
    body: Markup
    headings: tuple[str, ...]
    language: str
    draft: bool

    @property
    def direction(self) -> str:
        """The direction in which the text is written: `ltr` or `rtl`."""
        return Locale.parse(self.language, sep="-").text_direction


@dataclass(frozen=True)
class Source:
    """The Markdown of a page, and its language."""

    text: str
    language: str
    draft: bool = False


def page(settings: Settings, name: str, language: str) -> LegalPage:
    """Return the text of a page in this language, or in the nearest that there is.

    The company's own text in another language comes before a draft in this one. Raises OSError, and
    UnicodeDecodeError for a file that is not UTF-8.
    """
    found = source(settings, name, language)
    return rendered(settings, found.text, found.language, draft=found.draft)


def source(settings: Settings, name: str, language: str) -> Source:
    """Return the Markdown of a page in this language, or in the nearest that there is; raises like `page`."""
    site = settings.site
    tags = dict.fromkeys((language, *site.languages, DRAFT_LANGUAGE))
    for tag in tags:
        if text := site.legal.get(f"{name}.{tag}"):
            return Source(text, tag)
        file = site.legal_dir / f"{name}.{tag}.md" if site.legal_dir else None
        if file is not None and file.is_file():
            return Source(file.read_text(encoding="utf-8-sig"), tag)
    tag = next(tag for tag in tags if (LEGAL_DRAFTS / f"{name}.{tag}.md").is_file())
    draft = (LEGAL_DRAFTS / f"{name}.{tag}.md").read_text(encoding="utf-8-sig")
    return Source(draft, tag, draft=True)


def still_drafts(settings: Settings, names: Iterable[str]) -> list[str]:
    """Return those of these pages of which readers get a draft; one that cannot be read is none."""
    found = []
    for name in names:
        with suppress(OSError, UnicodeDecodeError):
            found += [name] * source(settings, name, settings.default_language).draft
    return found


def rendered(settings: Settings, text: str, language: str, *, draft: bool = False) -> LegalPage:
    """Return a page of this Markdown; what it may hold is in docs/guide/configure.md."""
    text = _filled_in(settings, text)
    title = _TITLE.match(text)
    intro, *parts = str(markdown.render(text[title.end() :] if title else text, top=2)).split("<h2>")
    numbered = (f'<h2 id="part-{number}">{part}' for number, part in enumerate(parts, 1))
    return LegalPage(
        title=re.sub(r"\\(.)", r"\1", title[1].rstrip().rstrip("#").rstrip()) if title else "",
        body=Markup(intro + "".join(numbered)),  # noqa: S704 - cleaned by the renderer
        headings=tuple(Markup(part.partition("</h2>")[0]).striptags() for part in parts),  # noqa: S704
        language=language,
        draft=draft,
    )


def version(settings: Settings) -> tuple[tuple[str, int, int], ...]:
    """Return what changes with the operator's files: each one's name, time of change and size."""
    found = ((file.name, file.stat()) for file in _own_files(settings))
    return tuple((name, about.st_mtime_ns, about.st_size) for name, about in found)


def check_files(settings: Settings, _keys_right: bool) -> Iterator[tuple[str, str | None]]:
    """Yield the faults of the operator's files, for `portal doctor`: such a page cannot be shown."""
    for file in _own_files(settings):
        try:
            line = markdown.overload(file.read_text(encoding="utf-8"))
            if line is not None:
                yield (
                    f"legal page {file}",
                    f"has too many marks up to line {line + 1}, so it is shown as it is; take marks out",
                )
        except UnicodeDecodeError:
            yield f"legal page {file}", "is not UTF-8; save it as UTF-8"
        except OSError as error:
            yield f"legal page {file}", f"cannot be read ({error.strerror}); both of the portal's users must"


def notes(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield, for `portal doctor`, which page is still a draft or lacks a language."""
    folder = settings.site.legal_dir
    for name in NAMES:
        files = [
            f"{name}.{tag}.md"
            for tag in settings.site.languages
            if f"{name}.{tag}" not in settings.site.legal
        ]
        if not files:
            continue
        lacking = [file for file in files if folder is None or not (folder / file).is_file()]
        if lacking == files and len(files) == len(settings.site.languages):
            draft = (
                f"shows a draft; put your own text into {folder or 'PORTAL_LEGAL_DIR'} "
                f"as {files[0]} (to start from it: {LEGAL_DRAFTS}/{name}.{DRAFT_LANGUAGE}.md)"
            )
            yield f"/{name}/", draft
        elif lacking:
            lacks = f"is in another language for some readers; {folder} has no {', '.join(lacking)}"
            yield f"/{name}/", lacks
    known = re.compile(rf"(?:{'|'.join(NAMES)})\.(?:{'|'.join(settings.site.languages)})\.md")
    for file in _own_files(settings):
        if not known.fullmatch(file.name):
            yield str(file), f"is not used; the names are like {NAMES[0]}.{settings.default_language}.md"


def _own_files(settings: Settings) -> list[Path]:
    folder = settings.site.legal_dir
    return [] if folder is None else sorted(folder.glob("*.md"))


def _filled_in(settings: Settings, text: str) -> str:
    """Return the text with the settings in place of {organisation}, {contact} and {site}.

    Lines that begin with names of stores, like `{builtin,external}`, stay where one of them is in use.
    """
    site, store = settings.site, "external" if settings.identity.external else settings.identity.store
    text = _FOR_STORES.sub(lambda line: line[2] if store in line[1].split(",") else "", text)
    address = site.contact_email or settings.mail.sender
    contact = f"[{_escaped(address)}](mailto:{_escaped(address)})"
    if site.contact_phone:
        dialled = re.sub(r"[^+0-9]", "", site.contact_phone)
        contact += f" · [{_escaped(site.contact_phone)}](tel:{dialled})"
    if site.contact_phone and site.contact_hours:
        contact += f" ({_escaped(site.contact_hours)})"
    values = {"organisation": _escaped(site.organisation), "contact": contact, "site": settings.base_url}
    return re.sub(r"\{(organisation|contact|site)\}", lambda found: values[found[1]], text)


def _escaped(text: str) -> str:
    """Return a setting as Markdown that shows it as it is."""
    return _MARKS.sub(r"\\\1", text)
