"""Enqueue, retry, withdraw and count mails; look up a sent mail by its authenticity code."""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, case, delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from portal.core.db import Utc, new_id
from portal.crypto import tokens
from portal.crypto.vault import Cell, VaultError, WorkerVault
from portal.outbox import mail as mails
from portal.outbox.bulk import ledger
from portal.outbox.bulk.lanes import WITHDRAWN, sent_now
from portal.outbox.models import (
    BOUNCED,
    ENDED,
    FAILED,
    QUEUED,
    SENDING,
    SENT,
    STATES,
    UNCERTAIN,
    OutboxCount,
    OutboxDelivered,
    OutboxMail,
)

PAYLOAD_SIZE = 1024
PROOF_SIZE = 256
PROOF_INFO = "authenticity"
LEASE = timedelta(seconds=300)
# Each attempt at a relay that accepts mail without confirming it may deliver another copy.
MAX_MAYBE_SENT = 3
MAIL_LATE = timedelta(minutes=10)
# More than one delivery batch: where more mails wait, those that no batch has reached are overdue anyway.
MAILS_LOOKED_AT = 200
ALTERED = "altered"
OUTDATED = "outdated"
# Written out, since they run for every mail: building them would take longer than the database.
_ADD = text(
    "INSERT INTO outbox_mails"
    " (id, purpose, priority, state, attempts, ambiguous, due_at, created_at, batch, unique_key, payload,"
    " counted)"
    " VALUES (:id, :purpose, :priority, :state, 0, 0, :now, :now, :batch, :unique_key, :payload, :counted)"
    " ON CONFLICT (unique_key) DO NOTHING"
).bindparams(bindparam("now", type_=Utc()))
_LEFT = text("SELECT 1 FROM outbox_delivered WHERE unique_key = :unique")


class MailUnknown(Exception):
    """No mail was sent under this code, or its record is gone."""


@dataclass(frozen=True)
class Proof:
    """A mail sent under a code: time (UTC), subject, masked recipient."""

    sent_at: datetime
    subject: str
    recipient: str


@dataclass(frozen=True)
class Trace:
    """Where a mail is: `ended` is a day alone, and `row_id` None, once it was moved."""

    state: str
    reason: str | None = None
    ended: datetime | date | None = None
    next_attempt: datetime | None = None
    row_id: bytes | None = None


@dataclass(frozen=True, repr=False)
class Payload:
    """The decrypted content of a row: recipient, language, and the name and fields of the mail."""

    address: str
    locale: str
    name: str
    fields: dict[str, Any]


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
    lane: int | None = None,
) -> bytes | None:
    """Add one mail in the caller's transaction; return its row id, or None if the `unique` key exists.

    The key is in one of two tables: `outbox_mails`, or `outbox_delivered` once the mail has left.
    `address` is a normalised address. `row_id` is passed where a link's token was already derived from it.
    `batch` groups rows for counting and withdrawing. A mail of a notice goes into its `lane`, and the caller
    adds it to the ledger.
    """
    if unique is not None and _has_left(session, unique):
        return None
    row_id = row_id or new_id()
    values = {
        "id": row_id,
        "purpose": mail.stored_purpose(),
        "priority": mails.PRIORITIES[mail.stream] if lane is None else lane,
        "state": QUEUED,
        "now": now,
        "batch": batch,
        "unique_key": unique,
        "payload": encrypt_payload(vault, row_id, mail, address, locale),
        "counted": None if lane is None else QUEUED,
    }
    added: Any = session.execute(_ADD, values)
    if not added.rowcount:
        return None
    # On PostgreSQL the INSERT waits for a worker that is moving the earlier mail, and then succeeds.
    if unique is not None and _has_left(session, unique):
        session.execute(delete(OutboxMail).where(OutboxMail.id == row_id))
        return None
    return row_id


def _has_left(session: Session, unique: bytes) -> bool:
    return session.execute(_LEFT, {"unique": unique}).first() is not None


def encrypt_payload(vault: WorkerVault, row_id: bytes, mail: mails.Mail, address: str, locale: str) -> bytes:
    """Return what a row holds of a mail: recipient, language and fields, encrypted at one length."""
    content = {"to": address, "locale": locale, "name": mail.name, "fields": vars(mail)}
    packed = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return vault.encrypt(payload_cell(row_id), packed, sizes=(PAYLOAD_SIZE,))


def unseal(vault: WorkerVault, row_id: bytes, payload: bytes) -> Payload:
    """Return the decrypted payload of a row. Raises VaultError."""
    raw = json.loads(vault.decrypt(payload_cell(row_id), payload))
    return Payload(raw["to"], raw["locale"], raw["name"], raw["fields"])


