"""Look up a typed address, and pack the answer for the page.

Candidates are found by the fold of the address; what is answered, and to which mailbox, depends on the stored
address. An answer is small, complete, and identical for the same address, incident and list.
"""

import json
import logging
from base64 import b32encode
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from portal.core.addresses import one_mailbox
from portal.crypto.vault import VaultError, WorkerVault
from portal.datakinds.taxonomy import DataClass, worst_first
from portal.exposure import service
from portal.exposure.models import ExposedPerson, ExposureList
from portal.exposure.people import Indexer, Person, classes_of, names

log = logging.getLogger("portal.exposure")

ROWS = 32  # more than ever share one fold, so that one statement fetches them all
MAX_BYTES = 4000
MAX_LABEL = 40
_REFERENCE_PURPOSE = "answer-reference"
_REFERENCE_LENGTH = 10


class Outcome(IntEnum):
    """The result for one incident. A failed lookup is never reported as NOT_LISTED."""

    AFFECTED = 1
    NOT_LISTED = 2
    NOT_CHECKED = 3
    OTHER_SPELLING = 4
    UNREADABLE = 5


_ORDER = (
    Outcome.AFFECTED,
    Outcome.OTHER_SPELLING,
    Outcome.UNREADABLE,
    Outcome.NOT_CHECKED,
    Outcome.NOT_LISTED,
)


@dataclass(frozen=True)
class Candidates:
    """The people of one incident's active list who share the fold of the typed address.

    `list_number` is None if the list could not be searched; `damaged` is True if a row with this fold
    does not open.
    """

    incident_id: bytes
    list_number: int | None
    as_of: datetime | None
    people: tuple[Person, ...]
    damaged: bool = False


@dataclass(frozen=True)
class Finding:
    """The result for one incident, as sent to the mailbox that gets the answer."""

    incident_id: bytes
    list_number: int | None
    as_of: datetime | None
    outcome: Outcome
    people: tuple[Person, ...] = ()


def candidates(
    session: Session, vault: WorkerVault, incident_ids: list[bytes], address: str
) -> list[Candidates]:
    """Look up an address in the active list of each incident, with the same statements for every address."""
    return candidates_of_fold(session, vault, incident_ids, Indexer(vault).fold(address))


def candidates_of_fold(
    session: Session, vault: WorkerVault, incident_ids: list[bytes], fold: bytes
) -> list[Candidates]:
    """Look up the addresses of a fold (`Indexer.fold`) in the active list of each incident.

    A list that cannot be read counts as not searched. If only the row of this person does not open,
    nothing but the answer may show it, not even the log: an attacker who can write the table could
    otherwise damage every row, check an address, and see from our reaction that it is listed.
    `jobs.inspect` looks for such rows instead.
    """
    versions = service.verified_active(session, vault, incident_ids)
    found = []
    for incident_id in incident_ids:
        version = versions.get(incident_id)
        if version is None:
            found.append(Candidates(incident_id, None, None, ()))
            continue
        try:
            people, damaged = _people(session, vault, version, fold)
        except (VaultError, service.ListDestroyed) as error:
            log.error(
                "exposure: list version %s, incident %s, cannot be read (%s), its checks are held; "
                "run: portal doctor",
                version.number,
                incident_id.hex(),
                type(error).__name__,
            )
            found.append(Candidates(incident_id, None, None, ()))
            continue
        found.append(Candidates(incident_id, version.number, version.imported_at, people, damaged))
    return found


def _people(
    session: Session, vault: WorkerVault, version: ExposureList, fold: bytes
) -> tuple[tuple[Person, ...], bool]:
    """Return the people with a fold, and whether a row with it does not open.

    Fetches a fixed number of rows, starting where the fold would be, whether anyone has it or not: the
    statistics of a database server show how many rows were fetched. Raises ListDestroyed, VaultError.
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
        ):  # TypeError: SQLite stores any type, so a forged cell may hold no bytes
            return tuple(people), True
        if len(rows) < ROWS:
            return tuple(people), False
        after = rows[-1].person_key


def recipient(address: str, found: list[Candidates]) -> str | None:
    """Return the mailbox that gets the answer, or None if no mail may be sent.

    This is the typed address if it is stored in exactly this spelling, otherwise its stored spelling. If
    nobody is found, it is the typed address, provided that it is ASCII (RFC 5321): its fold then belongs
    to nobody on a list.
    """
    stored = {person.address for candidate in found for person in candidate.people}
    if address in stored:
        return address
    if stored:
        return min(stored)
    return address if address.isascii() else None


def findings(mailbox: str, found: list[Candidates]) -> list[Finding]:
    """Return the findings for a mailbox: the people stored under exactly its address.

    If the provider is known to deliver every spelling to one mailbox, people stored under any spelling count.
    """
    every_spelling = one_mailbox(mailbox.rpartition("@")[2])
    results = []
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
        results.append(
            Finding(candidate.incident_id, candidate.list_number, candidate.as_of, outcome, people)
        )
    return results


def naming(finding: Finding, references: Collection[str], name: str) -> Finding:
    """Return a finding with those of its people alone whose rows name this customer."""
    mine = tuple(person for person in finding.people if names(person, references, name))
    return replace(finding, people=mine)


def unite(present: list[Finding], past: Iterable[Finding]) -> list[Finding]:
    """Return the findings for a mailbox with the people who are listed under its owner's past addresses."""
    found: dict[bytes, list[Finding]] = defaultdict(list)
    for finding in past:
        found[finding.incident_id].append(finding)
    return [_with_past(finding, found[finding.incident_id]) for finding in present]


