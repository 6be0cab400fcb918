"""The worker's side of a reply: prepare it, store its private part, and cap answers per address."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from os import urandom
from typing import Any

from sqlalchemy import bindparam, case, delete, insert, select, update
from sqlalchemy.orm import Session

from portal.core import db
from portal.core.addresses import folded
from portal.core.clock import start_of_day
from portal.core.db import Utc
from portal.crypto import tokens
from portal.crypto.vault import Cell, VaultError, WorkerVault
from portal.intake.models import IntakeCap, IntakeReply
from portal.intake.service import (
    DATA_SIZE,
    PRIVATE_SIZE,
    TOKEN_LENGTH,
    LinkInvalid,
    browser_hash,
    code_info,
    info,
    open_reply,
)
from portal.runtime.parts import BeforeHandover, Handover, LeavingMail, WorkerParts
from portal.runtime.turns import MOST_ROWS, Expired, update_some

RECORD_SIZE = 1024
CODE_LIFETIME = timedelta(minutes=30)
# How long a code that has ended is kept: longer than a mail waits for its next attempt, which lets it live
# again.
CODE_KEPT = timedelta(hours=1)
KEPT_AFTER_END = timedelta(days=1)
CAP_PER_DAY = 3
AT_LEAST = timedelta(days=1)
MOST_NOTED = 10  # per record: more than two days' answers, so everything from the last minutes is there
# Pages go by the end alone. The worker may be late with a request that was submitted just before it.
EXPIRED = Expired(
    "ended links and answers",
    IntakeReply,
    lambda _retention, now: IntakeReply.expires_at <= now - KEPT_AFTER_END,
)
EXPIRED_CAPS = Expired(
    "counts of answers to an address", IntakeCap, lambda _retention, now: IntakeCap.ends_at <= now
)
# Of a reply: what its token opens, and what only the worker reads.
Content = tuple[dict[str, Any], dict[str, Any]]
# Built once, from the table rather than the class: it runs for every mail with a link.
_TABLE: Any = IntakeReply.__table__
_PRIVATE = select(_TABLE.c.id, _TABLE.c.purpose, _TABLE.c.kept).where(
    _TABLE.c.token_hash == bindparam("token")
)
_EXTEND = (
    update(_TABLE)
    .where(
        _TABLE.c.id == bindparam("reply"),
        _TABLE.c.expires_at > bindparam("now", type_=Utc()),
        _TABLE.c.spent_at.is_(None),
    )
    .values(
        expires_at=case(
            (_TABLE.c.expires_at < bindparam("until", type_=Utc()), bindparam("until", type_=Utc())),
            else_=_TABLE.c.expires_at,
        ),
        code_expires_at=case((_TABLE.c.code_expires_at.is_not(None), bindparam("code_until", type_=Utc()))),
    )
)


@dataclass(frozen=True, repr=False)
class CodeLock:
    """The lock of a mail's code: the requesting browser's hash, and the key from code and secret."""

    browser: bytes
    key: bytes


def code_lock(vault: WorkerVault, row_id: bytes, browser: str) -> CodeLock:
    """Return the lock of a mail's code. Slow on purpose (key stretching): call it outside any transaction."""
    return CodeLock(browser_hash(browser), tokens.stretched(vault.code(row_id), browser))


def prepare(
    session: Session,
    vault: WorkerVault,
    purpose: str,
    row_id: bytes,
    *,
    data: dict[str, Any],
    now: datetime,
    lifetime: timedelta,
    code: CodeLock | None = None,
    reusable: bool = False,
    private: dict[str, Any] | None = None,
    token: str | None = None,
) -> str:
    """Insert the reply that belongs to the mail `row_id`, and return its token: derived, unless one is given.

    `data` (JSON, at most 4,096 bytes) is encrypted under the token; `private` (JSON, at most 510 bytes) under
    the storage key, for the worker only. Without `code` no code opens the reply. All rows have the same
    length.

    Link and code begin to live anew when the mail leaves (`extend`). Until then nobody has the code, so it
    lasts as long as the link.
    """
    token = token or vault.token(purpose, row_id)
    row = _row(vault, purpose, row_id, token, data, private or {}, now, lifetime, code)
    session.execute(insert(_TABLE).values(row | {"reusable": reusable}))
    return token


def prepare_many(
    session: Session,
    vault: WorkerVault,
    purpose: str,
    contents: Mapping[bytes, Content],
    *,
    now: datetime,
    lifetime: timedelta,
) -> None:
    """Insert the replies that belong to mails, by row id, as `prepare` does without a code."""
    rows = [
        _row(vault, purpose, row_id, vault.token(purpose, row_id), *content, now, lifetime)
        for row_id, content in contents.items()
    ]
    db.insert_many(session, IntakeReply, rows)