def payload_cell(row_id: bytes) -> Cell:
    """Return the vault cell of a row's payload: its table, column and id."""
    return Cell("outbox_mails", "payload", row_id)


def make_proof(code: str, sent_at: datetime, subject: str, recipient: str) -> tuple[bytes, bytes]:
    """Return the hash by which a code is found, and the proof, encrypted under the code (256 bytes).

    A subject that does not fit is cut.
    """
    moment, shown = sent_at.isoformat(timespec="seconds"), subject[:PROOF_SIZE]
    while len(content := json.dumps([moment, shown, recipient], ensure_ascii=False).encode()) > PROOF_SIZE:
        shown = shown[:-1]
    return tokens.token_hash(code), tokens.lock(code.encode(), content, PROOF_SIZE, PROOF_INFO)


def look_up(session: Session, typed: str) -> Proof:
    """Return the proof of the mail sent under a typed code. Raises MailUnknown, whatever the cause."""
    code = tokens.normalise_code(typed)
    # In this order: a mail that is moved between the two statements is found by one of them.
    for table in (OutboxMail, OutboxDelivered):
        proof = session.scalar(select(table.proof).where(table.proof_hash == tokens.token_hash(code)))
        if proof is None:
            continue
        try:
            content = json.loads(tokens.unlock(code.encode(), proof, PROOF_INFO))
        except tokens.Unopenable as error:
            raise MailUnknown from error
        return Proof(datetime.fromisoformat(content[0]), content[1], content[2])
    raise MailUnknown


def trace(
    session: Session, vault: WorkerVault, *, unique: bytes | None = None, row_id: bytes | None = None
) -> Trace | None:
    """Return where the mail with a unique key or a row id is, or None."""
    here, moved = OutboxMail.unique_key == unique, OutboxDelivered.unique_key == unique
    if row_id is not None:
        proof_hash = tokens.token_hash(vault.authenticity(row_id))
        here, moved = OutboxMail.id == row_id, OutboxDelivered.proof_hash == proof_hash
    # In this order: a mail that is moved between the two statements is found by one of them.
    row = session.scalar(select(OutboxMail).where(here))
    if row is not None:
        return Trace(row.state, row.reason, row.finished_at, row.due_at, row.id)
    left = session.execute(select(OutboxDelivered.state, OutboxDelivered.day).where(moved)).first()
    return Trace(left.state, ended=left.day) if left else None


def counts(session: Session, batch: bytes | None = None) -> dict[str, int]:
    """Return the number of mails in each state, of all mails or of one batch; states without mails are 0.

    One statement, so that a mail that is moved meanwhile is counted once.
    """
    here = select(OutboxMail.state, func.count().label("number")).group_by(OutboxMail.state)
    moved = select(OutboxCount.state, OutboxCount.number)
    if batch is not None:
        here, moved = here.where(OutboxMail.batch == batch), moved.where(OutboxCount.batch == batch)
    found = dict.fromkeys(STATES, 0)
    for state, number in session.execute(here.union_all(moved)):
        # Whoever can write to the database can invent a state, which must not hide the others.
        found[state] = found.get(state, 0) + number
    return found


def send_again(
    session: Session,
    vault: WorkerVault,
    unique: bytes,
    mail: mails.Mail,
    *,
    address: str,
    locale: str,
    now: datetime,
    lane: int | None = None,
) -> bool:
    """Queue the mail with this `unique` key again if it failed or ended uncertain; return whether it did.

    It leaves by the `lane` that is given. The ledger goes on counting it for the notice and wave that had it.
    """
    ended = (OutboxMail.unique_key == unique) & or_(OutboxMail.state == FAILED, never_confirmed())
    row = session.execute(
        select(OutboxMail.id, OutboxMail.priority, OutboxMail.payload).where(ended).with_for_update()
    ).first()
    if row is None:
        return False
    if lane is not None:
        mail = replace(mail, **{ledger.FIELD: _former_wave(vault, row.id, row.payload)})
    values = {"payload": encrypt_payload(vault, row.id, mail, address, locale), **queued_again(now)}
    values["priority"] = row.priority if lane is None else lane
    session.execute(update(OutboxMail).where(OutboxMail.id == row.id).values(values))
    return True


def _former_wave(vault: WorkerVault, row_id: bytes, payload: bytes) -> int:
    try:
        return ledger.wave_in(unseal(vault, row_id, payload).fields)
    except VaultError:
        return ledger.NOT_KNOWN


def failures(session: Session, most: int | None = None) -> dict[str, int]:
    """Return the number of failed mails by reason, e.g. `smtp-550`; of the newest `most`, or of all."""
    failed = select(OutboxMail.reason).where((OutboxMail.state == FAILED) & ENDED)
    return _reasons(session, failed.order_by(OutboxMail.finished_at.desc()) if most else failed, most)


