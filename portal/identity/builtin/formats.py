"""Read the hashes of a company's accounts, and say which can never sign in. No text of a hash is quoted."""

import re

from portal.crypto.formats import registry
from portal.crypto.formats.cost import Format
from portal.crypto.formats.layouts import Layout
from portal.crypto.formats.refusal import CutShort

EMPTY = "empty"
MARKED = "says that there is no password"
CUT = "cut short"
# What systems and exports write where there is no password; also whatever begins with ! or *.
_MARKS = frozenset(
    ("-", "--", "x", "np", "null", "\\n", "none", "nil", "nan", "n/a", "#n/a", "na", "locked", "disabled")
)
_MYSQL = re.compile(r"\*[0-9a-f]{40}\Z", re.IGNORECASE | re.ASCII)


class Unusable(Exception):
    """No password can ever match a hash; the message says why."""


def read(text: str, layout: Layout | None = None) -> Format:
    """Return what a hash is. Raises Unusable, and HashRefused where it may be a good one.

    `layout` is what an operator declares of plain digests.
    """
    if not text:
        raise Unusable(EMPTY)
    if text.lower() in _MARKS or text[0] == "!" or (text[0] == "*" and not _MYSQL.match(text)):
        raise Unusable(MARKED)
    try:
        return registry.check(text, layout)
    except CutShort:
        raise Unusable(CUT) from None