def _row(
    vault: WorkerVault,
    purpose: str,
    row_id: bytes,
    token: str,
    data: dict[str, Any],
    private: dict[str, Any],
    now: datetime,
    lifetime: timedelta,
    code: CodeLock | None = None,
) -> dict[str, Any]:
    if code is None:  # random bytes look like the hash of a secret, and like a token that is locked
        browser, by_code = urandom(32), urandom(TOKEN_LENGTH + tokens.LOCK_BYTES)
    else:
        browser = code.browser
        by_code = tokens.lock(code.key, token.encode(), TOKEN_LENGTH, code_info(purpose))
    content = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    stored = json.dumps(private, separators=(",", ":"), ensure_ascii=False).encode()
    return {
        "id": row_id,
        "purpose": purpose,
        "token_hash": tokens.token_hash(token),
        "data": tokens.lock(token.encode(), content, DATA_SIZE, info(purpose)),
        "kept": vault.encrypt(_private_cell(row_id), stored, sizes=(PRIVATE_SIZE,)),
        "browser": browser,
        "by_code": by_code,
        "code_tries": 0,
        "code_expires_at": now + lifetime,
        "created_at": now,
        "expires_at": _full_hour(now + lifetime),
        "reusable": False,
    }


def extend(session: Session, reply_id: bytes, now: datetime, lifetime: timedelta) -> bool:
    """Let a reply live `lifetime` from now, as its mail leaves, and its code 30 minutes; never less long.

    Return False if it has ended or is gone: it stays so.
    """
    until = _full_hour(now + lifetime)
    values = {"reply": reply_id, "now": now, "until": until, "code_until": now + CODE_LIFETIME}
    return bool(session.connection().execute(_EXTEND, values).rowcount)


def _full_hour(at: datetime) -> datetime:
    """Return `at`, or the next full hour: an exact end would lead from the relay's log to a reply."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    return hour if hour == at else hour + timedelta(hours=1)


def remove(session: Session, vault: WorkerVault, purpose: str, reply_id: bytes) -> None:
    """Remove a mail's reply, also a forged one under its id or token, so that another can be prepared."""
    token = tokens.token_hash(vault.token(purpose, reply_id))
    session.execute(
        delete(IntakeReply).where((IntakeReply.id == reply_id) | (IntakeReply.token_hash == token))
    )


def lives(session: Session, purpose: str, token: str, now: datetime) -> bool:
    """Return whether a token opens a reply; remove one that has ended, or does not open."""
    try:
        open_reply(session, purpose, token, now)
    except LinkInvalid:
        session.execute(delete(IntakeReply).where(IntakeReply.token_hash == tokens.token_hash(token)))
        return False
    return True


def living_from_handover(lifetime: timedelta) -> BeforeHandover:
    """Return what is called before a requested mail leaves: its link begins to live, or the mail is dropped.

    One that waited so long that its link ended is not wanted any more: the person has asked again.
    """

    def before_handover(session: Session, mail: LeavingMail, now: datetime, _parts: WorkerParts) -> Handover:
        if extend(session, mail.id, now, lifetime):
            return Handover.SEND
        known = session.scalar(select(IntakeReply.id).where(IntakeReply.id == mail.id)) is not None
        return Handover.DROP if known or mail.created_at + lifetime <= now else Handover.SEND

    return before_handover


def private(session: Session, vault: WorkerVault, purpose: str, token: str) -> tuple[bytes, dict[str, Any]]:
    """Return a reply's id and private part, which only the worker can write, so it may be trusted.

    Raises LinkInvalid, or VaultError when the row was tampered with.
    """
    row = session.execute(_PRIVATE, {"token": tokens.token_hash(token)}).one_or_none()
    if row is None or row.purpose != purpose or vault.token(purpose, row.id) != token:
        raise LinkInvalid
    return row.id, json.loads(vault.decrypt(_private_cell(row.id), row.kept))


def replace_private(session: Session, vault: WorkerVault, reply_id: bytes, private: dict[str, Any]) -> None:
    """Replace a reply's private part."""
    stored = json.dumps(private, separators=(",", ":"), ensure_ascii=False).encode()
    blob = vault.encrypt(_private_cell(reply_id), stored, sizes=(PRIVATE_SIZE,))
    session.execute(update(IntakeReply).where(IntakeReply.id == reply_id).values(private=blob))


@dataclass
class _Record:
    """One form's answers to one address; `links` are (reply id, Unix time, topic), newest last."""

    day: str = ""
    hits: int = 0
    links: list[tuple[str, int, str]] | None = None

    @classmethod
    def read(cls, vault: WorkerVault, key: bytes, blob: bytes) -> "_Record":
        try:
            day, hits, links = json.loads(vault.decrypt(_record_cell(key), blob))
        except VaultError:
            return cls(links=[])  # tampered: who can do that can delete it too, so start over
        return cls(day, hits, [(row, at, topic) for row, at, topic in links])

    def sealed(self, vault: WorkerVault, key: bytes) -> bytes:
        content = json.dumps([self.day, self.hits, self.links or []], separators=(",", ":")).encode()
        return vault.encrypt(_record_cell(key), content, sizes=(RECORD_SIZE,))


