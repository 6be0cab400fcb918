"""Receive a file in pieces and seal it chunk by chunk, so that nothing of it is stored in clear.

What stops is resumed at the number of bytes that are stored. No key is kept for that: each piece has one of
its own (see `portal/crypto/chunks.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from hmac import compare_digest
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from portal.core.clock import Clock
from portal.core.db import Database, new_id, sqlite_file
from portal.core.disk_space import has_room
from portal.crypto.chunks import ChunkSealer, Seals
from portal.crypto.vault import INDEX_BYTES
from portal.exposure.uploads.models import (
    DISCARDED,
    RECEIVING,
    SHEET,
    TEXT,
    WAITING,
    Upload,
    UploadChunk,
    UploadKey,
)

MAX_TEXT = 2 << 30
MAX_WORKBOOK = 200 << 20
CHUNK_BYTES = 1 << 20
# A piece that stops short of a chunk is stored from this size on: rows must not become as many as one likes.
LEAST_CHUNK = 64 << 10
MOST_CHUNKS = 3 * MAX_TEXT // CHUNK_BYTES
MOST_OPEN = 5
ABANDONED = timedelta(hours=24)
_CHECK_EVERY = 64
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# PDF, pictures, programs, archives, databases.
_NO_LISTS = (
    b"%PDF",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x7fELF",
    b"MZ\x90",
    b"7z\xbc\xaf",
    b"Rar!",
    b"\xfd7zXZ",
    b"BZh",
    b"SQLite format 3",
)


class UploadRefused(Exception):
    """The file cannot be taken; the code says why: see REASONS."""

    def __init__(self, code: str) -> None:
        """Store the code."""
        self.code = code
        super().__init__(code)


EMPTY = "empty"
TOO_LARGE = "too-large"
TOO_MANY = "too-many"
NO_ROOM = "no-room"
IS_WORKBOOK = "is-workbook"
IS_NO_WORKBOOK = "is-no-workbook"
IS_OLD_WORKBOOK = "is-old-workbook"
IS_NO_LIST = "is-no-list"
TOO_MANY_PIECES = "too-many-pieces"
OTHER_FILE = "other-file"
# The file is no list, whatever else comes of it.
NEVER = (IS_WORKBOOK, IS_NO_WORKBOOK, IS_OLD_WORKBOOK, IS_NO_LIST)


class UploadGone(Exception):
    """There is no such upload, or it receives nothing any more."""


class OffsetConflict(Exception):
    """A piece does not begin where the upload stopped; `received` is where that is."""

    def __init__(self, received: int) -> None:
        """Store the number of bytes that are stored."""
        self.received = received
        super().__init__(f"{received} bytes are stored")


def purpose_of(upload: Upload) -> str:
    """Return the purpose that an upload's keys are sealed for: neither incident nor use can be exchanged."""
    return f"list upload {upload.purpose} {upload.form} {upload.incident_id.hex()}"


def begin(
    session: Session,
    incident_id: bytes,
    purpose: str,
    form: str,
    size: int | None,
    actor: str,
    now: datetime,
    *,
    name: str = "",
) -> Upload:
    """Begin an upload of `size` bytes, where that is known; `name` says which file it is, and is not stored.

    Raises UploadRefused.
    """
    if size is not None:
        check_size(form, size)
    open_now = select(func.count()).where(
        Upload.state == RECEIVING, Upload.incident_id == incident_id, Upload.changed_at > now - ABANDONED
    )
    if (session.scalar(open_now) or 0) >= MOST_OPEN:
        raise UploadRefused(TOO_MANY)
    upload = Upload(
        id=new_id(),
        incident_id=incident_id,
        purpose=purpose,
        form=form,
        actor=actor,
        size=size,
        created_at=now,
        changed_at=now,
    )
    upload.mark = mark_of(upload.id, name)
    session.add(upload)
    session.flush()
    return upload


def check_size(form: str, size: int) -> None:
    """Raise UploadRefused for a file that is empty or too large."""
    if size <= 0:
        raise UploadRefused(EMPTY)
    if size > (MAX_TEXT if form == TEXT else MAX_WORKBOOK):
        raise UploadRefused(TOO_LARGE)


def mark_of(upload_id: bytes, name: str) -> bytes:
    """Return the hash by which an upload knows its file again; of two uploads they cannot be compared."""
    return blake2b(name.encode(), key=upload_id, digest_size=INDEX_BYTES).digest()


def find(session: Session, incident_id: bytes, upload_id: bytes) -> Upload:
    """Return an upload of an incident. Raises UploadGone."""
    upload = session.get(Upload, upload_id)
    if upload is None or upload.incident_id != incident_id:
        raise UploadGone
    return upload


def of_incident(session: Session, incident_id: bytes) -> list[Upload]:
    """Return the uploads of an incident, the newest first."""
    mine = select(Upload).where(Upload.incident_id == incident_id, Upload.state != DISCARDED)
    return list(session.scalars(mine.order_by(Upload.created_at.desc())))


def resumed(session: Session, incident_id: bytes, upload_id: bytes, name: str) -> Upload:
    """Return an upload that goes on. Raises UploadGone, and UploadRefused if `name` says another file."""
    upload = find(session, incident_id, upload_id)
    if upload.state != RECEIVING:
        raise UploadGone
    if not compare_digest(upload.mark, mark_of(upload.id, name)):
        raise UploadRefused(OTHER_FILE)
    return upload


