"""The relay and the database as their addresses name them: what is wrong with an address or its password."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from portal.core.db import sqlite_file

LOOPBACK = ("localhost", "127.0.0.1", "::1")
LEAST_PASSWORD = 8
# What stands in examples, this project's own among them, and what is tried first by whoever tries.
EXAMPLES = frozenset(
    [
        "admin", "administrator", "changeit", "changeme", "contrasena", "default", "demo", "example", "geheim", "guest",
        "letmein", "passw0rd", "passwd", "passwort", "portal", "postgres", "postgresql",
        "qwerty", "qwertyuiop", "relay", "root", "secret", "smtp", "test", "topsecret", "user",
        "username", "welcome", "yoursecret",
    ]
)  # fmt: skip
MAIL_LIKE = (
    "must be like smtp://USER:<password>@relay.example.com:587?tls=starttls, "
    "with / # ? @ : % in the user or password as %2F %23 %3F %40 %3A %25"
)


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed over. `tls` is `none`, `starttls` or `tls`."""

    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: str = "starttls"


class AddressWrong(ValueError):
    """An address cannot be used; the message says why, and repeats nothing of it."""


def mail_server(value: str) -> MailServer:
    """Return the relay of an address. Raises AddressWrong."""
    try:
        parts = urlsplit(value)
        port = parts.port or (465 if parts.scheme == "smtps" else 587)
    except ValueError:
        raise AddressWrong(MAIL_LIKE) from None
    tls = dict(pair.partition("=")[::2] for pair in parts.query.split("&")).get(
        "tls", "tls" if parts.scheme == "smtps" else "starttls"
    )
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or tls not in ("none", "starttls", "tls"):
        raise AddressWrong(MAIL_LIKE)
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if not f"{user}{password}".isascii():  # no way of signing in carries any other to every relay
        raise AddressWrong("has a user or a password with letters beyond ASCII: let the relay have another")
    return MailServer(parts.hostname, port, user, password, tls)


def weakness_of_mail(server: MailServer) -> str | None:
    """Return why people's mail must not go this way, or None."""
    if server.tls == "none" and server.host not in LOOPBACK:
        return "must use TLS towards another machine"
    return _weakness(server.user, server.password) if server.user else None


def database_url(value: str) -> URL:
    """Return the address of a database. Raises AddressWrong."""
    try:
        url = make_url(value)
        name = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise AddressWrong("is not a database address") from None
    if name not in ("sqlite", "postgresql"):
        raise AddressWrong("must be a sqlite or postgresql address")
    if name == "sqlite" and (sqlite_file(url) is None or str(url.database).startswith("file:")):
        raise AddressWrong("must name a file, like sqlite:////srv/portal/var/portal.db")
    return url


def weakness_of_database(url: URL) -> str | None:
    """Return why a database must not hold people, or None. On this machine PostgreSQL may know who asks."""
    if url.get_backend_name() == "sqlite":
        return None
    host = str(url.host or url.query.get("host") or "")
    here = not host or host.startswith("/") or host in LOOPBACK
    return None if here and not url.password else _weakness(url.username, url.password)


def _weakness(user: str | None, password: object) -> str | None:
    text = str(password or "")
    if not text:
        return "names a user without a password"
    plain = re.sub(r"[\W_]", "", text.lower())
    example = "password" in plain or plain.strip("0123456789") in EXAMPLES or len(set(text)) == 1
    if len(text) < LEAST_PASSWORD or text == user or example:
        return f"has a weak password: use one of chance with more than {LEAST_PASSWORD} characters, and no example's"
    if plain in "12345678901234567890":
        return "has a weak password: digits in a row"
    return None
