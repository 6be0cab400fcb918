"""The mail that says what became of a passkey."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.accounts.activity import not_me
from portal.outbox import mail


@dataclass(frozen=True)
class PasskeyChanged(mail.Mail):
    """A passkey was added, removed or stopped (`change`), at a localised time with its zone.

    It does not repeat the passkey's name: somebody who took over a session could have words of theirs mailed.
    """

    name: ClassVar[str] = "passkey-changed"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = not_me.PURPOSE
    link_path: ClassVar[str | None] = not_me.PATH

    changed_at: str
    change: str

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("23 November 2026, 09:00 UTC", "added")

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for each change."""
        return tuple(PasskeyChanged(self.changed_at, change) for change in ("added", "removed", "stopped"))


MAILS: tuple[type[mail.Mail], ...] = (PasskeyChanged,)
