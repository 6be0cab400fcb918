"""A real SMTP server on this machine that keeps what it gets, and fails as a test tells it to."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Delivered:
    """One accepted mail: the envelope's people, and the message as they see it."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        assert part is not None, f"the mail has no {kind} part"
        return str(part.get_content()).replace("\r\n", "\n")


@dataclass
class Mailbox:
    """The server; a test may replace what it says by `answer_recipient` and `answer_data`.

    `hold_answer` gives the seconds between keeping a mail and saying so.
    """

    host: str = "127.0.0.1"
    port: int = 0
    messages: list[Delivered] = field(default_factory=list)
    answer_recipient: Callable[[str], str] = lambda address: "250 OK"
    answer_data: Callable[[Delivered], str] = lambda mail: "250 OK"
    hold_answer: Callable[[Delivered], float] = lambda mail: 0.0

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}?tls=none"

    def to(self, address: str) -> list[Delivered]:
        return [mail for mail in self.messages if address in mail.recipients]

    def wait_for(self, count: int, seconds: float = 60) -> list[Delivered]:
        end = time.monotonic() + seconds
        while len(self.messages) < count and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self.messages) >= count, f"{len(self.messages)} of {count} mails came in {seconds} seconds"
        return self.messages

    # What aiosmtpd calls.

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answer_recipient(address)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content: Any = envelope.content
        mail = Delivered(envelope.mail_from or "", tuple(envelope.rcpt_tos), content)
        answer = self.answer_data(mail)
        if answer.startswith("2"):
            self.messages.append(mail)
        if seconds := self.hold_answer(mail):
            await asyncio.sleep(seconds)
        return answer


@contextmanager
def running(mailbox: Mailbox) -> Iterator[Mailbox]:
    """Serve `mailbox` from a thread, on a free port unless it names one, until the block ends."""
    loop = asyncio.new_event_loop()
    started = Future[int]()
    stop = asyncio.Event()

    def session() -> SMTP:
        return SMTP(mailbox, hostname="localhost", enable_SMTPUTF8=True, loop=loop)

    async def serve() -> None:
        try:
            server = await loop.create_server(session, mailbox.host, mailbox.port)
        except OSError as error:
            started.set_exception(error)
            return
        started.set_result(server.sockets[0].getsockname()[1])
        await stop.wait()
        server.close()
        conversations = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    # All of it in the thread: the test's own thread may already have a loop, Playwright's.
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        mailbox.port = started.result(10)
        yield mailbox
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
