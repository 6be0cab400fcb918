"""Text of one line: whether what people wrote is one, and how a terminal shows what may be none."""

import unicodedata

# Spaces that hold a number and its unit together, and the joiners that some scripts need.
_INVISIBLE = dict.fromkeys(map(ord, "\u00a0\u202f\u200c\u200d"), " ")
# Controls, marks that reverse the order of a line, and other line ends.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def is_plain(text: str) -> bool:
    """Return whether a text is one line in which nothing is invisible, or turns the text around."""
    seen = text.translate(_INVISIBLE)
    return seen.isprintable() and (not text.strip() or bool(seen.strip()))


def shown(text: str) -> str:
    """Return a text with a ? for each character that moves the cursor, changes colours or the order.

    Names in files and answers of name servers may hold them, to rewrite what is on the operator's screen.
    """
    return "".join("?" if unicodedata.category(character) in _UNSHOWN else character for character in text)
