"""Text of one line: whether what people wrote is one, and how a terminal shows what may be none."""

import unicodedata

# The joiners that some scripts need.
_JOINERS = "\u200c\u200d"
# What shows nothing by itself: joiners, fillers, the blank of Braille, and selectors of another form.
_BLANK = {
    ord(character): " " for character in (*_JOINERS, *"\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
} | dict.fromkeys((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)), " ")
# Controls, marks that reverse the order of a line, and other line ends.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def is_plain(text: str) -> bool:
    """Return whether a text is one line that turns nothing around, hides nothing, and shows something.

    An empty one is, too. Spaces of every width may be in it.
    """
    seen = "".join(
        " " if character in _JOINERS or unicodedata.category(character) == "Zs" else character
        for character in text
    )
    return seen.isprintable() and (not text.strip() or bool(seen.translate(_BLANK).strip()))


def shown(text: str) -> str:
    """Return a text with a ? for each character that moves the cursor, changes colours or the order.

    Names in files and answers of name servers may hold them, to rewrite what is on the operator's screen.
    """
    return "".join("?" if unicodedata.category(character) in _UNSHOWN else character for character in text)
