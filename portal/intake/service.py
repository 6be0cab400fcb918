"""Submit sealed requests to the worker and open its replies, with the same work for every address."""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from os import urandom
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.clock import start_of_day
from portal.core.db import new_id
from portal.crypto import tokens
from portal.crypto.vault import VaultError, WebVault, WorkerVault
from portal.intake.fields import valid
from portal.intake.models import FAILED, HELD, WAITING, IntakeReply, IntakeRequest

REQUEST_SIZE = 1024
DATA_SIZE = 4096
PRIVATE_SIZE = 512
SEALED_BYTES = 28  # what encryption adds
TOKEN_LENGTH = 32
CODE_TRIES = 5
LONGEST_CODE = 40
ANSWER_LATE = timedelta(minutes=2)
# Built once, from the tables rather than the classes: they run for every submitted form or opened link.
_TABLE: Any = IntakeRequest.__table__
_INSERT = insert(_TABLE)
_REPLY_TABLE: Any = IntakeReply.__table__
_REPLIES: Any = _REPLY_TABLE.c
_BY_TOKEN = select(
    _REPLIES.id,
    _REPLIES.purpose,
    _REPLIES.data,
    _REPLIES.browser,
    _REPLIES.created_at,
    _REPLIES.expires_at,
    _REPLIES.spent_at,
).where(_REPLIES.token_hash == bindparam("token"))
_THIS = _REPLIES.id == bindparam("reply")
_UNUSED = _THIS & _REPLIES.spent_at.is_(None) & (_REPLIES.expires_at > bindparam("now"))
_OPEN = select(_REPLIES.id).where(_UNUSED).with_for_update()
_SPEND = (
    update(_REPLY_TABLE)
    .where(_UNUSED, _REPLIES.reusable.is_(False))
    .values(spent_at=bindparam("day"), by_code=b"", code_expires_at=None)
)
_LENGTH_BYTES = 2


class LinkInvalid(Exception):
    """The link is wrong, malformed, used, expired or of another purpose; never say which."""


class CodeWrong(Exception):
    """The code opens nothing in this browser."""


class TooMuch(ValueError):
    """The request exceeds its fixed length; the message is its purpose."""


@dataclass(frozen=True)
class Opened:
    """A reply opened by its token: `data` is what the worker prepared, `spent` whether it was used.

    `browser` is the hash of the requesting browser's secret.
    """

    id: bytes
    data: dict[str, Any]
    browser: bytes
    created_at: datetime
    expires_at: datetime
    spent: bool


def submit(
    session: Session, vault: WebVault, purpose: str, fields: dict[str, str], now: datetime, *, lane: int = 0
) -> bytes:
    """Seal a request for the worker, insert its row and return the row's id.

    `lane` is that of the visitor's network (`frame.client_lane`); what only a mailed link can submit may
    share lane 0. One seal, one insert and one length, whatever was typed. Raises TooMuch when the fields take
    more than 1,022 bytes of JSON.
    """
    content = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    if len(content) > REQUEST_SIZE - _LENGTH_BYTES:
        raise TooMuch(purpose)
    row_id = new_id()
    padded = (len(content).to_bytes(_LENGTH_BYTES) + content).ljust(REQUEST_SIZE, b"\0")
    values = {
        "id": row_id,
        "purpose": purpose,
        "state": WAITING,
        "asked_at": now,
        "due_at": now,
        "attempts": 0,
        "lane": lane,
    }
    session.connection().execute(_INSERT, values | {"sealed": vault.seal(purpose, row_id, padded)})
    return row_id


def any_due(session: Session, now: datetime) -> bool:
    """Return whether a request is due: one read of the index on state and due time."""
    due = IntakeRequest.state.in_((WAITING, HELD)) & (IntakeRequest.due_at <= now)
    return session.scalar(select(IntakeRequest.id).where(due).limit(1)) is not None


def unpad(padded: bytes) -> dict[str, str]:
    """Return the fields of a decrypted request. Raises ValueError when its size or content is wrong."""
    if len(padded) != REQUEST_SIZE:
        message = f"a sealed request must have {REQUEST_SIZE} bytes"
        raise ValueError(message)
    content = padded[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES])]
    fields = json.loads(content)
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        message = "a sealed request must be a JSON object of strings"
        raise ValueError(message)
    return fields


