"""People of a list: parse, pack, index, seal and open them; insert, read and delete them in chunks."""

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from os import urandom

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from portal.core.addresses import folded, one_mailbox
from portal.core.db import Database
from portal.core.i18n import Message
from portal.crypto.vault import INDEX_BYTES, Cell, VaultError, WorkerVault, pad
from portal.datakinds.names import Meanings, UnknownNames, parse_classes
from portal.datakinds.taxonomy import DataClass, by_id
from portal.exposure.models import ExposedPerson
from portal.people_files import rows

FOLD_PURPOSE = "exposure"
PERSON_PURPOSE = "exposure-person"
MAX_JURISDICTION = 60
# Every row of a list has one of these lengths, so that no row's length tells whose it is.
LENGTHS = (256, 512)
_LENGTH_PREFIX = 2
# Another row of the same person may add a locale (30 bytes) and classes (a digit for 4 of them).
_RESERVED = 70
_FITS_ALWAYS = LENGTHS[0] - _LENGTH_PREFIX - _RESERVED
_SEPARATOR = "\x1f"
_NONCE_BYTES = 12
_OVERHEAD = _NONCE_BYTES + 16  # the tag of AES-GCM
_NONCES = 512  # random nonces per call of urandom
_CACHED = 10_000
_HALF = INDEX_BYTES // 2
ADDRESS_BYTES = INDEX_BYTES + _HALF
# What one person of the usual length takes while sorting, and in SQLite's table. Checked before an import.
SORTED_BYTES = 324
STORED_BYTES = 350

Row = tuple[int, bytes, bytes, bytes]
# People per transaction: few enough that it holds the database's lock only briefly.
FIRST_CHUNK = 4_000
MAX_CHUNK = 10_000
_LONG_SECONDS = 0.06
_SHORT_SECONDS = 0.025
_INSERT = "INSERT INTO exposure_people (list_id, fold_index, person_key, blob) VALUES (?, ?, ?, ?)"
_COPY = "COPY exposure_people (list_id, fold_index, person_key, blob) FROM STDIN (FORMAT BINARY)"


@dataclass(frozen=True)
class Person:
    """One person on a list; `classes` is a bitmap of data class ids. Texts may be empty, except `address`."""

    address: str
    account_ref: str
    name: str
    locale: str
    jurisdiction: str
    classes: int

    def merged(self, other: "Person") -> "Person":
        """Return this person with the classes of both rows; the result does not depend on the row order."""
        name, jurisdiction = (
            min(filter(None, pair), default="")
            for pair in ((self.name, other.name), (self.jurisdiction, other.jurisdiction))
        )
        locale = min(filter(None, (self.locale, other.locale)), key=_known_first, default="")
        return replace(
            self, name=name, locale=locale, jurisdiction=jurisdiction, classes=self.classes | other.classes
        )


def _known_first(language: str) -> tuple[bool, str]:
    return language == rows.UNKNOWN_LANGUAGE, language


def names(person: Person, references: Collection[str], name: str) -> bool:
    """Return whether a row names this customer: by number where both have one, or else by the name."""
    if person.account_ref and references:
        return person.account_ref in references
    return bool(person.name) and person.name.casefold() == name.casefold()


def bitmap_of(classes: Iterable[DataClass]) -> int:
    """Return data classes as a bitmap: bit n is the class with id n."""
    bitmap = 0
    for data_class in classes:
        bitmap |= 1 << data_class.id
    return bitmap


def classes_of(bitmap: int) -> list[DataClass]:
    """Return the data classes of a bitmap. Raises UnknownDataClass."""
    return [by_id(bit) for bit in range(bitmap.bit_length()) if bitmap >> bit & 1]


def pack(person: Person, length: int = LENGTHS[-1]) -> bytes:
    """Return a person as bytes that fit a row of this length: the name is cut where it does not.

    Fields are joined by U+001F, which no field contains.
    """
    texts = (person.address, person.account_ref, person.locale, person.jurisdiction, f"{person.classes:x}")
    room = length - _LENGTH_PREFIX - len("".join(texts).encode()) - len(texts)
    name = person.name.encode()[: max(room, 0)].decode(errors="ignore")
    return _SEPARATOR.join((*texts[:2], name, *texts[2:])).encode()


