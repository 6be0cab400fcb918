"""One exposed person: how a row of the file becomes one, and how it is packed, sealed and opened."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from os import urandom

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from portal.core.addresses import AddressInvalid, folded, normalise, one_mailbox
from portal.crypto.vault import INDEX_BYTES, SIZES, Cell, VaultError, WorkerVault, pad
from portal.datakinds.taxonomy import DataClass, UnknownDataClass, by_id, parse_classes

FOLD_PURPOSE = "exposure"
PERSON_PURPOSE = "exposure-person"
MAX_REF = 100
MAX_NAME = 200
MAX_JURISDICTION = 60
_SEPARATOR = "\x1f"
_NONCE_BYTES = 12
_NONCES = 512  # asked of the system at once
_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}\Z")
_CACHED = 10_000
_HALF = INDEX_BYTES // 2
ADDRESS_BYTES = INDEX_BYTES + _HALF


class RowRefused(Exception):
    """A row cannot be taken in; the message says why, and never what the row holds."""


@dataclass(frozen=True)
class Person:
    """Someone on a list. `classes` is a bitmap of data classes; texts may be empty."""

    address: str
    account_ref: str
    name: str
    locale: str
    jurisdiction: str
    classes: int

    def united(self, other: "Person") -> "Person":
        """Return this person with the classes of both; which text is kept does not depend on the order."""
        name, locale, jurisdiction = (
            min(filter(None, pair), default="")
            for pair in (
                (self.name, other.name),
                (self.locale, other.locale),
                (self.jurisdiction, other.jurisdiction),
            )
        )
        return replace(
            self, name=name, locale=locale, jurisdiction=jurisdiction, classes=self.classes | other.classes
        )


def bitmap_of(classes: Iterable[DataClass]) -> int:
    """Return data classes as a bitmap: the bit of each is its id."""
    bitmap = 0
    for data_class in classes:
        bitmap |= 1 << data_class.id
    return bitmap


def classes_of(bitmap: int) -> list[DataClass]:
    """Return the data classes of a bitmap. Raises UnknownDataClass."""
    return [by_id(bit) for bit in range(bitmap.bit_length()) if bitmap >> bit & 1]


def pack(person: Person) -> bytes:
    """Return a person as bytes; texts hold no control characters, so one separates them."""
    texts = (
        person.address,
        person.account_ref,
        person.name,
        person.locale,
        person.jurisdiction,
        f"{person.classes:x}",
    )
    return _SEPARATOR.join(texts).encode()


def unpack(packed: bytes) -> Person:
    """Return the person that `pack` packed. Raises VaultError where it is none."""
    try:
        address, ref, name, locale, jurisdiction, classes = packed.decode().split(_SEPARATOR)
        return Person(address, ref, name, locale, jurisdiction, int(classes, 16))
    except ValueError as error:
        raise VaultError from error


class RowReader:
    """Turns the columns of a row into a person's packed form; made for millions of rows."""

    def __init__(self, default_classes: int) -> None:
        """Take the bitmap of a row that names no classes."""
        self._classes: dict[str, int] = {"": default_classes}
        self._locales: dict[str, str] = {"": ""}

    def read(self, columns: tuple[str, ...]) -> tuple[str, str, int, bytes]:
        """Return address, account_ref, bitmap and packed form. Raises RowRefused."""
        email, ref, name, locale, jurisdiction, classes = columns
        try:
            address = normalise(email)
        except AddressInvalid as error:
            raise RowRefused(
                _ADDRESS_REASONS.get(str(error), "email: this is not one e-mail address")
            ) from None
        bitmap = self._classes.get(classes)
        if bitmap is None:
            bitmap = self._read_classes(classes)
        language = self._locales.get(locale)
        if language is None:
            language = self._read_locale(locale)
        ref, name, jurisdiction = ref.strip(), " ".join(name.split()), jurisdiction.strip()
        texts = ref + name + jurisdiction
        if len(texts) > MAX_JURISDICTION or not texts.isprintable():
            _refuse_text("account_ref", ref, MAX_REF)
            _refuse_text("name", name, MAX_NAME)
            _refuse_text("jurisdiction", jurisdiction, MAX_JURISDICTION)
        packed = _SEPARATOR.join((address, ref, name, language, jurisdiction, f"{bitmap:x}")).encode()
        if len(packed) > SIZES[-1] - 2:
            raise RowRefused("the row is too long")
        return address, ref, bitmap, packed

    def _read_classes(self, text: str) -> int:
        try:
            bitmap = bitmap_of(parse_classes(text)) or self._classes[""]
        except UnknownDataClass as error:
            raise RowRefused(f"data_classes: {error}") from None
        if len(self._classes) < _CACHED:
            self._classes[text] = bitmap
        return bitmap

    def _read_locale(self, text: str) -> str:
        plain = text.strip().replace("_", "-")
        if plain and not _LOCALE.match(plain):
            raise RowRefused("locale: this is not a language tag like en or pt-BR")
        if len(self._locales) < _CACHED:
            self._locales[text] = plain
        return plain


