"""Send forms for a while, from many networks at once.

`python -m bench.flood PORT SECONDS SIGN_INS CHECKS RUDE [ACCOUNTS]`. Polite clients wait as long as
Retry-After says; the `RUDE` ones send again at once. The sign-ins are of strangers, or of so many accounts
with the right password. Prints, as JSON, how many requests of each kind were answered, how many were refused,
and how long the answered ones took at the 95th percentile, in seconds. What is answered when the time is over
does not count. It imports nothing of the portal: that would take a second of the cores that are measured.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from bench.load import HOST, post, read_form

HEAD = re.compile(rb"HTTP/1\.1 (\d{3})")
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
RETRY_AFTER = re.compile(rb"retry-after: (\d+)", re.IGNORECASE)
REFUSED = (429, 503)
SIGNED_IN = SEALED = 303
WRONG = 400
PASSWORD = "eleven owls at noon"


@dataclass
class Kind:
    """One kind of form, and what became of those that were sent."""

    path: str
    more: str
    status: int
    token: str
    cookie: str
    people: int = 0
    seconds: list[float] = field(default_factory=list)
    refused: int = 0

    def request(self, number: int) -> bytes:
        """Return a form of a network, and as a rule an address, that no other has."""
        person = number % self.people if self.people else number
        body = f"csrf_token={self.token}&email=person{person}%40postbox.example{self.more}"
        network = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        return post(self.path, body, Cookie=self.cookie, X_Forwarded_For=network)

    def summary(self) -> dict[str, float]:
        """Return what is printed."""
        ordered = sorted(self.seconds) or [0.0]
        p95 = ordered[int(len(ordered) * 0.95)]
        return {"answered": len(self.seconds), "refused": self.refused, "p95": p95}


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, int]:
    """Send a request; return the status and the seconds of Retry-After, 0 without."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length, later, status = LENGTH.search(head), RETRY_AFTER.search(head), HEAD.match(head)
    if length:
        await reader.readexactly(int(length[1]))
    return int(status[1]) if status else 0, int(later[1]) if later else 0


async def client(port: int, kind: Kind, numbers: Iterator[int], until: float, *, polite: bool) -> None:
    """Send one form after the other on one connection."""
    reader, writer = await asyncio.open_connection(HOST, port)
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while (begin := time.perf_counter()) < until:
            status, later = await exchange(reader, writer, kind.request(next(numbers)))
            if status in REFUSED:
                kind.refused += 1
                if polite:
                    await asyncio.sleep(min(later, max(0.0, until - time.perf_counter())))
            elif status != kind.status:
                raise RuntimeError(f"{kind.path} answered {status}")
            elif (end := time.perf_counter()) <= until:
                kind.seconds.append(end - begin)
    writer.close()


async def flood(port: int, seconds: float, kinds: list[tuple[Kind, int]], rude: int) -> None:
    """Run all clients until the time is over; the rude ones come beside those of each kind."""
    numbers, until = count(1), time.perf_counter() + seconds
    clients = [
        client(port, kind, numbers, until, polite=polite)
        for kind, polite_ones in kinds
        for polite in [True] * polite_ones + [False] * (rude // len(kinds))
    ]
    await asyncio.gather(*clients)


def main() -> None:
    """Flood as the arguments say, and print what became of it."""
    port, seconds, sign_ins, checks, rude, accounts = (int(text) for text in [*sys.argv[1:], "0"][:6])
    password, status = (PASSWORD, SIGNED_IN) if accounts else ("a wrong password", WRONG)
    words = f"&password={password.replace(' ', '+')}"
    sign_in = Kind("/sign-in/", words, status, *read_form(port, "/sign-in/"), accounts)
    check = Kind("/check/", "", SEALED, *read_form(port, "/check/"))
    asyncio.run(flood(port, seconds, [(sign_in, sign_ins), (check, checks)], rude))
    print(json.dumps({"sign-ins": sign_in.summary(), "checks": check.summary()}))


if __name__ == "__main__":
    main()
