"""Find the rows that need mending, and mend their cells."""

import html
import re
import unicodedata

from portal.core.i18n import Message
from portal.people_files import rows
from portal.people_files.formats.sheet_cells import DATE, ROUNDED
from portal.people_files.languages import is_language, named
from portal.people_files.mending.address import addresses_in
from portal.people_files.mending.characters import BLANKS, CLEAN, CLEAN_NAME, INVISIBLE, JOINERS, UNSEEN
from portal.people_files.rows import RowRefused

MAX_JURISDICTION = 60

# What databases, spreadsheets and programs write where there is nothing. "Null" is a name, and not there.
NO_VALUE = frozenset(
    {
        "NULL", "null", "(null)", "<null>", "\\N", "nan", "NaN", "NAN", "None", "N/A", "n/a", "#N/A", "#NV",
        "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#BEZUG!", "#WERT!", "undefined",
    }
)  # fmt: skip
# A character of two to four bytes in UTF-8 of which each was read as Windows-1252: "Ã¼" for "ü".
_TAIL = (
    "\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014"
    "\u2018-\u201a\u201c-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122"
)
_ODD = re.compile(
    f"[{''.join(map(chr, (*BLANKS, *UNSEEN, *JOINERS)))}\ufffd{DATE}{ROUNDED}]|[\u00c2-\u00f4][{_TAIL}]"
)
_USUAL_LEADS = frozenset("ÂÃ")
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});")
_SCIENTIFIC = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,3}\Z")
_SCIENTIFIC_LIKE = re.compile(r"[0-9][eE]\+[0-9]")
_WHOLE_NUMBER = re.compile(r"([0-9]+)\.0\Z")
_POSIX_LOCALE = re.compile(r"([A-Za-z]{2,3}(?:[_-][A-Za-z]{2})?)[.@].*\Z")

PLACEHOLDER = "a placeholder like NULL, nan or #N/A, read as empty"
A_DATE = "a date in the workbook, left empty: the spreadsheet may have made it from something else"
ROUNDED_NUMBER = "a number of more than 15 digits, left empty: the spreadsheet has rounded it"
SCIENTIFIC = "a number in scientific notation, left empty: its last digits are lost"
WHOLE_NUMBER = "a number like 12345.0, read as 12345"
ENTITIES = "HTML entities decoded"
DECODED_TWICE = "decoded twice, like Ã¼ for ü, mended"
DAMAGED = "damaged, with a replacement character (U+FFFD)"
CONTROLS = "control characters taken off"
CUT = f"longer than {rows.MAX_NAME} characters, cut"
ODD_LOCALE = "not a language that we know, so the default language counts"
LANGUAGE_NAME = "the name of a language, read as its code"
POSIX_LOCALE = "read without what follows the language, as in de_DE.UTF-8"
ODD_JURISDICTION = f"has control characters or more than {MAX_JURISDICTION} characters, left empty"


def looks_odd(cells: tuple[str, ...]) -> bool:
    """Return whether a row may need mending although its cells are valid. Called for every row."""
    joined = "\x1f".join(cells)
    return (
        "&" in joined
        or ".0\x1f" in joined
        or ("+" in joined and _SCIENTIFIC_LIKE.search(joined) is not None)
        or not NO_VALUE.isdisjoint(cells)
        or (not joined.isascii() and _ODD.search(joined) is not None)
    )


def mend(
    columns: tuple[str, ...], cells: tuple[str, ...], *, several: bool
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return a row mended, once for each of its addresses, and notes like `name: cut`. Raises RowRefused.

    `several`: whether the cell of the address may hold several.
    """
    notes: list[str] = []
    mended = []
    for column, cell in zip(columns, cells, strict=True):
        value, what = _mended(column, cell)
        mended.append(value)
        notes += [f"{column}: {each}" for each in what]
    at = columns.index("email")
    found, what = addresses_in(mended[at])
    notes += [f"email: {each}" for each in what]
    if len(found) > 1 and not several:
        raise RowRefused(Message("%(column)s: several addresses, and an account has one", column="email"))
    return [(*mended[:at], address, *mended[at + 1 :]) for address in found], notes


def _mended(column: str, cell: str) -> tuple[str, list[str]]:
    """Return a cell mended, and what was mended."""
    if cell.strip() in NO_VALUE:
        return "", [PLACEHOLDER]
    if column == "password_hash":
        return cell, []
    if cell[:1] in (DATE, ROUNDED) and cell:
        if column == "email":
            raise RowRefused(Message("%(column)s: the cell is a date or a number", column="email"))
        return "", [A_DATE if cell[0] == DATE else ROUNDED_NUMBER]
    clean = cell.translate(CLEAN_NAME if column == "name" else CLEAN)
    notes = [INVISIBLE] if clean != cell else []
    match column:
        case "account_ref":
            value, more = _mended_reference(clean.strip())
        case "name":
            value, more = _mended_name(clean)
        case "locale":
            value, more = _mended_locale(clean)
        case "jurisdiction" if _has_controls(clean.strip()) or len(clean.strip()) > MAX_JURISDICTION:
            value, more = "", [ODD_JURISDICTION]
        case _:
            value, more = clean, []
    return value, notes + more


def _mended_reference(ref: str) -> tuple[str, list[str]]:
    if _SCIENTIFIC.match(ref):
        return "", [SCIENTIFIC]
    whole = _WHOLE_NUMBER.match(ref)
    return (whole[1], [WHOLE_NUMBER]) if whole else (ref, [])


def _mended_name(name: str) -> tuple[str, list[str]]:
    notes = []
    decoded = _ENTITY.sub(lambda found: html.unescape(found[0]), name)
    if decoded != name:
        notes.append(ENTITIES)
        decoded = _ENTITY.sub(lambda found: html.unescape(found[0]), decoded).translate(CLEAN_NAME)
    repaired = _decoded_once(decoded)
    if repaired != decoded:
        notes.append(DECODED_TWICE)
    if "\ufffd" in repaired:
        notes.append(DAMAGED)
    value = " ".join(repaired.split())
    if _has_controls(value):
        notes.append(CONTROLS)
        value = " ".join("".join(c for c in value if not _is_control(c)).split())
    if len(value) > rows.MAX_NAME:
        notes.append(CUT)
        value = value[: rows.MAX_NAME].rstrip()
    return value, notes


def _mended_locale(locale: str) -> tuple[str, list[str]]:
    try:
        rows.parse_locale(locale)
    except RowRefused:
        posix = _POSIX_LOCALE.match(locale.strip())
        if posix and is_language(re.split("[_-]", posix[1])[0]):
            return posix[1], [POSIX_LOCALE]
        tag = named(locale)
        return (tag, [LANGUAGE_NAME]) if tag else (rows.UNKNOWN_LANGUAGE, [ODD_LOCALE])
    return locale, []


def _decoded_once(text: str) -> str:
    """Return a text that was decoded twice as it was meant, and any other as it is."""
    for _ in range(3):
        try:
            meant = b"".join(map(_byte, text)).decode()
        except UnicodeError:
            return text
        # A single pair may be chance: a word that ends in Ñ, and a closing quotation mark.
        chance = len(text) - len(meant) == 1 and _USUAL_LEADS.isdisjoint(text)
        if meant == text or chance:
            return text
        text = meant
    return text


def _byte(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")  # the five bytes that Windows-1252 leaves undefined


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in rows.REFUSED_CATEGORIES


def _has_controls(text: str) -> bool:
    return not text.isprintable() and any(map(_is_control, text))
