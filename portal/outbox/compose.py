"""Render an outbox row as a MIME message; the same row gives the same bytes at every attempt."""

import json
import re
from binascii import b2a_qp
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from portal.core.addresses import MAX_ADDRESS, breakable, mask, quoted
from portal.core.i18n import best_language, catalogue
from portal.core.settings import Settings
from portal.core.shipped import TEMPLATES
from portal.crypto import tokens
from portal.crypto.vault import WorkerVault
from portal.outbox import mail as mails
from portal.outbox.service import Payload
from portal.web.theme import Theme

_HEADER_LINE = 76
CACHED = 64
SIZE_STEP = 1024
_MARK = "\x1a"
PADDING = "X-Padding:"
_FIRST_DOT = re.compile(rb"(\A|\r\n)\.")
# No bare carriage return: some relays take `\r.\r` for the end of the message.
_END_OF_LINE = re.compile(r"\r\n|\r|\n")
_NOT_DIALLED = re.compile(r"[^\d+]")
_SHORTEST_PADDING = len(PADDING) + len(" x\r\n")
# Arguments: mail, language. Returns something hashable; raises MailUnfit.
Words = Callable[[Any, str], object]


@dataclass(frozen=True)
class Composed:
    """A message ready to send. `address` is the envelope recipient, `recipient` its masked form."""

    address: str
    content: bytes
    subject: str
    recipient: str
    code: str
    needs_utf8: bool


@dataclass(frozen=True)
class Rendered:
    """A mail in one language, with placeholders for the recipient's own links and codes.

    Bodies are quoted-printable; lines with a placeholder are still text, since their breaks depend on it.
    """

    subject: str
    text: tuple[bytes | str, ...]
    html: tuple[bytes | str, ...]


class Key(NamedTuple):
    """Everything that a mail depends on beside its recipient; `site` changes with what admins save."""

    fields: str
    words: object
    site: tuple[int, int]


class MailUnfit(Exception):
    """The row names an unknown mail, its subject is not one line, or its address is unfit for a header."""


