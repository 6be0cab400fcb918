"""The mails of subscriptions: the request to confirm, and the status update."""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

from portal.outbox import mail

PURPOSE = "subscribe"
UNSUBSCRIBE = "unsubscribe"
CONFIRM_PATH = "/subscribe/confirm/{token}/"


@dataclass(frozen=True)
class SubscribeConfirm(mail.Mail):
    """The answer to every sign-up. `already` says that the address is subscribed.

    It holds nothing that the form's sender typed, and no title: who can write to the database could mail any
    words to anybody. The page behind the link says which incident it is about.
    """

    name: ClassVar[str] = "subscribe-confirm"
    purpose: ClassVar[str] = PURPOSE
    link_purpose: ClassVar[str | None] = PURPOSE
    link_path: ClassVar[str | None] = CONFIRM_PATH

    already: bool

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(already=False)

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for a new subscriber and for one who is subscribed already."""
        return replace(self, already=False), replace(self, already=True)


class Words(NamedTuple):
    """What the mails about one update say to the readers of one language.

    `incident_language` and `language` are those of the incident's title and of the update, which may be
    others than the reader's; `untranslated` names the latter in the reader's own, and is empty where they
    are the same. `text` and `html` are empty where the update is too long for a mail.
    """

    subject: str
    incident: str
    incident_language: str
    title: str
    language: str
    phase: str
    occurred_at: str
    text: str
    html: str
    path: str
    untranslated: str


@dataclass(frozen=True)
class StatusUpdate(mail.Mail):
    """One update for one subscription, in the frozen words of that update.

    `update` is its id in hex, `slug` that of its incident. Both are empty for a discreet one, and in mails
    that an earlier version queued: they say only that there is news and where to read it. `about` is the
    update's id for each, so that none leaves once it was withdrawn.
    """

    name: ClassVar[str] = "status-update"
    stream: ClassVar[str] = mail.UPDATES
    unsubscribe_purpose: ClassVar[str | None] = UNSUBSCRIBE
    words_field: ClassVar[str] = "update"

    subscription: str
    update: str = ""
    slug: str = ""
    about: str = ""

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(subscription="00" * 16)

    @property
    def list_label(self) -> str:
        """Return the label of the incident's updates."""
        return f"{self.slug}.updates" if self.slug else "updates"


MAILS: tuple[type[mail.Mail], ...] = (SubscribeConfirm, StatusUpdate)
