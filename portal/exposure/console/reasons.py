"""Say in the reader's language what the reader of files says in English: why rows and files are refused.

An entry is a sentence of the command line with its values as `%(name)s`; what follows an option is cut first.
"""

import re
from functools import cache
from typing import Any

from flask_babel import gettext

from portal.core.i18n import Message, unpacked
from portal.core.i18n import mark as N_
from portal.exposure.console.words import COLUMNS, without_options

ROWS = (
    "'%(word)s' is not a data class",
    "name %(number)s is not a data class of the taxonomy",
)
NOTES = (
    N_("a placeholder like NULL, nan or #N/A, read as empty"),
    N_("a date in the workbook, left empty: the spreadsheet may have made it from something else"),
    N_("a number of more than 15 digits, left empty: the spreadsheet has rounded it"),
    N_("a number in scientific notation, left empty: its last digits are lost"),
    N_("a number like 12345.0, read as 12345"),
    N_("HTML entities decoded"),
    N_("decoded twice, like Ã¼ for ü, mended"),
    N_("damaged, with a replacement character (U+FFFD)"),
    N_("control characters taken off"),
    N_("longer than %(number)s characters, cut"),
    N_("not a language that we know, so the default language counts"),
    N_("the name of a language, read as its code"),
    N_("read without what follows the language, as in de_DE.UTF-8"),
    N_("has control characters or more than %(number)s characters, left empty"),
    N_("mailto:, brackets, quotes or a name around the address taken off"),
    N_("a full stop after the address taken off"),
    N_("several addresses in one cell, taken as one row each"),
    N_("the typographic character U+%(number)s read as %(meant)s"),
    N_("invisible characters or no-break spaces taken off"),
)
FILES = (
    "the first line is empty; it must be the header with the column names",
    N_("there is no header. The first line must name the columns: %(columns)s"),
    "the column '%(column)s' appears more than once",
    "the column '%(column)s' is missing",
    "the file ends in the middle of this row; it is truncated",
    N_("the file has a header but no rows"),
    N_("column %(number)s has no name in the header, and holds something here. Name it in the file"),
    'a quotation mark is misplaced; inside a quoted field, double it ("")',
    "a quotation mark is not closed; the file may be truncated",
    "a quotation mark is not closed, or the row is far too long",
    N_("the line is longer than %(number)s bytes"),
    "the line contains a NUL byte; probably UTF-16 without its mark",
    "the line contains a NUL byte; the file is damaged or in another encoding",
    N_("lines end with a carriage return only (CR). Save the file with LF or CRLF line ends"),
    "the line is not in the encoding %(name)s",
    N_("the gzip file expands to more than %(number)s times its size"),
    N_("the gzip file is cut: its end is missing"),
    N_("the gzip file is damaged"),
    "the gzip file holds a workbook. Decompress it first: gunzip FILE",
    N_("the file is a zip archive or a workbook, and was sent as text"),
    N_("the file is an old workbook (XLS), or one with a password. Save it as XLSX without a password"),
    N_("the workbook cannot be read: %(reason)s"),
    "more than %(number)s people to leave out; this is not the right file",
)
OPTIONS = (
    "The file starts with the mark of %(mark)s, so it is not in %(name)s. Leave out",
    N_("A workbook says its own encoding: leave the encoding out"),
    "'%(name)s' is no text encoding. Usual ones: %(names)s",
)
# Why a workbook cannot be read.
WORKBOOKS = (
    N_("it has a password. Save it without one"),
    N_("it is damaged, or no XLSX workbook"),
    N_("it is damaged"),
    N_("row %(number)s has more than %(most)s characters"),
    N_("it is a zip archive but no XLSX workbook. Take the file out of it, or save it as XLSX"),
    N_("it expands to more than %(number)s times its size. Save the sheet as CSV"),
    N_("it has more than a million cells with an error"),
    N_("it expands to %(size)s MB, and at most %(most)s MB are read. Save the sheet as CSV"),
    N_(
        "the sheet spans %(cells)s cells, and at most %(most)s are read. Delete the empty rows and columns "
        "beside the list, or save the sheet as CSV"
    ),
    "it did not arrive whole. Upload it again",
    N_("it takes too long. Save the sheet as CSV"),
    N_("it needs more than %(number)s MB of memory"),
    N_("it needs more than %(number)s MB of memory. Save the sheet as CSV"),
    N_("the process that reads it ended early. Save the sheet as CSV"),
)
DESCRIPTIONS = (
    N_("text in %(encoding)s, columns separated by commas"),
    N_("text in %(encoding)s, columns separated by semicolons"),
    N_("text in %(encoding)s, columns separated by tabs"),
    N_("text in %(encoding)s, columns separated by bars"),
    N_("text in %(encoding)s, columns separated by %(separator)s"),
    "XLSX workbook, sheet '%(name)s'",
)
# Where staff read other words than users of the command line.
PLAINER = {
    "'%(word)s' is not a data class": N_("“%(word)s” isn’t a kind of data we know"),
    "name %(number)s is not a data class of the taxonomy": N_("word %(number)s isn’t a kind of data we know"),
    "the gzip file holds a workbook. Decompress it first: gunzip FILE": N_(
        "the gzip file holds a workbook. Unpack it, and choose the workbook"
    ),
    "The file starts with the mark of %(mark)s, so it is not in %(name)s. Leave out": N_(
        "The file says that it is in %(mark)s, so it can’t be in %(name)s"
    ),
    "the column '%(column)s' appears more than once": N_("the column “%(column)s” appears more than once"),
    "the column '%(column)s' is missing": N_("the column “%(column)s” is missing"),
    "the first line is empty; it must be the header with the column names": N_(
        "the first line is empty. It must name the columns"
    ),
    "the file ends in the middle of this row; it is truncated": N_(
        "the file is cut: it ends in the middle of this row"
    ),
    'a quotation mark is misplaced; inside a quoted field, double it ("")': N_(
        "a quotation mark is misplaced. Inside a quoted field, write it twice"
    ),
    "a quotation mark is not closed; the file may be truncated": N_(
        "a quotation mark is missing at the end of a field. The file may be cut"
    ),
    "the line contains a NUL byte; probably UTF-16 without its mark": N_(
        "the line contains a NUL byte. It’s probably UTF-16 without its mark"
    ),
    "the line contains a NUL byte; the file is damaged or in another encoding": N_(
        "the line contains a NUL byte. The file is damaged or in another encoding"
    ),
    "more than %(number)s people to leave out; this is not the right file": N_(
        "more than %(number)s people to leave out. This isn’t the right file"
    ),
    "'%(name)s' is no text encoding. Usual ones: %(names)s": N_(
        "“%(name)s” is no text encoding. Usual ones: %(names)s"
    ),
    "XLSX workbook, sheet '%(name)s'": N_("XLSX workbook, sheet “%(name)s”"),
    "a quotation mark is not closed, or the row is far too long": N_(
        "a quotation mark is missing at the end of a field, or the row is far too long"
    ),
    "it did not arrive whole. Upload it again": N_("it didn’t arrive whole. Upload it again"),
    "the line is not in the encoding %(name)s": N_("the line isn’t in the encoding %(name)s"),
}
# The page offers what the command line proposes.
_PROPOSAL = re.compile(r"(?: Did you mean .*\?|\.)\Z", re.DOTALL)
_VALUE = re.compile(r"%\\\((\w+)\\\)s")


