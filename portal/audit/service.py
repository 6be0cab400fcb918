"""Append to, sign and verify the audit log's hash chain (ASVS 5.0, 16.4)."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from hmac import compare_digest
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from portal.audit.models import HASH_BYTES, AuditCheckpoint, AuditEntry, AuditHead
from portal.core.db import AUDITED

HEAD = 1
GENESIS = bytes(HASH_BYTES)
_PAGE = 1000
_MARK = re.compile(r"([1-9][0-9]*): ?([0-9a-f]{16})")


class ChainBroken(Exception):
    """The log was altered; the message names the first entry that does not match."""


@dataclass(frozen=True)
class Mark:
    """A reference to an entry, kept outside the database: its number and the first 8 digest bytes in hex."""

    number: int
    digest: str

    @classmethod
    def of(cls, number: int, digest: bytes) -> "Mark":
        """Return the mark of an entry."""
        return cls(number, digest[:8].hex())

    @classmethod
    def parse(cls, text: str) -> "Mark":
        """Parse `NUMBER:DIGEST`. Raises ValueError."""
        match = _MARK.fullmatch(text.lower())
        if match is None:
            message = "must be an entry's number, a colon and 16 hexadecimal digits"
            raise ValueError(message)
        return cls(int(match[1]), match[2])

    def __str__(self) -> str:
        """Return `NUMBER:DIGEST`."""
        return f"{self.number}:{self.digest}"


@dataclass(frozen=True)
class Verified:
    """The result of a verification: the last entry (number 0 if there is none), and the last signed entry."""

    last: Mark
    signed_up_to: int

    @property
    def entries(self) -> int:
        """The number of entries."""
        return self.last.number


def record(
    session: Session, action: str, subject: str, details: Mapping[str, str | int | bool | None], now: datetime
) -> int:
    """Append one entry in the caller's transaction; return its number.

    `action` is `feature.verb`; `subject` names a public thing (a slug, a version). Nothing about a person may
    be recorded. What the session knows of who acts (`Database.acting`) is added to the details, and overrides
    them. Raises ChainBroken if the head row is missing.
    """
    head = _locked_head(session)
    text = json.dumps(
        dict(details) | session.info.get(AUDITED, {}),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
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


def number_since(session: Session, action: str, since: datetime) -> int:
    """Return how many entries of an action there are since a time."""
    lately = (AuditEntry.action == action) & (AuditEntry.at > since)
    return session.scalar(select(func.count()).select_from(AuditEntry).where(lately)) or 0


def newest(
    session: Session, limit: int, action: str | None = None, since: datetime | None = None
) -> list[AuditEntry]:
    """Return the newest entries, the last first, of one action or all; they are not verified."""
    entries = select(AuditEntry).order_by(AuditEntry.number.desc()).limit(limit)
    if action is not None:
        entries = entries.where(AuditEntry.action == action)
    if since is not None:
        entries = entries.where(AuditEntry.at >= since)
    return list(session.scalars(entries))


def newest_of(session: Session, subject: str, actions: tuple[str, ...]) -> AuditEntry | None:
    """Return the newest entry about a subject that is one of these actions, or None; it is not verified."""
    about = (AuditEntry.subject == subject) & AuditEntry.action.in_(actions)
    return session.scalar(select(AuditEntry).where(about).order_by(AuditEntry.number.desc()).limit(1))


def every_of(session: Session, subject: str, actions: tuple[str, ...]) -> list[AuditEntry]:
    """Return the entries about a subject that are one of these actions, oldest first; none is verified."""
    about = (AuditEntry.subject == subject) & AuditEntry.action.in_(actions)
    return list(session.scalars(select(AuditEntry).where(about).order_by(AuditEntry.number)))


def recent_of(session: Session, subject: str, action: str, since: datetime) -> list[AuditEntry]:
    """Return the entries of an action about a subject after a time; they are not verified."""
    about = (AuditEntry.subject == subject) & (AuditEntry.action == action)
    return list(session.scalars(select(AuditEntry).where(about, AuditEntry.at > since)))


def newest_with(session: Session, subject: str, name: str, before: int | None = None) -> AuditEntry | None:
    """Return the newest entry about a subject whose details have this name, or None; it is not verified.

    `before` is the number of an entry: only older ones count.
    """
    about = (AuditEntry.subject == subject) & _has(name)
    if before is not None:
        about &= AuditEntry.number < before
    return session.scalar(select(AuditEntry).where(about).order_by(AuditEntry.number.desc()).limit(1))


def details_with(session: Session, name: str) -> Iterator[str]:
    """Yield the details, as JSON, of all entries that have this name in them; they are not verified."""
    found = select(AuditEntry.details).where(_has(name)).execution_options(yield_per=_PAGE)
    yield from session.scalars(found)


def newest_of_each(session: Session, prefix: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield each subject of actions that begin with `prefix`, its newest action, and that one's details."""
    begins = AuditEntry.action.startswith(prefix, autoescape=True)
    found = select(AuditEntry.subject, AuditEntry.action, AuditEntry.details).where(begins)
    newest = {row.subject: row for row in session.execute(found.order_by(AuditEntry.number))}
    for subject, row in newest.items():
        yield subject, row.action, json.loads(row.details)


