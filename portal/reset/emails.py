"""Mails about a new password."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from portal.accounts.activity import not_me
from portal.outbox import mail

PURPOSE = "reset"
LINK_PATH = "/reset/{token}/"


@dataclass(frozen=True)
class Answer(mail.Mail):
    """An answer to a requested link. Its outbox row and its size look like those of the others."""

    purpose: ClassVar[str] = PURPOSE

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return every answer."""
        return ANSWERS


@dataclass(frozen=True)
class ResetLink(Answer):
    """The requested link and code, for an address with an account."""

    name: ClassVar[str] = "reset-link"
    link_purpose: ClassVar[str | None] = PURPOSE
    link_path: ClassVar[str | None] = LINK_PATH
    has_code: ClassVar[bool] = True


@dataclass(frozen=True)
class NoAccount(Answer):
    """The answer where there is no account."""

    name: ClassVar[str] = "no-account"


@dataclass(frozen=True)
class LinkNotPrepared(Answer):
    """The answer where the account's row was tampered with: it must be as visible as the others."""

    name: ClassVar[str] = "link-not-prepared"


@dataclass(frozen=True)
class ResetRequired(mail.Mail):
    """The old password was closed, for a cohort or for `everyone`; the mail says why and has a link."""

    name: ClassVar[str] = "reset-required"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = PURPOSE
    link_path: ClassVar[str | None] = LINK_PATH

    everyone: bool

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(everyone=False)

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it with either reason."""
        return ResetRequired(everyone=False), ResetRequired(everyone=True)


@dataclass(frozen=True)
class PasswordChanged(mail.Mail):
    """A new password was stored. `changed_at` is the localised time with its zone.

    `stays_signed_in` is True after a change in the account, where that browser stays signed in. `signs_out`:
    it is certain that no session is left in the company's product. Where it is not, `tries_elsewhere` says
    whether the store was asked to end them.
    """

    name: ClassVar[str] = "password-changed"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = not_me.PURPOSE
    link_path: ClassVar[str | None] = not_me.PATH

    changed_at: str
    stays_signed_in: bool = False
    signs_out: bool = True
    tries_elsewhere: bool = False

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls(changed_at="23 November 2026, 09:00 UTC")

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for either way of choosing."""
        return tuple(
            replace(self, stays_signed_in=stays, signs_out=signs_out, tries_elsewhere=tries)
            for stays in (False, True)
            for signs_out, tries in ((True, False), (False, True), (False, False))
        )


ANSWERS: tuple[mail.Mail, ...] = (ResetLink(), NoAccount(), LinkNotPrepared())
MAILS: tuple[type[mail.Mail], ...] = (
    ResetLink,
    NoAccount,
    LinkNotPrepared,
    ResetRequired,
    PasswordChanged,
)