def said(reason: list[Any] | str) -> str:
    """Return a reason, a note or a description for the console; one that is unknown as it is.

    The worker packs why a row was rejected as a message, with the column's name among its values.
    """
    message = unpacked(reason)
    if isinstance(message, Message):
        values = dict(message.values)
        if values.get("column") in COLUMNS:
            values["column"] = str(COLUMNS[values["column"]])
        if isinstance(values.get("why"), str):
            values["why"] = _translated(_plain(values["why"]))
        return Message(message.template, **values).said(gettext)
    plain = _plain(message)
    column, colon, rest = plain.partition(": ")
    if colon and column in COLUMNS:
        return f"{COLUMNS[column]}: {_translated(rest)}"
    return _translated(plain)


def is_known(reason: str) -> bool:
    """Return whether a reason has words in every language."""
    plain = _plain(reason)
    column, colon, rest = plain.partition(": ")
    return _found(rest if colon and column in COLUMNS else plain) is not None


def _plain(reason: str) -> str:
    return _PROPOSAL.sub("", without_options(reason)).removesuffix(".")


def _translated(text: str) -> str:
    found = _found(text)
    if found is None:
        return text
    template, values = found
    if "reason" in values:
        values["reason"] = _translated(values["reason"])
    return str(gettext(PLAINER.get(template, template), **values))


def _found(text: str) -> tuple[str, dict[str, str]] | None:
    for message, pattern in _patterns():
        if match := pattern.fullmatch(text):
            return message, match.groupdict()
    return None


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    every = (*ROWS, *NOTES, *FILES, *OPTIONS, *WORKBOOKS, *DESCRIPTIONS)
    return tuple((text, re.compile(_VALUE.sub(r"(?P<\1>.+?)", re.escape(text)), re.DOTALL)) for text in every)
