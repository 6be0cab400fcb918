"""Collect what the pages that change settings show, and read what somebody typed there."""

from collections.abc import Mapping
from dataclasses import dataclass

from werkzeug.datastructures import FileStorage

from portal.console.settings import words
from portal.core.i18n import shipped_languages
from portal.core.settings import Settings
from portal.core.settings.site import RULES, SettingInvalid, written
from portal.site import legal
from portal.site.legal import Source
from portal.site.saved import pictures, rules, service
from portal.site.saved.pictures import MOST_BYTES, PictureRefused
from portal.site.saved.rules import Kind, TextOverloaded
from portal.site.saved.service import Change

# The settings of the overview, legal pages apart.
NAMES = (*RULES, *rules.LOGOS)
HISTORY = 10
MOST_DIGITS = 3


class Unfit(ValueError):
    """What somebody typed or chose cannot be saved; the message says why."""


@dataclass(frozen=True)
class Setting:
    """A setting on a page: its value now as text, the operator's, and the changes, the newest first.

    `base` is the number of the change that the next one replaces. Of a logo, `value` says if there is one.
    """

    name: str
    kind: Kind
    value: str
    given: str
    changes: list[Change]

    @property
    def base(self) -> int:
        """The number of the newest change, or 0."""
        return self.changes[0].number if self.changes else 0

    @property
    def saved(self) -> Change | None:
        """The change whose value counts instead of the operator's, or None."""
        return self.changes[0] if self.changes and self.changes[0].value is not None else None


def legal_names(settings: Settings) -> list[str]:
    """Return the names of the legal pages in the languages of the portal."""
    return [f"{page}.{tag}" for page in legal.NAMES for tag in settings.site.languages]


def setting(settings: Settings, name: str, changes: list[Change]) -> Setting:
    """Return a setting of the overview or a legal page; `changes` are those of all settings."""
    kind, own = rules.kind(name), [one for one in changes if one.name == name]
    given = service.operators_value(settings, name) or ""
    if kind is Kind.LINE and own:  # this process may read what was saved a few seconds later
        value = given if own[0].value is None else own[0].value
    elif kind is Kind.LINE:
        value = written(getattr(settings.site, name))
    elif kind is Kind.PICTURE:
        value = name if getattr(settings.site, "light_logo" if name == "logo" else "dark_logo") else ""
    else:
        value = source(settings, name).text
    return Setting(name, kind, value, given, own[:HISTORY])


def source(settings: Settings, name: str) -> Source:
    """Return the Markdown that people see of a legal page; nothing where its file cannot be read."""
    page, _dot, tag = name.partition(".")
    try:
        return legal.source(settings, page, tag)
    except (OSError, UnicodeDecodeError):
        return Source("", tag)


def line(settings: Settings, name: str, form: Mapping[str, str]) -> str:
    """Return what was typed, checked. Raises Unfit."""
    text = _languages(settings, form) if name == "languages" else form.get("value", "")
    try:
        return rules.line(name, text, production=settings.production)
    except SettingInvalid as error:
        raise Unfit(str(words.FAULTS[name])) from error


def picture(file: FileStorage | None) -> bytes:
    """Return the bytes of a file that can be a logo. Raises Unfit."""
    content = file.stream.read(MOST_BYTES + 1) if file else b""
    try:
        return pictures.read(content).content
    except PictureRefused as error:
        raise Unfit(words.picture_fault(error.reason)) from error


def text(name: str, typed: str) -> bytes:
    """Return the Markdown of a legal page as it is stored. Raises Unfit."""
    content = typed.replace("\r\n", "\n").encode(errors="replace")
    try:
        rules.new_legal_text(name, content)
    except TextOverloaded as error:
        raise Unfit(str(words.OVERLOADED) % {"line": error.line}) from error
    except SettingInvalid as error:
        raise Unfit(str(words.LEGAL_FAULT)) from error
    return content


def tags(settings: Settings) -> list[str]:
    """Return the languages to choose from: those in use first, then the others of this version."""
    return list(dict.fromkeys((*settings.site.languages, *shipped_languages())))


def places(settings: Settings, value: str, form: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the place of each language, from 1, or nothing; as typed, where it was."""
    chosen = value.split(",")
    if form is not None:
        return {tag: form.get(f"place-{tag}", "") for tag in tags(settings)}
    return {tag: str(chosen.index(tag) + 1) if tag in chosen else "" for tag in tags(settings)}


def _languages(settings: Settings, form: Mapping[str, str]) -> str:
    chosen = {tag: form.get(f"place-{tag}", "") for tag in tags(settings)}
    taken = {
        tag: int(place) for tag, place in chosen.items() if place.isdecimal() and len(place) <= MOST_DIGITS
    }
    if len(set(taken.values())) < len(taken):
        raise Unfit(str(words.SAME_PLACE))
    return ",".join(sorted(taken, key=lambda tag: taken[tag]))
