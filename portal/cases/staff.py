"""What the company's people do with a case: record a proof, confirm it as a second person, close it."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit.staff import Operator
from portal.cases import mailing, records
from portal.cases.models import Case
from portal.cases.records import CaseAltered
from portal.cases.sealed import Contact, Record, State
from portal.core.addresses import sign_in_name
from portal.core.settings import Settings
from portal.crypto.vault import VaultError, WorkerVault
from portal.identity import state
from portal.identity.account import Account, AccountMissing, Profile
from portal.identity.builtin.models import STORE as BUILTIN

# Where how identity was proven may still be recorded.
PROVABLE = (State.OPENED, State.PROVED, State.UNVERIFIED)


class Refused(Exception):
    """The case is not where this can be done, or not by this person; the message says what to do."""


@dataclass(frozen=True, repr=False)
class Owner:
    """The account that a proof is about; `store_id` is its own id in a store of the company's."""

    account: Account
    profile: Profile
    store_id: str = ""


@dataclass(frozen=True, repr=False)
class Proof:
    """What staff record: whose account it is, where its link is to go, and how identity was proven."""

    owner: Owner
    new: str
    how: str
    remove_factors: bool = False


@dataclass(frozen=True, repr=False)
class Listed:
    """A case in the list; `record` is None where its row was tampered with."""

    number: str
    opened_on: datetime
    record: Record | None


@dataclass(frozen=True, repr=False)
class Shown:
    """One case with everything that is known of it; `contact` is None where it does not open.

    `proof` is the mark of what a second person can confirm now, empty where there is nothing.
    """

    record: Record
    contact: Contact | None
    notices: tuple[str, ...]
    verification: str
    proof: str


def listed(session: Session, vault: WorkerVault, *, closed: bool, limit: int) -> list[Listed]:
    """Return the oldest cases that are not closed, or, where `closed`, all of them."""
    query = select(Case).order_by(Case.opened_on, Case.number).limit(limit)
    found = []
    for row in session.scalars(query if closed else query.where(Case.closed_on.is_(None))):
        try:
            record = records.record_of(vault, row)
        except CaseAltered:
            record = None
        found.append(Listed(row.number, row.opened_on, record))
    return found


def show(
    session: Session, vault: WorkerVault, number: str, reason: str, who: Operator, now: datetime
) -> tuple[int, Shown]:
    """Write that somebody looks, then return the audit entry's number and the case.

    Raises CaseUnknown, CaseAltered.
    """
    row, record = records.locked(session, vault, number)
    entry = records.write_audit(session, vault, "show", number, now, who, reason=reason)
    try:
        contact = records.contact_of(vault, row)
    except VaultError:
        contact = None
    notices = tuple(mailing.state_of(session, vault, one) for one in record.notices)
    verification = mailing.state_of(session, vault, record.verification) if record.verification else ""
    proof = mark_of(vault, number, record) if record.state is State.PROVED else ""
    return entry, Shown(record, contact, notices, verification, proof)


def mark_of(vault: WorkerVault, number: str, record: Record) -> str:
    """Return the mark of a recorded proof: another one for another account, address or word."""
    said = [number, record.account, record.store_id, record.old, record.new, record.how]
    said += [str(record.remove_factors), record.taken_by, record.proved_at]
    return vault.list_index("case proof", json.dumps(said, ensure_ascii=False))[:8].hex()


