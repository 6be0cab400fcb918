"""Enqueue mails, look up what was sent under a code, and count."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.orm import Session

from portal.core import db
from portal.core.db import new_id
from portal.crypto import tokens
from portal.crypto.vault import Cell, WorkerVault
from portal.outbox import mail as mails
from portal.outbox.models import FAILED, QUEUED, SENDING, STATES, UNCERTAIN, OutboxMail

PAYLOAD_SIZE = 1024
PROOF_SIZE = 512
PROOF_SUBJECT = 160
PROOF_INFO = "authenticity"
KEEP_PAYLOAD = timedelta(days=30)
LEASE = timedelta(seconds=300)
# No mail is put off for longer; one that may have left waits longer for its next try.
FURTHEST = timedelta(hours=1)
FURTHEST_MAYBE_SENT = timedelta(hours=31)
# A relay that takes mail and does not say so gives people a copy for every try.
MAX_MAYBE_SENT = 3
# Who asked for a mail this long ago has asked again, or does without; its link may have ended.
STILL_WANTED = timedelta(hours=24)
MAIL_LATE = timedelta(minutes=10)
# More than one batch: where more wait, those that no batch has touched are overdue.
MAILS_LOOKED_AT = 200
ALTERED = "altered"
WITHDRAWN = "withdrawn"


class MailUnknown(Exception):
    """No mail of ours carries this code, or no longer."""


@dataclass(frozen=True)
class Proof:
    """What we sent under a code: when (UTC), with which subject, to whom (masked)."""

    sent_at: datetime
    subject: str
    recipient: str


@dataclass(frozen=True, repr=False)
class Payload:
    """What a row seals: the recipient, the language, and the name and fields of the mail."""

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
) -> bytes | None:
    """Add one mail in the caller's transaction; return its row's id, or None where a row with this `unique` key exists.

    `address` is a normalised address; `row_id` is given where a link's token was derived from it before; `batch` is
    what the row is counted under.
    """
    row_id = row_id or new_id()
    values = {
        "id": row_id,
        "purpose": mail.purpose or mail.name,
        "priority": mails.PRIORITIES[mail.stream],
        "state": QUEUED,
        "attempts": 0,
        "maybe_sent_count": 0,
        "due_at": now,
        "created_at": now,
        "batch": batch,
        "unique_key": unique,
        "payload": _sealed(vault, row_id, mail, address, locale),
    }
    statement = (
        db.insert(session, OutboxMail).values(values).on_conflict_do_nothing(index_elements=["unique_key"])
    )
    added = session.execute(statement.returning(OutboxMail.id)).first()
    return row_id if added is not None else None


def _sealed(vault: WorkerVault, row_id: bytes, mail: mails.Mail, address: str, locale: str) -> bytes:
    content = {"to": address, "locale": locale, "name": mail.name, "fields": asdict(mail)}
    packed = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return vault.encrypt(payload_cell(row_id), packed, sizes=(PAYLOAD_SIZE,))


def unseal(vault: WorkerVault, row_id: bytes, payload: bytes) -> Payload:
    """Return what `enqueue` sealed in a row. Raises VaultError."""
    raw = json.loads(vault.decrypt(payload_cell(row_id), payload))
    return Payload(raw["to"], raw["locale"], raw["name"], raw["fields"])


def any_due(session: Session, now: datetime) -> bool:
    """Tell whether a mail is due. Reads only: one look-up for each priority in the index of what is due."""
    due = OutboxMail.priority.in_(mails.PRIORITIES.values()) & (OutboxMail.due_at <= now)
    return session.scalar(select(OutboxMail.id).where(due).limit(1)) is not None


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
    rows = session.execute(
        select(OutboxMail.proof).where(OutboxMail.proof_hash == tokens.token_hash(code))
    ).scalars()
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


def send_again(
    session: Session,
    vault: WorkerVault,
    unique: bytes,
    mail: mails.Mail,
    *,
    address: str,
    locale: str,
    now: datetime,
) -> bool:
    """Put the mail with this `unique` key into the queue again where it failed, or never was known to have left.

    Return whether that was so.
    """
    ended = (OutboxMail.unique_key == unique) & or_(OutboxMail.state == FAILED, _never_confirmed())
    row_id = session.scalar(select(OutboxMail.id).where(ended).with_for_update())
    if row_id is None:
        return False
    payload = _sealed(vault, row_id, mail, address, locale)
    session.execute(update(OutboxMail).where(OutboxMail.id == row_id).values(payload=payload, **_anew(now)))
    return True


def retry_failed(session: Session, reason: str | None, now: datetime, *, uncertain: bool = False) -> int:
    """Put failed mails into the queue again, or `uncertain` ones, those of one reason or all; return how many.

    One whose content was blanked since, or does not open, stays as it is, and so does one that was asked for long ago.
    """
    ended = _never_confirmed() if uncertain else OutboxMail.state == FAILED
    ended &= (func.length(OutboxMail.payload) > 0) & (OutboxMail.reason != ALTERED)
    ended &= (OutboxMail.priority != mails.PRIORITIES[mails.REQUESTED]) | (
        OutboxMail.created_at > now - STILL_WANTED
    )
    if reason is not None:
        ended &= OutboxMail.reason == reason
    result: Any = session.execute(update(OutboxMail).where(ended).values(**_anew(now)))
    return int(result.rowcount)


def failures(session: Session) -> dict[str, int]:
    """Return how many mails failed, by the reason that the relay gave."""
    return _reasons(session, OutboxMail.state == FAILED)


def delays(session: Session) -> dict[str, int]:
    """Return how many mails wait for another try, by the reason of the last one."""
    return _reasons(session, OutboxMail.due_at.is_not(None) & OutboxMail.reason.is_not(None))


def _reasons(session: Session, which: Any) -> dict[str, int]:
    rows = session.execute(
        select(OutboxMail.reason, func.count())
        .where(which)
        .group_by(OutboxMail.reason)
        .order_by(OutboxMail.reason)
    )
    return {reason or "-": number for reason, number in rows}


def on_time(session: Session, now: datetime) -> bool:
    """Return whether no mail has been due for over ten minutes, and none has waited that long for the relay.

    Each try that the relay answers with no word about a recipient puts the mail off, and counts as none.
    """
    oldest = session.scalar(select(func.min(OutboxMail.due_at)))
    if oldest is not None and oldest <= now - MAIL_LATE:
        return False
    waiting = (
        select(OutboxMail.attempts, OutboxMail.reason, OutboxMail.created_at)
        .where(OutboxMail.due_at.is_not(None))
        .order_by(OutboxMail.priority, OutboxMail.due_at)
        .limit(MAILS_LOOKED_AT)
        .subquery()
    )
    put_off = (
        (waiting.c.attempts == 0) & waiting.c.reason.is_not(None) & (waiting.c.created_at <= now - MAIL_LATE)
    )
    return session.scalar(select(func.count()).select_from(waiting).where(put_off)) == 0


def mend_dates(session: Session, now: datetime) -> None:
    """Bring back mails that are due further ahead than any delay: the clock was wrong when they were put off.

    One that is being delivered stays with whoever delivers it, for a lease at most.
    """
    furthest = case((OutboxMail.maybe_sent_count > 0, now + FURTHEST_MAYBE_SENT), else_=now + FURTHEST)
    due_at = case((OutboxMail.lease.is_(None), now), else_=now + LEASE)
    session.execute(update(OutboxMail).where(OutboxMail.due_at > furthest).values(due_at=due_at))


def _never_confirmed() -> Any:
    """Return what finds mails that may have left and are not tried any more, though somebody should have them."""
    ended = (OutboxMail.state == UNCERTAIN) & OutboxMail.due_at.is_(None)
    return ended & func.coalesce(OutboxMail.reason, "").not_in([WITHDRAWN])


def _anew(now: datetime) -> dict[str, Any]:
    """Return the values of a mail that goes out again. What may have left is still shown so, and has one more try."""
    left = OutboxMail.maybe_sent_count > 0
    return {
        "state": case((left, UNCERTAIN), else_=QUEUED),
        "maybe_sent_count": case((left, MAX_MAYBE_SENT - 1), else_=0),
        "attempts": 0,
        "due_at": now,
        "finished_at": None,
        "reason": None,
    }


def withdraw(session: Session, batch: bytes, now: datetime) -> None:
    """Send no mail of a batch that has not left: its reader asked for no more.

    One that certainly did not leave is removed; one that may have left stays, as uncertain, and is not tried
    again. One that is being handed over is uncertain until its worker knows, which then finds that it has no
    date any more.
    """
    session.execute(
        delete(OutboxMail).where(OutboxMail.batch == batch, OutboxMail.state.in_([QUEUED, FAILED]))
    )
    may_have_left = (OutboxMail.batch == batch) & OutboxMail.state.in_([SENDING, UNCERTAIN])
    ended = {"state": UNCERTAIN, "reason": WITHDRAWN, "due_at": None, "finished_at": now}
    session.execute(update(OutboxMail).where(may_have_left).values(ended))


def forget_payloads(session: Session, now: datetime) -> int:
    """Blank the sealed content of mails that were finished long ago; the rows stay, so that counts stay true."""
    due = (OutboxMail.finished_at < now - KEEP_PAYLOAD) & (func.length(OutboxMail.payload) > 0)
    result: Any = session.execute(update(OutboxMail).where(due).values(payload=b""))
    return int(result.rowcount)
