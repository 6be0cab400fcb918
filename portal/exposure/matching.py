"""Whom a typed address finds: folds find candidates; what is told, and where, goes by the stored address."""

import logging
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from portal.core.addresses import one_mailbox
from portal.crypto.vault import VaultError, WorkerVault
from portal.exposure import service
from portal.exposure.models import ExposedPerson, ExposureList
from portal.exposure.people import Indexer, Person

log = logging.getLogger("portal.exposure")

ROWS = 32  # more than ever share one fold, so that one statement finds them all


class Outcome(IntEnum):
    """What is told about one incident. A failure to look is never told as NOT_LISTED."""

    AFFECTED = 1
    NOT_LISTED = 2
    NOT_CHECKED = 3
    OTHER_SPELLING = 4
    UNREADABLE = 5


@dataclass(frozen=True)
class Candidates:
    """Everyone of one incident's active list who has the typed address's fold; no number where nobody could look.

    `damaged` where a row that was found does not open.
    """

    incident_id: bytes
    list_number: int | None
    as_of: datetime | None
    people: tuple[Person, ...]
    damaged: bool = False


@dataclass(frozen=True)
class Finding:
    """What is told about one incident to the mailbox that the answer goes to."""

    incident_id: bytes
    list_number: int | None
    as_of: datetime | None
    outcome: Outcome
    people: tuple[Person, ...] = ()


def candidates(
    session: Session, vault: WorkerVault, incident_ids: list[bytes], address: str
) -> list[Candidates]:
    """Look an address up for each incident, by the same statements whoever is asked about.

    A list that cannot be read counts as one that could not be looked at. Where only the row of this person
    does not open, nothing but the answer may show it: whoever can write the table could else spoil every row,
    ask for an address, and see by what we do that it is listed. `jobs.inspect` looks for such rows.
    """
    versions = service.answering(session, vault, incident_ids)
    fold = Indexer(vault).fold(address)
    found = []
    for incident_id in incident_ids:
        version = versions.get(incident_id)
        if version is None:
            found.append(Candidates(incident_id, None, None, ()))
            continue
        try:
            people, damaged = _people(session, vault, version, fold)
        except (VaultError, service.ListDestroyed) as error:
            log.error("list %s cannot be read (%s)", version.id, type(error).__name__)
            found.append(Candidates(incident_id, None, None, ()))
            continue
        found.append(Candidates(incident_id, version.number, version.imported_at, people, damaged))
    return found


def _people(
    session: Session, vault: WorkerVault, version: ExposureList, fold: bytes
) -> tuple[tuple[Person, ...], bool]:
    """Return those of a fold, and whether there is one who cannot be read. Raises ListDestroyed, VaultError.

    Fetches the rows from where the fold would lie, as many whether anybody has it or not: how many rows were
    fetched is what the statistics of a database server tell whoever may look at them.
    """
    sealer = service.open_list(vault, version)
    place = tuple_(ExposedPerson.fold_index, ExposedPerson.person_key)
    people: list[Person] = []
    after = b""
    while True:
        rows = session.execute(
            select(ExposedPerson.fold_index, ExposedPerson.person_key, ExposedPerson.blob)
            .where(ExposedPerson.list_id == version.id, place > tuple_(fold, after))
            .order_by(ExposedPerson.fold_index, ExposedPerson.person_key)
            .limit(ROWS)
        ).all()
        try:
            for found, person_key, blob in rows:
                if found != fold:
                    return tuple(people), False
                people.append(sealer.open(fold + person_key, blob))
        except (
            VaultError,
            TypeError,
        ):  # TypeError: SQLite keeps whatever was put there, and that was no bytes
            return tuple(people), True
        if len(rows) < ROWS:
            return tuple(people), False
        after = rows[-1].person_key


def recipient(address: str, found: list[Candidates]) -> str | None:
    """Return the one mailbox that the answer goes to, or None where there is none that we may write to.

    The typed address where it is stored exactly so; else the stored spelling of it; else, where nobody is
    found, the typed address, if its local part is ASCII (RFC 5321): no other fold of it is anybody we know.
    """
    stored = {person.address for candidate in found for person in candidate.people}
    if address in stored:
        return address
    if stored:
        return min(stored)
    return address if address.isascii() else None


def findings(mailbox: str, found: list[Candidates]) -> list[Finding]:
    """Return what is told to a mailbox: of people stored under exactly its address.

    Where the provider is known to deliver every spelling to one mailbox, of people stored under any of them.
    """
    every_spelling = one_mailbox(mailbox.rpartition("@")[2])
    told = []
    for candidate in found:
        people = tuple(p for p in candidate.people if every_spelling or p.address == mailbox)
        if candidate.list_number is None:
            outcome = Outcome.NOT_CHECKED
        elif people:
            outcome = Outcome.AFFECTED
        elif candidate.damaged:
            outcome = Outcome.UNREADABLE
        else:
            outcome = Outcome.OTHER_SPELLING if candidate.people else Outcome.NOT_LISTED
        told.append(Finding(candidate.incident_id, candidate.list_number, candidate.as_of, outcome, people))
    return told
