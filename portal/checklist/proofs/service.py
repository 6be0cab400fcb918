"""Files that prove an item: what is taken, sealed as it comes, kept by the worker, and opened again.

The console seals each with a key of its own that it forgets. To open one, the worker checks that nothing of
it was altered and hands over that key alone, for one answer.
"""

import json
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.checklist.models import ChecklistItem, ProofChunk, ProofFile
from portal.checklist.service import LABEL
from portal.core.clock import Clock
from portal.core.db import Database, new_id, sqlite_file
from portal.core.disk_space import has_room
from portal.crypto.chunks import ChunkOpener, ChunkSealer, run_key
from portal.crypto.vault import Cell, ConsoleVault, VaultError, WorkerVault
from portal.incidents.models import Incident

MAX_BYTES = 10 << 20
CHUNK_BYTES = 1 << 20
MOST = 5  # per item
HEAD_BYTES = 16
NAME_LENGTH = 100
ABANDONED = timedelta(hours=1)
_NAME_SIZES = (512,)


@dataclass(frozen=True)
class Kind:
    """A type of file that is taken: how it begins, and the ends of its name, the first one the usual."""

    mimetype: str
    begins: tuple[bytes, ...]
    ends: tuple[str, ...]
    at_8: bytes = b""

    def fits(self, head: bytes) -> bool:
        """Return whether a file that begins so is of this type."""
        return head.startswith(self.begins) and head[8:].startswith(self.at_8)


# What shows on any machine and runs nothing by itself; a mail or a page is printed as PDF.
KINDS = (
    Kind("application/pdf", (b"%PDF-",), (".pdf",)),
    Kind("image/png", (b"\x89PNG\r\n\x1a\n",), (".png",)),
    Kind("image/jpeg", (b"\xff\xd8\xff",), (".jpg", ".jpeg")),
    Kind("image/webp", (b"RIFF",), (".webp",), at_8=b"WEBP"),
)


class FileRefused(Exception):
    """The file cannot be taken; `code` says why."""

    def __init__(self, code: str) -> None:
        """Store the code."""
        self.code = code
        super().__init__(code)


class FileGone(Exception):
    """There is no such file, or it was altered without the worker's keys."""


@dataclass(frozen=True)
class Proof:
    """A file as the pages show it."""

    id: bytes
    item: str
    name: str
    mimetype: str
    size: int
    added_by: bytes
    added_at: datetime


def of_incident(session: Session, vault: ConsoleVault, incident: Incident) -> dict[str, list[Proof]]:
    """Return the kept files of an incident by item, the oldest first; nothing is verified."""
    kept = (ProofFile.incident_id == incident.id) & ProofFile.row_mac.is_not(None)
    found: dict[str, list[Proof]] = {}
    for row in session.scalars(select(ProofFile).where(kept).order_by(ProofFile.added_at)):
        found.setdefault(row.item, []).append(_shown(vault, row))
    return found


def find(session: Session, vault: ConsoleVault, incident: Incident, item: str, file_id: str) -> Proof:
    """Return a kept file of an item. Raises FileGone."""
    row = _row(session, file_id)
    if row.row_mac is None or (row.incident_id, row.item) != (incident.id, item):
        raise FileGone
    return _shown(vault, row)


def kind_of(name: str, head: bytes) -> Kind:
    """Return the type that a file's first bytes and its name agree on. Raises FileRefused."""
    found = next((kind for kind in KINDS if kind.fits(head)), None)
    if found is None:
        raise FileRefused("file-empty" if not head else "file-kind")
    if not name.lower().endswith(found.ends):
        raise FileRefused("file-lies")
    return found


def clean_name(given: str) -> str:
    """Return a file's name without folders, and without what is not seen or turns the direction of text."""
    last = given.replace("\\", "/").rpartition("/")[2]
    seen = "".join(one for one in last if unicodedata.category(one)[0] not in "CZ" or one == " ")
    stem, dot, end = " ".join(seen.split()).rpartition(".")
    return f"{stem[: NAME_LENGTH - len(end) - 1]}{dot}{end[:NAME_LENGTH]}"


@dataclass(frozen=True)
class Place:
    """What a file is stored through: the database, a vault that seals, and a clock."""

    db: Database
    vault: ConsoleVault
    clock: Clock