def unsent(session: Session, batches: list[bytes]) -> dict[bytes, str]:
    """Return the reasons of the mails of some batches that ended without being sent, by unique key.

    The reason of one that may have been sent is `uncertain`.
    """
    ended = ENDED & OutboxMail.state.in_([FAILED, BOUNCED, UNCERTAIN]) & OutboxMail.batch.in_(batches)
    columns = select(OutboxMail.unique_key, OutboxMail.state, OutboxMail.reason)
    return {
        key: state if state == UNCERTAIN else reason or state
        for key, state, reason in session.execute(columns.where(ended))
        if key is not None
    }


def delays(session: Session, most: int | None = None) -> dict[str, int]:
    """Return the number of mails that wait for a retry, by the reason of the last attempt.

    Only the first `most` of those that wait are looked at, the most urgent first.
    """
    waiting = select(OutboxMail.reason).where(OutboxMail.due_at.is_not(None))
    if most is None:
        return _reasons(session, waiting.where(OutboxMail.reason.is_not(None)), None)
    found = _reasons(session, waiting.order_by(OutboxMail.priority, OutboxMail.due_at), most)
    return {reason: number for reason, number in found.items() if reason != "-"}


def _reasons(session: Session, which: Select[Any], most: int | None) -> dict[str, int]:
    few = which.limit(most).subquery()
    rows = session.execute(select(few.c.reason, func.count()).group_by(few.c.reason).order_by(few.c.reason))
    return {reason or "-": number for reason, number in rows}


def why_degraded(session: Session, now: datetime) -> str | None:
    """Return why mail does not leave, or None: some has been due or has waited for the relay for ten minutes.

    A relay that took one meanwhile is not in the way, however many wait. An attempt that ends before the
    relay answers about the recipient postpones the mail but does not count, so a mail with a reason and no
    attempts waits for the relay.
    """
    since = now - MAIL_LATE
    waiting = [row for priority in sent_now(session) for row in session.execute(_first_due(priority))]
    late = [
        row
        for row in waiting
        if row.due_at <= since or (row.attempts == 0 and row.reason and row.created_at <= since)
    ]
    taken = ENDED & (OutboxMail.state == SENT) & (OutboxMail.finished_at > since)
    if not late or session.scalar(select(OutboxMail.id).where(taken).limit(1)) is not None:
        return None
    oldest = min(min(row.due_at, row.created_at) for row in late)
    reasons = Counter(row.reason for row in late if row.reason).most_common(1)
    cause = (
        f"the last attempts ended with {reasons[0][0]}; see `portal doctor` and the worker's log"
        if reasons
        else "none was tried; is `portal worker` running?"
    )
    return f"mail has been waiting since {oldest:%Y-%m-%d %H:%M} UTC, none accepted for ten minutes: {cause}"


def _first_due(priority: int) -> Any:
    return (
        select(OutboxMail.due_at, OutboxMail.attempts, OutboxMail.reason, OutboxMail.created_at)
        .where(OutboxMail.priority == priority, OutboxMail.due_at.is_not(None))
        .order_by(OutboxMail.due_at)
        .limit(MAILS_LOOKED_AT)
    )


def never_confirmed() -> Any:
    """Return the condition for mails that ended uncertain and were not withdrawn."""
    ended = (OutboxMail.state == UNCERTAIN) & ENDED
    return ended & func.coalesce(OutboxMail.reason, "").not_in([WITHDRAWN])


def queued_again(now: datetime) -> dict[str, Any]:
    """Return the values that queue a mail again; an uncertain one stays so and gets one more attempt."""
    left = OutboxMail.maybe_sent_count > 0
    return {
        "state": case((left, UNCERTAIN), else_=QUEUED),
        "maybe_sent_count": case((left, MAX_MAYBE_SENT - 1), else_=0),
        "attempts": 0,
        "due_at": now,
        "finished_at": None,
        "reason": None,
    }


def withdraw(session: Session, batch: bytes | None, now: datetime, ids: Collection[bytes] = ()) -> None:
    """Withdraw the unsent mails of a batch, or with these ids: nobody wants them any more.

    Mails that certainly did not leave are deleted; those that may have left stay as uncertain and are not
    retried. A mail that is being sent is uncertain until its worker stores the result, and then finds no due
    time.
    """
    which = OutboxMail.id.in_(ids) if batch is None else OutboxMail.batch == batch
    session.execute(delete(OutboxMail).where(which, OutboxMail.state.in_([QUEUED, FAILED])))
    may_have_left = which & OutboxMail.state.in_([SENDING, UNCERTAIN])
    ended = {"state": UNCERTAIN, "reason": WITHDRAWN, "due_at": None, "finished_at": now}
    session.execute(update(OutboxMail).where(may_have_left).values(ended))
