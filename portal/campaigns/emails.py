"""The notice: what happened, in the words of the published statement; neutral for a discreet incident."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, NamedTuple, Self

from portal.crypto.vault import WorkerVault
from portal.exposure import notice_links
from portal.outbox import mail


class Part(NamedTuple):
    """One section of the statement, as text and as sanitised HTML; a summary has no heading."""

    heading: str
    text: str
    html: str


@dataclass(frozen=True)
class Words:
    """What a notice says in one language. `language` is that of the statement, which may be another.

    `passwords`: passwords are among the exposed data. `path` is that of the incident's page. `untranslated`
    names the statement's language in the mail's own where they differ, else it is empty. `kind` is empty for
    a first notice; `own_text` and `own_html` are the paragraph that the author added, if any, and
    `own_source` what they typed, which no mail shows; `own_language` is that paragraph's where it is not the
    statement's.
    """

    subject: str
    language: str
    title: str
    parts: tuple[Part, ...]
    signed_by: str
    role: str
    path: str
    passwords: bool
    untranslated: str = ""
    kind: str = ""
    own_text: str = ""
    own_html: str = ""
    own_source: str = ""
    own_language: str = ""

    @property
    def is_short(self) -> bool:
        """Whether it holds the statement's short form instead of its sections."""
        return [part.heading for part in self.parts] == [""]

    @property
    def extent(self) -> str:
        """Return in an operator's words how much of the statement it holds."""
        return "summary" if self.is_short else f"sections {len(self.parts)} of 5"


@dataclass(frozen=True)
class Notice(mail.Mail):
    """Say what happened and that this address is affected, in the frozen words of one notice.

    `notice` is the notice's id in hex. Empty: say only that there is a message and where to read it. `of` is
    the notice's id in any case, and `wave` the number of its wave; both are empty in a test and a preview,
    and in a mail of an earlier version.
    """

    name: ClassVar[str] = "notice"
    link_path: ClassVar[str | None] = notice_links.PATH
    stream: ClassVar[str] = mail.LEGAL
    words_field: ClassVar[str] = "notice"

    notice: str = ""
    of: str = ""
    wave: int = 0

    def token(self, vault: WorkerVault, row_id: bytes, address: str, created_at: datetime) -> str:  # noqa: ARG002
        """Return the token of the link to this address's answer."""
        return notice_links.pointer(vault, address, created_at)

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()


@dataclass(frozen=True)
class Trial(Notice):
    """The notice as a test, for somebody who waits for it: it passes the queue and a pause."""

    stream: ClassVar[str] = mail.REQUESTED


MAILS: tuple[type[mail.Mail], ...] = (Notice,)