def count_answer(
    session: Session,
    vault: WorkerVault,
    purpose: str,
    address: str,
    now: datetime,
    *,
    reply_id: bytes,
    lifetime: timedelta,
    topic: str = "",
) -> bool:
    """Count an answer to a normalised address and record its link; return False after three on one day (UTC).

    The requester does not learn the result. Links never replace each other: a stranger's daily requests must
    not end a link that its owner was promised for 30 days. The cap and the lifetime bound their number.
    """
    key = _record_key(vault, purpose, address)
    # The end of a day: an exact time would lead from a request that somebody made or saw to this row, and so
    # to the later requests of the same person.
    ends_at = start_of_day(now + max(lifetime, AT_LEAST)) + timedelta(days=1)
    blank = {"key": key, "record": _Record().sealed(vault, key), "ends_at": ends_at}
    session.execute(
        db.insert(session, IntakeCap).values(blank).on_conflict_do_nothing(index_elements=["key"])
    )
    record = _Record.read(
        vault,
        key,
        session.execute(select(IntakeCap.record).where(IntakeCap.key == key).with_for_update()).scalar_one(),
    )
    today = now.date().isoformat()
    record.day, record.hits = today, (record.hits if record.day == today else 0) + 1
    allowed = record.hits <= CAP_PER_DAY
    if allowed:
        noted = (reply_id.hex(), int(now.timestamp()), topic)
        record.links = [*(record.links or []), noted][-MOST_NOTED:]
    session.execute(
        update(IntakeCap)
        .where(IntakeCap.key == key)
        .values(record=record.sealed(vault, key), ends_at=ends_at)
    )
    return allowed


def waiting(
    session: Session, vault: WorkerVault, purpose: str, address: str, topic: str, since: datetime
) -> bool:
    """Return whether an unused reply to this address and topic was prepared after `since`."""
    key = _record_key(vault, purpose, address)
    blob = session.scalar(select(IntakeCap.record).where(IntakeCap.key == key))
    record = _Record.read(vault, key, blob) if blob is not None else _Record()
    recent = [
        bytes.fromhex(row)
        for row, at, about in record.links or []
        if about == topic and at > since.timestamp()
    ]
    if not recent:
        return False
    unused = select(IntakeReply.id).where(IntakeReply.id.in_(recent), IntakeReply.spent_at.is_(None))
    return session.scalar(unused.limit(1)) is not None


def answered(
    session: Session, vault: WorkerVault, purpose: str, address: str
) -> list[tuple[bytes, datetime, str]]:
    """Return the last answers of a form to an address as (row id, time, topic), newest first.

    Only as long as their links last: a check's for a month, a requested reset's for two days.
    """
    key = _record_key(vault, purpose, address)
    blob = session.scalar(select(IntakeCap.record).where(IntakeCap.key == key))
    record = _Record.read(vault, key, blob) if blob is not None else _Record()
    return [
        (bytes.fromhex(row), datetime.fromtimestamp(at, UTC), topic)
        for row, at, topic in reversed(record.links or [])
    ]


def remove_answers(
    session: Session, vault: WorkerVault, purpose: str, address: str, account: str
) -> list[bytes]:
    """Remove the replies of a form's last answers to an address; return the ids of their mails.

    Those that are about another account (an id in hex) stay: two people may share an address.
    """
    ids = [row_id for row_id, _, _ in answered(session, vault, purpose, address)]
    kept = session.execute(select(_TABLE.c.id, _TABLE.c.kept).where(_TABLE.c.id.in_(ids))).all()
    for row_id, blob in kept:
        with suppress(VaultError):
            about = json.loads(vault.decrypt(_private_cell(row_id), blob)).get("account", account)
            if about != account:
                ids.remove(row_id)
    session.execute(delete(IntakeReply).where(IntakeReply.id.in_(ids)))
    return ids


def purge_codes(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Delete up to `limit` codes that ended over an hour ago; return how many."""
    values = {"by_code": b"", "code_expires_at": None}
    return update_some(session, IntakeReply, IntakeReply.code_expires_at <= now - CODE_KEPT, values, limit)


def _record_key(vault: WorkerVault, purpose: str, address: str) -> bytes:
    # Spellings of one mailbox share a record, or a stranger could fill it by typing ever new ones.
    return vault.list_index(f"cap {purpose}", folded(address))


def _record_cell(key: bytes) -> Cell:
    return Cell("intake_caps", "record", key)


def _private_cell(row_id: bytes) -> Cell:
    return Cell("intake_replies", "kept", row_id)
