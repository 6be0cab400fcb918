"""Other sites where a password was used: host names, which get a link, and other words, which get none."""

import ipaddress
import json
import re

import idna

from portal.core.i18n import mark

MOST_SITES = 20
# The whole list in the session cookie, of which browsers keep 4,096 bytes.
MOST_BYTES = 1_700
LONGEST = 200
_LONGEST_HOST = 100
_LONGEST_WORDS = 60
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
# Top-level names of no public web site (RFC 6761, RFC 6762, RFC 7686, RFC 8375, ICANN's .internal).
_NOT_PUBLIC = frozenset({"localhost", "local", "internal", "invalid", "onion", "arpa", "home", "lan"})

NOTHING = mark("Enter a site, an app or a shop.")
TOO_LONG = mark("That’s too long. Enter a name of up to 60 characters.")


class SiteInvalid(ValueError):
    """The text cannot be listed; the message says what to type, without quoting the text."""


def entry(text: str) -> str:
    """Return what to list of a typed text: its host name, or else its words. Raises SiteInvalid."""
    host = host_name(text)
    if host is not None:
        return host
    if len(text) > LONGEST:
        raise SiteInvalid(TOO_LONG)
    words = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    if not words:
        raise SiteInvalid(NOTHING)
    if len(words) > _LONGEST_WORDS:
        raise SiteInvalid(TOO_LONG)
    return words


def is_full(entries: list[str]) -> bool:
    """Return whether these are more entries than the list has room for."""
    return len(entries) > MOST_SITES or len(json.dumps(entries)) > MOST_BYTES


def host_name(text: str) -> str | None:
    """Return the ASCII host name (IDNA) of a site or URL, or None where the text names no public web site.

    Accepts public domain names only: no port, user, IP address or name of a local machine or network.
    """
    typed = text.strip()
    if len(typed) > LONGEST:
        return None
    host = re.split(r"[/?#]", _SCHEME.sub("", typed, count=1), maxsplit=1)[0].removesuffix(".")
    try:
        encoded = idna.encode(host, uts46=True, transitional=False, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return None
    labels = encoded.split(".")
    if (
        "." not in encoded
        or len(encoded) > _LONGEST_HOST
        or labels[-1] in _NOT_PUBLIC
        or _is_ip_address(encoded)
    ):
        return None
    return encoded


def change_address(host: str) -> str:
    """Return the well-known URL for changing passwords, which many sites redirect (W3C)."""
    return f"https://{host}/.well-known/change-password"


def _is_ip_address(host: str) -> bool:
    """Return whether browsers read this as an IP address: its last label is a number (WHATWG URL)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        last = host.rsplit(".", 1)[-1]
        return last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) is not None
    return True
