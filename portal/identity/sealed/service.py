"""The web process's side of a sealed job: seal it, and look for its verdict at fixed ticks.

A store takes longer for some accounts than for others. Its verdict is shown at whole half seconds after the
request, and never before a second has passed, so that who asks sees no more of that than the tick.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from os import urandom
from typing import Any

from sqlalchemy import delete, func, insert, literal, select
from sqlalchemy.orm import Session

from portal.core.db import new_id
from portal.crypto import tokens
from portal.crypto.vault import PageVault, pad, unpad
from portal.identity.sealed.models import SealedJob
from portal.identity.sealed.process_key import newest, seal
from portal.runtime.heartbeat import database_time
from portal.runtime.turns import MOST_ROWS, delete_some

TICK = timedelta(milliseconds=500)
FIRST_TICK = 2
DEADLINE = timedelta(seconds=10)
# A job that no thread has begun by then is never begun: what is left would be too little for the store.
BEGIN_WITHIN = timedelta(seconds=5)
# How far ahead of the database's clock a job may be: only a clock that was put back makes one.
AHEAD = timedelta(seconds=5)
# Rows whose browser never came back for its verdict.
KEPT = timedelta(seconds=20)
JOB_SIZE = 4096
VERDICT_SIZE = 512
# An order of staff, and what it is told: more to say, and one length for each, too.
STAFF = "staff."
STAFF_JOB_SIZE = 32 * 1024
STAFF_VERDICT_SIZE = 32 * 1024
RESPONSE_KEY_BYTES = 32


class TooLong(ValueError):
    """The fields of a job exceed its one length."""


@dataclass(frozen=True, repr=False)
class Asked:
    """A job of this browser: its id, its kind, and the key that its verdict is locked under."""

    id: bytes
    kind: str
    response_key: bytes


@dataclass(frozen=True)
class Seen:
    """What a look at a job saw. None of them: it is still being worked on.

    `late`: its deadline has passed without a verdict. `begun` then says whether a worker had begun it, which
    may have done what it was asked to. `gone`: it was read before, or is long over.
    """

    verdict: dict[str, Any] | None = None
    late: bool = False
    begun: bool = False
    gone: bool = False


def submit(session: Session, vault: PageVault, kind: str, fields: dict[str, str], now: datetime) -> Asked:
    """Seal a job to a living worker process, insert its row, and return what opens its verdict.

    One length, whatever was typed. Raises NoWorker, and TooLong where the fields exceed 4,094 bytes, or
    32,766 in an order of staff.
    """
    now = database_time(session, now)
    asked = Asked(new_id(), kind, urandom(RESPONSE_KEY_BYTES))
    recipient = newest(session, vault, now)
    # Sealed too: who can write to the database could give the row another time, and hold the job back.
    ends_at = (now + DEADLINE).isoformat()
    content = {**fields, "response_key": asked.response_key.hex(), "deadline": ends_at}
    try:
        plaintext = pad(_encoded(content), (_job_size(kind),))
    except ValueError as error:
        raise TooLong from error
    values = {
        "id": asked.id,
        "kind": kind,
        "key_id": recipient.key_id,
        "sealed": seal(vault, recipient, purpose_of(kind), asked.id, plaintext),
        "asked_at": now,
        "deadline": now + DEADLINE,
    }
    session.execute(insert(SealedJob).values(values))
    return asked


def look(session: Session, asked: Asked, now: datetime, *, at_ticks: bool = True) -> Seen:
    """Return what may be seen of a job at present; it changes nothing. Staff need not wait for the ticks."""
    columns = (
        SealedJob.asked_at,
        SealedJob.deadline,
        SealedJob.claimed_at,
        SealedJob.answered_at,
        SealedJob.verdict,
    )
    mine = select(*columns).where(SealedJob.id == asked.id, SealedJob.kind == asked.kind)
    try:
        row = session.execute(mine).one_or_none()
    except (TypeError, ValueError):  # somebody altered the row: SQLite stores any type
        return Seen(late=True, begun=True)
    if row is None:
        return Seen(gone=True)
    now = database_time(session, now)
    ticks = (min(now, row.deadline) - row.asked_at) // TICK
    shown_at = row.asked_at + ticks * TICK
    if not at_ticks and row.answered_at is not None:
        return _opened(asked, row.verdict)
    if ticks >= FIRST_TICK and row.answered_at is not None and row.answered_at <= shown_at:
        return _opened(asked, row.verdict)
    if now >= row.deadline:
        return Seen(late=True, begun=row.claimed_at is not None)
    return Seen()


def forget(session: Session, asked: Asked) -> bool:
    """Delete a job; return whether it was there: of parallel calls, one is first."""
    statement = delete(SealedJob).where(SealedJob.id == asked.id).returning(SealedJob.id)
    return session.execute(statement).first() is not None


def any_left(session: Session, now: datetime) -> bool:
    """Return whether a job is to be swept away."""
    ends = (SealedJob.deadline < now - KEPT, SealedJob.deadline > _latest(now))
    return any(session.scalar(select(literal(1)).where(which).limit(1)) is not None for which in ends)


def count_forged(session: Session, now: datetime) -> int:
    """Return how many jobs are to be swept away because their end is too far ahead, or no time at all."""
    return session.scalar(select(func.count()).where(SealedJob.deadline > _latest(now))) or 0


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Delete up to `limit` jobs that nobody came back to, or that were forged; return how many."""
    # Not in one statement: with both ends, the index on the deadline finds nothing.
    over = delete_some(session, SealedJob, SealedJob.deadline < now - KEPT, limit)
    return over + delete_some(session, SealedJob, SealedJob.deadline > _latest(now), limit - over)


def lock_verdict(asked: Asked, verdict: dict[str, Any]) -> bytes:
    """Return a verdict locked under its job's response key, at one length. Raises ValueError if too long."""
    size = STAFF_VERDICT_SIZE if asked.kind.startswith(STAFF) else VERDICT_SIZE
    return tokens.lock(asked.response_key, _encoded(verdict), size, _info(asked))


def purpose_of(kind: str) -> str:
    """Return the purpose that a kind's jobs are sealed for."""
    return f"sealed job {kind}"


def fields_of(kind: str, padded: bytes) -> dict[str, str]:
    """Return the fields of an opened job. Raises ValueError where it is none."""
    if len(padded) != _job_size(kind):
        message = f"a sealed job of this kind must have {_job_size(kind)} bytes"
        raise ValueError(message)
    fields = json.loads(unpad(padded))
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        message = "a sealed job must be a JSON object of strings"
        raise ValueError(message)
    return fields


def _opened(asked: Asked, verdict: bytes) -> Seen:
    try:
        return Seen(verdict=json.loads(tokens.unlock(asked.response_key, verdict, _info(asked))))
    except tokens.Unopenable:
        return Seen(late=True, begun=True)  # somebody altered the row: what became of the job is not known


def _job_size(kind: str) -> int:
    return STAFF_JOB_SIZE if kind.startswith(STAFF) else JOB_SIZE


def _latest(now: datetime) -> datetime:
    return now + DEADLINE + AHEAD


def _info(asked: Asked) -> str:
    return f"portal verdict {asked.kind} {asked.id.hex()}"


def _encoded(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
