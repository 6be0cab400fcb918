"""Tell which network a request comes from, by what the trusted proxies wrote, and for which host; no Flask.

Only `X-Forwarded-For` is read. The scheme and the host of every URL come from PORTAL_BASE_URL.
"""

import ipaddress
import logging
import re
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("portal.web")

FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")
IPV6_PREFIX = 64  # one household or device may use any address of its /64 (RFC 6177)
LONGEST_ENTRY = 100
PORT = re.compile(r":[0-9]+\Z")
# Some proxies add the port: 203.0.113.7:50007, [2001:db8::7]:443.
BRACKETS_OR_PORT = re.compile(r"(?:\[(.*)\]|([^:\[\]]*))(?::[0-9]{1,5})?\Z")

# The warnings that this process has logged: what causes them is a setting, and every request would repeat it.
warned: set[str] = set()
# (name, substring of the user agent), first match wins. No version and no model: enough for the owner to
# recognise a device, and little for anyone else.
_BROWSERS = (
    ("Edge", "Edg"),
    ("Opera", "OPR/"),
    ("Samsung Internet", "SamsungBrowser/"),
    ("Firefox", "Firefox/"),
    ("Firefox", "FxiOS/"),
    ("Chrome", "Chrome/"),
    ("Chrome", "CriOS/"),
    ("Safari", "Safari/"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac", "Macintosh"),
    ("ChromeOS", "CrOS"),
    ("Linux", "Linux"),
)


def client_network(environ: Mapping[str, Any], trusted_proxies: int) -> str:
    """Return the network that limits count: an IPv4 address, or the /64 of an IPv6 address.

    It is the address that the outermost trusted proxy wrote. What such a proxy wrote and nobody can read is a
    network of its own, so that its visitors share no limit with everyone. Store keyed hashes of it only.
    """
    peer = _network(str(environ.get("REMOTE_ADDR") or "")) or "unknown"
    if trusted_proxies == 0:
        if any(name in environ for name in FORWARDED):
            _warn_once(
                "web: requests carry X-Forwarded-For, but PORTAL_TRUSTED_PROXIES is 0, so all visitors of a "
                "proxy count as one and share its limits; set it to the number of your proxies"
            )
        return peer
    if "HTTP_X_FORWARDED_FOR" not in environ:
        return peer
    entries = str(environ["HTTP_X_FORWARDED_FOR"]).split(",")
    if len(entries) < trusted_proxies:
        _warn_once(
            "web: X-Forwarded-For holds %d addresses, but PORTAL_TRUSTED_PROXIES is %d, so all visitors of a "
            "proxy count as one and share its limits; set it to the number of proxies that add an address",
            len(entries),
            trusted_proxies,
        )
        return peer
    entry = entries[-trusted_proxies].strip()
    network = _network(entry)
    if network is None:
        _warn_once(
            "web: X-Forwarded-For holds no address but something like %r (9 stands for digits, a for "
            "letters), so each such value counts as a network; make the proxy send the client's address",
            _shape(entry),
        )
        return f"unreadable {entry[:LONGEST_ENTRY]}"
    return network


def host_name(header: str) -> str:
    """Return the host of a Host header, in small letters (RFC 9110, 4.2.3) and without the port."""
    return PORT.sub("", header).lower()


def _network(written: str) -> str | None:
    """Return the network of an address with or without a port; None where it is no address."""
    found = BRACKETS_OR_PORT.match(written)
    text = (found[1] or found[2]) if found else written
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


def _shape(entry: str) -> str:
    """Return how an entry is written without what it says."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", entry[:LONGEST_ENTRY]))


def _warn_once(message: str, *values: object) -> None:
    if message not in warned:
        warned.add(message)
        log.warning(message, *values)


def describe_device(user_agent: str) -> str:
    """Return browser and system as `Firefox/Android`; either part is empty when unknown."""
    browser = next((name for name, part in _BROWSERS if part in user_agent), "")
    system = next((name for name, part in _SYSTEMS if part in user_agent), "")
    return f"{browser}/{system}"


def read_device(described: str) -> tuple[str, str]:
    """Return the browser and the system that `describe_device` described; what it cannot have said is empty.

    A stolen web server must not have words of its own mailed.
    """
    browser, _slash, system = described.partition("/")
    known = {name for name, _part in _BROWSERS}, {name for name, _part in _SYSTEMS}
    return browser if browser in known[0] else "", system if system in known[1] else ""
