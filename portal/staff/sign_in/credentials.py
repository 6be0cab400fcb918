"""What members sign in with: the worker alone stores and checks it."""

import json
import logging
import secrets
from base64 import b32encode
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from hmac import compare_digest
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from portal.core.db import insert, new_id
from portal.crypto import tokens, totp
from portal.crypto.vault import Cell, VaultError, WorkerVault
from portal.crypto.webauthn import AnswerInvalid, Assertion, Registered, RelyingParty
from portal.staff import held
from portal.staff.models import StaffCredential

log = logging.getLogger("portal.staff")

SIZES = (2048, 4096)
RECOVERY_CODES = 10
# Above what `proving.WRONG_CODES` lets through in an hour.
MOST_WRONG = 50
WRONG_SECONDS = 3600
RECOVERY_BYTES = 10  # 16 base32 characters each


class Kind(StrEnum):
    """A kind of credential. The values are stored: they stay."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    CODE = "totp"
    PASSKEY = "passkey"
    RECOVERY = "recovery"


@dataclass(frozen=True, repr=False)
class Credential:
    """One credential, decrypted."""

    id: bytes
    kind: Kind
    content: dict[str, Any]


def of(session: Session, vault: WorkerVault, member_id: bytes) -> list[Credential]:
    """Return a member's credentials, locked until the transaction ends.

    Forged ones, and earlier rows that were put back, are logged and not read.
    """
    query = select(StaffCredential).where(StaffCredential.member_id == member_id).with_for_update()
    rows = session.scalars(query).all()
    found, valid = [], held.load(session, vault)
    for row in rows:
        if not valid.has(held.key(held.CREDENTIAL, row.id), tag_of(row.kind, row.content)):
            log.error("staff: credential %s was altered or put back: ignored", row.id.hex())
            continue
        try:
            content = json.loads(vault.decrypt(_cell(row.id), row.content))
            if bytes.fromhex(content["member"]) != member_id:
                raise VaultError
            found.append(Credential(row.id, Kind(row.kind), content))
        except (VaultError, ValueError, KeyError):
            log.error("staff: credential %s was altered without the worker's keys: ignored", row.id.hex())
    return found


def set_password(
    session: Session, vault: WorkerVault, member_id: bytes, password_hash: str, now: datetime
) -> None:
    """Store a password's hash in the place of the former one."""
    _replace(session, vault, member_id, Kind.PASSWORD, {"hash": password_hash}, now)


def password_hash(found: list[Credential]) -> str | None:
    """Return the hash of a member's password, if they have one."""
    return next((str(one.content["hash"]) for one in found if one.kind is Kind.PASSWORD), None)


def set_code(
    session: Session, vault: WorkerVault, member_id: bytes, secret: str, step: int, now: datetime
) -> None:
    """Store the secret of an authenticator app, and the step of its first code, which is used up."""
    _replace(session, vault, member_id, Kind.CODE, {"secret": secret, "step": step}, now)


def use_code(
    session: Session,
    vault: WorkerVault,
    found: list[Credential],
    typed: str,
    now: datetime,
    *,
    recovery: bool = True,
) -> Kind | None:
    """Return what a typed code is, one of the app's or a recovery code, and use it up; None if it is wrong.

    A code of the app counts once (RFC 6238, 5.2), and none before it any more. `recovery`: whether a recovery
    code counts. After MOST_WRONG codes within an hour, none of the app's counts for the rest of it. That is
    kept with the secret, where the worker alone writes: who holds the console can reset every other limit.
    """
    for one in found:
        if one.kind is Kind.CODE and _wrong_codes(one, now)[1] < MOST_WRONG:
            step = totp.matching_step(str(one.content["secret"]), typed[:20], now)
            if step is not None and step > int(one.content["step"]):
                _store(session, vault, one, one.content | {"step": step})
                return Kind.CODE
        if one.kind is Kind.RECOVERY and recovery:
            digest = tokens.token_hash(tokens.normalise_code(typed[:40])).hex()
            left = [each for each in one.content["hashes"] if not compare_digest(each, digest)]
            if len(left) < len(one.content["hashes"]):
                _store(session, vault, one, one.content | {"hashes": left})
                return Kind.RECOVERY
    for one in found:
        if one.kind is Kind.CODE:
            since, wrong = _wrong_codes(one, now)
            if wrong < MOST_WRONG:
                _store(session, vault, one, one.content | {"wrong": [since, wrong + 1]})
                if wrong + 1 == MOST_WRONG:
                    log.error(
                        "staff: %d wrong codes of one member within an hour, more than limits let through: "
                        "find out who can write to the database",
                        MOST_WRONG,
                    )
    return None


def _wrong_codes(one: Credential, now: datetime) -> tuple[int, int]:
    """Return since when wrong codes are counted, in seconds since 1970, and how many there were."""
    at = int(now.timestamp())
    since, wrong = one.content.get("wrong", (at, 0))
    return (since, wrong) if 0 <= at - since < WRONG_SECONDS else (at, 0)


