"""The notice: neutral, because others may read the mailbox; what happened stands on the portal."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.outbox import mail


@dataclass(frozen=True)
class Notice(mail.Mail):
    """There is a message for this person; it says where to read it, and nothing of what it is about."""

    name: ClassVar[str] = "notice"
    stream: ClassVar[str] = mail.LEGAL

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()


MAILS: tuple[type[mail.Mail], ...] = (Notice,)
