"""Show what others wrote at a terminal."""

import unicodedata

# Controls, marks that reverse the order of a line, and other line ends.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def shown(text: str) -> str:
    """Return a text with a ? for each character that moves the cursor, changes colours or the order.

    Names in files and answers of name servers may hold them, to rewrite what is on the operator's screen.
    """
    return "".join("?" if unicodedata.category(character) in _UNSHOWN else character for character in text)