def unpack(packed: bytes) -> Person:
    """Return the person that `pack` packed. Raises VaultError if the bytes are malformed."""
    try:
        address, ref, name, locale, jurisdiction, classes = packed.decode().split(_SEPARATOR)
        return Person(address, ref, name, locale, jurisdiction, int(classes, 16))
    except ValueError as error:
        raise VaultError from error


class RowParser:
    """Parse the cells of a row into the packed form of a person; optimised for millions of rows."""

    def __init__(self, default_classes: int, meanings: Meanings = ()) -> None:
        """Take the bitmap for rows that name no classes, and what names mean that are none.

        `length` is what the rows so far need.
        """
        self._meanings = meanings
        self._classes: dict[str, int] = {"": default_classes}
        self.length = LENGTHS[0]

    def parse(self, cells: tuple[str, ...]) -> tuple[str, str, int, str, bytes]:
        """Return address, account_ref, bitmap, language and packed form. Raises RowRefused."""
        email, ref, name, locale, jurisdiction, classes = cells
        address = rows.parse_address(email)
        bitmap = self._classes.get(classes)
        if bitmap is None:
            bitmap = self._parse_classes(classes)
        language = rows.parse_locale(locale)
        ref, name, jurisdiction = ref.strip(), " ".join(name.split()), jurisdiction.strip()
        texts = ref + name + jurisdiction
        # One check of all three is enough for most rows: MAX_JURISDICTION is the smallest of their limits.
        if len(texts) > MAX_JURISDICTION or not texts.isprintable():
            rows.check_text("account_ref", ref, rows.MAX_REF)
            rows.check_text("name", name, rows.MAX_NAME)
            rows.check_text("jurisdiction", jurisdiction, MAX_JURISDICTION)
        packed = _SEPARATOR.join((address, ref, name, language, jurisdiction, f"{bitmap:x}")).encode()
        if len(packed) > _FITS_ALWAYS:
            needed = len(f"{address}{ref}{jurisdiction}".encode()) + packed.count(b"\x1f") + _RESERVED
            rows.check_size(needed, LENGTHS[-1] - _LENGTH_PREFIX)
            if needed > LENGTHS[0] - _LENGTH_PREFIX:
                self.length = LENGTHS[-1]
            packed = pack(Person(address, ref, name, language, jurisdiction, bitmap))
        return address, ref, bitmap, language, packed

    def _parse_classes(self, text: str) -> int:
        try:
            bitmap = bitmap_of(parse_classes(text, self._meanings)) or self._classes[""]
        except UnknownNames as error:
            why = Message("%(column)s: %(why)s", column="data_classes", why=str(error))
            raise rows.UnknownWords(why, error.names) from None
        if len(self._classes) < _CACHED:
            self._classes[text] = bitmap
        return bitmap


class Indexer:
    """Compute the blind indexes of people (keyed BLAKE2b); the keyed states are prepared once."""

    def __init__(self, vault: WorkerVault) -> None:
        """Derive the index keys from the vault."""
        self._fold = blake2b(key=vault.list_key(FOLD_PURPOSE), digest_size=INDEX_BYTES)
        self._person = blake2b(key=vault.list_key(PERSON_PURPOSE), digest_size=INDEX_BYTES)

    def fold(self, address: str) -> bytes:
        """Return the index shared by all people whose address has this fold (16 bytes)."""
        digest = self._fold.copy()
        plain = address.islower() and address.isascii() and not one_mailbox(address.rpartition("@")[2])
        digest.update((address if plain else folded(address)).encode())
        return digest.digest()

    def person(self, address: str, account_ref: str) -> bytes:
        """Return the key of one person: the first half depends on the exact address, the second on both.

        So people who share an exact address are stored next to each other.
        """
        digest = self._person.copy()
        digest.update(address.encode())
        if not account_ref:
            return digest.digest()
        half = digest.digest()[:_HALF]
        digest.update(f"\0{account_ref}".encode())
        return half + digest.digest()[_HALF:]


