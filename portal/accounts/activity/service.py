"""Record what happened to an account, and return it to its owner."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Session

from portal.accounts.activity.models import AccountEvent
from portal.core.clock import start_of_day
from portal.core.db import new_id
from portal.core.i18n import mark
from portal.crypto.vault import Cell, VaultError, WebVault
from portal.intake import service as intake
from portal.runtime.turns import Expired

EVENT = "account-event"
MOST = 100
# Of the browser's and the system's names, which `accounts.clients.describe_device` takes from short lists.
LONGEST_DEVICE = 64
_SIZES = (128,)
_LABEL = "portal account events"
# Built once, from the table rather than the class: a person waits for each.
_TABLE: Any = AccountEvent.__table__
_MINE = _TABLE.c.account_id == bindparam("account")
_ADD = insert(_TABLE)
_NEWEST = select(_TABLE.c.id).where(_MINE).order_by(_TABLE.c.day.desc()).limit(MOST).scalar_subquery()
_END_OLDEST = delete(_TABLE).where(_MINE, _TABLE.c.id.not_in(_NEWEST), _TABLE.c.id != bindparam("new"))


class Kind(Enum):
    """What happened. The values are stored: do not change them."""

    CHANGED_PASSWORD = "changed"  # noqa: S105 - a kind
    CHOSE_PASSWORD = "reset"  # noqa: S105 - a kind
    REPORTED = "reported"
    CODES_ADDED = "codes-added"
    CODES_REMOVED = "codes-removed"
    RECOVERY_MADE = "recovery-made"
    PASSKEY_ADDED = "added"
    PASSKEY_REMOVED = "removed"
    PASSKEY_STOPPED = "stopped"
    ADDRESS_ASKED = "address-asked"
    ADDRESS_CHANGED = "address-changed"
    ADDRESS_UNDONE = "address-undone"
    SIGNED_IN = "signed-in"  # from a browser that the account does not know
    FACTORS_REMOVED = "factors-removed"
    REMOVAL_ENDED = "removal-ended"  # of lost factors, by one that was used
    RECOVERY_REMOVED = "recovery-removed"


# The same words as in the mails.
SAID: Mapping[Kind, str] = {
    Kind.CHANGED_PASSWORD: mark("Your password was changed"),
    Kind.CHOSE_PASSWORD: mark("A new password was chosen through an email"),
    Kind.CODES_ADDED: mark("An authenticator app was set up"),
    Kind.CODES_REMOVED: mark("The authenticator app was removed"),
    Kind.RECOVERY_MADE: mark("New recovery codes were made"),
    Kind.PASSKEY_ADDED: mark("A passkey was added to your account"),
    Kind.PASSKEY_REMOVED: mark("A passkey was removed from your account"),
    Kind.PASSKEY_STOPPED: mark("We stopped one of your passkeys"),
    Kind.ADDRESS_ASKED: mark("Someone asked to change your email address"),
    Kind.ADDRESS_CHANGED: mark("Your email address was changed"),
    Kind.ADDRESS_UNDONE: mark("A change of your email address was undone, and we locked your password"),
    Kind.SIGNED_IN: mark("Sign-in from a new browser"),
    Kind.FACTORS_REMOVED: mark("Your second step was removed"),
    Kind.REMOVAL_ENDED: mark("We kept your second step"),
    Kind.RECOVERY_REMOVED: mark("Your recovery codes were removed"),
    Kind.REPORTED: mark("You told us something wasn’t you, so we locked your password"),
}
EXPIRED = Expired(
    "account events", AccountEvent, lambda retention, now: AccountEvent.day <= now - retention.account_events
)
# Those that the worker mails about by `tell`; the others have mails of their own.
MAILED = (
    Kind.CODES_ADDED,
    Kind.CODES_REMOVED,
    Kind.RECOVERY_MADE,
    Kind.RECOVERY_REMOVED,
    Kind.SIGNED_IN,
    Kind.REMOVAL_ENDED,
)
# What a new password does not undo.
ADDED = (Kind.CODES_ADDED, Kind.RECOVERY_MADE, Kind.PASSKEY_ADDED)


@dataclass(frozen=True)
class Event:
    """One event; `device` is like `Firefox/Android`, empty where no browser did it or nobody knows."""

    kind: Kind
    at: datetime
    device: str = ""


def record(
    session: Session, vault: WebVault, account_id: bytes, kind: Kind, now: datetime, *, device: str = ""
) -> bytes:
    """Store an event of an account and return its id; beyond a hundred, the oldest day's go first."""
    row_id = new_id()
    content = json.dumps(
        [kind.value, now.isoformat(timespec="seconds"), device[:LONGEST_DEVICE]], separators=(",", ":")
    )
    values = {
        "id": row_id,
        "account_id": account_id,
        "day": start_of_day(now),
        "sealed": vault.encrypt_own(_LABEL, _cell(row_id), content.encode(), _SIZES),
    }
    connection = session.connection()
    connection.execute(_ADD, values)
    connection.execute(_END_OLDEST, {"account": account_id, "new": row_id})
    return row_id


def tell(
    session: Session,
    vault: WebVault,
    account_id: bytes,
    kind: Kind,
    now: datetime,
    *,
    device: str,
    language: str,
) -> None:
    """Store an event of an account, and have the worker mail its owner about it."""
    event_id = record(session, vault, account_id, kind, now, device=device)
    fields = {
        "account": account_id.hex(),
        "event": event_id.hex(),
        "change": kind.value,
        "device": device[:LONGEST_DEVICE],
        "language": language,
    }
    intake.submit(session, vault, EVENT, fields, now)


def events_of(
    session: Session, vault: WebVault, account_id: bytes, now: datetime, kept: timedelta
) -> list[Event]:
    """Return what happened to an account in the time that is kept, newest first.

    Rows that were tampered with, or that a newer version wrote, are left out.
    """
    rows = session.execute(
        select(AccountEvent.id, AccountEvent.sealed).where(
            AccountEvent.account_id == account_id, AccountEvent.day > now - kept
        )
    )
    found = []
    for row in rows:
        with suppress(VaultError, ValueError):
            kind, at, device = json.loads(vault.decrypt_own(_LABEL, _cell(row.id), row.sealed))
            found.append(Event(Kind(kind), datetime.fromisoformat(at), device))
    return sorted(found, key=lambda event: event.at, reverse=True)


def forget(session: Session, account_id: bytes) -> None:
    """Remove every event of an account."""
    session.execute(delete(AccountEvent).where(AccountEvent.account_id == account_id))


def _cell(row_id: bytes) -> Cell:
    return Cell("account_events", "sealed", row_id)