def _with_past(finding: Finding, past: list[Finding]) -> Finding:
    people = finding.people
    for earlier in past:
        people += tuple(person for person in earlier.people if person not in people)
    if people:
        return replace(finding, outcome=Outcome.AFFECTED, people=people)
    unreadable = any(earlier.outcome is Outcome.UNREADABLE for earlier in past)
    return replace(finding, outcome=Outcome.UNREADABLE) if unreadable else finding


@dataclass(frozen=True)
class Section:
    """One person's exposed data, most severe first; `label` distinguishes people who share an address."""

    label: str
    classes: tuple[DataClass, ...]


@dataclass(frozen=True)
class IncidentAnswer:
    """The answer about one incident; `more` counts the people who did not fit."""

    incident_id: bytes
    list_number: int | None
    as_of: datetime | None
    outcome: Outcome
    reference: str
    sections: tuple[Section, ...]
    more: int


@dataclass(frozen=True)
class Answer:
    """The complete answer to one mailbox."""

    address: str
    incidents: tuple[IncidentAnswer, ...]


def pack(vault: WorkerVault, address: str, findings: Iterable[Finding]) -> dict[str, Any]:
    """Return an answer as JSON data of at most MAX_BYTES; people who do not fit are only counted."""
    packed = [_pack_finding(vault, address, finding) for finding in findings]
    data = {"a": address, "i": packed}
    while packed_size(data) > MAX_BYTES:
        longest = max(packed, key=lambda item: len(item["p"]))
        if not longest["p"]:
            break
        longest["p"].pop()
        longest["m"] += 1
    return data


def unpack(data: dict[str, Any]) -> Answer:
    """Return the answer that `pack` packed; incidents that require action come first."""
    incidents = sorted(
        (_unpack_finding(item) for item in data["i"]), key=lambda item: _ORDER.index(item.outcome)
    )
    return Answer(data["a"], tuple(incidents))


def reference(vault: WorkerVault, address: str, finding: Finding) -> str:
    """Return the 10 base-32 characters that refer to an answer: a keyed hash of address, incident, list."""
    value = f"{address}\0{finding.incident_id.hex()}\0{finding.list_number or 0}"
    digest = vault.list_index(_REFERENCE_PURPOSE, value)
    return b32encode(digest).decode()[:_REFERENCE_LENGTH]


def _pack_finding(vault: WorkerVault, address: str, finding: Finding) -> dict[str, Any]:
    people = sorted(finding.people, key=lambda person: (person.name, person.account_ref, person.address))
    return {
        "i": finding.incident_id.hex(),
        "n": finding.list_number,
        "t": int(finding.as_of.timestamp()) if finding.as_of else None,
        "o": int(finding.outcome),
        "r": reference(vault, address, finding),
        "p": [[_label(person, address, alone=len(people) == 1), f"{person.classes:x}"] for person in people],
        "m": 0,
    }


def _unpack_finding(item: dict[str, Any]) -> IncidentAnswer:
    return IncidentAnswer(
        incident_id=bytes.fromhex(item["i"]),
        list_number=item["n"],
        as_of=datetime.fromtimestamp(item["t"], UTC) if item["t"] is not None else None,
        outcome=Outcome(item["o"]),
        reference=item["r"],
        sections=tuple(
            Section(label, worst_first(c.name for c in classes_of(int(bitmap, 16))))
            for label, bitmap in item["p"]
        ),
        more=item["m"],
    )


def _label(person: Person, address: str, *, alone: bool) -> str:
    """Return a label: the name, the last four characters of the account_ref, or the stored spelling."""
    if alone and person.address == address:
        return ""
    if person.name:
        return person.name[:MAX_LABEL]
    if person.account_ref:
        return f"…{person.account_ref[-4:]}"
    return person.address[:MAX_LABEL] if person.address != address else ""


def packed_size(data: dict[str, Any]) -> int:
    """Return the size of packed data as compact JSON, in bytes of UTF-8."""
    return len(json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode())
