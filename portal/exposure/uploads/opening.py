"""Read an upload's chunks in order, in the worker, and remove them."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import delete, select

from portal.core.db import Database
from portal.crypto.chunks import ChunkOpener, run_key
from portal.crypto.vault import VaultError, WorkerVault
from portal.exposure.uploads.models import SHEET, Upload, UploadChunk, UploadKey, UploadLines
from portal.exposure.uploads.receiving import destroy_keys, purpose_of
from portal.people_files.formats.streamed import Streamed
from portal.people_files.formats.streams import Source

# Chunks per transaction that deletes: secure deletion overwrites each.
_DELETED_AT_A_TIME = 8


def streamed(db: Database, vault: WorkerVault, upload: Upload) -> Streamed:
    """Return an upload as a file that is read in order. Reading it raises VaultError for altered chunks."""

    @contextmanager
    def opened() -> Iterator[Source]:
        yield _Content(_chunks(db, vault, upload))

    return Streamed("the file", upload.size or 0, opened, is_sheet=upload.form == SHEET)


class _Content:
    """The bytes of chunks, one after the other."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        if not self._chunk:
            self._chunk = memoryview(next(self._chunks, b""))
        found, self._chunk = bytes(self._chunk[:size]), self._chunk[size:]
        return found


def _chunks(db: Database, vault: WorkerVault, upload: Upload) -> Iterator[bytes]:
    """Yield the content of each chunk. Raises VaultError where one is missing, altered or out of place."""
    purpose = purpose_of(upload)
    with db.read() as session:
        keys = dict(
            session.execute(
                select(UploadKey.first, UploadKey.sealed).where(UploadKey.upload_id == upload.id)
            ).all()
        )
    opener = None
    for number in range(upload.chunks):
        if number in keys:
            opener = ChunkOpener(run_key(vault, purpose, upload.id, number, keys[number]), upload.id)
        with db.read() as session:
            sealed = session.scalar(
                select(UploadChunk.content).where(
                    UploadChunk.upload_id == upload.id, UploadChunk.number == number
                )
            )
        if opener is None or sealed is None:
            raise VaultError
        yield opener.open(number, sealed, last=number == upload.chunks - 1)


def delete_content(db: Database, upload_id: bytes) -> None:
    """Destroy an upload's keys, then delete its chunks, a few per transaction."""
    with db.write() as session:
        destroy_keys(session, upload_id)
    while True:
        with db.write_in_turn() as session:
            numbers = list(
                session.scalars(
                    select(UploadChunk.number)
                    .where(UploadChunk.upload_id == upload_id)
                    .order_by(UploadChunk.number)
                    .limit(_DELETED_AT_A_TIME)
                )
            )
            if not numbers:
                return
            session.execute(
                delete(UploadChunk).where(
                    UploadChunk.upload_id == upload_id, UploadChunk.number <= numbers[-1]
                )
            )


def delete_upload(db: Database, upload_id: bytes) -> None:
    """Delete an upload with everything of it, its keys first."""
    delete_content(db, upload_id)
    with db.write() as session:
        session.execute(delete(UploadLines).where(UploadLines.upload_id == upload_id))
        session.execute(delete(Upload).where(Upload.id == upload_id))
