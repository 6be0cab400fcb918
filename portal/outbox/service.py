"""Enqueue mails, look up what was sent under a code, and count."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.kit import tokens
from portal.kit.db import new_id
from portal.kit.vault import Cell, WorkerVault
from portal.outbox import mail as mails
from portal.outbox.models import QUEUED, STATES, UNCERTAIN, OutboxMail

PAYLOAD_SIZE = 1024
PROOF_SIZE = 512
PROOF_SUBJECT = 160
PROOF_INFO = "authenticity"
KEEP_PAYLOAD = timedelta(days=30)


class MailUnknown(Exception):
    """No mail of ours carries this code, or no longer."""


@dataclass(frozen=True)
class Proof:
    """What we sent under a code: when (UTC), with which subject, to whom (masked)."""

    sent_at: datetime
    subject: str
    recipient: str


def enqueue(
    session: Session,
    vault: WorkerVault,
    mail: mails.Mail,
    *,
    address: str,
    locale: str,
    now: datetime,
    row_id: bytes | None = None,
    unique: bytes | None = None,
    batch: bytes | None = None,
) -> bytes | None:
    """Add one mail in the caller's transaction; return its row's id, or None where a row with this `unique` key exists.

    `address` is a normalised address; `row_id` is given where a link's token was derived from it before; `batch` is
    what the row is counted under.
    """
    row_id = row_id or new_id()
    values = {
        "id": row_id,
        "purpose": mail.row_purpose(),
        "priority": mails.PRIORITIES[mail.stream],
        "state": QUEUED,
        "attempts": 0,
        "due_at": now,
        "created_at": now,
        "batch": batch,
        "unique_key": unique,
        "payload": vault.encrypt(payload_cell(row_id), mails.pack(mail, address, locale), sizes=(PAYLOAD_SIZE,)),
    }
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(OutboxMail).values(values).on_conflict_do_nothing(index_elements=["unique_key"])
    added = session.execute(statement.returning(OutboxMail.id)).first()
    return row_id if added is not None else None


def payload_cell(row_id: bytes) -> Cell:
    """Return the place of a row's sealed content."""
    return Cell("outbox_mails", "payload", row_id)


def make_proof(code: str, sent_at: datetime, subject: str, recipient: str) -> tuple[bytes, bytes]:
    """Return the hash a code is found by, and what is shown for it, locked under the code."""
    shown = subject.encode()[:PROOF_SUBJECT].decode(errors="ignore")
    content = json.dumps([sent_at.isoformat(), shown, recipient], ensure_ascii=False).encode()
    return tokens.token_hash(code), tokens.lock(code.encode(), content, PROOF_SIZE, PROOF_INFO)


def look_up(session: Session, typed: str) -> Proof:
    """Return what was sent under a typed code. Raises MailUnknown, whatever is wrong with it."""
    code = tokens.normalise_code(typed)
    rows = session.execute(select(OutboxMail.proof).where(OutboxMail.proof_hash == tokens.token_hash(code))).scalars()
    for proof in rows:
        try:
            content = json.loads(tokens.unlock(code.encode(), proof or b"", PROOF_INFO))
        except tokens.Unopenable as error:
            raise MailUnknown from error
        return Proof(datetime.fromisoformat(content[0]), content[1], content[2])
    raise MailUnknown


def counts(session: Session, batch: bytes | None = None) -> dict[str, int]:
    """Return how many mails are in each state, all of them or those of one batch."""
    statement = select(OutboxMail.state, func.count()).group_by(OutboxMail.state)
    if batch is not None:
        statement = statement.where(OutboxMail.batch == batch)
    found: dict[str, int] = {state: number for state, number in session.execute(statement)}  # noqa: C416
    return {state: found.get(state, 0) for state in STATES}


def withdraw(session: Session, batch: bytes, now: datetime) -> None:
    """Send no mail of a batch that still waits: its reader asked for no more.

    One that certainly did not leave is removed; one that may have left stays, as uncertain, and is not tried again.
    """
    waits = (OutboxMail.batch == batch) & OutboxMail.due_at.is_not(None) & OutboxMail.lease.is_(None)
    session.execute(delete(OutboxMail).where(waits, OutboxMail.state == QUEUED))
    ended = {"due_at": None, "finished_at": now}
    session.execute(update(OutboxMail).where(waits, OutboxMail.state == UNCERTAIN).values(ended))


def forget_payloads(session: Session, now: datetime) -> int:
    """Blank the sealed content of mails that were finished long ago; the rows stay, so that counts stay true."""
    due = (OutboxMail.finished_at < now - KEEP_PAYLOAD) & (func.length(OutboxMail.payload) > 0)
    result: Any = session.execute(update(OutboxMail).where(due).values(payload=b""))
    return int(result.rowcount)
