"""Open sealed requests in the worker and pass each to its feature's handler."""

import logging
import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from random import sample
from secrets import randbelow
from typing import Any

from limits import RateLimitItem
from sqlalchemy import bindparam, delete, select, text, update
from sqlalchemy.orm import Session

from portal.core import priority
from portal.core.clock import start_of_day
from portal.core.db import Utc, new_id
from portal.core.faults import error_types, frames
from portal.crypto.vault import VaultError
from portal.intake import pace, replies
from portal.intake.fields import valid
from portal.intake.models import FAILED, HELD, WAITING, IntakeRequest
from portal.intake.replies import CodeLock, code_lock
from portal.intake.service import any_due, unpad
from portal.runtime.parts import Outcome, Unanswered, Unavailable, WorkerParts
from portal.runtime.turns import MOST_ROWS, Expired, in_turns, update_some

log = logging.getLogger("portal.intake")

BATCH = 20
NICER = 15  # than pages; passwords are hashed at 10 (portal/crypto/threads.py)
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 48  # over a day, which an operator may need to fix what keeps requests from being answered
FIRST_DELAY = timedelta(seconds=15)
LONGEST_DELAY = timedelta(minutes=30)
MAX_AHEAD = timedelta(hours=1)
_UNDATED = IntakeRequest.due_at.is_(None)  # held or failed
EXPIRED = Expired(
    "requests that waited or failed",
    IntakeRequest,
    # From the end of the first day: the row of a held one has its day alone.
    lambda retention, now: (
        _UNDATED & (IntakeRequest.asked_at < start_of_day(now - retention.waiting_requests))
    ),
)
HELD_SHARE = 4  # one of four claimed requests is a held one while both kinds are due
# The lanes with due requests: two steps down an index per lane, however many requests wait.
_LANES = text("""
    WITH RECURSIVE lanes (lane) AS (
        SELECT min(lane) FROM intake_requests WHERE state = :state
        UNION ALL
        SELECT (SELECT min(lane) FROM intake_requests WHERE state = :state AND lane > lanes.lane)
        FROM lanes WHERE lanes.lane IS NOT NULL
    )
    SELECT lane FROM lanes
    WHERE (SELECT min(due_at) FROM intake_requests WHERE state = :state AND lane = lanes.lane) <= :now
""").bindparams(bindparam("now", type_=Utc()))


@dataclass(frozen=True)
class Request:
    """An opened request. `fields` is untrusted input, checked by `fields.py`; `again`: it was held before.

    `reply_id` is the id for the answering mail and its reply; `code` locks that reply for the requesting
    browser, if there is one. Both are made for every request, before anyone is looked up. `found` is what the
    purpose's look-up found outside any transaction. `attempt` counts from 1.
    """

    id: bytes
    purpose: str
    fields: dict[str, str]
    asked_at: datetime
    again: bool
    reply_id: bytes
    code: CodeLock | None = None
    found: tuple[Any, ...] = ()
    attempt: int = 1


Handler = Callable[[Session, Request, datetime, WorkerParts], Outcome]
# Asks another server, before the handler's transaction. Raises Unavailable where it cannot be asked now.
Lookup = Callable[[Request, WorkerParts], Sequence[Any]]


def answer(parts: WorkerParts, limit: int = BATCH, rate: RateLimitItem | None = None) -> int:
    """Answer a batch of due requests, each in its own transaction; return how many were claimed.

    A handler gets (session, request, now, parts). On `Outcome.HELD` the request waits for `release`, as long
    as the settings say; otherwise its row is deleted in the transaction of the handler's own writes. `rate`
    is that of all workers together.
    """
    lease = new_id()
    rows = _claim(parts, lease, parts.clock.now(), limit, rate)
    # Stretching the code takes most of an answer's time, and leaves the interpreter to other threads.
    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores, "open", initializer=priority.lower, initargs=(NICER,)) as pool:
        away: set[str] = set()
        opening = [pool.submit(_open, parts, row, away) for row in rows]
        for row, opened in zip(rows, opening, strict=True):
            if parts.stopping():
                pool.shutdown(cancel_futures=True)
                _give_back(parts, lease)
                break
            _answer_request(parts, row, lease, opened.result)
    return len(rows)


def wait_for_answers(session: Session) -> None:
    """Wait for requests being answered now.

    Their handlers may have started before the data that they will be held for was there; call it before
    `release`.
    """
    leased = select(IntakeRequest.id).where(IntakeRequest.lease.is_not(None))
    session.execute(leased.order_by(IntakeRequest.id).with_for_update()).all()


def release(session: Session, purposes: Collection[str], now: datetime, limit: int = MOST_ROWS) -> int:
    """Make up to `limit` held requests of these purposes due again; return how many."""
    held = _UNDATED & (IntakeRequest.state == HELD) & IntakeRequest.purpose.in_(purposes)
    return update_some(session, IntakeRequest, held, {"due_at": now}, limit)


def tidy(parts: WorkerParts) -> None:
    """Delete expired requests, replies and caps, and repair due times set by a wrong clock."""
    retention = parts.settings.retention
    steps = [each.step(retention) for each in (replies.EXPIRED, replies.EXPIRED_CAPS, EXPIRED)]
    in_turns(parts, mend_dates, replies.purge_codes, *steps)


