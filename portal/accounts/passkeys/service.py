"""Add, list, rename and remove the passkeys of an account, and check what one of them signed.

There is nothing to guess: a credential id and a signature have 128 bits and more. So no try is counted, and
nothing is stored before a signature was right.
"""

import logging
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.accounts.activity import service as activity
from portal.accounts.factors import proofs
from portal.accounts.passkeys import challenges, stored
from portal.accounts.passkeys.challenges import Asked, ChallengeInvalid
from portal.accounts.passkeys.models import Passkey
from portal.accounts.passkeys.stored import Content
from portal.core import db
from portal.core.db import new_id
from portal.crypto.vault import VaultError, WebVault
from portal.crypto.webauthn import AnswerInvalid, RelyingParty, challenge_of, read_assertion
from portal.intake import service as intake

log = logging.getLogger("portal.passkeys")

MOST = 20
NAME_LENGTH = 40
CHANGED = "passkey-changed"
ADDED, REMOVED, STOPPED = "added", "removed", "stopped"


class NotAdded(Exception):
    """The passkey was not stored: the answer is none to what was asked, or there are too many."""


class TooLarge(NotAdded):
    """Nothing was stored: the passkey, with its name, is longer than a row holds."""


@dataclass(frozen=True)
class Listed:
    """One passkey as shown to its owner. `stopped`: it is refused for good, because a copy may be about."""

    id: bytes
    name: str
    added_on: date
    used_on: date | None
    stopped: bool


@dataclass(frozen=True)
class Proof:
    """A passkey signed: whose it is. `address` is known where the browser told the passkey's user handle."""

    passkey_id: bytes
    account_id: bytes
    address: str | None = field(repr=False)


def count(session: Session, account_id: bytes) -> int:
    """Return how many passkeys an account has."""
    return (
        session.scalar(select(func.count()).select_from(Passkey).where(Passkey.account_id == account_id)) or 0
    )


def listed(session: Session, vault: WebVault, account_id: bytes) -> list[Listed]:
    """Return an account's passkeys, the newest first."""
    found = [
        Listed(row_id, content.name, content.added_on, content.used_on, content.stopped)
        for row_id, content in _contents(session, vault, account_id).items()
    ]
    return sorted(found, key=lambda one: (one.added_on, one.id), reverse=True)


def creation(
    session: Session,
    vault: WebVault,
    party: RelyingParty,
    asked: Asked,
    label: str,
    now: datetime,
) -> dict[str, Any]:
    """Return what the browser needs to make a passkey; nothing is stored.

    Each passkey has a user handle of its own, which follows from the challenge: only its authenticator keeps
    it.
    """
    contents = _contents(session, vault, asked.account_id).values()
    challenge = challenges.new(vault, asked, now)
    handle = stored.handle_of(challenges.seed_of(challenge))
    return party.creation(challenge, handle, label, [content.credential_id for content in contents])


def add(
    session: Session,
    vault: WebVault,
    party: RelyingParty,
    answer: str,
    asked: Asked,
    *,
    address: str,
    name: str,
    language: str,
    now: datetime,
) -> bytes:
    """Store the passkey of an answer to `creation`, have its owner told, and return its id.

    Raises NotAdded, of which TooLarge is one kind. Then roll back what the transaction did.
    """
    try:
        challenge = challenge_of(answer)
        genuine = challenges.check(vault, asked, challenge, now)
        new = party.register(answer, challenge)
    except (AnswerInvalid, ChallengeInvalid) as error:
        raise NotAdded from error
    if count(session, asked.account_id) >= MOST or not challenges.spend(session, genuine.number, now):
        raise NotAdded
    row_id, public = new_id(), stored.public_of(stored.handle_of(genuine.seed))
    content = Content(
        new.credential,
        public,
        name[:NAME_LENGTH],
        now.date(),
        sign_count=new.sign_count,
        backed_up=new.backed_up,
        transports=new.transports,
    )
    if not stored.fits(content):
        raise TooLarge
    inserted = session.execute(
        db.insert(session, Passkey)
        .values(
            id=row_id,
            account_id=asked.account_id,
            credential=_key(vault, new.credential_id),
            content=stored.encrypt(vault, row_id, content),
            address=stored.seal_address(public, row_id, address),
        )
        .on_conflict_do_nothing(index_elements=[Passkey.credential])
        .returning(Passkey.id)
    )
    if inserted.first() is None:
        raise NotAdded
    _tell(session, vault, asked.account_id, row_id, ADDED, language, now)
    return row_id


def rename(session: Session, vault: WebVault, account_id: bytes, passkey_id: bytes, name: str) -> bool:
    """Give a passkey another name; return whether the account still has it. Raises TooLarge."""
    found = _of_account(session, vault, account_id, passkey_id)
    if found is None:
        return False
    renamed = replace(found, name=name[:NAME_LENGTH])
    if not stored.fits(renamed):
        raise TooLarge
    _store(session, vault, passkey_id, renamed)
    return True


def remove(
    session: Session, vault: WebVault, account_id: bytes, passkey_id: bytes, language: str, now: datetime
) -> bool:
    """Remove a passkey and have its owner told; return whether the account still had it."""
    removed = session.execute(
        delete(Passkey)
        .where(Passkey.account_id == account_id, Passkey.id == passkey_id)
        .returning(Passkey.id)
    ).first()
    if removed is not None:
        _tell(session, vault, account_id, passkey_id, REMOVED, language, now)
    return removed is not None


