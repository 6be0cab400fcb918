"""Remove the factors of somebody who lost them all, or stop that.

Whoever has the password, or reads the inbox, can begin it. So it takes two mailed links, a day apart; every
known address is told at once, and each mail's link also stops it. A factor that is used meanwhile, or a new
password, ends it: not all was lost.

A mail scanner that presses buttons must not confirm it for somebody who knows the password and no inbox. So
each link needs a code too, that only the browser which asked was shown. Stopping needs none.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from hmac import compare_digest
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from portal.accounts import service as sessions
from portal.accounts.activity import service as activity
from portal.accounts.factors import service as factors
from portal.accounts.factors.lost.emails import PURPOSE
from portal.accounts.factors.models import FactorRemoval
from portal.core import db
from portal.core.db import new_id
from portal.crypto import totp
from portal.crypto.vault import WebVault
from portal.identity import state
from portal.identity.account import Account
from portal.intake import service as intake
from portal.intake.service import LinkInvalid
from portal.runtime.turns import MOST_ROWS, delete_some

# What the web process tells the worker.
LOST, REMOVED = "second-step-lost", "second-step-removed"
WAIT = timedelta(hours=24)
LIFETIME = timedelta(days=7)  # of each mail's link
KEPT = timedelta(days=8)
DIGITS = 6
LONGEST_TYPED = 40


class CodeWrong(Exception):
    """The typed code is not the one that was shown to who asked."""


class Stage(IntEnum):
    """What a mailed link can do beside stopping: nothing, confirm, or confirm again after a day."""

    STOP = 0
    FIRST = 1
    SECOND = 2


@dataclass(frozen=True)
class Link:
    """A mailed link that is open: whose factors, which removal, and what it can do now.

    `code` is the keyed hash of the code that it needs.
    """

    account_id: bytes
    removal_id: bytes
    stage: Stage
    confirmed: bool
    code: bytes = field(repr=False)


def new_code() -> str:
    """Return a random code of six digits."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def begin(session: Session, account: Account, now: datetime) -> FactorRemoval | None:
    """Return the removal that a first link can confirm, begun now or before; None if one was confirmed."""
    row = session.get(FactorRemoval, account.id, with_for_update=True)
    if row is not None and row.account_version == account.version and row.ends_at > now:
        return row if row.confirmed_at is None else None
    values: dict[str, Any] = {
        "id": new_id(),
        "account_version": account.version,
        "code": None,
        "confirmed_at": None,
        "mail_at": None,
        "ends_at": now + KEPT,
    }
    begun = db.insert(session, FactorRemoval).values(account_id=account.id, **values)
    session.execute(
        begun.on_conflict_do_update(index_elements=[FactorRemoval.account_id], set_=values),
        execution_options={"populate_existing": True},
    )
    return session.get(FactorRemoval, account.id, populate_existing=True)


def link_data(removal: FactorRemoval, stage: Stage, code: str = "") -> dict[str, Any]:
    """Return what a mail's link opens. A first one knows the `code` of who asked."""
    ids = {"account": removal.account_id.hex(), "removal": removal.id.hex(), "stage": int(stage)}
    return ids | ({"code": code} if code else {})


def open_link(session: Session, vault: WebVault, store: str, token: str, now: datetime) -> Link:
    """Open a mailed link; nothing changes. Raises LinkInvalid, also where the removal is over."""
    data = intake.open_reply(session, PURPOSE, token, now).data
    account_id, removal_id = bytes.fromhex(data["account"]), bytes.fromhex(data["removal"])
    row = session.execute(
        select(FactorRemoval.account_version, FactorRemoval.confirmed_at, FactorRemoval.code).where(
            FactorRemoval.account_id == account_id,
            FactorRemoval.id == removal_id,
            FactorRemoval.ends_at > now,
        )
    ).first()
    account = state.of_store(session, account_id, store)
    if row is None or account is None or account.version != row.account_version:
        raise LinkInvalid
    stage, code = Stage(data["stage"]), row.code or b""
    if stage is Stage.FIRST:
        code = _code_key(vault, removal_id, data.get("code", ""))
    return Link(account_id, removal_id, stage, confirmed=row.confirmed_at is not None, code=code)


def fits(vault: WebVault, link: Link, typed: str) -> bool:
    """Return whether this is the code that a link needs."""
    code = totp.normalised(typed[:LONGEST_TYPED])
    return len(code) == DIGITS and compare_digest(_code_key(vault, link.removal_id, code), link.code)


def confirm(session: Session, vault: WebVault, link: Link, typed: str, now: datetime) -> None:
    """Confirm a removal for the first time: the second mail follows in a day. Once more changes nothing.

    Raises CodeWrong.
    """
    _check(vault, link, typed)
    session.execute(
        update(FactorRemoval)
        .where(_is(link), FactorRemoval.confirmed_at.is_(None))
        .values(code=link.code, confirmed_at=now, mail_at=now + WAIT, ends_at=now + WAIT + KEPT)
    )


def remove(
    session: Session, vault: WebVault, link: Link, typed: str, now: datetime, *, device: str, language: str
) -> None:
    """Remove every factor after the second confirmation, and end all sessions; the worker tells the owner.

    Raises CodeWrong, and LinkInvalid where another call did it, or stopped it.
    """
    _check(vault, link, typed)
    done = delete(FactorRemoval).where(
        _is(link), FactorRemoval.confirmed_at <= now - WAIT, FactorRemoval.mail_at.is_(None)
    )
    if link.stage is not Stage.SECOND or not session.execute(done.returning(FactorRemoval.id)).first():
        raise LinkInvalid
    factors.remove_all(session, link.account_id)
    sessions.end_sessions(session, link.account_id)
    activity.record(session, vault, link.account_id, activity.Kind.FACTORS_REMOVED, now, device=device)
    intake.submit(session, vault, REMOVED, {"account": link.account_id.hex(), "language": language}, now)


def stop(session: Session, link: Link) -> None:
    """Stop a removal; the factors stay."""
    session.execute(delete(FactorRemoval).where(_is(link)))


def any_due(session: Session, now: datetime) -> bool:
    """Return whether a second mail is due, or a removal is over."""
    due = or_(FactorRemoval.mail_at <= now, FactorRemoval.ends_at <= now)
    return session.scalar(select(FactorRemoval.account_id).where(due).limit(1)) is not None


def take_due(session: Session, now: datetime, limit: int) -> list[FactorRemoval]:
    """Return removals whose second mail is due; commit it with the mails."""
    rows = session.scalars(
        select(FactorRemoval)
        .where(FactorRemoval.mail_at <= now)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.mail_at = None
    return list(rows)


def holds(session: Session, removal: FactorRemoval) -> bool:
    """Return whether the account is still as it was when the removal began."""
    account = state.get(session, removal.account_id)
    return account is not None and account.version == removal.account_version


def purge(session: Session, now: datetime, limit: int = MOST_ROWS) -> int:
    """Remove up to `limit` removals that nobody confirmed in time; return how many."""
    return delete_some(session, FactorRemoval, FactorRemoval.ends_at <= now, limit)


def _check(vault: WebVault, link: Link, typed: str) -> None:
    if not fits(vault, link, typed):
        raise CodeWrong


def _code_key(vault: WebVault, removal_id: bytes, code: str) -> bytes:
    return vault.bucket("factor removal code", removal_id.hex(), code)


def _is(link: Link) -> Any:
    return (FactorRemoval.account_id == link.account_id) & (FactorRemoval.id == link.removal_id)
