"""Other sites where a password was used: validate a typed site and return its host name."""

import ipaddress
import re

import idna

from portal.core.i18n import mark

MOST_SITES = 20
LONGEST = 200
_LONGEST_HOST = 100
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
# Top-level names of no public web site (RFC 6761, RFC 6762, RFC 7686, RFC 8375, ICANN's .internal).
_NOT_PUBLIC = frozenset({"localhost", "local", "internal", "invalid", "onion", "arpa", "home", "lan"})

NO_SITE = mark("Enter a site, like example.com.")
NOT_A_SITE = mark("Enter the site’s own name, like example.com, without spaces.")


class SiteInvalid(ValueError):
    """The text names no public web site; the message says what to type, without quoting the text."""


def host_name(text: str) -> str:
    """Return the ASCII host name (IDNA) of a typed site or URL. Raises SiteInvalid.

    Accepts public domain names only: no port, user, IP address or name of a local machine or network.
    """
    typed = text.strip()
    if not typed:
        raise SiteInvalid(NO_SITE)
    if len(typed) > LONGEST:
        raise SiteInvalid(NOT_A_SITE)
    host = re.split(r"[/?#]", _SCHEME.sub("", typed, count=1), maxsplit=1)[0].removesuffix(".")
    try:
        encoded = idna.encode(host, uts46=True, transitional=False, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise SiteInvalid(NOT_A_SITE) from error
    labels = encoded.split(".")
    if (
        "." not in encoded
        or len(encoded) > _LONGEST_HOST
        or labels[-1] in _NOT_PUBLIC
        or _is_ip_address(encoded)
    ):
        raise SiteInvalid(NOT_A_SITE)
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
