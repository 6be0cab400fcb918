"""Collect what the settings page shows: what operators set, languages, legal pages, contrasts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

from portal.audit.staff import OPERATOR
from portal.core.i18n import DOMAINS, SOURCE_LANGUAGE, TRANSLATIONS, matching_language, shipped_languages
from portal.core.settings import Settings
from portal.site import legal
from portal.web.theme import Palette, contrast

PREFIX = "PORTAL_"


@dataclass(frozen=True)
class Value:
    """One setting: its variable, its value as text, and whether it is the default."""

    variable: str
    text: str
    default: bool


@dataclass(frozen=True)
class Language:
    """A language of the portal, and how much of the texts is translated, in percent."""

    tag: str
    percent: int
    default: bool


@dataclass(frozen=True)
class Legal:
    """A legal page in one language: whether the company replaced the draft, or the page cannot be read."""

    name: str
    language: str
    state: str


@dataclass(frozen=True)
class Colour:
    """A colour in light or dark mode: what buttons and links become, and the contrast of the text on them."""

    mode: str
    palette: Palette
    button: float
    link: float


def operators(settings: Settings) -> dict[str, list[Value]]:
    """Return what only an operator sets, by part of the page; nothing that is or holds a secret."""
    mail = settings.mail
    return {
        "addresses": [
            # Not the console's own, under which its pages know themselves.
            *_values(settings, "environment", "listen", "metrics_listen", "trusted_proxies"),
            *_values(
                settings.console,
                "url",
                "listen",
                "one_person",
                "commands_need_approval",
                before="CONSOLE_",
                names=_CONSOLE,
            ),
        ],
        "mail": _values(mail, "sender", "dkim_selector", "connections", "rate", before="MAIL_", names=_MAIL),
        "limits": _values(settings.limits, *(one.name for one in fields(settings.limits)), before="RATE_"),
        "accounts": _values(settings.identity, "store", before="IDENTITY_"),
        "retention": _values(
            settings.retention, *(one.name for one in fields(settings.retention)), before="RETENTION_"
        ),
    }


_CONSOLE = {
    "url": "CONSOLE_URL",
    "listen": "CONSOLE_LISTEN",
    "one_person": "APPROVALS",
    "commands_need_approval": "CLI_APPROVAL",
}
# What the operator writes for yes and no.
_WORDS = {"one_person": ("one", "two"), "commands_need_approval": ("required", "audited")}
_MAIL = {"dkim_selector": "DKIM_SELECTOR"}


def languages(settings: Settings) -> list[Language]:
    """Return the portal's languages with what is translated."""
    return [
        Language(tag, translated(tag), tag == settings.default_language) for tag in settings.site.languages
    ]


def legal_pages(settings: Settings) -> list[Legal]:
    """Return what each legal page is in each language."""
    return [
        Legal(name, tag, _legal(settings, name, tag))
        for name in legal.NAMES
        for tag in settings.site.languages
    ]


def colours(colour: str) -> list[Colour]:
    """Return what becomes of a brand colour, `#rrggbb`, in light and dark mode."""
    found = []
    for mode, palette, ground in (
        ("light", Palette.light(colour), "#ffffff"),
        ("dark", Palette.dark(colour), "#14171b"),
    ):
        button = contrast(palette.on_accent, palette.accent)
        found.append(Colour(mode, palette, button, contrast(palette.link, ground)))
    return found


def _values(
    group: Any, *names_of: str, before: str = "", names: Mapping[str, str] | None = None
) -> list[Value]:
    defaults = {one.name: one.default for one in fields(group)} if is_dataclass(group) else {}
    found = []
    for name in names_of:
        value, words = getattr(group, name), _WORDS.get(name)
        variable = PREFIX + (names or {}).get(name, f"{before}{name.upper()}")
        text = words[0 if value else 1] if words else _text(value)
        found.append(Value(variable, text, value == defaults.get(name)))
    return found


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, timedelta):
        return f"{value.days} d"
    if isinstance(value, Path):
        return value.name
    return "" if value is None else str(value)


def _legal(settings: Settings, name: str, tag: str) -> str:
    try:
        page = legal.page(settings, name, tag)
    except (OSError, UnicodeDecodeError):
        return "fault"
    if f"{name}.{tag}" in settings.site.legal:
        return "saved"
    if page.language != tag:
        return "other"
    return "draft" if page.draft else "own"


def who(names: Mapping[bytes, str]) -> Callable[[str], str]:
    """Return what tells the name of who changed something, from what its row says."""
    known = {member.hex(): name for member, name in names.items()}

    def name_of(by: str) -> str:
        return known.get(by.removeprefix("staff "), by.removeprefix(OPERATOR))

    return name_of


@cache
def translated(tag: str) -> int:
    """Return how many percent of the texts are translated into a language."""
    known = matching_language(tag, shipped_languages())
    if known == SOURCE_LANGUAGE:
        return 100
    if known is None:
        return 0
    done = every = 0
    for domain in DOMAINS:
        file = TRANSLATIONS / known.replace("-", "_") / "LC_MESSAGES" / f"{domain}.po"
        with file.open("rb") as source:
            for message in read_po(source):
                if message.id:
                    texts = message.string if isinstance(message.string, tuple) else (message.string,)
                    every += 1
                    done += all(texts) and not message.fuzzy
    return 100 * done // every if every else 0
