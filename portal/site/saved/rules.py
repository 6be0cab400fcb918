"""What may be saved: the environment's own rules for lines of text, and those of logos and legal pages."""

import re
from enum import Enum

from portal.core.settings.site import LEGAL_PAGES, RULES, SettingInvalid, checked, written
from portal.site.saved import pictures

LOGOS = ("logo", "logo_dark")
MOST_TEXT_BYTES = 100 * 1024
# What a letter or a number of any script, a mark or a line's end is not.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
_LEGAL = re.compile(rf"(?:{'|'.join(LEGAL_PAGES)})\.[A-Za-z]{{2,3}}(?:-[A-Za-z0-9]{{2,8}}){{0,3}}")


class TextOverloaded(SettingInvalid):
    """A legal page with more marks than anybody writes; `line` is where, from 1."""

    def __init__(self, name: str, line: int) -> None:
        """Store the line."""
        self.line = line
        super().__init__(name)


class Kind(Enum):
    """What a setting holds: a line of text, a picture, or the text of a legal page."""

    LINE = "line"
    PICTURE = "picture"
    TEXT = "text"


def kind(name: str) -> Kind:
    """Return what a setting holds, by its name: `contact_email`, `logo`, `privacy.en`. Raises LookupError."""
    if name in RULES:
        return Kind.LINE
    if name in LOGOS:
        return Kind.PICTURE
    if _LEGAL.fullmatch(name) and len(name) <= 40:  # noqa: PLR2004 - the column
        return Kind.TEXT
    raise LookupError(name)


def line(name: str, text: str, *, production: bool) -> str:
    """Return a line of text as it is stored. Raises SettingInvalid."""
    return written(checked(name, text.strip(), production=production))


def accept(name: str, content: bytes) -> None:
    """Check the bytes of a logo or a legal page. Raises PictureRefused, SettingInvalid."""
    if kind(name) is Kind.PICTURE:
        pictures.read(content)
    else:
        new_legal_text(name, content)


def new_legal_text(name: str, content: bytes) -> str:
    """Return the Markdown of a legal page to save. Raises as `legal_text`, and TextOverloaded."""
    from portal.web import markdown  # noqa: PLC0415 - every process reads what is saved, and few save

    text = legal_text(name, content)
    line = markdown.overload(text)
    if line is not None:
        raise TextOverloaded(name, line + 1)
    return text


def legal_text(name: str, content: bytes) -> str:
    """Return the Markdown of a legal page. Raises SettingInvalid."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise SettingInvalid(name) from error
    if not text.strip() or len(content) > MOST_TEXT_BYTES or _CONTROLS.search(text):
        raise SettingInvalid(name)
    return text
