"""The demonstration's mail server and store; no mail leaves this machine."""

import asyncio
import json
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"
NEWEST = 200
# Takes the recipients of a mail, and its content.
Take = Callable[[list[str], bytes], None]


@dataclass(frozen=True)
class Message:
    """A parsed mail, as shown in the mailbox."""

    id: int
    to: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]


class MailboxStore:
    """Mails in an SQLite file of their own."""

    def __init__(self, file: Path) -> None:
        """Open the file; create it if it is missing."""
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS mails (id INTEGER PRIMARY KEY, recipients TEXT, content BLOB)"
            )

    def add(self, recipients: list[str], content: bytes) -> None:
        """Store a mail."""
        with self._open() as connection:
            connection.execute(
                "INSERT INTO mails (recipients, content) VALUES (?, ?)", (json.dumps(recipients), content)
            )

    def one(self, number: int) -> Message | None:
        """Return one mail, or None."""
        with self._open() as connection:
            row = connection.execute(
                "SELECT id, recipients, content FROM mails WHERE id = ?", (number,)
            ).fetchone()
        return _message(row[0], json.loads(row[1]), row[2]) if row else None

    def newest(self, limit: int = NEWEST, to: str = "") -> list[Message]:
        """Return up to `limit` mails, newest first; only those to the address `to`, if given."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT id, recipients, content FROM mails WHERE instr(recipients, ?) ORDER BY id DESC "
                "LIMIT ?",
                (json.dumps(to)[1:-1], limit),
            ).fetchall()
        return [_message(number, json.loads(recipients), content) for number, recipients, content in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, timeout=10)) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")
            yield connection


def _message(number: int, recipients: list[str], content: bytes) -> Message:
    mail = message_from_bytes(content, policy=policy.default)
    return Message(
        id=number,
        to=", ".join(recipients),
        subject=str(mail.get("Subject", "")),
        text=_part(mail, "plain"),
        html=_part(mail, "html"),
        headers={name: str(value) for name, value in mail.items()},
    )


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return "" if part is None else str(part.get_content()).replace("\r\n", "\n")


class _Handler:
    def __init__(self, take: Take) -> None:
        self._take = take

    async def handle_DATA(self, _server: "SMTP", _session: "Session", envelope: "Envelope") -> str:  # noqa: N802
        content = envelope.content
        self._take(list(envelope.rcpt_tos), content if isinstance(content, bytes) else b"")
        return "250 OK"


def check_installed() -> None:
    """Raise ClickException, which says what to run, unless there is what receives mail: the extra `demo`."""
    if find_spec("aiosmtpd") is None:
        raise click.ClickException(
            "This needs aiosmtpd for its mailbox, and that is not installed. "
            f"Run: {sys.executable} -m pip install aiosmtpd"
        )


@contextmanager
def receiving(take: Take) -> Iterator[int]:
    """Receive mail on a free loopback port, and pass each on to `take` in a thread; yield the port.

    See `check_installed`.
    """
    from aiosmtpd.smtp import SMTP  # noqa: PLC0415 - a server has none, and shows no mailbox

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(
            lambda: SMTP(_Handler(take), enable_SMTPUTF8=True, hostname="localhost", loop=loop), HOST, 0
        )
    )
    thread = threading.Thread(target=loop.run_forever, name="mailbox", daemon=True)
    thread.start()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
