"""The reminder, which has no link to sign in, and the link to choose one where nobody signs in here."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from portal.outbox import mail
from portal.rotation.models import INTERVALS

OFF_PURPOSE = "reminders-off"
OFF_PATH = "/reminders/off/{token}/"
PURPOSE = "reminder"
LINK_PATH = "/reminders/open/{token}/"


@dataclass(frozen=True)
class RotationReminder(mail.Mail):
    """One reminder. `choice` is the account id in hex, used only to derive the unsubscribe link."""

    name: ClassVar[str] = "rotation-reminder"
    stream: ClassVar[str] = mail.UPDATES
    unsubscribe_purpose: ClassVar[str | None] = OFF_PURPOSE
    unsubscribe_path: ClassVar[str] = OFF_PATH
    unsubscribe_field: ClassVar[str] = "choice"

    choice: str
    months: int

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(choice="00" * 16, months=3)

    @property
    def list_label(self) -> str:
        """Return the label of all reminders."""
        return "reminders"

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for every interval."""
        return tuple(replace(self, months=months) for months in map(int, INTERVALS))


@dataclass(frozen=True)
class ReminderLink(mail.Mail):
    """The answer to every request for reminders, the same for every address."""

    name: ClassVar[str] = "reminder-link"
    purpose: ClassVar[str] = PURPOSE
    link_purpose: ClassVar[str | None] = PURPOSE
    link_path: ClassVar[str | None] = LINK_PATH

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()


MAILS: tuple[type[mail.Mail], ...] = (RotationReminder, ReminderLink)
