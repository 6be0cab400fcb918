"""Normalise, fold and mask email addresses, and show where addresses may break."""

import re
import unicodedata
from functools import cache
from pathlib import Path

import idna
from markupsafe import Markup, escape

from portal.core.i18n import mark
from portal.core.shipped import STATIC

MAX_ADDRESS = 254
MAX_LOCAL = 64
ASCII_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_LOCAL = re.compile(rf"[\u0080-\U0010ffff{ASCII_ATEXT}]+(?:\.[\u0080-\U0010ffff{ASCII_ATEXT}]+)*\Z")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# Full stops where RFC 5321 allows none, but Japanese carriers had them: in a row, or at the end.
_DOTTED = re.compile(rf"[{ASCII_ATEXT}]+(?:\.+[{ASCII_ATEXT}]+)*\.*\Z")
_PLAIN = re.compile(
    rf"[{ASCII_ATEXT}]+(?:\.[{ASCII_ATEXT}]+)*@{_LABEL}(?:\.{_LABEL})*\.(?![0-9]+\Z){_LABEL}\Z"
)
# Mail servers on the way may decode these into another address: encoded words (RFC 2047), percent-encoding.
_DECODED_ELSEWHERE = re.compile(r"=\?|%[0-9A-Fa-f]{2}")
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")

# Providers that deliver every spelling of a local part to one mailbox. `plus`: what follows a plus sign is a
# tag; `dots`: full stops are ignored. Lists only providers that document this.
PLUS_AND_DOTS = frozenset({"gmail.com", "googlemail.com"})
PLUS_ONLY = frozenset(
    {
        "outlook.com", "hotmail.com", "live.com", "icloud.com", "me.com", "mac.com",
        "fastmail.com", "proton.me", "protonmail.com", "pm.me",
    }
)  # fmt: skip

# What word processors and phones write instead of the apostrophe and the hyphen of a keyboard. No provider
# issues addresses with them (RFC 8264, section 4.2, admits no punctuation beyond ASCII).
APOSTROPHES = "\u00b4\u2018\u2019\u201b\u2032\uff07"
HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_PLAIN_MARKS = str.maketrans(dict.fromkeys(APOSTROPHES, "'") | dict.fromkeys(HYPHENS, "-"))
# A letter, in Cyrillic and other scripts; an apostrophe only among plain letters.
_LETTER_APOSTROPHE = "\u02bc"

# Domains whose local parts may have full stops in a row or at the end.
DOTTED_DOMAINS = Path(__file__).with_name("dotted-domains.txt")

# Lines of a domain that is often typed by mistake, and the one that is meant; the form's script reads it too.
SLIPS = STATIC / "words/mistyped-domains.txt"

NO_ADDRESS = mark("Enter an email address.")
TOO_LONG = mark("This is too long for an email address.")
NOT_ONE = mark("Enter one email address, like name@example.com.")
LOOKS_ALIKE = mark(
    "Some of these characters only look like plain letters. Type the address on your keyboard."
)
CURLY_APOSTROPHE = mark("This address has a curly apostrophe (%(character)s). Type a plain one: %(plain)s")
SPECIAL_HYPHEN = mark("This address has a special dash (%(character)s). Type a plain hyphen: %(plain)s")
DOTS = mark("This address has two dots in a row, or a dot before the @. Check it and type it again.")


class AddressInvalid(ValueError):
    """The text is not exactly one email address; the message says why, without repeating the text.

    `values` are those of the message's placeholders: at most a single character of the text.
    """

    def __init__(self, message: str, **values: str) -> None:
        """Take the message, which is a message id."""
        super().__init__(message)
        self.values = values


def normalise(text: str) -> str:
    """Return the canonical form of an address: trimmed, NFC, with a lower-case ASCII domain.

    The domain is encoded by UTS 46, non-transitional. The local part keeps its case (RFC 5321, section 2.4).
    Raises AddressInvalid.
    """
    trimmed = text.strip(" \t\r\n")
    if not trimmed:
        raise AddressInvalid(NO_ADDRESS)
    if len(trimmed) > MAX_ADDRESS:
        raise AddressInvalid(TOO_LONG)
    local, at, domain = unicodedata.normalize("NFC", trimmed).rpartition("@")
    if not at:
        raise AddressInvalid(NOT_ONE)
    if _DECODED_ELSEWHERE.search(local):
        raise AddressInvalid(NOT_ONE)
    address = f"{local}@{domain.translate(_ASCII_LOWER)}"
    if _PLAIN.match(address) and "xn--" not in address and len(local) <= MAX_LOCAL:
        return address
    _refuse_marks(trimmed)
    address = f"{_checked_local(local, domain)}@{_ascii_domain(domain)}"
    if len(address.encode()) > MAX_ADDRESS:
        raise AddressInvalid(TOO_LONG)
    return address


