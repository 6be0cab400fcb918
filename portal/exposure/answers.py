"""The answer as it travels to the page: small, complete, and the same for the same address, incident and list."""

import json
from base64 import b32encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from portal.crypto.vault import WorkerVault
from portal.datakinds.taxonomy import DataClass, worst_first
from portal.exposure.matching import Finding, Outcome
from portal.exposure.people import Person, classes_of

MAX_BYTES = 4000
MAX_LABEL = 40
_ORDER = (
    Outcome.AFFECTED,
    Outcome.OTHER_SPELLING,
    Outcome.UNREADABLE,
    Outcome.NOT_CHECKED,
    Outcome.NOT_LISTED,
)
_REFERENCE_PURPOSE = "answer-reference"
_REFERENCE_LENGTH = 10


@dataclass(frozen=True)
class Section:
    """One person's exposed data, worst first; `label` tells people who share an address apart."""

    label: str
    classes: tuple[DataClass, ...]


@dataclass(frozen=True)
class IncidentAnswer:
    """What the page tells about one incident; `more` counts people for whom there was no room."""

    incident_id: bytes
    list_number: int | None
    as_of: datetime | None
    outcome: Outcome
    reference: str
    sections: tuple[Section, ...]
    more: int


@dataclass(frozen=True)
class Answer:
    """What one mailbox is told."""

    address: str
    incidents: tuple[IncidentAnswer, ...]


def pack(vault: WorkerVault, address: str, findings: Iterable[Finding]) -> dict[str, Any]:
    """Return an answer as the data of a reply. Where many people share an address, the last ones become a count."""
    told = [_pack_finding(vault, address, finding) for finding in findings]
    data = {"a": address, "i": told}
    while packed_size(data) > MAX_BYTES:
        longest = max(told, key=lambda item: len(item["p"]))
        if not longest["p"]:
            break
        longest["p"].pop()
        longest["m"] += 1
    return data


def unpack(data: dict[str, Any]) -> Answer:
    """Return the answer that `pack` packed; what needs something done comes first."""
    incidents = sorted(
        (_unpack_finding(item) for item in data["i"]), key=lambda item: _ORDER.index(item.outcome)
    )
    return Answer(data["a"], tuple(incidents))


def reference(vault: WorkerVault, address: str, finding: Finding) -> str:
    """Return the reference number of an answer: the same for the same address, incident and list."""
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
    """Tell people of one mailbox apart by name, else by the end of the customer number, else by the stored spelling."""
    if alone and person.address == address:
        return ""
    if person.name:
        return person.name[:MAX_LABEL]
    if person.account_ref:
        return f"…{person.account_ref[-4:]}"
    return person.address[:MAX_LABEL] if person.address != address else ""


def packed_size(data: dict[str, Any]) -> int:
    return len(json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode())