def make_recovery_codes(session: Session, vault: WorkerVault, member_id: bytes, now: datetime) -> list[str]:
    """Make ten recovery codes in the place of the former ones, and return them; only hashes are stored."""
    made = [
        b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _number in range(RECOVERY_CODES)
    ]
    hashes = [tokens.token_hash(one).hex() for one in made]
    _replace(session, vault, member_id, Kind.RECOVERY, {"hashes": hashes}, now)
    return made


def add_passkey(
    session: Session, vault: WorkerVault, member_id: bytes, name: str, made: Registered, now: datetime
) -> bytes:
    """Store a passkey; return its id."""
    content = {
        "name": name,
        "credential_id": made.credential_id.hex(),
        "credential": made.credential.hex(),
        "count": made.sign_count,
    }
    return _add(session, vault, member_id, Kind.PASSKEY, content, now)


def use_passkey(
    session: Session,
    vault: WorkerVault,
    party: RelyingParty,
    found: list[Credential],
    given: Assertion,
) -> Credential | None:
    """Return the passkey that answered, or None. The caller has checked the challenge.

    One whose sign count went back was copied, or its device is broken: it is refused.
    """
    named = given.credential_id.hex()
    one = next((each for each in found if each.content.get("credential_id") == named), None)
    if one is None:
        return None
    try:
        signed = party.check(given, bytes.fromhex(one.content["credential"]))
    except AnswerInvalid:
        return None
    count = int(one.content["count"])
    if (signed.sign_count or count) and signed.sign_count <= count:
        log.error(
            "staff: sign count of passkey %s went from %d back to %d, so it was copied or its device is "
            "broken; refused. To replace it: portal staff recover ADDRESS",
            one.id.hex(),
            count,
            signed.sign_count,
        )
        return None
    _store(session, vault, one, one.content | {"count": signed.sign_count})
    return one


def remove(
    session: Session, vault: WorkerVault, member_id: bytes, credential_id: bytes | None = None
) -> bool:
    """Remove one credential of a member, or all; return whether there was any."""
    mine = StaffCredential.member_id == member_id
    if credential_id is not None:
        mine &= StaffCredential.id == credential_id
    return _delete(session, vault, mine)


def kinds(found: list[Credential]) -> dict[Kind, int]:
    """Return how many credentials of each kind there are."""
    return Counter(one.kind for one in found)


def passkeys(found: list[Credential]) -> list[bytes]:
    """Return the ids under which authenticators know the passkeys among these."""
    return [bytes.fromhex(one.content["credential_id"]) for one in found if one.kind is Kind.PASSKEY]


def tag_of(kind: str, content: bytes) -> bytes:
    """Return what a credential is held by, which any other content changes: its member is in that."""
    return blake2b(kind.encode() + b"\0" + bytes(content), digest_size=held.TAG_BYTES).digest()


def _replace(
    session: Session, vault: WorkerVault, member_id: bytes, kind: Kind, content: dict[str, Any], now: datetime
) -> None:
    _delete(session, vault, (StaffCredential.member_id == member_id) & (StaffCredential.kind == kind))
    _add(session, vault, member_id, kind, content, now)


def _add(
    session: Session, vault: WorkerVault, member_id: bytes, kind: Kind, content: dict[str, Any], now: datetime
) -> bytes:
    row_id = new_id()
    encrypted = _encrypted(vault, row_id, content | {"member": member_id.hex()})
    values = {
        "id": row_id,
        "member_id": member_id,
        "kind": kind.value,
        "added_at": now,
        "content": encrypted,
    }
    session.execute(insert(session, StaffCredential).values(values))
    tag = tag_of(kind.value, encrypted)
    held.note(session, vault, {held.key(held.CREDENTIAL, row_id): tag})
    return row_id


def _store(session: Session, vault: WorkerVault, one: Credential, content: dict[str, Any]) -> None:
    encrypted = _encrypted(vault, one.id, content)
    session.execute(update(StaffCredential).where(StaffCredential.id == one.id).values(content=encrypted))
    tag = tag_of(one.kind.value, encrypted)
    held.note(session, vault, {held.key(held.CREDENTIAL, one.id): tag})


def _delete(session: Session, vault: WorkerVault, which: ColumnElement[bool]) -> bool:
    statement = delete(StaffCredential).where(which).returning(StaffCredential.id)
    gone = session.scalars(statement).all()
    if gone:
        held.note(session, vault, {held.key(held.CREDENTIAL, one): None for one in gone})
    return bool(gone)


def _encrypted(vault: WorkerVault, row_id: bytes, content: dict[str, Any]) -> bytes:
    return vault.encrypt(_cell(row_id), json.dumps(content, separators=(",", ":")).encode(), SIZES)


def _cell(row_id: bytes) -> Cell:
    return Cell("staff_credentials", "content", row_id)
