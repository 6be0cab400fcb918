"""Parse the URLs of the mail relay and the database, and find weak passwords in them."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from portal.core.db import sqlite_file

LOOPBACK = ("localhost", "127.0.0.1", "::1")
MIN_PASSWORD_LENGTH = 8
# Passwords from examples, this project's own among them, and those that attackers try first.
EXAMPLES = frozenset(
    [
        "admin", "administrator", "changeit", "changeme", "contrasena", "default", "demo", "example",
        "geheim", "guest", "letmein", "passw0rd", "passwd", "passwort", "portal", "postgres", "postgresql",
        "qwerty", "qwertyuiop", "relay", "root", "secret", "smtp", "test", "topsecret", "user", "username",
        "welcome", "yoursecret",
    ]
)  # fmt: skip
MAIL_LIKE = (
    "must be like smtp://USER:<password>@relay.example.com:587?tls=starttls, "
    "with / # ? @ : % in the user or password as %2F %23 %3F %40 %3A %25"
)


@dataclass(frozen=True)
class MailServer:
    """The mail relay. `tls` is `none`, `starttls` or `tls`."""

    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: str = "starttls"


class AddressWrong(ValueError):
    """The URL cannot be used; the message says why, without repeating any part of it."""


def mail_server(value: str) -> MailServer:
    """Return the relay that a URL names. Raises AddressWrong."""
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
    if not f"{user}{password}".isascii():  # relays disagree on how to encode anything else
        raise AddressWrong("has a user or password with non-ASCII characters; set an ASCII one at the relay")
    return MailServer(parts.hostname, port, user, password, tls)


def weakness_of_mail(server: MailServer) -> str | None:
    """Return why customers' mail must not be sent this way, or None."""
    if server.tls == "none" and server.host not in LOOPBACK:
        return "must use TLS for a relay on another machine: add ?tls=starttls or ?tls=tls"
    return _weakness(server.user, server.password) if server.user else None


def database_url(value: str) -> URL:
    """Return the parsed URL of a database. Raises AddressWrong."""
    try:
        url = make_url(value)
        name = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise AddressWrong("is not a database URL, like postgresql://USER:<password>@HOST/NAME") from None
    if name not in ("sqlite", "postgresql"):
        raise AddressWrong("must start with sqlite: or postgresql:")
    if name == "sqlite" and (sqlite_file(url) is None or str(url.database).startswith("file:")):
        raise AddressWrong("must name a file, like sqlite:////srv/portal/var/portal.db")
    return url


def weakness_of_database(url: URL) -> str | None:
    """Return why a database must not hold customers' data, or None.

    A PostgreSQL on this machine may authenticate by system user, without a password.
    """
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
    if len(text) < MIN_PASSWORD_LENGTH or text == user or example:
        return f"has a weak password: use a random one of more than {MIN_PASSWORD_LENGTH} characters"
    if plain in "12345678901234567890":
        return "has a weak password: consecutive digits"
    return None
