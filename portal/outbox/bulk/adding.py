"""Put a page of mails into the outbox with one statement."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core import db
from portal.crypto.vault import WorkerVault
from portal.outbox import mail as mails
from portal.outbox.models import QUEUED, SENDING, SENT, OutboxDelivered, OutboxMail
from portal.outbox.service import encrypt_payload


@dataclass(frozen=True, repr=False)
class Letter:
    """A mail to one normalised address. `unique` is its key, `row_id` what its link derives from."""

    row_id: bytes
    unique: bytes
    mail: mails.Mail
    address: str
    locale: str


def enqueue_many(
    session: Session, vault: WorkerVault, letters: Iterable[Letter], *, now: datetime, batch: bytes
) -> set[bytes]:
    """Add mails with distinct keys, all but those whose key exists; return the row ids of those added.

    The caller holds a lock without which nobody queues such keys. The rows are added in the order of their
    ids, which are random: on SQLite they are numbered as they come, and accounts come in an order of their
    own.
    """
    wanted = {letter.unique: letter for letter in letters}
    # In this order: a mail that is moved between the two statements is found by one of them.
    for key in (OutboxMail.unique_key, OutboxDelivered.unique_key):
        known = select(key).where(db.among(session, key, wanted.keys()))
        for each in session.scalars(known).all() if wanted else ():
            wanted.pop(each or b"", None)
    added = sorted(wanted.values(), key=lambda letter: letter.row_id)
    rows = [
        {
            "id": letter.row_id,
            "purpose": letter.mail.stored_purpose(),
            "priority": mails.PRIORITIES[letter.mail.stream],
            "state": QUEUED,
            "attempts": 0,
            "ambiguous": 0,
            "due_at": now,
            "created_at": now,
            "batch": batch,
            "unique_key": letter.unique,
            "payload": encrypt_payload(vault, letter.row_id, letter.mail, letter.address, letter.locale),
        }
        for letter in added
    ]
    db.insert_many(session, OutboxMail, rows)
    return {letter.row_id for letter in added}


def on_the_way(session: Session, keys: Iterable[bytes]) -> set[bytes]:
    """Return those of these unique keys whose mails have left, or are still to be tried."""
    wanted = list(keys)
    # In this order: a mail that is moved between the two statements is found by one of them.
    live = OutboxMail.due_at.is_not(None) | OutboxMail.state.in_([QUEUED, SENDING, SENT])
    here = select(OutboxMail.unique_key).where(db.among(session, OutboxMail.unique_key, wanted), live)
    moved = select(OutboxDelivered.unique_key).where(db.among(session, OutboxDelivered.unique_key, wanted))
    return {key for which in (here, moved) for key in session.scalars(which) if key} if wanted else set()
