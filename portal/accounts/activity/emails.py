"""The mail about a change of an account that has no mail of its own."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.accounts.activity import not_me
from portal.accounts.activity.service import MAILED
from portal.outbox import mail


@dataclass(frozen=True)
class AccountChanged(mail.Mail):
    """Something changed in an account (`change`, a kind's value), at a localised time with its zone.

    `browser` and `system` did it, as far as they are known.
    """

    name: ClassVar[str] = "account-changed"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = not_me.PURPOSE
    link_path: ClassVar[str | None] = not_me.PATH

    changed_at: str
    change: str
    browser: str = ""
    system: str = ""

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("23 November 2026, 09:00 UTC", "codes-added")

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for each change."""
        return tuple(
            AccountChanged(self.changed_at, kind.value, self.browser, self.system) for kind in MAILED
        )


MAILS: tuple[type[mail.Mail], ...] = (AccountChanged,)
