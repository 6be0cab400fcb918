"""Ask the worker, and open what it answered: the same work for everyone, whoever asks."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from portal.core.db import new_id
from portal.crypto import tokens
from portal.crypto.vault import WebVault
from portal.intake.models import FAILED, HELD, WAITING, IntakeReply, IntakeRequest

REQUEST_SIZE = 1024
CODE_TRIES = 5
LONGEST_CODE = 40
ANSWER_LATE = timedelta(minutes=2)
# Built once, and of the table itself: it runs for every form that is sent.
_TABLE: Any = IntakeRequest.__table__
_INSERT = insert(_TABLE)
_LENGTH_BYTES = 2


class LinkInvalid(Exception):
    """The link is wrong, malformed, used, expired or of another purpose; nobody is told which."""


class CodeWrong(Exception):
    """The code does not fit, in this browser."""


class TooMuch(ValueError):
    """The request does not fit its fixed length."""


@dataclass(frozen=True)
class Opened:
    """A reply that a token opened. `spent` is whether it was used; `data` is what the worker prepared."""

    id: bytes
    data: dict[str, Any]
    created_at: datetime
    expires_at: datetime
    spent: bool


def submit(session: Session, vault: WebVault, purpose: str, fields: dict[str, str], now: datetime) -> bytes:
    """Seal a request for the worker and add its row: one seal, one insert, one length, whatever was typed.

    Returns the row's id. Raises TooMuch where the fields do not fit 1,022 bytes of JSON.
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
    }
    session.connection().execute(_INSERT, values | {"sealed": vault.seal(purpose, row_id, padded)})
    return row_id


def any_due(session: Session, now: datetime) -> bool:
    """Tell whether a request is due. Reads only: one look-up in the index of states and due times."""
    due = IntakeRequest.state.in_((WAITING, HELD)) & (IntakeRequest.due_at <= now)
    return session.scalar(select(IntakeRequest.id).where(due).limit(1)) is not None


def unpad(padded: bytes) -> dict[str, str]:
    """Return the fields of a request that was opened. Raises ValueError where it is none."""
    content = padded[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES])]
    fields = json.loads(content)
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        message = "a sealed request holds something else than words"
        raise ValueError(message)
    return fields


def open_reply(
    session: Session, purpose: str, token: str | None, now: datetime, *, spent_too: bool = False
) -> Opened:
    """Open the reply whose token this is. Raises LinkInvalid, whatever is wrong with it.

    `spent_too` opens one that was used before, for pages where doing it twice is a success.
    """
    if not token or not tokens.looks_like_token(token):
        raise LinkInvalid
    reply = session.execute(
        select(IntakeReply).where(IntakeReply.token_hash == tokens.token_hash(token))
    ).scalar_one_or_none()
    if reply is None or reply.purpose != purpose or reply.expires_at <= now:
        raise LinkInvalid
    if reply.spent_at is not None and not spent_too:
        raise LinkInvalid
    try:
        data = json.loads(tokens.unlock(token.encode(), reply.data, info(purpose)))
    except tokens.Unopenable as error:
        raise LinkInvalid from error
    return Opened(reply.id, data, reply.created_at, reply.expires_at, reply.spent_at is not None)


def spend(session: Session, reply_id: bytes, now: datetime) -> None:
    """Use a reply up. Of any number at once exactly one succeeds; the others get LinkInvalid."""
    result: Any = session.execute(
        update(IntakeReply)
        .where(
            IntakeReply.id == reply_id,
            IntakeReply.spent_at.is_(None),
            IntakeReply.expires_at > now,
            IntakeReply.reusable.is_(False),
        )
        .values(spent_at=now, by_code=b"", code_expires_at=None)
    )
    if result.rowcount != 1:
        raise LinkInvalid


def count_try(session: Session, purpose: str, browsers: list[str], now: datetime) -> list[bytes]:
    """Count a try at the codes of a browser's own requests, before anything is looked at, and return what they lock.

    After five a code is dead, and the link lives on. Commit it whatever comes of the try.
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


def open_by_code(locked: list[bytes], purpose: str, browsers: list[str], typed: str) -> str:
    """Return the token that a typed code stands for, in the browser that asked. Raises CodeWrong.

    Takes the same time whether there was anything to open or not. Call it outside any transaction.
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


def on_time(session: Session, now: datetime) -> bool:
    """Return whether no request has been due for over two minutes, and none was given up."""
    oldest = session.scalar(select(func.min(IntakeRequest.due_at)))
    given_up = session.scalar(select(IntakeRequest.id).where(IntakeRequest.state == FAILED).limit(1))
    return (oldest is None or oldest > now - ANSWER_LATE) and given_up is None


def info(purpose: str) -> str:
    """Return what a reply's lock is bound to."""
    return f"portal reply {purpose}"


def code_info(purpose: str) -> str:
    """Return what the lock of a reply's token under its code is bound to."""
    return f"portal reply code {purpose}"


def browser_hash(browser: str) -> bytes:
    """Return the hash under which the browser that asked finds its reply."""
    return tokens.token_hash(f"browser {browser}")
