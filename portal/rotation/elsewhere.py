"""Other sites where a password was used: a typed site becomes a host name, or is refused."""

import ipaddress
import re

import idna

from portal.core.i18n import mark

MOST_SITES = 20
LONGEST = 200
_LONGEST_HOST = 100
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
# Names that never lead to a public web site (RFC 6761, RFC 6762, RFC 7686, RFC 8375, ICANN's .internal).
_NOT_PUBLIC = frozenset({"localhost", "local", "internal", "invalid", "onion", "arpa", "home", "lan"})

NO_SITE = mark("Enter a site, like example.com.")
NOT_A_SITE = mark("Enter the site’s own name, like example.com, without spaces.")


class SiteInvalid(ValueError):
    """The text names no public web site; the message says what to type instead and never repeats it."""


def host_name(text: str) -> str:
    """Return the host name, in ASCII, of a typed site or address. Raises SiteInvalid.

    Only a public domain name passes: no port, no user, no number, no name of this machine or network.
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
    if "." not in encoded or len(encoded) > _LONGEST_HOST or labels[-1] in _NOT_PUBLIC or _is_number(encoded):
        raise SiteInvalid(NOT_A_SITE)
    return encoded


def change_address(host: str) -> str:
    """Return where a site changes passwords: the well-known address that many sites redirect (W3C)."""
    return f"https://{host}/.well-known/change-password"


def _is_number(host: str) -> bool:
    """Tell whether browsers would read this as an IP address: their rule is that the last part is a number."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        last = host.rsplit(".", 1)[-1]
        return last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) is not None
    return True
