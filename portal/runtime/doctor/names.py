"""Ask a name server: the system's, or the one that the operator names."""

import ipaddress
from collections.abc import Sequence
from typing import Any

import click
import dns.exception
import dns.resolver

# Of one question, all attempts included.
SECONDS = 3.0
DNS_PORT = 53


class NotAnswered(Exception):
    """No name server answers; the message says how."""


class Names:
    """Looks names up."""

    def __init__(self, nameserver: tuple[str, int] | None = None) -> None:
        """Take the address and port of a name server; None means those of this system."""
        self._nameserver = nameserver

    def texts(self, name: str) -> list[str]:
        """Return the TXT records of a name; none where there are none. Raises NotAnswered."""
        return [b"".join(record.strings).decode(errors="replace") for record in self._ask(name, "TXT")]

    def addresses(self, name: str) -> list[str]:
        """Return the IP addresses of a name. Raises NotAnswered."""
        return [record.address for kind in ("A", "AAAA") for record in self._ask(name, kind)]

    def _ask(self, name: str, kind: str) -> Sequence[Any]:
        """Return the records of a kind, whose attributes dnspython makes from their bytes."""
        try:
            resolver = dns.resolver.Resolver(configure=self._nameserver is None)
            if self._nameserver is not None:
                resolver.nameservers, resolver.port = [self._nameserver[0]], self._nameserver[1]
            return list(resolver.resolve(name, kind, lifetime=SECONDS, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise NotAnswered(type(error).__name__) from error


def parse_nameserver(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[str, int] | None:
    """Return the address and port of `--nameserver`."""
    if value is None:
        return None
    host, port = value, ""
    if value.startswith("[") or value.count(":") == 1:
        host, _, port = value.rpartition(":")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port or DNS_PORT)
    except ValueError:
        raise click.BadParameter("must be an IP address, with :PORT where it is not 53") from None
