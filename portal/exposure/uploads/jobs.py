"""What the worker removes: uploads that were abandoned, and what is left of others."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select

from portal.exposure.uploads.models import (
    DISCARDED,
    READ,
    RECEIVING,
    REFUSED,
    STORED,
    UNDECIDED,
    Upload,
    UploadChunk,
)
from portal.exposure.uploads.opening import delete_content, delete_upload
from portal.exposure.uploads.receiving import ABANDONED
from portal.runtime.parts import WorkerParts

# How long a file waits for somebody to decide about it.
UNDECIDED_FOR = timedelta(hours=48)
# How long the lines of rejected rows can be looked at after the rest was stored.
STORED_FOR = timedelta(days=30)
_AT_A_TIME = 20


def tidy(parts: WorkerParts) -> None:
    """Delete uploads that nobody goes on with, their keys first, and the content of those that are stored."""
    now = parts.clock.now()
    with parts.db.read() as session:
        over = list(session.scalars(select(Upload.id).where(_over(now)).limit(_AT_A_TIME)))
        stored = list(
            session.scalars(
                select(Upload.id)
                .where(Upload.state == STORED)
                .where(select(UploadChunk.number).where(UploadChunk.upload_id == Upload.id).exists())
                .limit(_AT_A_TIME)
            )
        )
    for upload_id in over:
        if parts.stopping():
            return
        delete_upload(parts.db, upload_id)
    for upload_id in stored:
        if parts.stopping():
            return
        delete_content(parts.db, upload_id)


def _over(now: datetime) -> ColumnElement[bool]:
    return or_(
        Upload.state == DISCARDED,
        and_(Upload.state == RECEIVING, Upload.changed_at < now - ABANDONED),
        and_(Upload.state.in_((UNDECIDED, READ, REFUSED)), Upload.changed_at < now - UNDECIDED_FOR),
        and_(Upload.state == STORED, Upload.changed_at < now - STORED_FOR),
    )