def receive(
    place: Place, incident: Incident, item: str, given: str, read: Callable[[int], bytes], member: bytes
) -> bytes:
    """Seal and store a file as it comes, and return its id; the worker must keep it yet.

    `read` returns up to so many bytes, none at the end. Raises FileRefused; then nothing of it is stored.
    """
    name, head = clean_name(given), read(HEAD_BYTES)
    kind = kind_of(name, head)
    file_id, now = new_id(), place.clock.now()
    sealer = ChunkSealer(place.vault, _purpose(incident.id, item), file_id, 0)
    content = json.dumps([name, kind.mimetype], ensure_ascii=False).encode()
    row = ProofFile(
        id=file_id,
        incident_id=incident.id,
        item=item,
        content=place.vault.encrypt_own(LABEL, _cell(file_id), content, _NAME_SIZES),
        key=sealer.sealed_key,
        added_by=member,
        added_at=now,
    )
    with place.db.write() as session:
        _refuse_more(session, row, now)
        if not has_room(sqlite_file(place.db.engine.url), MAX_BYTES):
            raise FileRefused("file-no-room")
        session.add(row)
    try:
        _store(place.db, sealer, file_id, head, read)
    except BaseException:  # a connection that broke, too
        delete_file(place.db, file_id)
        raise
    return file_id


def keep(db: Database, vault: WorkerVault, file_id: str, member: bytes, slug: str, now: datetime) -> None:
    """Keep a file that arrived whole: what it is and holds gets a MAC. Raises FileGone, FileRefused."""
    with db.read() as session:
        row = _row_of(session, slug, file_id)
        if row.row_mac is not None:
            raise FileGone
        try:
            digest, head = _read(session, vault, row)
        except VaultError as error:
            raise FileGone from error
    name, mimetype = _name(vault.staff, row)
    if name != clean_name(name) or kind_of(name, head).mimetype != mimetype:
        raise FileRefused("file-kind")
    row.added_by, row.added_at = member, now.replace(microsecond=0)
    mac = _mac(vault, row, digest)
    with db.write() as session:
        _refuse_more(session, row, now, kept=True)
        here = (ProofFile.id == row.id, ProofFile.row_mac.is_(None))
        values = {"added_by": row.added_by, "added_at": row.added_at, "row_mac": mac}
        result: Any = session.execute(update(ProofFile).where(*here).values(values))
        if result.rowcount != 1:
            raise FileGone
        audit.record(session, "checklist.add-file", slug, {"item": row.item, "file": row.id.hex()}, now)


def hand_over(db: Database, vault: WorkerVault, file_id: str, slug: str, now: datetime) -> bytes:
    """Return the key that opens a kept file, of which nothing was altered; it is noted who asked.

    Raises FileGone.
    """
    with db.read() as session:
        row = _row_of(session, slug, file_id)
        try:
            digest, _head = _read(session, vault, row)
        except VaultError as error:
            raise FileGone from error
    if row.row_mac is None or not compare_digest(bytes(row.row_mac), _mac(vault, row, digest)):
        raise FileGone
    key = run_key(vault, _purpose(row.incident_id, row.item), row.id, 0, row.key)
    with db.write() as session:
        audit.record(session, "checklist.open-file", slug, {"item": row.item, "file": row.id.hex()}, now)
    return key


def opened(db: Database, proof: Proof, key: bytes) -> Iterator[bytes]:
    """Yield a file's content, chunk by chunk. Raises VaultError where it was altered since."""
    with db.read() as session:
        row = session.get(ProofFile, proof.id)
    opener, count = ChunkOpener(key, proof.id), row.chunks if row else 0
    for number in range(count):
        with db.read() as session:
            yield _open_chunk(session, opener, proof.id, number, count)


def remove(db: Database, file_id: str, slug: str, now: datetime) -> None:
    """Destroy a file's key, and delete it. Raises FileGone."""
    with db.write() as session:
        row = _row_of(session, slug, file_id)
        details = {"item": row.item, "file": row.id.hex()}
        session.delete(row)
        audit.record(session, "checklist.remove-file", slug, details, now)
    delete_file(db, bytes.fromhex(file_id))


def delete_file(db: Database, file_id: bytes) -> None:
    """Delete a file, its key first."""
    with db.write() as session:
        session.execute(delete(ProofFile).where(ProofFile.id == file_id))
    with db.write_in_turn() as session:
        session.execute(delete(ProofChunk).where(ProofChunk.file_id == file_id))


def over(session: Session, now: datetime) -> list[bytes]:
    """Return the files that nobody keeps: those that did not arrive, and those of incidents that are gone."""
    of_no_incident = ~select(Incident.id).where(Incident.id == ProofFile.incident_id).exists()
    stopped = and_(ProofFile.row_mac.is_(None), ProofFile.added_at < now - ABANDONED)
    return list(session.scalars(select(ProofFile.id).where(or_(stopped, of_no_incident)).limit(20)))


