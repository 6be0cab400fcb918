"""The notice: neutral, since others may read the inbox; the portal says what happened."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.outbox import mail


@dataclass(frozen=True)
class Notice(mail.Mail):
    """Say that there is a message on the portal and where to read it, but not what it is about."""

    name: ClassVar[str] = "notice"
    stream: ClassVar[str] = mail.LEGAL

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()


MAILS: tuple[type[mail.Mail], ...] = (Notice,)