class Composer:
    """Renders mails from their templates; one instance serves a worker."""

    def __init__(
        self,
        settings: Settings,
        vault: WorkerVault,
        classes: dict[str, type[mails.Mail]],
        words: Mapping[str, Words] | None = None,
    ) -> None:
        """Store the settings, the vault that derives links and codes, and the mail classes by name.

        `words` finds, by the name of a mail, what it says to many alike: called for each of them.
        """
        self._settings = settings
        self._vault = vault
        self._classes = classes
        self._words = words or {}
        self._domain = urlsplit(settings.base_url).hostname or "localhost"
        self._cache: dict[Key, Rendered] = {}
        self._sizes: dict[Key, int] = {}

    def compose(self, row_id: bytes, created_at: datetime, payload: Payload) -> Composed:
        """Render the mail of a row whose payload was decrypted. Raises MailUnfit."""
        kind = self._classes.get(payload.name)
        if kind is None:
            raise MailUnfit(payload.name)
        # Rows queued by another version may hold fields that this one lacks.
        known = {field.name for field in fields(kind)}
        mail = kind(**{name: value for name, value in payload.fields.items() if name in known})
        return self.render(mail, payload.address, payload.locale, row_id, created_at)

    def render(
        self, mail: mails.Mail, address: str, locale: str, row_id: bytes, created_at: datetime
    ) -> Composed:
        """Render one mail for one address in one language. Raises MailUnfit."""
        language = best_language(locale, self._settings.site.languages)
        code = self._vault.authenticity(row_id)
        subject, head, body = self._parts(mail, address, language, row_id, created_at)
        size = len(head) + len(body)
        # As long for a short address as for the longest, so that all mails of a notice have one size.
        longest = max(size, self._size_of_alternatives(mail, language, row_id, created_at) + MAX_ADDRESS)
        padding = _padding(-(longest + _SHORTEST_PADDING) // SIZE_STEP * -SIZE_STEP - size)
        content = b"".join((head, padding, body))
        return Composed(address, content, subject, mask(address), code, not address.isascii())

    def _size_of_alternatives(
        self, mail: mails.Mail, language: str, row_id: bytes, created_at: datetime
    ) -> int:
        """Return the size of the longest mail that might have been sent instead, without its address.

        Otherwise the line or the relay's log would show the outcome of a request.
        """
        key = self._key(mail, language)
        size = self._sizes.get(key)
        if size is None:
            if len(self._sizes) >= CACHED:
                self._sizes.clear()
            parts = [self._parts(other, "", language, row_id, created_at) for other in mail.alternatives()]
            size = self._sizes[key] = max(len(head) + len(body) for _subject, head, body in parts)
        return size

    def _parts(
        self, mail: mails.Mail, address: str, language: str, row_id: bytes, created_at: datetime
    ) -> tuple[str, bytes, bytes]:
        """Return subject, headers and the rest of a message, with the empty line that begins it."""
        code = tokens.grouped(self._vault.authenticity(row_id), 7)
        own = self._recipient_values(mail, address, row_id, created_at) | {"authenticity": code}
        rendered = self._templates(mail, language, own)
        subject = _fill(rendered.subject, own)
        bodies = [_filled_lines(lines, own) for lines in (rendered.text, rendered.html)]
        return subject, *self._assemble(mail, address, language, row_id, created_at, subject, *bodies)

    def _templates(self, mail: mails.Mail, language: str, own: dict[str, str | None]) -> Rendered:
        """Return a mail with placeholders.

        Cached: a notice to a million people is rendered and encoded once per language, then filled in for
        each of them.
        """
        key = self._key(mail, language)
        rendered = self._cache.get(key)
        if rendered is None:
            if len(self._cache) >= CACHED:
                self._cache.clear()
            rendered = self._cache[key] = self._render_templates(mail, language, own, key.words)
        return rendered

    def _key(self, mail: mails.Mail, language: str) -> Key:
        find_words = self._words.get(mail.name)
        shown = {name: value for name, value in vars(mail).items() if name != mail.unsubscribe_field}
        words = find_words(mail, language) if find_words is not None else None
        return Key(
            json.dumps([mail.name, language, shown], sort_keys=True), words, self._settings.site.version
        )

    def _render_templates(
        self, mail: mails.Mail, language: str, own: dict[str, str | None], words: object
    ) -> Rendered:
        settings = self._settings
        context: dict[str, Any] = asdict(mail) | {
            "organisation": settings.site.organisation,
            "base_url": settings.base_url,
            "typed_url": mail.typed_url or settings.base_url,
            "contact_email": settings.site.contact_email,
            "contact_phone": settings.site.contact_phone,
            "dialled": _NOT_DIALLED.sub("", settings.site.contact_phone),
            "contact_hours": settings.site.contact_hours,
            "default_language": settings.default_language,
            "company_page": settings.identity.elsewhere,
            "language": language,
            "theme": Theme.from_colour(settings.site.brand_colour),
            "words": words,
        }
        context |= {name: None if value is None else _placeholder(name) for name, value in own.items()}

        def render(part: str) -> str:
            return _environment(language).get_template(f"email/{mail.name}/{part}").render(context)

        context["subject"] = subject = render("subject.txt").strip()
        text, html = render("body.txt"), render("body.html")
        if not subject or any(ord(character) < ord(" ") for character in subject):
            raise MailUnfit(mail.name)
        return Rendered(subject, _encoded_lines(text), _encoded_lines(html))

    def _recipient_values(
        self, mail: mails.Mail, address: str, row_id: bytes, created_at: datetime
    ) -> dict[str, str | None]:
        """Return the values of one recipient: plain ASCII, which needs no escaping in text or HTML."""
        own: dict[str, str | None] = dict.fromkeys(("link", "link_path", "code"))
        own["unsubscribe"] = self._unsubscribe_link(mail)
        if mail.link_path:
            token = mail.token(self._vault, row_id, address, created_at)
            path = mail.link_path.format(token=token)
            own |= {"link_path": path, "link": self._settings.base_url + path}
        if mail.has_code:
            own["code"] = tokens.grouped(self._vault.code(row_id))
        return own

    def _unsubscribe_link(self, mail: mails.Mail) -> str | None:
        if not mail.unsubscribe_purpose:
            return None
        subject = bytes.fromhex(getattr(mail, mail.unsubscribe_field))
        token = self._vault.token(mail.unsubscribe_purpose, subject)
        return self._settings.base_url + mail.unsubscribe_path.format(token=token)

    def _assemble(
        self,
        mail: mails.Mail,
        address: str,
        language: str,
        row_id: bytes,
        created_at: datetime,
        subject: str,
        text: bytes,
        html: bytes,
    ) -> tuple[bytes, bytes]:
        if any(character in address for character in '\r\n\0 ,<>"'):
            raise MailUnfit(mail.name)
        boundary = self._vault.token("boundary", row_id)
        headers = [
            _sender(self._settings.site.organisation, self._settings.mail.sender),
            f"To: {quoted(address)}",
            f"Subject: {_encoded(subject, 'Subject')}",
            f"Date: {format_datetime(created_at)}",
            f"Message-ID: <{self._vault.token('message-id', row_id)}@{self._domain}>",
            "MIME-Version: 1.0",
            "Auto-Submitted: auto-generated",
            f"Content-Language: {language}",
        ]
        if contact := self._settings.site.contact_email:  # required in production
            headers.append(f"Reply-To: <{contact}>")
        if mail.list_label:
            headers.append(f"List-Id: <{mail.list_label}.{self._domain}>")
        unsubscribe = self._unsubscribe_link(mail)
        if unsubscribe:
            headers += [
                f"List-Unsubscribe: <{unsubscribe}>",
                "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            ]
        headers.append(f'Content-Type: multipart/alternative; boundary="{boundary}"')
        parts = [b"\r\n"]
        for kind, body in (("plain", text), ("html", html)):
            parts.append(
                f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
                "Content-Transfer-Encoding: quoted-printable\r\n\r\n".encode()
            )
            parts.append(body)
        parts.append(f"--{boundary}--\r\n".encode())
        return ("\r\n".join(headers) + "\r\n").encode(), b"".join(parts)


@lru_cache(maxsize=256)
def _padding(size: int) -> bytes:
    """Return a header of exactly `size` bytes, its end of line included, folded into short lines."""
    count = -(-size // _HEADER_LINE)
    lines = [size // count + (number < size % count) for number in range(count)]
    first = PADDING + " " + "x" * (lines[0] - _SHORTEST_PADDING + 1) + "\r\n"
    return (first + "".join(" " + "x" * (line - 3) + "\r\n" for line in lines[1:])).encode()


def _without_first_dots(quoted: bytes) -> bytes:
    """Return quoted-printable text in which no line begins with a dot: SMTP would double it on the wire."""
    while b"\r\n." in quoted or quoted.startswith(b"."):
        quoted = _FIRST_DOT.sub(rb"\1=2E=\r\n", quoted)
    return quoted


def _encoded_lines(text: str) -> tuple[bytes | str, ...]:
    """Return a body, runs of lines without a placeholder in quoted-printable."""
    parts: list[bytes | str] = []
    for ready, lines in groupby(_END_OF_LINE.split(text.strip()), lambda line: _MARK not in line):
        together = "".join(line + "\r\n" for line in lines)
        parts.append(_quoted(together) if ready else together)
    return tuple(parts)


def _filled_lines(parts: tuple[bytes | str, ...], own: dict[str, str | None]) -> bytes:
    return b"".join(part if isinstance(part, bytes) else _quoted(_fill(part, own)) for part in parts)


def _quoted(lines: str) -> bytes:
    """Return whole lines in quoted-printable (RFC 2045, section 6.7)."""
    return _without_first_dots(b2a_qp(lines.encode(), istext=True))


def _placeholder(name: str) -> str:
    """Return the placeholder of a recipient's value; its control characters occur in no text or field."""
    return f"{_MARK}{name}{_MARK}"


def _fill(text: str, own: dict[str, str | None]) -> str:
    for name, value in own.items():
        if value is not None:
            text = text.replace(_placeholder(name), value)
    return text


@lru_cache(maxsize=256)
def _encoded(value: str, name: str) -> str:
    """Return a header value, folded, as encoded words where it is not ASCII (RFC 2047)."""
    if value.isascii() and len(value) + len(name) < _HEADER_LINE and "=?" not in value:
        return value
    return Header(value, "utf-8", maxlinelen=_HEADER_LINE, header_name=name).encode(linesep="\r\n")


@lru_cache(maxsize=8)
def _sender(organisation: str, address: str) -> str:
    if organisation.isascii() and "=?" not in organisation:
        quoted = organisation.replace("\\", "\\\\").replace('"', '\\"')
        return f'From: "{quoted}" <{address}>'
    return f"From: {_encoded(organisation, 'From')} <{address}>"


@lru_cache(maxsize=32)
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    messages = catalogue(language)
    # The i18n extension adds this method at run time.
    install: Any = environment.install_gettext_callables  # type: ignore[attr-defined]
    install(messages.gettext, messages.ngettext, newstyle=True)
    environment.filters["breakable"] = breakable
    environment.globals["text_direction"] = messages.direction
    return environment
