"""The mailbox of a rehearsal: count what arrives for whom, and keep only a few of the mails."""

import re
import time
from collections import Counter
from threading import Lock

from portal.demo.mailbox import MailboxStore, Message

# A mailbox with everyone's mails would be a list of the people affected.
KEPT = 20
SOFT_LINE_BREAK = b"=\r\n"  # of quoted-printable (RFC 2045, 6.7)
NOTICE = b"/check/notice/"
LINK = re.compile(rb"/(?:check/notice|check/answer|reset)/")
LOOK_SECONDS = 0.1


class Arrivals:
    """What the rehearsal's mail server took. Its thread calls `add`, the rehearsal's everything else."""

    def __init__(self, store: MailboxStore) -> None:
        """Start with nothing; the mails that are kept go into `store`."""
        self.store = store
        self.notices: Counter[str] = Counter()
        self.last_notice = 0.0
        self._kept: Counter[bytes] = Counter()
        self._watched = ""
        self._lock = Lock()

    def add(self, recipients: list[str], content: bytes) -> None:
        """Count a mail; keep it if it is among the first of its kind, or for the watched address."""
        links = LINK.findall(content.replace(SOFT_LINE_BREAK, b""))
        kind = links[0] if links else b""
        with self._lock:
            if kind == NOTICE:
                self.notices.update(recipients)
                self.last_notice = time.monotonic()
            if self._kept[kind] < KEPT or self._watched in recipients:
                self._kept[kind] += 1
                self.store.add(recipients, content)

    def watch(self, address: str) -> None:
        """Keep all further mails to an address."""
        with self._lock:
            self._watched = address

    def with_link(self, path: str) -> Message | None:
        """Return the newest kept mail that has a personal link below a path, or None."""
        return next((mail for mail in self.store.newest() if link_in(mail, path)), None)

    def newest(self) -> int:
        """Return the number of the newest kept mail, for `next_to`."""
        return max((mail.id for mail in self.store.newest(1)), default=0)

    def next_to(self, address: str, after: int, seconds: float) -> Message | None:
        """Return a kept mail to an address that came after mail `after`, or None if none comes."""
        end = time.monotonic() + seconds
        while not (came := [mail for mail in self.store.newest(to=address) if mail.id > after]):
            if time.monotonic() > end:
                return None
            time.sleep(LOOK_SECONDS)
        return came[0]


def link_in(mail: Message, path: str) -> str | None:
    """Return the first personal link below a path in the text of a mail, or None."""
    found = re.search(rf"https?://\S+?{re.escape(path)}[a-z0-9]{{20,}}/", mail.text)
    return found[0] if found else None