def open_reply(
    session: Session, purpose: str, token: str | None, now: datetime, *, spent_too: bool = False
) -> Opened:
    """Open the reply of a token. Raises LinkInvalid for every reason alike.

    `spent_too` also opens a used reply, for pages on which a repetition is a success.
    """
    if not token or not tokens.looks_like_token(token):
        raise LinkInvalid
    try:
        reply = session.connection().execute(_BY_TOKEN, {"token": tokens.token_hash(token)}).one_or_none()
    except (TypeError, ValueError) as error:  # SQLite stores any type: a forged time may be a text
        raise LinkInvalid from error
    if reply is None or reply.purpose != purpose or reply.expires_at <= now:
        raise LinkInvalid
    if reply.spent_at is not None and not spent_too:
        raise LinkInvalid
    try:
        data = json.loads(tokens.unlock(token.encode(), reply.data, info(purpose)))
    except tokens.Unopenable as error:
        raise LinkInvalid from error
    return Opened(
        reply.id, data, reply.browser, reply.created_at, reply.expires_at, reply.spent_at is not None
    )


def prepare_here(
    session: Session, purpose: str, data: dict[str, Any], now: datetime, lifetime: timedelta
) -> str:
    """Insert a reply for the browser of this request, without any mail, and return its token.

    It looks like one that the worker prepared, but has no private part: the worker acts on none of it.
    """
    token = tokens.derive(urandom(tokens.TOKEN_BYTES), purpose, b"", TOKEN_LENGTH)
    content = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    values = {
        "id": new_id(),
        "purpose": purpose,
        "token_hash": tokens.token_hash(token),
        "data": tokens.lock(token.encode(), content, DATA_SIZE, info(purpose)),
        "kept": urandom(PRIVATE_SIZE + SEALED_BYTES),
        "browser": urandom(32),
        "by_code": tokens.lock(urandom(32), token.encode(), TOKEN_LENGTH, code_info(purpose)),
        "code_tries": 0,
        "code_expires_at": now + lifetime,
        "created_at": now,
        "expires_at": now + lifetime,
        "reusable": False,
    }
    session.execute(insert(IntakeReply.__table__).values(values))  # type: ignore[arg-type]
    return token


def is_open(session: Session, reply_id: bytes, now: datetime) -> bool:
    """Return whether a reply is neither used nor expired; nobody can spend it until the transaction ends."""
    return session.execute(_OPEN, {"reply": reply_id, "now": now}).first() is not None


def spend(session: Session, reply_id: bytes, now: datetime) -> None:
    """Mark a reply as used. Of parallel calls exactly one succeeds; the others raise LinkInvalid.

    Only the day is stored: the time would say when its account's owner was here.
    """
    result: Any = session.execute(_SPEND, {"reply": reply_id, "now": now, "day": start_of_day(now)})
    if result.rowcount != 1:
        raise LinkInvalid


def any_spent(session: Session, reply_ids: list[bytes]) -> bool:
    """Return whether one of these replies was used; nobody can use another until the transaction ends."""
    mine = select(_REPLIES.spent_at).where(_REPLIES.id.in_(reply_ids)).order_by(_REPLIES.id)
    return any(row.spent_at is not None for row in session.execute(mine.with_for_update()).all())


def count_try(session: Session, purpose: str, browsers: list[str], now: datetime) -> list[bytes]:
    """Count an attempt at the codes of this browser's requests, and return the tokens encrypted under them.

    Call it before checking a code, and commit it whatever the result. After five attempts a code is dead; the
    link stays valid.
    """
    replies = session.execute(
        update(IntakeReply)
        .where(
            IntakeReply.browser.in_([browser_hash(browser) for browser in browsers]),
            IntakeReply.purpose == purpose,
            IntakeReply.code_expires_at > now,
            IntakeReply.code_tries < CODE_TRIES,
            IntakeReply.spent_at.is_(None),
        )
        .values(code_tries=IntakeReply.code_tries + 1)
        .returning(IntakeReply.by_code)
    )
    return list(replies.scalars())