def readdress(session: Session, vault: WebVault, account_id: bytes, address: str) -> None:
    """Seal an account's new address to its passkeys, which a sign-in with one then shows."""
    for row_id, content in _contents(session, vault, account_id).items():
        sealed = stored.seal_address(content.public, row_id, address)
        session.execute(update(Passkey).where(Passkey.id == row_id).values(address=sealed))


def open_request(vault: WebVault, party: RelyingParty, asked: Asked, now: datetime) -> dict[str, Any]:
    """Return what the browser needs to ask for any passkey that it has for this site; nothing is stored."""
    return party.request(challenges.new(vault, asked, now), {})


def request(
    session: Session, vault: WebVault, party: RelyingParty, asked: Asked, now: datetime
) -> dict[str, Any]:
    """Return what the browser needs to ask for a passkey of one account; nothing is stored."""
    contents = _contents(session, vault, asked.account_id).values()
    allowed = {content.credential_id: content.transports for content in contents}
    return party.request(challenges.new(vault, asked, now), allowed)


def verify(
    session: Session,
    vault: WebVault,
    party: RelyingParty,
    answer: str,
    asked: Asked,
    *,
    language: str,
    now: datetime,
) -> Proof | None:
    """Return whose passkey answered `request`, or None whatever is wrong with the answer. Commit either way.

    A passkey whose sign count went back was copied, or its authenticator broke: it is refused from then on,
    every session of the account ends, and its owner is told. Passkeys that several devices share do not
    count.
    """
    try:
        given = read_assertion(answer)
        genuine = challenges.check(vault, asked, given.challenge, now)
        found = _by_credential(session, vault, given.credential_id)
        if found is None or (asked.account_id and found[0].account_id != asked.account_id):
            return None
        row, content = found
        signed = party.check(given, content.credential)
        # Another passkey's handle opens nothing.
        handle = given.user_handle
        address = None if handle is None else stored.open_address(handle, row.id, row.address)
    except (AnswerInvalid, ChallengeInvalid, VaultError):
        return None
    if content.stopped or not challenges.spend(session, genuine.number, now):
        return None
    counts = signed.sign_count or content.sign_count
    if counts and signed.sign_count <= content.sign_count:
        log.error(
            "passkeys: sign count of passkey %s went from %d back to %d, so it was copied or its device is "
            "broken; it is refused from now on, and its owner is told",
            row.id.hex(),
            content.sign_count,
            signed.sign_count,
        )
        _store(session, vault, row.id, replace(content, stopped=True))
        # Who has the copy may have signed in with it before: nothing tells those sessions apart.
        accounts.end_sessions(session, row.account_id)
        proofs.end_all(session, row.account_id)
        _tell(session, vault, row.account_id, row.id, STOPPED, language, now)
        return None
    used = replace(content, sign_count=signed.sign_count, backed_up=signed.backed_up, used_on=now.date())
    _store(session, vault, row.id, used)
    return Proof(row.id, row.account_id, address)


def exists(session: Session, vault: WebVault, proof: Proof) -> bool:
    """Return whether the passkey of a proof is still there and in use."""
    found = _of_account(session, vault, proof.account_id, proof.passkey_id)
    return found is not None and not found.stopped


def _by_credential(session: Session, vault: WebVault, credential_id: bytes) -> tuple[Passkey, Content] | None:
    """Return a passkey by the id that its authenticator sends, locked until the transaction ends."""
    query = select(Passkey).where(Passkey.credential == _key(vault, credential_id)).with_for_update()
    row = session.scalar(query)
    return None if row is None else (row, stored.decrypt(vault, row.id, row.content))


def _of_account(session: Session, vault: WebVault, account_id: bytes, passkey_id: bytes) -> Content | None:
    query = select(Passkey).where(Passkey.account_id == account_id, Passkey.id == passkey_id)
    row = session.scalar(query.with_for_update())
    try:
        return None if row is None else stored.decrypt(vault, row.id, row.content)
    except VaultError:
        return None


def _contents(session: Session, vault: WebVault, account_id: bytes) -> dict[bytes, Content]:
    """Return an account's passkeys by id; rows that were tampered with are logged and missing."""
    rows = session.execute(select(Passkey.id, Passkey.content).where(Passkey.account_id == account_id))
    found = {}
    for row_id, blob in rows:
        try:
            found[row_id] = stored.decrypt(vault, row_id, blob)
        except VaultError:
            log.error("passkeys: passkey %s does not decrypt, it is ignored", row_id.hex())
    return found


def _store(session: Session, vault: WebVault, passkey_id: bytes, content: Content) -> None:
    encrypted = stored.encrypt(vault, passkey_id, content)
    session.execute(update(Passkey).where(Passkey.id == passkey_id).values(content=encrypted))


def _tell(
    session: Session,
    vault: WebVault,
    account_id: bytes,
    passkey_id: bytes,
    change: str,
    language: str,
    now: datetime,
) -> None:
    """Record what became of a passkey, and have the worker tell the owner."""
    activity.record(session, vault, account_id, activity.Kind(change), now)
    fields = {
        "account": account_id.hex(),
        "passkey": passkey_id.hex(),
        "change": change,
        "language": language,
    }
    intake.submit(session, vault, CHANGED, fields, now)


def _key(vault: WebVault, credential_id: bytes) -> bytes:
    return vault.bucket("passkey credential", credential_id.hex())
