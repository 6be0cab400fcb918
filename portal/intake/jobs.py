"""The worker opens what strangers sealed, one request at a time, and hands it to its feature."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import randbelow

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.core.db import new_id
from portal.crypto.vault import VaultError
from portal.intake import replies
from portal.intake.models import FAILED, HELD, WAITING, IntakeRequest
from portal.intake.replies import CodeLock, code_lock
from portal.intake.service import unpad
from portal.runtime.parts import WorkerParts

log = logging.getLogger("portal.intake")

BATCH = 20
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 48  # over a day: whatever keeps requests from being answered may take an operator that long
FIRST_DELAY = timedelta(seconds=15)
LONGEST_DELAY = timedelta(minutes=30)
FURTHEST = timedelta(hours=1)
HOLD_FOR = timedelta(days=30)
HELD_SHARE = 4  # of four requests, one was held, while both kinds are due


@dataclass(frozen=True)
class Request:
    """A stranger's words: `fields` are whatever was typed, to be distrusted. `again` is True after it was held.

    `reply_id` is the id for the mail that answers it, and its reply; `code` locks that reply for the browser that
    asked, where one did. Both are made for every request, before anybody is looked up.
    """

    id: bytes
    purpose: str
    fields: dict[str, str]
    asked_at: datetime
    again: bool
    reply_id: bytes
    code: CodeLock | None = None


Handler = Callable[[Session, Request, datetime, WorkerParts], "bool | None"]


def answer(parts: WorkerParts, limit: int = BATCH) -> int:
    """Answer a batch of due requests, each in a transaction of its own; return how many were claimed.

    A handler gets (session, request, now, parts). Where it returns True the request is held, for 30 days at
    most, until `release` makes it due again; otherwise its row is removed with the handler's own writes.
    """
    now = parts.clock.now()
    lease = new_id()
    rows = _claim(parts, lease, now, limit)
    for row in rows:
        if parts.stopping():
            _give_back(parts, lease)
            break
        _answer_request(parts, row, lease)
    return len(rows)


def release(session: Session, purpose: str, now: datetime) -> None:
    """Make held requests of a purpose due again.

    Waits for those that are being answered in this moment: their answers may have begun before what they will
    wait for was there.
    """
    at_work = (IntakeRequest.purpose == purpose) & IntakeRequest.lease.is_not(None)
    session.execute(
        select(IntakeRequest.id).where(at_work).order_by(IntakeRequest.id).with_for_update()
    ).all()
    session.execute(
        update(IntakeRequest)
        .where(IntakeRequest.purpose == purpose, IntakeRequest.state == HELD)
        .values(due_at=now)
    )


def tidy(parts: WorkerParts) -> None:
    """Remove requests, replies and caps that have ended, and repair due times that a wrong clock set."""
    now = parts.clock.now()
    with parts.db.write() as session:
        mend_dates(session, now)
        replies.purge(session, now)
        purge(session, now)


def purge(session: Session, now: datetime) -> None:
    """Forget requests that were held or kept for 30 days."""
    session.execute(
        delete(IntakeRequest).where(
            IntakeRequest.state.in_((HELD, FAILED)), IntakeRequest.asked_at < now - HOLD_FOR
        )
    )


def mend_dates(session: Session, now: datetime) -> None:
    """Bring back requests that are due further ahead than any delay: the clock was wrong when they were put off."""
    session.execute(update(IntakeRequest).where(IntakeRequest.due_at > now + FURTHEST).values(due_at=now))


def _answer_request(parts: WorkerParts, row: IntakeRequest, lease: bytes) -> None:
    try:
        fields = unpad(parts.vault.open(row.purpose, row.id, row.sealed))
    except (VaultError, ValueError, RecursionError):
        log.error("a sealed request for %s does not open; it is set aside", row.purpose)
        _set_aside(parts, row, lease)
        return
    handler: Handler | None = parts.handlers.get(row.purpose)
    if handler is None:
        log.error("nobody answers requests for %s; it is set aside", row.purpose)
        _set_aside(parts, row, lease)
        return
    reply_id = new_id()
    code = code_lock(parts.vault, reply_id, fields["browser"]) if "browser" in fields else None
    request = Request(row.id, row.purpose, fields, row.asked_at, row.state == HELD, reply_id, code)
    mine = (IntakeRequest.id == row.id) & (IntakeRequest.lease == lease)
    try:
        with parts.db.write() as session:
            if session.execute(select(IntakeRequest.id).where(mine).with_for_update()).first() is None:
                return
            if handler(session, request, parts.clock.now(), parts):
                held = {"state": HELD, "due_at": None, "lease": None, "attempts": 0}
                session.execute(update(IntakeRequest).where(mine).values(held))
            else:
                session.execute(delete(IntakeRequest).where(mine))
    except Exception as error:  # noqa: BLE001 - one request's fault must not keep the others from their answers
        log.error("a request for %s failed (%s); it is tried again", row.purpose, type(error).__name__)
        _later(parts, row, lease)


def _claim(parts: WorkerParts, lease: bytes, now: datetime, limit: int) -> list[IntakeRequest]:
    """Claim fresh requests and some of those that were held: neither waits until all the others are answered."""
    reserved = (limit + randbelow(HELD_SHARE)) // HELD_SHARE  # also where one is claimed at a time
    with parts.db.write() as session:
        held = _due(session, HELD, now, limit)
        ids = _due(session, WAITING, now, limit - min(reserved, len(held)))
        ids += held[: limit - len(ids)]
        if not ids:
            return []
        statement = (
            update(IntakeRequest)
            .where(IntakeRequest.id.in_(ids))
            .values(lease=lease, due_at=now + LEASE, attempts=IntakeRequest.attempts + 1)
            .returning(IntakeRequest)
        )
        return sorted(session.scalars(statement), key=lambda row: (row.state == HELD, row.asked_at))


def _due(session: Session, state: str, now: datetime, limit: int) -> list[bytes]:
    return list(
        session.scalars(
            select(IntakeRequest.id)
            .where(IntakeRequest.state == state, IntakeRequest.due_at <= now)
            .order_by(IntakeRequest.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    )


def _give_back(parts: WorkerParts, lease: bytes) -> None:
    with parts.db.write() as session:
        session.execute(
            update(IntakeRequest)
            .where(IntakeRequest.lease == lease)
            .values(lease=None, due_at=parts.clock.now(), attempts=IntakeRequest.attempts - 1)
        )


def _later(parts: WorkerParts, row: IntakeRequest, lease: bytes) -> None:
    if row.attempts >= MAX_ATTEMPTS:
        _set_aside(parts, row, lease)
        return
    delay: timedelta = min(FIRST_DELAY * 2 ** min(row.attempts - 1, 10), LONGEST_DELAY)
    with parts.db.write() as session:
        session.execute(
            update(IntakeRequest)
            .where(IntakeRequest.id == row.id, IntakeRequest.lease == lease)
            .values(lease=None, due_at=parts.clock.now() + delay)
        )


def _set_aside(parts: WorkerParts, row: IntakeRequest, lease: bytes) -> None:
    with parts.db.write() as session:
        session.execute(
            update(IntakeRequest)
            .where(IntakeRequest.id == row.id, IntakeRequest.lease == lease)
            .values(state=FAILED, due_at=None, lease=None)
        )
