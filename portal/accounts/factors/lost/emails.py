"""Mails about the loss of every factor."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.accounts.activity import not_me
from portal.outbox import mail

PURPOSE = "second-step"
LINK_PATH = "/second-step/{token}/"


@dataclass(frozen=True)
class SecondStepLost(mail.Mail):
    """Somebody lost every factor. `stage`: 1 confirms, 2 confirms again after a day, 0 can only stop it."""

    name: ClassVar[str] = "second-step-lost"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = PURPOSE
    link_path: ClassVar[str | None] = LINK_PATH

    stage: int

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(stage=1)

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for every stage."""
        return tuple(SecondStepLost(stage) for stage in range(3))


@dataclass(frozen=True)
class SecondStepRemoved(mail.Mail):
    """Every factor was removed, after two confirmations."""

    name: ClassVar[str] = "second-step-removed"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = not_me.PURPOSE
    link_path: ClassVar[str | None] = not_me.PATH

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()


MAILS: tuple[type[mail.Mail], ...] = (SecondStepLost, SecondStepRemoved)
