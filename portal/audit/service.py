"""Write, sign and verify the chain of what commands and jobs did (ASVS 5.0, 16.4)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from hmac import compare_digest

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit.models import HASH_BYTES, AuditCheckpoint, AuditEntry, AuditHead

HEAD = 1
GENESIS = bytes(HASH_BYTES)
_PAGE = 1000


class ChainBroken(Exception):
    """The log was altered; the message names the first entry that does not fit."""


@dataclass(frozen=True)
class Verified:
    """What a verification saw: the number of entries, and up to which a signed checkpoint vouches."""

    entries: int
    signed_up_to: int


def record(
    session: Session, action: str, subject: str, details: Mapping[str, str | int | bool | None], now: datetime
) -> int:
    """Append one entry in the caller's transaction and return its number.

    `action` is `feature.verb`; `subject` names a public thing (a slug, a version); nothing about a person goes in.
    """
    head = session.get(AuditHead, HEAD, with_for_update=True, populate_existing=True)
    if head is None:
        message = "the audit log has no head: the database is not migrated"
        raise ChainBroken(message)
    text = json.dumps(dict(details), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    entry = AuditEntry(
        number=head.number + 1,
        at=now,
        action=action,
        subject=subject,
        details=text,
        previous=head.digest,
        digest=b"",
    )
    entry.digest = _digest(entry)
    session.add(entry)
    head.number, head.digest = entry.number, entry.digest
    session.flush()
    return entry.number


def sign(session: Session, key: bytes, now: datetime) -> None:
    """Sign the head as it stands, where it moved since the last checkpoint."""
    head = session.get(AuditHead, HEAD, with_for_update=True, populate_existing=True)
    if head is None or head.number == 0 or session.get(AuditCheckpoint, head.number) is not None:
        return
    signature = _signature(key, head.number, head.digest)
    session.add(AuditCheckpoint(number=head.number, at=now, digest=head.digest, signature=signature))


def verify(session: Session, key: bytes | None = None) -> Verified:
    """Walk the whole chain, in a session of `Database.snapshot`.

    Raises ChainBroken at the first entry that was altered, removed or put in between.
    """
    previous, number, signed = GENESIS, 0, 0
    checkpoints = {row.number: row for row in session.scalars(select(AuditCheckpoint))}
    while True:
        page = list(
            session.scalars(
                select(AuditEntry).where(AuditEntry.number > number).order_by(AuditEntry.number).limit(_PAGE)
            )
        )
        for entry in page:
            number += 1
            if entry.number != number or entry.previous != previous or entry.digest != _digest(entry):
                raise ChainBroken(f"entry {number} was altered or removed")
            previous = entry.digest
            checkpoint = checkpoints.pop(number, None)
            if checkpoint is not None:
                _check(checkpoint, entry, key)
                signed = number
        if len(page) < _PAGE:
            break
    head = session.get(AuditHead, HEAD)
    if head is None or head.number != number or head.digest != previous or checkpoints:
        raise ChainBroken(f"the log ends at entry {number}, which is not where it ended when it was written")
    return Verified(number, signed)


def _check(checkpoint: AuditCheckpoint, entry: AuditEntry, key: bytes | None) -> None:
    genuine = key is None or compare_digest(checkpoint.signature, _signature(key, checkpoint.number, checkpoint.digest))
    if checkpoint.digest != entry.digest or not genuine:
        raise ChainBroken(f"the signed checkpoint at entry {entry.number} does not fit")


def _digest(entry: AuditEntry) -> bytes:
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    content = json.dumps([entry.number, at, entry.action, entry.subject, entry.details], ensure_ascii=False)
    return blake2b(entry.previous + content.encode(), digest_size=HASH_BYTES, person=b"portal audit").digest()


def _signature(key: bytes, number: int, digest: bytes) -> bytes:
    return blake2b(number.to_bytes(8) + digest, key=key, digest_size=HASH_BYTES).digest()