def sign(session: Session, key: bytes, now: datetime) -> Mark | None:
    """Sign the entries after the last checkpoint, in a transaction of its own; return the last one signed.

    Every entry is first verified to follow from the last signed one; raises ChainBroken otherwise. One call
    signs at most a page of entries, so that writers wait only briefly. None: the whole log is signed.
    """
    head = _locked_head(session)
    number, digest = 0, GENESIS
    last = session.scalar(select(AuditCheckpoint).order_by(AuditCheckpoint.number.desc()).limit(1))
    if last is not None:
        _check(last, session.get(AuditEntry, last.number), key)
        number, digest = last.number, last.digest
    following = list(islice(_follow(session, number, digest), _PAGE))
    if following:
        number, digest = following[-1].number, following[-1].digest
    more = len(following) == _PAGE and number < head.number
    if not more and (number, digest) != (head.number, head.digest):
        raise ChainBroken(_wrong_end(number))
    if not following:
        return None
    session.add(
        AuditCheckpoint(number=number, at=now, digest=digest, signature=_signature(key, number, digest))
    )
    return Mark.of(number, digest)


def verify(session: Session, key: bytes | None = None, holds: Iterable[Mark] = ()) -> Verified:
    """Verify the whole chain, in a session of `Database.snapshot`.

    `holds` are entries noted down outside the database: someone who can write the database can replace the
    log with another valid chain, which lacks them. Without `key`, signatures are not verified. Raises
    ChainBroken at the first entry that was altered, removed or inserted, and for a missing entry of `holds`.
    """
    number, digest, signed = 0, GENESIS, 0
    missed = set(holds)
    checkpoints = {row.number: row for row in session.scalars(select(AuditCheckpoint))}
    for entry in _follow(session, number, digest):
        number, digest = entry.number, entry.digest
        missed.discard(Mark.of(number, digest))
        checkpoint = checkpoints.pop(number, None)
        if checkpoint is not None:
            _check(checkpoint, entry, key)
            signed = number
    head = session.get(AuditHead, HEAD)
    if head is None or head.number != number or head.digest != digest or checkpoints:
        raise ChainBroken(_wrong_end(number))
    if missed:
        raise ChainBroken(f"entry {min(mark.number for mark in missed)} is not the one given with --holds")
    return Verified(Mark.of(number, digest), signed)


def _has(name: str) -> ColumnElement[bool]:
    return AuditEntry.details.contains(f'"{name}":', autoescape=True)


def _locked_head(session: Session) -> AuditHead:
    head = session.get(AuditHead, HEAD, with_for_update=True)
    if head is None:
        message = "the head row is missing: run portal db upgrade; if that was done, the row was removed"
        raise ChainBroken(message)
    return head


def _follow(session: Session, number: int, previous: bytes) -> Iterator[AuditEntry]:
    """Yield the entries after `number`, each verified to follow the one before. Raises ChainBroken."""
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
            yield entry
        if len(page) < _PAGE:
            return


def _wrong_end(number: int) -> str:
    return f"the log ends at entry {number}, but its head or a checkpoint says otherwise"


def _check(checkpoint: AuditCheckpoint, entry: AuditEntry | None, key: bytes | None) -> None:
    genuine = key is None or compare_digest(
        checkpoint.signature, _signature(key, checkpoint.number, checkpoint.digest)
    )
    if not genuine or entry is None or not checkpoint.digest == entry.digest == _digest(entry):
        raise ChainBroken(f"the signed checkpoint at entry {checkpoint.number} does not match")


def _digest(entry: AuditEntry) -> bytes:
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    content = json.dumps([entry.number, at, entry.action, entry.subject, entry.details], ensure_ascii=False)
    return blake2b(entry.previous + content.encode(), digest_size=HASH_BYTES, person=b"portal audit").digest()


def _signature(key: bytes, number: int, digest: bytes) -> bytes:
    return blake2b(number.to_bytes(8) + digest, key=key, digest_size=HASH_BYTES).digest()