def forgive_try(session: Session, browsers: list[str], locked: list[bytes]) -> None:
    """Undo the count of an attempt that ended before its code was checked; `locked` is from `count_try`."""
    session.execute(
        update(IntakeReply)
        .where(
            IntakeReply.browser.in_([browser_hash(browser) for browser in browsers]),
            IntakeReply.by_code.in_(locked),
            IntakeReply.code_tries > 0,
        )
        .values(code_tries=IntakeReply.code_tries - 1)
    )


def open_by_code(locked: list[bytes], purpose: str, browsers: list[str], typed: str) -> str:
    """Return the token encrypted under a typed code and one of the browser's secrets. Raises CodeWrong.

    Takes the same time whether or not there is anything to decrypt. Call it outside any transaction: it
    stretches a key per browser secret.
    """
    code = tokens.normalise_code(typed)[:LONGEST_CODE]
    for browser in browsers:
        key = tokens.stretched(code, browser)
        for by_code in locked:
            try:
                return tokens.unlock(key, by_code, code_info(purpose)).decode()
            except tokens.Unopenable:
                continue
    raise CodeWrong


@dataclass(frozen=True, repr=False)
class Waiting:
    """A request that no worker has answered yet, opened; its fields are a stranger's words."""

    purpose: str
    state: str
    asked_at: datetime
    fields: dict[str, str]


def open_waiting(session: Session, vault: WorkerVault, limit: int) -> list[Waiting]:
    """Return the newest unanswered requests that open, at most `limit`: about 0.1 ms each."""
    newest = select(IntakeRequest).order_by(IntakeRequest.asked_at.desc()).limit(limit)
    found = []
    for row in session.scalars(newest):
        with suppress(VaultError, ValueError):
            fields = valid(unpad(vault.open(row.purpose, row.id, row.sealed)))
            found.append(Waiting(row.purpose, row.state, row.asked_at, fields))
    return found


def link_ends(session: Session, reply_id: bytes) -> tuple[datetime, bool] | None:
    """Return until when a mailed link works and whether it was used, or None if it is gone."""
    row = session.execute(
        select(IntakeReply.expires_at, IntakeReply.spent_at).where(IntakeReply.id == reply_id)
    ).first()
    return (row.expires_at, row.spent_at is not None) if row else None


def why_degraded(session: Session, now: datetime) -> str | None:
    """Return why requests are not answered, or None: one is over two minutes late, or failed for good."""
    oldest = session.scalar(select(func.min(IntakeRequest.due_at)))
    if oldest is not None and oldest <= now - ANSWER_LATE:
        return (
            f"a request has been waiting since {oldest:%Y-%m-%d %H:%M} UTC: `portal worker` is not running, "
            "or requests arrive faster than it answers"
        )
    if session.scalar(select(IntakeRequest.id).where(IntakeRequest.state == FAILED).limit(1)) is not None:
        return (
            "some requests failed; the worker's log says why. Fix the cause, then run: portal intake retry. "
            "Or delete them: portal intake discard"
        )
    return None


def counts(session: Session) -> dict[str, int]:
    """Return the number of requests in each state."""
    return {
        state: session.scalar(select(func.count()).where(IntakeRequest.state == state)) or 0
        for state in (WAITING, HELD, FAILED)
    }


def retry_failed(session: Session, now: datetime) -> int:
    """Make failed requests due again, with all their attempts; return how many. Writes the audit row."""
    failed = update(IntakeRequest).where(IntakeRequest.state == FAILED)
    result: Any = session.execute(failed.values(state=WAITING, due_at=now, attempts=0))
    audit.record(session, "intake.retry", "", {"requests": result.rowcount}, now)
    return int(result.rowcount)


def discard_failed(session: Session, now: datetime) -> int:
    """Delete failed requests; return how many. Writes the audit row."""
    result: Any = session.execute(delete(IntakeRequest).where(IntakeRequest.state == FAILED))
    audit.record(session, "intake.discard", "", {"requests": result.rowcount}, now)
    return int(result.rowcount)


def info(purpose: str) -> str:
    """Return the HKDF info of a reply's data."""
    return f"portal reply {purpose}"


def code_info(purpose: str) -> str:
    """Return the HKDF info of a reply's token, encrypted under its code."""
    return f"portal reply code {purpose}"


def browser_hash(browser: str) -> bytes:
    """Return the hash by which the requesting browser's replies are found."""
    return tokens.token_hash(f"browser {browser}")
