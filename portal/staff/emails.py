"""Mails to members of staff. They say that something waits, never what: they lie in inboxes."""

from dataclasses import dataclass
from typing import ClassVar, Self
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from portal.outbox import mail
from portal.outbox import service as outbox
from portal.runtime.parts import WorkerParts
from portal.staff.members import Member


@dataclass(frozen=True)
class StaffMail(mail.Mail):
    """A mail to a member of staff; `url` is the page of the console that it is about."""

    stream: ClassVar[str] = mail.SECURITY

    url: str

    @property
    def typed_url(self) -> str:
        """Return the console's address: the public site has nothing of what the mail is about."""
        where = urlsplit(self.url)
        return f"{where.scheme}://{where.netloc}"


@dataclass(frozen=True)
class Invitation(StaffMail):
    """Somebody was invited to the console; `url` is the link that they join with."""

    name: ClassVar[str] = "staff-invitation"

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("https://console.example.com/invitation/abcdefghijklmnopqrstuvwxyz234567/")


@dataclass(frozen=True)
class PasskeyInvitation(StaffMail):
    """Two admins let the reader add a passkey; `url` is the link that adds it, once."""

    name: ClassVar[str] = "passkey-invitation"

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("https://console.example.com/invitation/abcdefghijklmnopqrstuvwxyz234567/")


@dataclass(frozen=True)
class PasskeyInvited(StaffMail):
    """Somebody else gets a passkey; `url` is the page of that person. Admins are told."""

    name: ClassVar[str] = "passkey-invited"

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("https://console.example.com/staff/00112233445566778899aabbccddeeff/")


@dataclass(frozen=True)
class ApprovalNeeded(StaffMail):
    """Something waits for a second person; `url` is its page in the console."""

    name: ClassVar[str] = "approval-needed"

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("https://console.example.com/approvals/00112233445566778899aabbccddeeff/")


@dataclass(frozen=True)
class PostedAlone(StaffMail):
    """A colleague posted an update alone: it is public. `url` is its page in the console."""

    name: ClassVar[str] = "posted-alone"

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(
            "https://console.example.com/incidents/order-archive/timeline/alone/00112233445566778899aabbccddeeff/"
        )


@dataclass(frozen=True)
class SentBack(StaffMail):
    """What the reader asked for was sent back with a comment; `url` is its page in the console."""

    name: ClassVar[str] = "sent-back"

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("https://console.example.com/approvals/00112233445566778899aabbccddeeff/")


@dataclass(frozen=True)
class SignInChanged(StaffMail):
    """A passkey or the recovery codes of the reader changed; `url` is the page that shows how they sign in.

    So a member notices what a taken console did in their name.
    """

    name: ClassVar[str] = "sign-in-changed"

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("https://console.example.com/me/")


MAILS: tuple[type[mail.Mail], ...] = (
    Invitation,
    PasskeyInvitation,
    PasskeyInvited,
    ApprovalNeeded,
    PostedAlone,
    SentBack,
    SignInChanged,
)


def tell(session: Session, parts: WorkerParts, member: Member, written: mail.Mail) -> None:
    """Queue a mail to a member, in their language."""
    now = parts.clock.now()
    outbox.enqueue(session, parts.vault, written, address=member.address, locale=member.language, now=now)
