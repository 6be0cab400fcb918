"""People who are left out of an incident's notices on request, such as those who died, or staff.

It stops notices alone: on lists and in answers they stay, and another person at the same address is notified.
"""

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hmac import compare_digest

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.db import Database
from portal.crypto.vault import Cell, WorkerVault
from portal.exposure.leaving import sets as left_out_sets
from portal.exposure.models import ExposureList, LeftOut
from portal.exposure.people import ADDRESS_BYTES, Indexer, Person
from portal.exposure.service import FEW, people_after
from portal.incidents.models import Incident

log = logging.getLogger("portal.exposure")

# An address with its reference: the exact address, and the account_ref or nothing.
Who = tuple[str, str]

# Why somebody is left out: what the second person who approves a notice reads. No text of anybody's own: it
# would name people.
REASONS = ("died", "staff", "told", "asked", "file", "other")
MOST = 100_000
CHUNK = 500
# More than a tenth of a list must be meant, and a few always are.
ONE_IN = 10
FEW_AT_ANY_RATE = 10
_SIZES = (512,)
_SEPARATOR = "\x1f"


class NotLeftOut(Exception):
    """Nobody with this address and reference is left out."""


@dataclass(frozen=True)
class Matches:
    """How many people of a list are left out, and how many addresses get no notice therefore."""

    people: int
    addresses: int


def index_of(vault: WorkerVault, who: Who) -> bytes:
    """Return the blind index of a person who is left out; it equals no index of another purpose."""
    return vault.list_index("left-out", "\0".join(who))


def is_large_part(number: int, people: int) -> bool:
    """Return whether so many to leave out of so many people look like the wrong file."""
    return number > FEW_AT_ANY_RATE and number * ONE_IN > people


def add(
    session: Session,
    vault: WorkerVault,
    incident: Incident,
    people: Collection[Who],
    now: datetime,
    reason: str = "",
) -> int:
    """Leave people out of an incident's notices; return how many were not before. Writes the audit row.

    `reason` is one of REASONS, or nothing.
    """
    note_genuine(session, vault, incident.id)
    known = among(session, vault, incident.id, people)
    added = []
    for who in dict.fromkeys(people):
        if who in known:
            continue
        index = index_of(vault, who)
        sealed = vault.encrypt(_cell(incident.id, index), _SEPARATOR.join(who).encode(), _SIZES)
        row = LeftOut(incident_id=incident.id, person_index=index, person=sealed)
        row.row_mac = _row_mac(vault, row)
        session.merge(row)  # in place of a forged one
        added.append(index)
    session.flush()
    left_out_sets.change(session, vault, incident.id, added=added, reason=reason)
    details: dict[str, str | int | bool | None] = {"people": len(people), "new": len(added)}
    details |= {"reason": reason} if reason else {}
    details |= {"person": _logged(vault, people)} if len(people) == 1 else {}
    audit.record(session, "exposure.except", incident.slug, details, now)
    return len(added)


def note_genuine(session: Session, vault: WorkerVault, incident_id: bytes) -> None:
    """Have an incident's set made of those who are left out, and lock it."""
    left_out_sets.ready(session, vault, incident_id, partial(_is_genuine, vault))


def remove(session: Session, vault: WorkerVault, incident: Incident, who: Who, now: datetime) -> None:
    """Notify a person again. Writes the audit row. Raises NotLeftOut."""
    note_genuine(session, vault, incident.id)
    row = session.get(LeftOut, (incident.id, index_of(vault, who)))
    if row is None:
        raise NotLeftOut
    counted = [row.person_index] if _is_genuine(vault, row) else []
    session.delete(row)
    session.flush()
    left_out_sets.change(session, vault, incident.id, removed=counted)
    logged = _logged(vault, [who])
    audit.record(session, "exposure.except-remove", incident.slug, {"people": 1, "person": logged}, now)


def _logged(vault: WorkerVault, people: Collection[Who]) -> str:
    """Return what the log says of a single person: the same for the same address, and for nothing else.

    A notice says how many of a list are left out. Who adds and removes addresses one by one, to learn from
    that who is listed, can be told from who leaves many people out.
    """
    ((address, _ref),) = people
    return vault.list_index("left-out log", address).hex()


