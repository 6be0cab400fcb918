"""The mail with the link to a new password, after its owner reported something."""

from dataclasses import dataclass
from typing import ClassVar, Self

from portal.outbox import mail
from portal.reset.emails import LINK_PATH, PURPOSE


@dataclass(frozen=True)
class ReportedLocked(mail.Mail):
    """The owner said "this wasn't me": the account is locked, and this link leads to a new password.

    `signs_out`: it is certain that no session is left in the company's product. `locks`: the old password is
    closed there, too.
    """

    name: ClassVar[str] = "reported-locked"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = PURPOSE
    link_path: ClassVar[str | None] = LINK_PATH

    locks: bool = True
    signs_out: bool = True

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for each kind of store."""
        return tuple(
            ReportedLocked(locks, signs_out) for locks in (True, False) for signs_out in (True, False)
        )


MAILS: tuple[type[mail.Mail], ...] = (ReportedLocked,)