class Sealer:
    """Seal and open the people of one list; associated data binds table, column, row and version."""

    def __init__(self, vault: WorkerVault, list_id: int, data_key: AESGCM) -> None:
        """Take the data key of the list."""
        self._vault = vault
        self._list_id = list_id
        self._key = data_key
        self._place = self._cell(b"").associated(vault.key_id)
        self._nonces: list[bytes] = []

    def _cell(self, row_id: bytes) -> Cell:
        return Cell("exposure_people", "blob", row_id, self._list_id)

    def seal(self, row_id: bytes, packed: bytes, lengths: tuple[int, ...] = LENGTHS) -> bytes:
        """Return the encrypted blob of a row, padded to the first of `lengths` that fits.

        `row_id` is fold index and person key.
        """
        if not self._nonces:
            fresh = urandom(_NONCES * _NONCE_BYTES)
            self._nonces = [fresh[at : at + _NONCE_BYTES] for at in range(0, len(fresh), _NONCE_BYTES)]
        nonce = self._nonces.pop()
        return nonce + self._key.encrypt(nonce, pad(packed, lengths), self._place + row_id)

    def of_length(self, row_id: bytes, blob: bytes, length: int) -> bytes:
        """Return the blob of a row at this length: as it is, or sealed again."""
        if len(blob) == length + _OVERHEAD:
            return blob
        return self.seal(row_id, pack(self.open(row_id, blob), length), (length,))

    def open(self, row_id: bytes, blob: bytes) -> Person:
        """Return the person of a row. Raises VaultError if it was altered or moved."""
        return unpack(self.packed(row_id, blob))

    def packed(self, row_id: bytes, blob: bytes) -> bytes:
        """Return the packed person of a row. Raises VaultError if it was altered or moved."""
        return self._vault.decrypt(self._cell(row_id), blob, data_key=self._key)


def insert_people(db: Database, people: Iterable[Row]) -> None:
    """Insert people, who must be sorted by key.

    Each chunk is its own transaction; its size adapts to the duration of the previous one.
    """
    source = iter(people)
    size = FIRST_CHUNK
    while chunk := list(islice(source, size)):
        with db.write() as session:
            started = time.monotonic()
            insert_chunk(session, chunk, sqlite=db.is_sqlite)
        seconds = time.monotonic() - started
        if seconds > _LONG_SECONDS:
            size = max(size // 2, 250)
        elif seconds < _SHORT_SECONDS:
            size = min(size * 2, MAX_CHUNK)


def insert_chunk(session: Session, chunk: list[Row], *, sqlite: bool) -> None:
    """Insert a chunk of people: with one prepared statement on SQLite, with binary COPY on PostgreSQL."""
    connection = session.connection()
    if sqlite:
        connection.exec_driver_sql(_INSERT, chunk)
        return
    raw = connection.connection.cursor()
    try:
        with raw.copy(_COPY) as copy:
            copy.set_types(["int8", "bytea", "bytea", "bytea"])
            for row in chunk:
                copy.write_row(row)
    finally:
        raw.close()


def delete_people(db: Database, list_id: int) -> Iterator[int]:
    """Delete the people of a list, one chunk per transaction; after each, yield how many are gone so far."""
    deleted = 0
    while True:
        with db.write_in_turn() as session:
            keys = session.execute(
                select(ExposedPerson.fold_index, ExposedPerson.person_key)
                .where(ExposedPerson.list_id == list_id)
                .order_by(ExposedPerson.fold_index, ExposedPerson.person_key)
                .limit(FIRST_CHUNK)
            ).all()
            if not keys:
                return
            session.execute(
                delete(ExposedPerson).where(
                    ExposedPerson.list_id == list_id,
                    tuple_(ExposedPerson.fold_index, ExposedPerson.person_key) <= tuple_(*keys[-1]),
                )
            )
        deleted += len(keys)
        yield deleted


def read_page(session: Session, list_id: int, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    """Return up to `limit` rows after the key `after` as (key, blob), sorted by key."""
    key = tuple_(ExposedPerson.fold_index, ExposedPerson.person_key)
    statement = (
        select(ExposedPerson.fold_index, ExposedPerson.person_key, ExposedPerson.blob)
        .where(ExposedPerson.list_id == list_id)
        .order_by(ExposedPerson.fold_index, ExposedPerson.person_key)
        .limit(limit)
    )
    if after:
        statement = statement.where(key > tuple_(after[:INDEX_BYTES], after[INDEX_BYTES:]))
    return [(fold + person, blob) for fold, person, blob in session.execute(statement)]


def known_folds(session: Session, list_id: int, folds: Collection[bytes]) -> set[bytes]:
    """Return those of these fold indexes that people of a list have."""
    here = select(ExposedPerson.fold_index).where(
        ExposedPerson.list_id == list_id, ExposedPerson.fold_index.in_(folds)
    )
    return set(session.scalars(here))
