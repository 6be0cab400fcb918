"""The mail to admins about a setting that a thief would change: whom people write to, and what they read."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from sqlalchemy.orm import Session

from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.outbox import mail
from portal.outbox import service as outbox
from portal.staff import members
from portal.staff.roles import Role


@dataclass(frozen=True)
class SettingChanged(mail.Mail):
    """Somebody changed what people see; `setting` is its name, and `url` its page in the console."""

    name: ClassVar[str] = "setting-changed"
    stream: ClassVar[str] = mail.SECURITY

    setting: str
    url: str

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("contact_email", "https://console.example.com/settings/contact_email/")


MAILS: tuple[type[mail.Mail], ...] = (SettingChanged,)
# A wrong colour, time zone or order of languages leads nobody to a thief; a logo can, as a number to call.
UNWATCHED = {"brand_colour", "languages", "timezone"}


def tell_admins(session: Session, vault: WorkerVault, settings: Settings, name: str, now: datetime) -> None:
    """Queue the mail to every admin, who made the change among them: their session may not be theirs."""
    if name in UNWATCHED:
        return
    written = SettingChanged(name, f"{settings.console.url}/settings/{name}/")
    for member in members.with_role(session, vault, Role.ADMIN):
        outbox.enqueue(session, vault, written, address=member.address, locale=member.language, now=now)
