"""The worker's side of a reply: prepare one, keep what only the worker may read, and cap how often."""

import json
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from sqlalchemy import LargeBinary, bindparam, delete, insert, select, text
from sqlalchemy.orm import Session

from portal.intake.models import IntakeCap, IntakeReply
from portal.intake.service import LinkInvalid, browser_hash, code_secret, info
from portal.kit import tokens
from portal.kit.db import Utc
from portal.kit.vault import Cell, WorkerVault

DATA_SIZE = 4096
KEPT_SIZE = 512
CODE_LIFETIME = timedelta(minutes=30)
LIVE_LINKS = 5
YOUNG = timedelta(days=1)
CAP_PER_DAY = 3
_TAKE = text(
    "INSERT INTO intake_caps (key, hits, ends_at) VALUES (:key, 1, :ends_at) "
    "ON CONFLICT (key) DO UPDATE SET hits = intake_caps.hits + 1 RETURNING hits"
).bindparams(bindparam("key", type_=LargeBinary()), bindparam("ends_at", type_=Utc()))


def prepare(
    session: Session,
    vault: WorkerVault,
    purpose: str,
    row_id: bytes,
    *,
    data: dict[str, Any],
    address: str,
    now: datetime,
    lifetime: timedelta,
    browser: str | None = None,
    reusable: bool = False,
    kept: dict[str, Any] | None = None,
) -> str:
    """Add the reply that goes with the mail `row_id`, and return its token.

    `data` (JSON, at most 4,096 bytes) is locked under the token. `kept` (JSON, at most 510 bytes) is for the worker
    alone, under the storage key. `browser` is the asking browser's secret, without which no code opens the reply.
    Of one address and purpose the newest five live, and all of the last day: a stranger's request never kills the
    owner's link.
    Rows have the same length whatever is in them.
    """
    token = vault.token(purpose, row_id)
    browser = browser or token_hex(tokens.BROWSER_SECRET_BYTES)
    owner = vault.list_index(f"owner {purpose}", address)
    content = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    stored = json.dumps(kept or {}, separators=(",", ":"), ensure_ascii=False).encode()
    code = vault.code(purpose, row_id)
    session.execute(
        insert(IntakeReply).values(
            id=row_id,
            purpose=purpose,
            token_hash=tokens.token_hash(token),
            data=tokens.lock(token.encode(), content, DATA_SIZE, info(purpose)),
            kept=vault.encrypt(_kept_cell(row_id), stored, sizes=(KEPT_SIZE,)),
            owner=owner,
            browser=browser_hash(browser),
            by_code=tokens.lock(code_secret(browser, code), token.encode(), len(token), info(f"code {purpose}")),
            code_tries=0,
            code_expires_at=now + CODE_LIFETIME,
            created_at=now,
            expires_at=now + lifetime,
            reusable=reusable,
        )
    )
    others = (IntakeReply.owner == owner) & (IntakeReply.id != row_id)
    newest = select(IntakeReply.id).where(others).order_by(IntakeReply.created_at.desc()).limit(LIVE_LINKS - 1)
    # The cap counts by day: around midnight a stranger could ask six times, and must not push out today's link.
    old = others & (IntakeReply.created_at <= now - YOUNG)
    session.execute(delete(IntakeReply).where(old, IntakeReply.id.not_in(newest)))
    return token


def kept(session: Session, vault: WorkerVault, purpose: str, token: str) -> tuple[bytes, dict[str, Any]]:
    """Return the id and the kept part of the reply whose token this is: what the worker itself wrote, and may trust.

    Raises LinkInvalid, or VaultError where the row was altered.
    """
    row = session.execute(
        select(IntakeReply.id, IntakeReply.purpose, IntakeReply.kept).where(
            IntakeReply.token_hash == tokens.token_hash(token)
        )
    ).one_or_none()
    if row is None or row.purpose != purpose or vault.token(purpose, row.id) != token:
        raise LinkInvalid
    return row.id, json.loads(vault.decrypt(_kept_cell(row.id), row.kept))


def waiting(session: Session, vault: WorkerVault, purpose: str, address: str, since: datetime) -> bool:
    """Tell whether a reply to this address was prepared after `since` and is not used yet: its mail is still good."""
    owner = vault.list_index(f"owner {purpose}", address)
    statement = select(IntakeReply.id).where(
        IntakeReply.owner == owner, IntakeReply.spent_at.is_(None), IntakeReply.created_at > since
    )
    return session.scalar(statement.limit(1)) is not None


def take(session: Session, vault: WorkerVault, purpose: str, address: str, now: datetime) -> bool:
    """Count one answer to an address; False when today's three are used up. Silent: the asker learns nothing."""
    day = now.date().isoformat()
    key = vault.list_index(f"cap {purpose}", f"{day} {address}")
    hits: int = session.execute(_TAKE, {"key": key, "ends_at": now + timedelta(days=1)}).scalar_one()
    return hits <= CAP_PER_DAY


def purge(session: Session, now: datetime) -> None:
    """Remove replies that ended and caps that are over, so that a clock that jumps back revives nothing."""
    session.execute(delete(IntakeReply).where(IntakeReply.expires_at <= now))
    session.execute(delete(IntakeCap).where(IntakeCap.ends_at <= now))


def _kept_cell(row_id: bytes) -> Cell:
    return Cell("intake_replies", "kept", row_id)