def mend_dates(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Make up to `limit` requests due that a wrong clock made due later than any delay; return how many."""
    return update_some(session, IntakeRequest, IntakeRequest.due_at > now + MAX_AHEAD, {"due_at": now}, limit)


def _open(parts: WorkerParts, row: IntakeRequest, away: set[str]) -> Request:
    """Decrypt a request, run the look-up of its purpose, and stretch the key of its code.

    Raises VaultError or ValueError if it is forged, Unavailable where the look-up fails.
    """
    try:
        fields = valid(unpad(parts.vault.open(row.purpose, row.id, row.sealed)))
    except RecursionError as error:
        raise ValueError from error
    again = row.state == HELD
    request = Request(row.id, row.purpose, fields, row.asked_at, again, new_id(), attempt=row.attempts)
    found = _look_up(parts, request, away)
    code = code_lock(parts.vault, request.reply_id, fields["browser"]) if "browser" in fields else None
    return replace(request, code=code, found=found)


def _look_up(parts: WorkerParts, request: Request, away: set[str]) -> tuple[Any, ...]:
    """Return what the look-up of a request finds. Raises Unavailable.

    `away` are purposes whose server could not be reached in this batch: it is waited for once, so that the
    other requests are not held up. A wrong answer says nothing about the next: one odd address, typed again
    and again, could otherwise put off everybody's.
    """
    look_up: Lookup | None = parts.lookups.get(request.purpose)
    if look_up is None:
        return ()
    if request.purpose in away:
        raise Unavailable
    try:
        return tuple(look_up(request, parts))
    except Unanswered:
        raise
    except Unavailable:
        away.add(request.purpose)
        raise
    except (VaultError, ValueError, TypeError) as error:  # the request itself was opened
        log.error(
            "intake: a look-up for %s failed (%s)%s", request.purpose, error_types(error), frames(error)
        )
        raise Unavailable from error


def _answer_request(
    parts: WorkerParts, row: IntakeRequest, lease: bytes, opened: Callable[[], Request]
) -> None:
    handler: Handler | None = parts.handlers.get(row.purpose)
    if handler is None:
        log.error(
            "intake: request %s for unknown purpose %r, set aside as failed; "
            "run the same version of web process and worker",
            row.id.hex(),
            row.purpose,
        )
        _set_aside(parts, row, lease)
        return
    try:
        request = opened()
    except (VaultError, ValueError, TypeError):  # SQLite stores text in a column of bytes
        log.error(
            "intake: request %s for %r does not decrypt, set aside as failed; "
            "check that the web and worker key files belong together: portal doctor",
            row.id.hex(),
            row.purpose,
        )
        _set_aside(parts, row, lease)
        return
    except Exception as error:  # noqa: BLE001 - one failing look-up must not hold up the others
        if not isinstance(error, Unavailable) or row.attempts >= MAX_ATTEMPTS:
            _log_failure(row, error)
        _retry_later(parts, row, lease)
        return
    mine = (IntakeRequest.id == row.id) & (IntakeRequest.lease == lease)
    try:
        with parts.db.write() as session:
            if session.execute(select(IntakeRequest.id).where(mine).with_for_update()).first() is None:
                return
            if handler(session, request, parts.clock.now(), parts) is Outcome.HELD:
                asked_at = start_of_day(row.asked_at)  # it stays for weeks, and needs no exact time any more
                held = {"state": HELD, "asked_at": asked_at, "due_at": None, "lease": None, "attempts": 0}
                session.execute(update(IntakeRequest).where(mine).values(held))
            else:
                session.execute(delete(IntakeRequest).where(mine))
    except Exception as error:  # noqa: BLE001 - one failing request must not hold up the others
        _log_failure(row, error)
        _retry_later(parts, row, lease)


def _log_failure(row: IntakeRequest, error: Exception) -> None:
    log.error(
        "intake: request %s for %s failed (%s), attempt %d of %d%s",
        row.id.hex(),
        row.purpose,
        error_types(error),
        row.attempts,
        MAX_ATTEMPTS,
        frames(error),
    )


def _claim(
    parts: WorkerParts, lease: bytes, now: datetime, limit: int, rate: RateLimitItem | None = None
) -> list[IntakeRequest]:
    """Claim new requests and some held ones, so that neither kind waits for all of the other."""
    with parts.db.write() as session:
        row = pace.locked(session)
        limit = pace.allowed(row, rate, limit, now)
        # Rounded at random, so that held requests also get their share when one is claimed at a time.
        reserved = (limit + randbelow(HELD_SHARE)) // HELD_SHARE
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
        claimed = sorted(session.scalars(statement), key=lambda row: (row.state == HELD, row.asked_at))
        pace.count_claimed(session, row, rate, len(ids), more=any_due(session, now), now=now)
        return claimed


def _due(session: Session, state: str, now: datetime, limit: int) -> list[bytes]:
    """Return the ids of due requests, taking the oldest of each lane in turn.

    So a flood from one network waits behind itself. Where more lanes wait than `limit`, chance decides.
    """
    lanes = list(session.scalars(_LANES, {"state": state, "now": now}))
    queues = [
        session.scalars(
            select(IntakeRequest.id)
            .where(IntakeRequest.state == state, IntakeRequest.lane == lane, IntakeRequest.due_at <= now)
            .order_by(IntakeRequest.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        for lane in sample(lanes, min(limit, len(lanes)))
    ]
    return [row_id for turn in zip_longest(*queues) for row_id in turn if row_id is not None][:limit]


def _give_back(parts: WorkerParts, lease: bytes) -> None:
    with parts.db.write() as session:
        session.execute(
            update(IntakeRequest)
            .where(IntakeRequest.lease == lease)
            .values(lease=None, due_at=parts.clock.now(), attempts=IntakeRequest.attempts - 1)
        )


def _retry_later(parts: WorkerParts, row: IntakeRequest, lease: bytes) -> None:
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
