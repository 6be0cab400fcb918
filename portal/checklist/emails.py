"""The mail to who does something on a checklist. It says that something is due, never what."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.outbox import mail
from portal.staff.emails import StaffMail


@dataclass(frozen=True)
class ChecklistReminder(StaffMail):
    """Something that the reader does is due by tomorrow; `url` is the checklist in the console."""

    name: ClassVar[str] = "checklist-reminder"

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("https://console.example.com/checklist/november/")


MAILS: tuple[type[mail.Mail], ...] = (ChecklistReminder,)
