"""Mails after the change of an address was stopped or undone."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.outbox import mail
from portal.reset.emails import LINK_PATH, PURPOSE


@dataclass(frozen=True)
class AddressRestored(mail.Mail):
    """The account has this address again and is locked; the link leads to a new password."""

    name: ClassVar[str] = "address-restored"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = PURPOSE
    link_path: ClassVar[str | None] = LINK_PATH

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()


@dataclass(frozen=True)
class AddressUnused(mail.Mail):
    """Tells the address that was taken away by an undo; it has no link."""

    name: ClassVar[str] = "address-unused"
    stream: ClassVar[str] = mail.SECURITY

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()


MAILS: tuple[type[mail.Mail], ...] = (AddressRestored, AddressUnused)