def discard(session: Session, upload: Upload, now: datetime) -> None:
    """Destroy the keys of an upload, so that nobody can read it; the worker deletes the rest.

    A worker that is reading it stops.
    """
    destroy_keys(session, upload.id)
    upload.state, upload.changed_at, upload.lease = DISCARDED, now, None
    upload.findings = upload.plan = None
    session.flush()


def destroy_keys(session: Session, upload_id: bytes) -> None:
    """Destroy the keys of an upload: from then on nobody can read what was stored of it."""
    session.execute(delete(UploadKey).where(UploadKey.upload_id == upload_id))


def refuse_other_type(form: str, head: bytes) -> None:
    """Raise UploadRefused where the first bytes of a file are not what it was said to be."""
    if form == SHEET:
        if head.startswith(_OLE):
            raise UploadRefused(IS_OLD_WORKBOOK)
        if not head.startswith(_ZIP):
            raise UploadRefused(IS_NO_WORKBOOK)
        return
    if head.startswith(_ZIP):
        raise UploadRefused(IS_WORKBOOK)
    if head.startswith(_OLE):
        raise UploadRefused(IS_OLD_WORKBOOK)
    if head.startswith(_NO_LISTS):
        raise UploadRefused(IS_NO_LIST)


@dataclass(frozen=True)
class Place:
    """What an upload is stored through: the database, a vault that seals, and a clock."""

    db: Database
    vault: Seals
    clock: Clock


class Receiver:
    """Seals what comes in for one upload from one offset on: one piece, with a key of its own.

    Chunks are stored as soon as they are full, each in a transaction of its own. Memory holds two of them.
    """

    def __init__(self, place: Place, upload: Upload, *, counts: bool = True) -> None:
        """Go on where `upload` stopped. `counts`: what comes in is the file, and its size says where it ends.

        Otherwise `finish` must be called with `ended`.
        """
        self._place = place
        self._id = upload.id
        self._size = upload.size if counts else None
        self._stored, self._number = upload.received, upload.chunks
        self._first = upload.chunks
        self._sealer = ChunkSealer(place.vault, purpose_of(upload), upload.id, upload.chunks)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes. Raises UploadRefused, UploadGone and OffsetConflict."""
        self._buffer += data
        # One chunk is held back: only the end says which is the last.
        while len(self._buffer) > CHUNK_BYTES:
            self._store(bytes(self._buffer[:CHUNK_BYTES]), last=False)
            del self._buffer[:CHUNK_BYTES]

    def finish(self, *, ended: bool = False) -> int:
        """Store the rest, and return how many bytes are stored. `ended`: nothing more will come."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        if ended and not rest:
            raise UploadRefused(EMPTY)
        last = ended or (self._size is not None and self._stored + len(rest) == self._size)
        if last or len(rest) >= LEAST_CHUNK:
            self._store(rest, last=last)
        return self._stored

    def _store(self, content: bytes, *, last: bool) -> None:
        if self._size is not None and self._stored + len(content) > self._size:
            raise UploadRefused(TOO_LARGE)
        if self._number >= MOST_CHUNKS:
            raise UploadRefused(TOO_MANY_PIECES)
        if self._stored + len(content) > MAX_TEXT:
            raise UploadRefused(TOO_LARGE)
        if (self._number - self._first) % _CHECK_EVERY == 0:
            check_room(self._place.db, CHUNK_BYTES)
        sealed = self._sealer.seal(self._number, content, last=last)
        with self._place.db.write_in_turn() as session:
            self._insert(session, sealed, len(content), last=last)
        self._number += 1
        self._stored += len(content)

    def _insert(self, session: Session, sealed: bytes, size: int, *, last: bool) -> None:
        here = (Upload.id == self._id, Upload.state == RECEIVING, Upload.chunks == self._number)
        values: dict[str, Any] = {
            "received": self._stored + size,
            "chunks": self._number + 1,
            "changed_at": self._place.clock.now(),
        }
        if last:
            values["state"] = WAITING
            if self._size is None:
                values["size"] = self._stored + size
        result: Any = session.execute(update(Upload).where(*here).values(values))
        if result.rowcount != 1:
            upload = session.get(Upload, self._id)
            if upload is None or upload.state != RECEIVING:
                raise UploadGone
            raise OffsetConflict(upload.received)
        if self._number == self._first:
            session.add(UploadKey(upload_id=self._id, first=self._first, sealed=self._sealer.sealed_key))
        session.add(UploadChunk(upload_id=self._id, number=self._number, content=sealed))
        session.flush()


def receive(place: Place, upload: Upload, offset: int, length: int, read: Callable[[int], bytes]) -> int:
    """Seal and store a piece of `length` bytes of a text, which `read` returns; return how many are stored.

    A piece that ends early is stored as far as it came. Raises UploadRefused, UploadGone and OffsetConflict.
    """
    if offset != upload.received:
        raise OffsetConflict(upload.received)
    if upload.size is None or offset + length > upload.size:
        raise UploadRefused(TOO_LARGE)
    receiver = Receiver(place, upload)
    left, at_start = length, offset == 0
    while left and (data := read(min(left, CHUNK_BYTES))):
        if at_start:
            refuse_other_type(TEXT, data)
            at_start = False
        left -= len(data)
        receiver.feed(data)
    return receiver.finish()


def check_room(db: Database, size: int) -> None:
    """Raise UploadRefused where the disk of an SQLite database has no room for so many bytes more."""
    if not has_room(sqlite_file(db.engine.url), size):
        raise UploadRefused(NO_ROOM)