def among(session: Session, vault: WorkerVault, incident_id: bytes, people: Collection[Who]) -> set[Who]:
    """Return those of these people who are left out. Rows forged without the worker's keys are skipped."""
    by_index = {index_of(vault, who): who for who in people}
    found = session.scalars(
        select(LeftOut).where(LeftOut.incident_id == incident_id, LeftOut.person_index.in_(by_index))
    )
    return {by_index[row.person_index] for row in found if _is_genuine(vault, row)}


def every(db: Database, vault: WorkerVault, incident_id: bytes) -> Iterator[Who]:
    """Yield all who are left out of an incident's notices, one page per transaction, in no telling order."""
    after = b""
    while True:
        with db.read() as session:
            rows = session.scalars(
                select(LeftOut)
                .where(LeftOut.incident_id == incident_id, LeftOut.person_index > after)
                .order_by(LeftOut.person_index)
                .limit(CHUNK)
            ).all()
        for row in rows:
            if _is_genuine(vault, row):
                packed = vault.decrypt(_cell(row.incident_id, row.person_index), row.person).decode()
                address, _, ref = packed.partition(_SEPARATOR)
                yield address, ref
        if len(rows) < CHUNK:
            return
        after = rows[-1].person_index


def number(session: Session, incident_id: bytes) -> int:
    """Return how many people are left out of an incident's notices; forged rows count too."""
    mine = select(func.count()).where(LeftOut.incident_id == incident_id)
    return session.scalar(mine.select_from(LeftOut)) or 0


def matches(
    db: Database,
    vault: WorkerVault,
    version: ExposureList,
    progress: Callable[[int], object] = lambda _people: None,
) -> Matches:
    """Count who of a version is left out; `progress` is called with 1 after each.

    Raises ListDestroyed, or VaultError if its key does not open.
    """
    indexer, people, silent = Indexer(vault), 0, set()
    for who in every(db, vault, version.incident_id):
        progress(1)
        key = indexer.fold(who[0]) + indexer.person(*who)
        with db.read() as session:
            here = list(_at_address(session, vault, version, key))
            if not any(other == key for other, _ in here):
                continue
            people += 1
            if not _others(session, vault, version, [person for _, person in here]):
                silent.add(key[:ADDRESS_BYTES])
    return Matches(people, len(silent))


def of_page(
    session: Session, vault: WorkerVault, version: ExposureList, page: list[tuple[bytes, Person | None]]
) -> set[Who]:
    """Return who of a page of a version is left out."""
    people = [who_of(person) for _, person in page if person is not None]
    return among(session, vault, version.incident_id, people)


def recipient(
    session: Session,
    vault: WorkerVault,
    version: ExposureList,
    key: bytes,
    person: Person,
    silent: Collection[Who],
) -> Person | None:
    """Return who at the address of a key gets its notice, or None if all of them are left out.

    That is `person`, the first who is readable, unless they are among `silent`.
    """
    if who_of(person) not in silent:
        return person
    here = [person for _, person in _at_address(session, vault, version, key)]
    return next(iter(_others(session, vault, version, here)), None)


def _others(
    session: Session, vault: WorkerVault, version: ExposureList, people: list[Person]
) -> list[Person]:
    silent = among(session, vault, version.incident_id, [who_of(person) for person in people])
    return [person for person in people if who_of(person) not in silent]


def who_of(person: Person) -> Who:
    """Return the exact address and the reference of a person."""
    return person.address, person.account_ref


def _at_address(
    session: Session, vault: WorkerVault, version: ExposureList, key: bytes
) -> Iterator[tuple[bytes, Person]]:
    """Yield the readable people at the exact address of a key."""
    after = key[:ADDRESS_BYTES]
    while after:
        people, after = people_after(session, vault, version, after, FEW)
        for other, person in people:
            if other[:ADDRESS_BYTES] != key[:ADDRESS_BYTES]:
                return
            if person is not None:
                yield other, person


def _is_genuine(vault: WorkerVault, row: LeftOut) -> bool:
    if compare_digest(row.row_mac, _row_mac(vault, row)):
        return True
    log.error(
        "exposure: a person to leave out of the notices of incident %s was inserted or altered without the "
        "worker's keys; they are notified. Find out who can write to the database",
        row.incident_id.hex(),
    )
    return False


def _row_mac(vault: WorkerVault, row: LeftOut) -> bytes:
    return vault.row_mac("left out", row.incident_id, row.person_index, row.person)


def _cell(incident_id: bytes, index: bytes) -> Cell:
    return Cell("exposure_left_out", "person", incident_id + index)
