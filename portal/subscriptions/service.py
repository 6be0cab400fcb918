"""Who gets status updates: confirm, look up, leave."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from portal.core import db
from portal.core.addresses import sign_in_name
from portal.core.db import new_id
from portal.crypto import tokens
from portal.crypto.vault import Cell, WorkerVault
from portal.outbox import service as outbox
from portal.subscriptions.emails import UNSUBSCRIBE
from portal.subscriptions.models import Announcement, Subscription, Suppression

CONFIRMED = "subscribe-confirmed"
CONFIRM_WITHIN = timedelta(days=7)
# Who asks again this soon has the first mail in front of them: one is enough.
ONE_MAIL_WITHIN = timedelta(minutes=10)
CONTACT_SIZE = 512


@dataclass(frozen=True, repr=False)
class Contact:
    """Where updates go, and in which language."""

    address: str
    language: str


def key_of(incident_id: bytes, address: str) -> str:
    """Return what the indexes of one person's subscription to one incident are made from."""
    return f"{incident_id.hex()} {sign_in_name(address)}"


def subscribed(session: Session, vault: WorkerVault, incident_id: bytes, address: str) -> bool:
    """Tell whether an address gets the updates of an incident."""
    index = vault.list_index("subscription", key_of(incident_id, address))
    return session.scalar(select(Subscription.id).where(Subscription.index == index)) is not None


def confirm(session: Session, vault: WorkerVault, incident_id: bytes, contact: Contact) -> None:
    """Keep a subscription that the owner of the address confirmed; who had left before is welcome again.

    A second confirmation changes the language at most.
    """
    key = key_of(incident_id, contact.address)
    index, suppression = vault.list_index("subscription", key), vault.list_index("suppression", key)
    session.execute(delete(Suppression).where(Suppression.index == suppression))
    row_id = new_id()
    values = {
        "id": row_id,
        "incident_id": incident_id,
        "index": index,
        "suppression": suppression,
        "contact": _sealed(vault, row_id, incident_id, contact),
        "unsubscribe_hash": tokens.token_hash(vault.token(UNSUBSCRIBE, row_id)),
    }
    statement = (
        db.insert(session, Subscription).values(values).on_conflict_do_nothing(index_elements=["index"])
    )
    if session.execute(statement.returning(Subscription.id)).first() is None:
        row = session.scalars(select(Subscription).where(Subscription.index == index).with_for_update()).one()
        row.contact = _sealed(vault, row.id, row.incident_id, contact)


def link_known(session: Session, token: str) -> bool:
    """Tell whether this token belongs to a subscription that exists."""
    return session.scalar(select(Subscription.id).where(_mailed(token))) is not None


def leave(session: Session, token: str, now: datetime) -> None:
    """End the subscription whose token this is; any other token changes nothing.

    What stays is an index that says nothing to whoever lacks the worker's key. Mails that wait are withdrawn.
    """
    row = session.execute(
        select(Subscription.id, Subscription.suppression).where(_mailed(token)).with_for_update()
    ).first()
    if row is None:
        return
    statement = db.insert(session, Suppression).values(index=row.suppression)
    session.execute(statement.on_conflict_do_nothing(index_elements=["index"]))
    session.execute(delete(Subscription).where(Subscription.id == row.id))
    outbox.withdraw(session, row.id, now)


def progress_of(session: Session, update_id: bytes) -> Announcement | None:
    """Return how far the mails about an update are queued; nobody else queues them until this transaction ends.

    None where another worker came to the end in this moment.
    """
    begun = db.insert(session, Announcement).values(update_id=update_id, enqueued=0)
    session.execute(begun.on_conflict_do_nothing(index_elements=["update_id"]))
    statement = select(Announcement).where(Announcement.update_id == update_id).with_for_update()
    return session.scalars(statement).one_or_none()


def next_batch(session: Session, incident_id: bytes, reached: bytes | None, limit: int) -> list[Subscription]:
    """Return subscriptions in the order of their index, after `reached`, and keep them from leaving unseen."""
    statement = (
        select(Subscription)
        .where(
            Subscription.incident_id == incident_id,
            ~exists().where(Suppression.index == Subscription.suppression),
        )
        .order_by(Subscription.index)
        .limit(limit)
        .with_for_update()
    )
    if reached is not None:
        statement = statement.where(Subscription.index > reached)
    return list(session.scalars(statement))


def contact_of(vault: WorkerVault, row: Subscription) -> Contact:
    """Open where a subscription's updates go. Raises VaultError where the row was altered, its incident included."""
    raw = json.loads(vault.decrypt(_cell(row.id, row.incident_id), row.contact))
    return Contact(raw["to"], raw["language"])


def _sealed(vault: WorkerVault, row_id: bytes, incident_id: bytes, contact: Contact) -> bytes:
    raw = {"to": contact.address, "language": contact.language}
    return vault.encrypt(
        _cell(row_id, incident_id), json.dumps(raw, ensure_ascii=False).encode(), sizes=(CONTACT_SIZE,)
    )


def _cell(row_id: bytes, incident_id: bytes) -> Cell:
    """Return the place of a contact, which opens for its own incident alone."""
    return Cell("subscriptions", "contact", row_id + incident_id)


def _mailed(token: str) -> Any:
    return Subscription.unsubscribe_hash == tokens.token_hash(token)
