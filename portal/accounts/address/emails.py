"""Mails about an account's address: to the new one, and to the old one with the link that undoes it."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from portal.accounts.activity.service import Kind
from portal.outbox import mail

CONFIRM = "address-confirm"
CONFIRM_PATH = "/address/confirm/{token}/"
UNDO = "address-undo"
UNDO_PATH = "/address/undo/{token}/"

# What a former address hears of: a kind of event, or one of these.
RESET_ASKED, LOST_REMOVED = "reset-asked", "factors-removed"
NEWS = (
    *(
        kind.value
        for kind in (
            Kind.CHANGED_PASSWORD,
            Kind.CHOSE_PASSWORD,
            Kind.REPORTED,
            Kind.CODES_ADDED,
            Kind.CODES_REMOVED,
            Kind.RECOVERY_MADE,
            Kind.PASSKEY_ADDED,
            Kind.PASSKEY_REMOVED,
            Kind.PASSKEY_STOPPED,
            Kind.ADDRESS_ASKED,
            Kind.ADDRESS_CHANGED,
            Kind.RECOVERY_REMOVED,
            Kind.SIGNED_IN,
            Kind.REMOVAL_ENDED,
        )
    ),
    RESET_ASKED,
    LOST_REMOVED,
)


@dataclass(frozen=True)
class ToNewAddress(mail.Mail):
    """The mail to an address that somebody wants for their account; the rows of both kinds look alike."""

    purpose: ClassVar[str] = CONFIRM

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return both."""
        return AddressConfirm(), AddressTaken()


@dataclass(frozen=True)
class AddressConfirm(ToNewAddress):
    """The link that confirms the new address."""

    name: ClassVar[str] = "address-confirm"
    link_purpose: ClassVar[str | None] = CONFIRM
    link_path: ClassVar[str | None] = CONFIRM_PATH


@dataclass(frozen=True)
class AddressTaken(ToNewAddress):
    """The address has an account here, or had one within the last week."""

    name: ClassVar[str] = "address-taken"


@dataclass(frozen=True)
class AddressDone(mail.Mail):
    """The new address is in use."""

    name: ClassVar[str] = "address-done"
    stream: ClassVar[str] = mail.SECURITY

    undoable: bool = True

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls()

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it with and without an old address that can undo it."""
        return replace(self, undoable=True), replace(self, undoable=False)


@dataclass(frozen=True)
class AddressChange(mail.Mail):
    """Tells the old address that a change was asked for, or made (`made`), with the link that undoes it.

    `to` is the new address, masked.
    """

    name: ClassVar[str] = "address-change"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = UNDO
    link_path: ClassVar[str | None] = UNDO_PATH

    changed_at: str
    to: str
    made: bool = False

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("23 November 2026, 09:00 UTC", "a…@h….example")

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it before the change and after."""
        return replace(self, made=False), replace(self, made=True)


@dataclass(frozen=True)
class AddressReturned(mail.Mail):
    """Tells the old address that the account is back at an address of before; there is nothing to undo here.

    `to` is that address, masked.
    """

    name: ClassVar[str] = "address-returned"
    stream: ClassVar[str] = mail.SECURITY

    changed_at: str
    to: str

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("23 November 2026, 09:00 UTC", "a…@h….example")


@dataclass(frozen=True)
class FormerAddress(mail.Mail):
    """Tells an address that an account had until lately what happens there (`news`, one of NEWS)."""

    name: ClassVar[str] = "former-address"
    stream: ClassVar[str] = mail.SECURITY
    link_purpose: ClassVar[str | None] = UNDO
    link_path: ClassVar[str | None] = UNDO_PATH

    changed_at: str
    news: str

    @classmethod
    def sample(cls) -> Self:
        """Return an example."""
        return cls("23 November 2026, 09:00 UTC", RESET_ASKED)

    def alternatives(self) -> tuple[mail.Mail, ...]:
        """Return it for each kind of news."""
        return tuple(replace(self, news=news) for news in NEWS)


MAILS: tuple[type[mail.Mail], ...] = (
    AddressConfirm,
    AddressTaken,
    AddressDone,
    AddressChange,
    AddressReturned,
    FormerAddress,
)
