"""Run an SMTP sink in its own process: it discards every mail, fast enough not to be the bottleneck."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen

NAME = "a bare asyncio sink with PIPELINING, in a process of its own"
_REPLIES = {
    b"EHLO": b"250-localhost\r\n250-8BITMIME\r\n250 PIPELINING\r\n",
    b"HELO": b"250 localhost\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}
_TAKEN = b"250 taken\r\n"
_END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One SMTP connection: commands by line, then a message up to its final dot.

    Beyond `limit` messages in one second of the clock, 0 for no limit, it says 454, whatever the connection.
    """

    limit = 0
    second, count = 0, 0

    def __init__(self) -> None:
        self.waiting = b""
        self.in_message = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        transport.write(b"220 localhost\r\n")

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        replies = []
        while True:
            end = _END if self.in_message else b"\r\n"
            part, found, rest = self.waiting.partition(end)
            if not found:
                break
            self.waiting = rest
            verb = part[:4].upper()
            replies.append(self.answer() if self.in_message else _REPLIES.get(verb, _TAKEN))
            self.in_message = not self.in_message and verb == b"DATA"
        if replies:
            self.transport.write(b"".join(replies))

    def answer(self) -> bytes:
        """Return the reply to a message."""
        second = int(time.time())
        if second != Sink.second:
            Sink.second, Sink.count = second, 0
        Sink.count += 1
        return b"454 Throttling failure\r\n" if 0 < Sink.limit < Sink.count else _TAKEN


@contextmanager
def sink(limit: int = 0) -> Iterator[int]:
    """Start the sink, which takes `limit` messages a second (0: all); yield its port."""
    with Popen([sys.executable, "-m", "bench.sink", str(limit)], stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    Sink.limit = int(sys.argv[1])
    asyncio.run(_serve())