_ADDRESS_REASONS = {
    "Enter an e-mail address.": "email: there is no address",
    "This is too long for an e-mail address.": "email: too long for an address",
}


def _refuse_text(column: str, value: str, most: int) -> None:
    # Joiners are part of names in some scripts; controls, line breaks and lone surrogates are not.
    if not value.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in value):
        raise RowRefused(f"{column}: there is a control character")
    if len(value) > most:
        raise RowRefused(f"{column}: longer than {most} characters")


class Indexer:
    """The blind indexes of people, with the keyed hashes prepared once."""

    def __init__(self, vault: WorkerVault) -> None:
        """Take the list index keys out of the vault."""
        self._fold = blake2b(key=vault.list_key(FOLD_PURPOSE), digest_size=INDEX_BYTES)
        self._person = blake2b(key=vault.list_key(PERSON_PURPOSE), digest_size=INDEX_BYTES)

    def fold(self, address: str) -> bytes:
        """Return the index under which everyone of an address's fold is found."""
        digest = self._fold.copy()
        plain = address.islower() and address.isascii() and not one_mailbox(address.rpartition("@")[2])
        digest.update((address if plain else folded(address)).encode())
        return digest.digest()

    def person(self, address: str, account_ref: str) -> bytes:
        """Return the key of one person: half of it is the exact address, half the account_ref.

        So people who share an address lie side by side.
        """
        digest = self._person.copy()
        digest.update(address.encode())
        if not account_ref:
            return digest.digest()
        half = digest.digest()[:_HALF]
        digest.update(f"\0{account_ref}".encode())
        return half + digest.digest()[_HALF:]


class Sealer:
    """Seals and opens the people of one list, each bound to its table, column, row and version."""

    def __init__(self, vault: WorkerVault, list_id: int, data_key: AESGCM) -> None:
        """Take the list's own key."""
        self._vault = vault
        self._list_id = list_id
        self._key = data_key
        self._place = self._cell(b"").associated(vault.key_id)
        self._nonces: list[bytes] = []

    def _cell(self, row_id: bytes) -> Cell:
        return Cell("exposure_people", "blob", row_id, self._list_id)

    def seal(self, row_id: bytes, packed: bytes) -> bytes:
        """Return the padded and encrypted blob of the row (fold index and person key)."""
        if not self._nonces:
            fresh = urandom(_NONCES * _NONCE_BYTES)
            self._nonces = [fresh[at : at + _NONCE_BYTES] for at in range(0, len(fresh), _NONCE_BYTES)]
        nonce = self._nonces.pop()
        return nonce + self._key.encrypt(nonce, pad(packed), self._place + row_id)

    def open(self, row_id: bytes, blob: bytes) -> Person:
        """Return the person of a row. Raises VaultError."""
        return unpack(self._vault.decrypt(self._cell(row_id), blob, data_key=self._key))
