"""What a case's row holds: the person's view under their code, their contact, and the worker's record."""

import json
import secrets
from base64 import b32encode
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from portal.cases.models import NUMBER_DIGITS
from portal.crypto import tokens
from portal.crypto.vault import Cell, VaultError, WebVault, WorkerVault, hkdf, open_with, pad, seal_to, unpad

CODE_LENGTH = 20  # base32 characters: 100 random bits
LONGEST_CONTACT = 200
LONGEST_TEXT = 500  # of how identity was proven
LONGEST_REASON = 200
MOST_NOTICES = 20
CONTACT = "case contact"
CONTACT_SIZE = 1024
VIEW = "case view"
VIEW_KEY = "portal case view key"
VIEW_SIZE = 2048
RECORD_SIZE = 6144
_CODE_BYTES = 13


class State(Enum):
    """How a case stands. The values are stored: do not change them."""

    OPENED = "opened"
    PROVED = "proved"
    CONFIRMED = "confirmed"  # mails are on their way, or it waits
    UNVERIFIED = "unverified"  # nobody opened the link at the new address in time
    STOPPED = "stopped"
    CHANGED = "changed"
    CLOSED = "closed"


@dataclass(frozen=True)
class View:
    """What the person sees. Times are ISO 8601 in UTC; `until` is when the wait ends at the earliest."""

    state: State = State.OPENED
    opened_at: str = ""
    proved_at: str = ""
    confirmed_at: str = ""
    verified_at: str = ""
    until: str = ""
    stopped_at: str = ""
    changed_at: str = ""
    closed_at: str = ""
    reason: str = ""
    elsewhere: bool = False  # the account's address is the company's to change

    def at(self, moment: str) -> datetime | None:
        """Return one of the times, or None where it has not come."""
        text = getattr(self, f"{moment}_at")
        return datetime.fromisoformat(text) if text else None

    @property
    def ends_at(self) -> datetime | None:
        """When the wait ends at the earliest, or None while that is not known."""
        return datetime.fromisoformat(self.until) if self.until else None


@dataclass(repr=False)
class Record:
    """How a case stands, for the worker and the commands alone. Times are ISO 8601 in UTC.

    `account` is the account's id in hexadecimal, `store_id` its id in a store of the company's, `version` its
    version when the second person confirmed. `turn` counts the confirmations. `notices` are the rows of the
    mails to the old addresses, `verification` that of the mail to the new one. `cooled` seconds of the wait
    were seen by the worker, up to `seen_at`. `taken_by` is the user who recorded how identity was proven.
    """

    state: State = State.OPENED
    opened_at: str = ""
    language: str = ""
    account: str = ""
    store_id: str = ""
    version: int = 0
    old: str = ""
    new: str = ""
    how: str = ""
    remove_factors: bool = False
    taken_by: str = ""
    proved_at: str = ""
    confirmed_by: str = ""
    confirmed_at: str = ""
    turn: int = 0
    notices: list[str] = field(default_factory=list)
    verification: str = ""
    seen_at: str = ""
    cooled: int = 0
    verified_at: str = ""
    stopped_at: str = ""
    stopped_why: str = ""
    changed_at: str = ""
    closed_at: str = ""
    closed_by: str = ""
    reason: str = ""

    def view(self, until: datetime | None) -> View:
        """Return what the person sees of it."""
        return View(
            self.state,
            self.opened_at,
            self.proved_at,
            self.confirmed_at,
            self.verified_at,
            until.isoformat() if until else "",
            self.stopped_at,
            self.changed_at,
            self.closed_at,
            self.reason,
            bool(self.store_id),
        )


@dataclass(frozen=True, repr=False)
class Contact:
    """What the person gave: a stranger's words. `opened_at` is ISO 8601 in UTC."""

    text: str
    language: str
    opened_at: str


def new_number() -> str:
    """Return a random number of ten digits, which does not begin with 0."""
    return str(10 ** (NUMBER_DIGITS - 1) + secrets.randbelow(9 * 10 ** (NUMBER_DIGITS - 1)))


def new_code() -> str:
    """Return 20 random base32 characters in lower case."""
    return b32encode(secrets.token_bytes(_CODE_BYTES)).decode().lower()[:CODE_LENGTH]


def grouped_number(number: str) -> str:
    """Return a number in groups, for reading aloud: `123 456 7890`."""
    return f"{number[:3]} {number[3:6]} {number[6:]}"


def normalise_number(typed: str) -> str:
    """Return the digits of a typed number, at most one more than a number has."""
    return "".join(one for one in typed if one in "0123456789")[: NUMBER_DIGITS + 1]


def public_of(code: str) -> bytes:
    """Return the public key of the pair that a code yields."""
    return _private(code).public_key().public_bytes_raw()


def seal_view(public: bytes, number: str, view: View) -> bytes:
    """Seal a view so that only the case's code opens it, at one length."""
    content = json.dumps([view.state.value, *list(vars(view).values())[1:]], ensure_ascii=False)
    padded = pad(content.encode(), (VIEW_SIZE,))
    return seal_to(X25519PublicKey.from_public_bytes(public), VIEW, number.encode(), padded)


def open_view(code: str, number: str, sealed: bytes) -> View:
    """Return the view that a code opens. Raises VaultError."""
    typed = tokens.normalise_code(code)[: CODE_LENGTH + 1]
    state, *rest = json.loads(unpad(open_with(_private(typed), VIEW, number.encode(), sealed)))
    return View(State(state), *rest)


def seal_contact(vault: WebVault, number: str, contact: Contact) -> bytes:
    """Seal what the person gave for the worker, at one length."""
    content = json.dumps([contact.text, contact.language, contact.opened_at], ensure_ascii=False)
    return vault.seal(CONTACT, number.encode(), pad(content.encode(), (CONTACT_SIZE,)))


def open_contact(vault: WorkerVault, number: str, sealed: bytes) -> Contact:
    """Return what the person gave. Raises VaultError, also where it is not what the portal's form makes."""
    try:
        text, language, opened_at = json.loads(unpad(vault.open(CONTACT, number.encode(), sealed)))
        datetime.fromisoformat(opened_at)
        return Contact(str(text)[:LONGEST_CONTACT], str(language), opened_at)
    except (ValueError, TypeError, RecursionError) as error:
        raise VaultError from error


def encrypt(vault: WorkerVault, number: str, record: Record) -> bytes:
    """Return the stored form of a record, at one length. Raises ValueError where it does not fit."""
    content: dict[str, Any] = asdict(record) | {"state": record.state.value}
    packed = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return vault.encrypt(_cell(number), packed, (RECORD_SIZE,))


def decrypt(vault: WorkerVault, number: str, blob: bytes) -> Record:
    """Return a record. Raises VaultError where it was moved or altered."""
    content = json.loads(vault.decrypt(_cell(number), blob))
    return Record(**content | {"state": State(content["state"])})


def _private(code: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(hkdf(code.encode(), VIEW_KEY))


def _cell(number: str) -> Cell:
    return Cell("cases", "record", number.encode())
