"""Confirm, look up and end subscriptions; go through subscribers in batches."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core import db
from portal.core.addresses import sign_in_name
from portal.core.db import new_id
from portal.crypto import tokens
from portal.crypto.vault import Cell, WorkerVault
from portal.incidents import announcing
from portal.outbox import service as outbox
from portal.subscriptions.emails import UNSUBSCRIBE
from portal.subscriptions.models import Announcement, FrozenUpdate, Subscription, Suppression

CONFIRMED = "subscribe-confirmed"
CONFIRM_WITHIN = timedelta(days=7)
# A second request this soon gets no second mail: the first has only just been sent.
ONE_MAIL_WITHIN = timedelta(minutes=10)
CONTACT_SIZE = 512


@dataclass(frozen=True, repr=False)
class Contact:
    """The address that updates go to, and their language."""

    address: str
    language: str


def key_of(incident_id: bytes, address: str) -> str:
    """Return the input of the keyed indexes of one person's subscription to one incident."""
    return f"{incident_id.hex()} {sign_in_name(address)}"


def update_key(vault: WorkerVault, update_id: bytes, subscription_id: bytes) -> bytes:
    """Return the unique key of the mail about an update to a subscriber."""
    return vault.list_index("announcement", f"{update_id.hex()} {subscription_id.hex()}")


@dataclass(frozen=True)
class State:
    """The row of an address's subscription to one incident, or None; `left`: its owner unsubscribed."""

    subscription_id: bytes | None
    left: bool


def state_of(session: Session, vault: WorkerVault, incident_id: bytes, address: str) -> State:
    """Return whether an address gets the updates of an incident, or has left them."""
    key = key_of(incident_id, address)
    index, suppression = vault.list_index("subscription", key), vault.list_index("suppression", key)
    row_id = session.scalar(select(Subscription.id).where(Subscription.index == index))
    left = session.scalar(select(Suppression.index).where(Suppression.index == suppression))
    return State(row_id, left is not None)


def subscribed(session: Session, vault: WorkerVault, incident_id: bytes, address: str) -> bool:
    """Return whether an address gets the updates of an incident."""
    index = vault.list_index("subscription", key_of(incident_id, address))
    return session.scalar(select(Subscription.id).where(Subscription.index == index)) is not None


def confirm(session: Session, vault: WorkerVault, incident_id: bytes, contact: Contact) -> None:
    """Store a confirmed subscription and lift a suppression of it.

    If it exists already, only its language changes.
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
        "contact": _encrypt_contact(vault, row_id, incident_id, contact),
        "unsubscribe_hash": tokens.token_hash(vault.token(UNSUBSCRIBE, row_id)),
    }
    statement = (
        db.insert(session, Subscription).values(values).on_conflict_do_nothing(index_elements=["index"])
    )
    if session.execute(statement.returning(Subscription.id)).first() is None:
        row = session.scalars(select(Subscription).where(Subscription.index == index).with_for_update()).one()
        row.contact = _encrypt_contact(vault, row.id, row.incident_id, contact)


def link_known(session: Session, token: str) -> bool:
    """Return whether a token belongs to an existing subscription."""
    return session.scalar(select(Subscription.id).where(_of_token(token))) is not None


def leave(session: Session, token: str, now: datetime) -> None:
    """End the subscription of a token and withdraw its queued mails; an unknown token changes nothing.

    Only a suppression stays: an index that says nothing without the worker's key.
    """
    row = session.execute(
        select(Subscription.id, Subscription.suppression).where(_of_token(token)).with_for_update()
    ).first()
    if row is None:
        return
    statement = db.insert(session, Suppression).values(index=row.suppression)
    session.execute(statement.on_conflict_do_nothing(index_elements=["index"]))
    session.execute(delete(Subscription).where(Subscription.id == row.id))
    outbox.withdraw(session, row.id, now)


def forget(session: Session, vault: WorkerVault, incident_id: bytes, address: str, now: datetime) -> None:
    """End an address's subscription to an incident, withdraw its queued mails, and keep no trace."""
    key = key_of(incident_id, address)
    index, suppression = vault.list_index("subscription", key), vault.list_index("suppression", key)
    row_id = session.scalar(
        delete(Subscription).where(Subscription.index == index).returning(Subscription.id)
    )
    if row_id is not None:
        outbox.withdraw(session, row_id, now)
    session.execute(delete(Suppression).where(Suppression.index == suppression))


def progress_of(session: Session, update_id: bytes) -> Announcement | None:
    """Return the progress of queueing an update, locked until the transaction ends.

    None if another worker has just finished it.
    """
    begun = db.insert(session, Announcement).values(update_id=update_id, enqueued=0)
    session.execute(begun.on_conflict_do_nothing(index_elements=["update_id"]))
    statement = select(Announcement).where(Announcement.update_id == update_id).with_for_update()
    return session.scalars(statement).one_or_none()


def next_batch(session: Session, incident_id: bytes, reached: bytes | None, limit: int) -> list[Subscription]:
    """Return subscriptions in index order, after `reached`, locked so that nobody unsubscribes meanwhile."""
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


def finish_announcement(
    session: Session, progress: Announcement, update: announcing.Announcement, now: datetime
) -> None:
    """Mark an update as announced, write the audit row with its number of mails, and delete the progress."""
    if announcing.mark_announced(session, update.update_id, now):
        details = {"update": update.number, "mails": progress.enqueued}
        audit.record(session, "subscriptions.announce", update.slug, details, now)
    session.delete(progress)


def count(session: Session, incident_id: bytes) -> int:
    """Return how many confirmed subscribers an incident has. It reads an index alone.

    Who unsubscribed has no row: `leave` and a new subscription keep each other's rows away.
    """
    here = Subscription.incident_id == incident_id
    return session.scalar(select(func.count()).select_from(Subscription).where(here)) or 0


def forget_update(session: Session, update_id: bytes) -> None:
    """Delete the frozen words of a withdrawn update, and the progress of queueing its mails."""
    session.execute(delete(FrozenUpdate).where(FrozenUpdate.update_id == update_id))
    session.execute(delete(Announcement).where(Announcement.update_id == update_id))


def contact_of(vault: WorkerVault, row: Subscription) -> Contact:
    """Return the decrypted contact of a subscription.

    Raises VaultError if the row was altered, its incident included.
    """
    raw = json.loads(vault.decrypt(_cell(row.id, row.incident_id), row.contact))
    return Contact(raw["to"], raw["language"])


def _encrypt_contact(vault: WorkerVault, row_id: bytes, incident_id: bytes, contact: Contact) -> bytes:
    raw = {"to": contact.address, "language": contact.language}
    return vault.encrypt(
        _cell(row_id, incident_id), json.dumps(raw, ensure_ascii=False).encode(), sizes=(CONTACT_SIZE,)
    )


def _cell(row_id: bytes, incident_id: bytes) -> Cell:
    """Return the vault cell of a contact, bound to its row and incident."""
    return Cell("subscriptions", "contact", row_id + incident_id)


def _of_token(token: str) -> Any:
    return Subscription.unsubscribe_hash == tokens.token_hash(token)
