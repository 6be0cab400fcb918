"""Relays that hang, drop and refuse at the word a test names; and aiosmtpd in other moods."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Self

from aiosmtpd.smtp import SMTP

from portal.core.service_urls import MailServer
from tests.mailbox import Mailbox


class RudeRelay:
    """Speaks just enough SMTP; at a word in `answers` it says that instead, hangs, or drops the line.

    An answer may be a function, which is called at that moment and returns what to say; it may look at the
    last of `lines`. One that ends with THEN_DROP is said before the line drops. With PIPELINING as the answer
    to EHLO, the commands of an envelope come in one go.
    """

    HANG, DROP, THEN_DROP = b"hang", b"drop", b" then drop"
    PIPELINING = b"250-rude\r\n250 PIPELINING"

    def __init__(self, answers: Mapping[str, bytes | Callable[[], bytes]]) -> None:
        self.answers = dict(answers)
        self.connections = 0
        self.heard: list[str] = []
        self.lines: list[bytes] = []
        self.taken: list[EmailMessage] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._speaker = self._listener
        self.server = MailServer("127.0.0.1", self._listener.getsockname()[1], tls="none")

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):  # it may have ended by itself
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def trickle(self, words: bytes, pause: float) -> bytes:
        """Say so in many small parts, none of them late; return the last."""
        *first, last = words.split(b"\r\n")
        for line in first:
            self._speaker.sendall(line + b"\r\n")
            if self._ended.wait(pause):
                raise EOFError
        return last

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                # Several answers in a row leave at once, not after the client's delayed acknowledgement.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                self._open.append(connection)
                self._start(self._talk, connection)

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError, EOFError):
            self._say(connection, "connect", b"220 rude")
            self._speaker = connection
            for line in lines:
                word = line.strip().upper().partition(b" ")[0].decode()
                self.heard.append(word)
                self.lines.append(line)
                if word == "DATA":
                    if not self._say(connection, word, b"354 go on").startswith(b"354"):
                        continue
                    content = b""
                    while (part := lines.readline()) != b".\r\n":
                        if not part:
                            raise EOFError
                        content += part
                    self.taken.append(message_from_bytes(content, policy=policy.default))
                    self._say(connection, ".", b"250 taken")
                else:
                    self._say(connection, word, b"221 bye" if word == "QUIT" else b"250 fine")

    def _say(self, connection: socket.socket, word: str, usual: bytes) -> bytes:
        answer = self.answers.get(word, usual)
        if callable(answer):
            answer = answer()
        if answer == self.HANG:
            self._ended.wait(10)
        if answer in (self.HANG, self.DROP):
            raise EOFError
        connection.sendall(answer.removesuffix(self.THEN_DROP) + b"\r\n")
        if answer.endswith(self.THEN_DROP):
            raise EOFError
        return answer


@contextlib.contextmanager
def speaking(
    mailbox: Mailbox, session: Callable[[], SMTP], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve `mailbox` through `session` on a free port, over TLS from the start if there is a `context`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> asyncio.Server:
        return await loop.create_server(protocol, "127.0.0.1", 0, ssl=context)

    async def end(server: asyncio.Server) -> None:
        server.close()
        conversations = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
        for protocol in protocols:
            for transport in (protocol.transport, protocol._original_transport):
                if isinstance(transport, asyncio.Transport):
                    transport.abort()
        await asyncio.sleep(0.1)  # what was aborted is closed in the loop's next rounds

    protocols: list[SMTP] = []

    def protocol() -> SMTP:
        protocols.append(session())
        return protocols[-1]

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
