"""Mails of a case: to the new address, to every old one, and the link to a new password at the end."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from portal.outbox import mail
from portal.reset.emails import LINK_PATH as RESET_PATH
from portal.reset.emails import PURPOSE as RESET

VERIFY = "case-verify"
STOP = "case-stop"


@dataclass(frozen=True)
class CaseVerify(mail.Mail):
    """Confirm the new address of a case that two of the company's people have confirmed."""

    name: ClassVar[str] = "case-verify"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = VERIFY
    link_path: ClassVar[str | None] = "/cases/verify/{token}/"

    hours: int

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(hours=72)


@dataclass(frozen=True)
class CaseNotice(mail.Mail):
    """Tell an old address that its account is to be led elsewhere, with a link that stops it.

    `removes_factors`: the second step goes too. `moves`: the portal itself changes the address.
    """

    name: ClassVar[str] = "case-notice"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = STOP
    link_path: ClassVar[str | None] = "/cases/stop/{token}/"

    hours: int
    removes_factors: bool = False
    moves: bool = True

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(hours=72)

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for each kind of case."""
        return tuple(
            replace(self, removes_factors=removes, moves=moves)
            for removes in (False, True)
            for moves in (True, False)
        )


@dataclass(frozen=True)
class CaseReset(mail.Mail):
    """The end of a case: the link to a new password, at the new address.

    `case` is its number. `moved`: the account signs in with this address from now on.
    """

    name: ClassVar[str] = "case-reset"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = RESET
    link_path: ClassVar[str | None] = RESET_PATH

    case: str
    moved: bool = True

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(case="1234567890")

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for either kind of store."""
        return replace(self, moved=True), replace(self, moved=False)


MAILS: tuple[type[mail.Mail], ...] = (CaseVerify, CaseNotice, CaseReset)