def forget_items(session: Session) -> None:
    """Delete the items of incidents that are gone."""
    gone = ~select(Incident.id).where(Incident.id == ChecklistItem.incident_id).exists()
    session.execute(delete(ChecklistItem).where(gone))


def _store(
    db: Database, sealer: ChunkSealer, file_id: bytes, head: bytes, read: Callable[[int], bytes]
) -> None:
    buffer, size, number, ended = bytearray(head), 0, 0, False
    while not ended:
        while len(buffer) <= CHUNK_BYTES and (data := read(CHUNK_BYTES)):
            buffer += data
        ended = len(buffer) <= CHUNK_BYTES
        chunk = bytes(buffer[:CHUNK_BYTES])
        del buffer[:CHUNK_BYTES]
        size += len(chunk)
        if size > MAX_BYTES:
            raise FileRefused("file-large")
        sealed = sealer.seal(number, chunk, last=ended)
        number += 1
        with db.write_in_turn() as session:
            here = update(ProofFile).where(ProofFile.id == file_id)
            session.execute(here.values(size=size, chunks=number))
            session.add(ProofChunk(file_id=file_id, number=number - 1, content=sealed))


def _refuse_more(session: Session, row: ProofFile, now: datetime, *, kept: bool = False) -> None:
    """Raise FileRefused where an item has as many files as it may; those on their way count, too."""
    mine = (ProofFile.incident_id == row.incident_id, ProofFile.item == row.item, ProofFile.id != row.id)
    lives: ColumnElement[bool] = ProofFile.row_mac.is_not(None)
    if not kept:
        lives = or_(lives, ProofFile.added_at > now - ABANDONED)
    if len(session.scalars(select(ProofFile.id).where(*mine, lives).limit(MOST)).all()) >= MOST:
        raise FileRefused("file-many")


def _row(session: Session, file_id: str) -> ProofFile:
    try:
        row = session.get(ProofFile, bytes.fromhex(file_id))
    except ValueError:
        row = None
    if row is None:
        raise FileGone
    return row


def _row_of(session: Session, slug: str, file_id: str) -> ProofFile:
    """Return a file of the incident with this slug, which the log names. Raises FileGone."""
    row = _row(session, file_id)
    if session.scalar(select(Incident.slug).where(Incident.id == row.incident_id)) != slug:
        raise FileGone
    return row


def _read(session: Session, vault: WorkerVault, row: ProofFile) -> tuple[bytes, bytes]:
    """Return the hash of a file's content, and its first bytes. Raises VaultError."""
    opener = ChunkOpener(run_key(vault, _purpose(row.incident_id, row.item), row.id, 0, row.key), row.id)
    digest, size, head = sha256(), 0, b""
    for number in range(row.chunks):
        chunk = _open_chunk(session, opener, row.id, number, row.chunks)
        digest.update(chunk)
        size += len(chunk)
        head = head or chunk[:HEAD_BYTES]
    if not 0 < size <= MAX_BYTES or size != row.size:
        raise VaultError
    return digest.digest(), head


def _open_chunk(session: Session, opener: ChunkOpener, file_id: bytes, number: int, count: int) -> bytes:
    place = (ProofChunk.file_id == file_id, ProofChunk.number == number)
    sealed = session.scalar(select(ProofChunk.content).where(*place))
    if sealed is None:
        raise VaultError
    return opener.open(number, sealed, last=number == count - 1)


def _shown(vault: ConsoleVault, row: ProofFile) -> Proof:
    name, mimetype = _name(vault, row)
    return Proof(row.id, row.item, name, mimetype, row.size, row.added_by, row.added_at)


def _name(vault: ConsoleVault, row: ProofFile) -> tuple[str, str]:
    try:
        name, mimetype = json.loads(vault.decrypt_own(LABEL, _cell(row.id), row.content))
    except (VaultError, ValueError):
        return "?", ""
    return name, mimetype


def _cell(file_id: bytes) -> Cell:
    return Cell("checklist_files", "content", file_id)


def _purpose(incident_id: bytes, item: str) -> str:
    return f"checklist file {item} {incident_id.hex()}"


def _mac(vault: WorkerVault, row: ProofFile, digest: bytes) -> bytes:
    name, mimetype = _name(vault.staff, row)
    return vault.row_mac(
        "checklist file",
        row.id,
        row.incident_id,
        row.item,
        name,
        mimetype,
        row.size,
        row.added_by,
        int(row.added_at.timestamp()),
        digest,
    )
