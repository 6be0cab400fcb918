"""The worker's part: read an upload, say what is in it, and store it as an invisible version."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.core.db import new_id
from portal.core.faults import error_types, frames
from portal.crypto.vault import VaultError
from portal.exposure import importing
from portal.exposure.importing.comparisons import compare_next
from portal.exposure.uploads import found, plans
from portal.exposure.uploads.models import (
    LIST,
    READ,
    REFUSED,
    STORED,
    UNDECIDED,
    WAITING,
    WORKING,
    Upload,
    UploadLines,
)
from portal.exposure.uploads.opening import delete_content, streamed
from portal.exposure.uploads.reading import read_list, read_people_left_out
from portal.people_files.formats.refusal import FileRefused, OptionUnusable, Undecided
from portal.people_files.progress import READING
from portal.people_files.reading import PROGRESS_ROWS, ColumnsUndecided
from portal.people_files.report import LineReport
from portal.people_files.room import NoRoom
from portal.people_files.stopping import ImportStopped
from portal.runtime.parts import WorkerParts

log = logging.getLogger("portal.exposure")

# An upload that shows no progress for so long has lost its worker.
LEASE = timedelta(minutes=2)
SHOWN_EVERY = 0.5  # seconds
AGAIN_SECONDS = 2.0
LOOK_SECONDS = 5.0
LINES_OF_PAGE = 5_000


class Interrupted(BaseException):
    """This worker stops, or the upload was discarded meanwhile: nothing more is done with it here.

    Not an Exception: nothing on the way may take it for a fault of the file.
    """


class Uploads:
    """Works on one upload at a time, and compares versions with the active ones."""

    def __init__(self, parts: WorkerParts) -> None:
        """Store the parts."""
        self._parts = parts
        self._not_before = self._next_look = 0.0

    def step(self) -> int:
        """Work on the upload that waits longest; return whether there was one."""
        if monotonic() < self._not_before:
            return 0
        with self._parts.db.read() as session:
            waits = session.scalar(select(Upload.id).where(_due(self._parts.clock.now())).limit(1))
        if waits is None:
            return self._compare()
        upload = self._claim()
        if upload is None:
            return 0
        try:
            self._work(upload)
        except Interrupted:
            self._release(upload)
        except importing.ImportRunning:
            self._release(upload)
            self._not_before = monotonic() + AGAIN_SECONDS
        return 1

    def _compare(self) -> int:
        """Compare a version with the active one, so that somebody can ask for its activation."""
        if monotonic() < self._next_look:
            return 0
        compared = compare_next(self._parts.db, self._parts.vault, self._parts.stopping)
        self._next_look = 0.0 if compared else monotonic() + LOOK_SECONDS
        return int(compared)

    def _claim(self) -> Upload | None:
        now = self._parts.clock.now()
        with self._parts.db.write() as session:
            upload = session.scalar(
                select(Upload)
                .where(_due(now))
                .order_by(Upload.changed_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if upload is not None:
                upload.state, upload.lease, upload.changed_at = WORKING, new_id(), now
        return upload

    def _work(self, upload: Upload) -> None:
        report = LineReport()
        try:
            stored = self._read(upload, report)
        except importing.ImportUndecided as error:
            self._end(upload, READ, found.of_summary(error.summary, report), report)
        except (FileRefused, OptionUnusable, VaultError) as error:
            self._refuse(upload, error, report)
        except importing.ImportRunning:
            raise
        except Exception as error:  # noqa: BLE001 - an upload that cannot be read must not come back for ever
            cause = error.__cause__ if isinstance(error, ImportStopped) and error.__cause__ else error
            usual = isinstance(cause, (NoRoom, OSError, DBAPIError))
            where = "" if usual else frames(cause)
            log.error("exposure: upload %s failed (%s)%s", upload.id.hex(), error_types(cause), where)
            content = found.failed(self._parts.vault, upload, cause)
            self._end(upload, READ if upload.findings and usual else REFUSED, content)
        else:
            if stored:
                delete_content(self._parts.db, upload.id)

    def _read(self, upload: Upload, report: LineReport) -> bool:
        """Read or store an upload as planned; return whether it was stored."""
        parts = self._parts
        plan = plans.plan_of(parts.vault, upload)
        parts = replace(parts, db=parts.db.acting({"by": plan.by} if plan.by else {}))
        file, shown = streamed(parts.db, parts.vault, upload), _Shown(parts, upload)
        if upload.purpose == LIST:

            def note(session: Session, done: Mapping[str, Any]) -> None:
                if not self._note(session, upload, STORED, done, report):
                    raise Interrupted

            done = read_list(parts, upload, plan, file, report, shown, note)
            if done["number"]:
                return True
        else:
            done = read_people_left_out(parts, upload, plan, file, report, shown)
        stored = "new" in done
        self._end(upload, STORED if stored else READ, done, report)
        return stored

    def _refuse(self, upload: Upload, error: Exception, report: LineReport) -> None:
        """Store why a file cannot be read, or what must be decided first."""
        match error:
            case ColumnsUndecided():
                self._end(upload, UNDECIDED, found.undecided(error))
            case Undecided():
                self._end(upload, UNDECIDED, found.refused("encoding", error.reason, error.line))
            case FileRefused():
                self._end(upload, REFUSED, found.refused_file(error, report), report)
            case OptionUnusable():
                self._end(upload, UNDECIDED, found.refused("options", str(error)))
            case _:
                log.error(
                    "exposure: upload %s does not open: part of it is missing or was altered; upload it "
                    "again, and find out who can write to the database",
                    upload.id.hex(),
                )
                self._end(upload, REFUSED, found.refused("altered"))

    def _end(
        self, upload: Upload, state: str, content: Mapping[str, Any], report: LineReport | None = None
    ) -> None:
        """Store what was found, unless somebody discarded the upload meanwhile."""
        with self._parts.db.write() as session:
            self._note(session, upload, state, content, report)

    def _note(
        self,
        session: Session,
        upload: Upload,
        state: str,
        content: Mapping[str, Any],
        report: LineReport | None,
    ) -> bool:
        """Store what was found; return False if the upload is not this worker's any more."""
        parts = self._parts
        values = {
            "state": state,
            "lease": None,
            "changed_at": parts.clock.now(),
            "findings": plans.sealed_findings(parts.vault, upload, content),
            "stage": "",
            **{name: content[name] for name in ("rows", "bad_rows", "people", "number") if name in content},
        }
        pages = list(report.pages(LINES_OF_PAGE)) if report is not None else []
        reasons = {reason: number for number, reason in enumerate(report.lines)} if report else {}
        if not _changed(session, upload, values):
            return False
        session.execute(delete(UploadLines).where(UploadLines.upload_id == upload.id))
        session.add_all(
            UploadLines(
                upload_id=upload.id, page=page, reason=reasons[reason], lines=",".join(map(str, lines))
            )
            for page, (reason, lines) in enumerate(pages)
        )
        return True

    def _release(self, upload: Upload) -> None:
        with self._parts.db.write() as session:
            _changed(session, upload, {"state": WAITING, "lease": None})


