"""Mails about a person's own data: the copy is ready, confirm that the account goes, it is gone."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.outbox import mail

COPY = "my-data"
ERASE = "erase-account"


@dataclass(frozen=True)
class CopyReady(mail.Mail):
    """A signed-in person asked for a copy of their data; it is ready."""

    name: ClassVar[str] = "my-data"
    purpose: ClassVar[str] = COPY
    link_purpose: ClassVar[str | None] = COPY
    link_path: ClassVar[str | None] = "/account/data/open/{token}/"

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()


@dataclass(frozen=True)
class EraseConfirm(mail.Mail):
    """A signed-in person asked to have their account erased; the link confirms it."""

    name: ClassVar[str] = "erase-confirm"
    purpose: ClassVar[str] = ERASE
    link_purpose: ClassVar[str | None] = ERASE
    link_path: ClassVar[str | None] = "/account/erase/{token}/"

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()


@dataclass(frozen=True)
class Erased(mail.Mail):
    """An account was erased: the last mail about it. `elsewhere`: the company's own store still has it."""

    name: ClassVar[str] = "erased"
    stream: ClassVar[str] = mail.SECURITY

    elsewhere: bool = False

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for both kinds of store."""
        return Erased(elsewhere=False), Erased(elsewhere=True)


MAILS: tuple[type[mail.Mail], ...] = (CopyReady, EraseConfirm, Erased)