def _checked_local(local: str, domain: str) -> str:
    """Return a local part that is no plain one, if it is one at all. Raises AddressInvalid."""
    if _DOTTED.match(local) and not _LOCAL.match(local):
        if len(local) > MAX_LOCAL:
            raise AddressInvalid(NOT_ONE)
        if not _may_be_dotted(_ascii_domain(domain)):
            raise AddressInvalid(DOTS)
        return local
    if not _LOCAL.match(local) or any(unicodedata.category(character)[0] in "CZ" for character in local):
        raise AddressInvalid(NOT_ONE)
    if len(local.encode()) > MAX_LOCAL:
        raise AddressInvalid(NOT_ONE)
    if unicodedata.normalize("NFKC", local) != local:
        raise AddressInvalid(LOOKS_ALIKE)
    return local


def plain_marks(text: str) -> str:
    """Return a text of the same length with plain apostrophes and hyphens instead of typographic ones."""
    plain = text.translate(_PLAIN_MARKS)
    letters = plain.replace(_LETTER_APOSTROPHE, "'")
    return letters if letters.isascii() else plain


def _refuse_marks(text: str) -> None:
    """Raise AddressInvalid, which names the character, if a text has a typographic apostrophe or hyphen."""
    for typed, plain in zip(text, plain_marks(text), strict=True):
        if typed != plain:
            message = CURLY_APOSTROPHE if plain == "'" else SPECIAL_HYPHEN
            raise AddressInvalid(message, character=typed, plain=plain)


def _may_be_dotted(domain: str) -> bool:
    return any(domain == known or domain.endswith(f".{known}") for known in _dotted_domains())


@cache
def _dotted_domains() -> tuple[str, ...]:
    lines = DOTTED_DOMAINS.read_text(encoding="ascii").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def quoted(address: str) -> str:
    """Return an address as SMTP and header fields need it: a dotted local part between quotation marks.

    Carriers take `"taro..x"@…` for `taro..x@…`, and strict relays take nothing else (RFC 5321, 4.1.2).
    """
    local, _, domain = address.rpartition("@")
    return f'"{local}"@{domain}' if ".." in local or local.endswith(".") else address


def _ascii_domain(domain: str) -> str:
    try:
        encoded = idna.encode(domain, uts46=True, transitional=False, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise AddressInvalid(NOT_ONE) from error
    if "." not in encoded or encoded.endswith(".") or encoded.rsplit(".", 1)[1].isdigit():
        raise AddressInvalid(NOT_ONE)
    return encoded


def folded(address: str) -> str:
    """Return the key under which addresses that may share a mailbox with a normalised one are found.

    Folds the ASCII case of the local part, and plus tags and dots where the provider is known to ignore them.
    No other character is folded, so KELVIN SIGN or dotless i match no plain letter (Django CVE-2019-19844).
    """
    local, _, domain = address.rpartition("@")
    local = local.translate(_ASCII_LOWER)
    if domain in PLUS_AND_DOTS:
        local = local.partition("+")[0].replace(".", "") or local
        domain = "gmail.com"
    elif domain in PLUS_ONLY:
        local = local.partition("+")[0] or local
    return f"{local}@{domain}"


def one_mailbox(domain: str) -> bool:
    """Return whether the provider is known to deliver every spelling with the same fold to one mailbox."""
    return domain in PLUS_AND_DOTS or domain in PLUS_ONLY


def probably_meant(address: str) -> str | None:
    """Return what a normalised address at a domain that is often mistyped should probably be, or None."""
    local, _, domain = address.rpartition("@")
    meant = _slips().get(domain)
    return f"{local}@{meant}" if meant else None


@cache
def _slips() -> dict[str, str]:
    lines = SLIPS.read_text(encoding="ascii").splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def sign_in_name(address: str) -> str:
    """Return the form under which an account is found: a normalised address in ASCII lower case."""
    return address.translate(_ASCII_LOWER)


def mask(address: str) -> str:
    """Return a masked address that its owner recognises and nobody else can use: `a…@e….com`."""
    local, _, domain = address.rpartition("@")
    name, dot, top = domain.rpartition(".")
    return f"{local[:1]}…@{name[:1]}…{dot}{top}"


def breakable(address: str) -> Markup:
    """Return an address of mail or web that breaks after its @, and before its dots and slashes.

    Whoever copies it gets it in one piece.
    """
    return Markup(re.sub(r"(?<=@)|(?<=\w)(?=[./])", "<wbr>", str(escape(address))))  # noqa: S704 - escaped