class _Shown:
    """The progress of one upload, shown in its row; it also keeps the lease."""

    def __init__(self, parts: WorkerParts, upload: Upload) -> None:
        self._parts, self._upload = parts, upload
        self._stage = ""
        self._begun = self._next = 0.0
        self._rows = 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = monotonic()
        if stage != self._stage:
            self._stage, self._begun, self._rows, self._next = stage, now, 0, 0.0
        # A text's progress comes in bytes, once for so many rows.
        self._rows = self._rows + PROGRESS_ROWS if stage == READING else done
        if self._parts.stopping():
            raise Interrupted
        if now < self._next:
            return
        self._next = now + SHOWN_EVERY
        values = {
            "stage": stage.lower(),
            "done": done,
            "total": total,
            "rows": self._rows,
            "rate": int(self._rows / (now - self._begun)) if now > self._begun else 0,
            "changed_at": self._parts.clock.now(),
        }
        with self._parts.db.write(durable=False) as session:
            if not _changed(session, self._upload, values):
                raise Interrupted


def _due(now: datetime) -> ColumnElement[bool]:
    left = and_(Upload.state == WORKING, Upload.changed_at < now - LEASE)
    return or_(Upload.state == WAITING, left)


def _changed(session: Session, upload: Upload, values: Mapping[str, Any]) -> bool:
    """Change a row that is still worked on by this process; return whether it is."""
    mine = (Upload.id == upload.id, Upload.state == WORKING, Upload.lease == upload.lease)
    result: Any = session.execute(update(Upload).where(*mine).values(**values))
    return result.rowcount == 1  # type: ignore[no-any-return]
