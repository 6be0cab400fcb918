"""The mails of subscriptions: the request to confirm, and the status update."""

import json
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from portal.outbox import mail

PURPOSE = "subscribe"
UNSUBSCRIBE = "unsubscribe"
CONFIRM_PATH = "/subscribe/confirm/{token}/"
# In bytes of JSON: with the longest address, the mail just fits a row's fixed size.
LONGEST_INCIDENT = 120
LONGEST_TITLE = 200


@dataclass(frozen=True)
class SubscribeConfirm(mail.Mail):
    """The answer to every sign-up; holds nothing that the form's sender typed.

    `already` says that the address is subscribed.
    """

    name: ClassVar[str] = "subscribe-confirm"
    purpose: ClassVar[str] = PURPOSE
    link_purpose: ClassVar[str | None] = PURPOSE
    link_path: ClassVar[str | None] = CONFIRM_PATH

    incident: str
    already: bool

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(incident="Break-in at our booking system", already=False)

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for a new subscriber and for one who is subscribed already."""
        return replace(self, already=False), replace(self, already=True)


@dataclass(frozen=True)
class StatusUpdate(mail.Mail):
    """One update for one subscription.

    `untranslated` names the language of the update if it differs from the reader's, else it is empty.
    """

    name: ClassVar[str] = "status-update"
    stream: ClassVar[str] = mail.UPDATES
    unsubscribe_purpose: ClassVar[str | None] = UNSUBSCRIBE

    subscription: str
    incident: str
    title: str
    title_language: str
    phase: str
    occurred_at: str
    path: str
    untranslated: str

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(
            subscription="00" * 16,
            incident="Break-in at our booking system",
            title="Passwords stored anew",
            title_language="en",
            phase="Safeguards in place",
            occurred_at="23 November 2026, 09:00 UTC",
            path="/incidents/booking-system/updates/1/",
            untranslated="",
        )


MAILS: tuple[type[mail.Mail], ...] = (SubscribeConfirm, StatusUpdate)


def clip(text: str, size: int) -> str:
    """Return `text` as one line whose JSON has at most `size` bytes, since a mail's row has a fixed size."""
    line = " ".join(text.split())
    if _json_size(line) <= size:
        return line
    while line and _json_size(line) > size - _json_size("…"):
        line = line[:-1]
    return line.rstrip() + "…"


def _json_size(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2