def prove(
    session: Session,
    vault: WorkerVault,
    settings: Settings,
    number: str,
    proof: Proof,
    who: Operator,
    now: datetime,
) -> None:
    """Record how identity was proven, for a second person to confirm.

    Raises Refused and those of `records.locked`.
    """
    row, record = records.locked(session, vault, number)
    if record.state not in PROVABLE:
        raise Refused(_NOT_PROVABLE[record.state])
    if sign_in_name(proof.new) == sign_in_name(proof.owner.profile.address):
        raise Refused(
            "The new address is the one that the account has. Give the one that the person reaches."
        )
    record.state = State.PROVED
    record.account, record.store_id = proof.owner.account.id.hex(), proof.owner.store_id
    record.old, record.new = proof.owner.profile.address, proof.new
    record.how, record.remove_factors = proof.how, proof.remove_factors
    record.taken_by, record.proved_at = who.user, _moment(now)
    records.store(row, vault, record, settings.accounts.case_cooling, now)
    records.write_audit(session, vault, "prove", number, now, who)


def confirm(
    session: Session,
    vault: WorkerVault,
    settings: Settings,
    number: str,
    proof: str,
    who: Operator,
    now: datetime,
) -> Record:
    """Confirm a proof as a second person: mail the new address, and every old one. Return the case.

    `proof` is the mark of what that person read (`mark_of`): the first one must not replace it in between.
    Raises Refused and those of `records.locked`.
    """
    row, record = records.locked(session, vault, number)
    if record.state is not State.PROVED:
        raise Refused(_NOT_CONFIRMABLE[record.state])
    if who.user == record.taken_by:
        raise Refused(
            f"{who.user} recorded the proof, so somebody else must confirm it: a person with a login of "
            "their own."
        )
    if proof != mark_of(vault, number, record):
        raise Refused(
            f"{'The proof was recorded anew since you read it' if proof else 'Read the proof first'}: "
            f"portal cases show {number} --reason T. It says how to confirm exactly that."
        )
    account_id = bytes.fromhex(record.account)
    account = state.of_store(session, account_id, settings.identity.store)
    try:
        profile = state.owner(session, vault, account_id)
    except (AccountMissing, VaultError):
        account = None
    if account is None or sign_in_name(profile.address) != sign_in_name(record.old):
        raise Refused("The account is gone, or has another address now. Record the proof again.")
    record.state, record.turn = State.CONFIRMED, record.turn + 1
    record.confirmed_by, record.confirmed_at = who.user, _moment(now)
    record.version = account.version
    record.seen_at, record.cooled, record.verified_at = "", 0, ""
    mailing.mail_all(session, vault, settings, number, record, profile, now)
    records.store(row, vault, record, settings.accounts.case_cooling, now)
    records.write_audit(session, vault, "confirm", number, now, who)
    return record


def close(
    session: Session,
    vault: WorkerVault,
    cooling: timedelta,
    number: str,
    reason: str,
    who: Operator,
    now: datetime,
) -> None:
    """Close a case; its links stop working. Raises Refused and those of `records.locked`."""
    row, record = records.locked(session, vault, number)
    if record.state is State.CLOSED:
        raise Refused("This case is closed already.")
    mailing.end_links(session, vault, record)
    record.state, record.closed_at, record.closed_by = State.CLOSED, _moment(now), who.user
    record.reason = reason
    records.store(row, vault, record, cooling, now)
    records.write_audit(session, vault, "close", number, now, who, reason=reason)


def is_builtin(settings: Settings) -> bool:
    """Return whether the portal itself changes the address of an account."""
    return settings.identity.store == BUILTIN


def _moment(now: datetime) -> str:
    return now.isoformat(timespec="seconds")


_OVER = {
    State.STOPPED: "This case was stopped. Close it; the person can open another.",
    State.CHANGED: "This case is done: the link is at the new address. Close it.",
    State.CLOSED: "This case is closed. The person can open another.",
}
_NOT_PROVABLE = _OVER | {
    State.CONFIRMED: "This case is confirmed, and its mails are on their way. To start again, close it."
}
_NOT_CONFIRMABLE = _OVER | {
    State.OPENED: "Nobody has recorded how identity was proven: portal cases prove NUMBER",
    State.UNVERIFIED: "The new address was not confirmed in time. Record the proof again: portal cases prove",
    State.CONFIRMED: "This case is confirmed already.",
}
