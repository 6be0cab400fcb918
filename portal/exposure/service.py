"""The versions of the affected lists: find, activate, compare and destroy them, and read their people."""

import logging
from collections.abc import Collection
from datetime import UTC, datetime
from hmac import compare_digest

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.faults import parsed
from portal.crypto.vault import Cell, VaultError, WorkerVault
from portal.datakinds.taxonomy import find
from portal.exposure.models import READY, ActiveList, ExposureList
from portal.exposure.people import ADDRESS_BYTES, Person, Sealer, read_page
from portal.incidents import service as incidents

log = logging.getLogger("portal.exposure")

PAGE = 500
FEW = 10


class ListNotActive(Exception):
    """No affected list is active for this incident."""


class ListActive(Exception):
    """This version is active; another one must be activated first."""


class ListNotifying(Exception):
    """A notice to this version is still being sent; without the list the rest would not get it."""


class ListUnknown(Exception):
    """There is no such version, or its import is not finished."""


class ListDestroyed(Exception):
    """The data key of the list was destroyed; the list cannot be read any more."""


def versions(session: Session, incident_id: bytes) -> list[ExposureList]:
    """Return the finished versions of an incident's list, newest first."""
    return list(
        session.scalars(
            select(ExposureList)
            .where(ExposureList.incident_id == incident_id, ExposureList.state == READY)
            .order_by(ExposureList.number.desc())
        )
    )


def version(session: Session, list_id: int) -> ExposureList:
    """Return a version by its row id; it must exist."""
    return session.get_one(ExposureList, list_id)


def active(session: Session, incident_id: bytes) -> ExposureList | None:
    """Return the active version of an incident's list, or None.

    Its MAC is not verified: code that acts on people uses `verified_active`.
    """
    return session.scalar(
        select(ExposureList)
        .join(ActiveList, ActiveList.list_id == ExposureList.id)
        .where(ActiveList.incident_id == incident_id)
    )


def verified_active(
    session: Session, vault: WorkerVault, incident_ids: list[bytes]
) -> dict[bytes, ExposureList]:
    """Return the active versions by incident id; those not activated with the worker's keys are skipped."""
    rows = session.execute(
        select(ActiveList, ExposureList)
        .join(ExposureList, ActiveList.list_id == ExposureList.id)
        .where(ActiveList.incident_id.in_(incident_ids))
    )
    found = {}
    for choice, chosen in rows:
        row_mac = activation_mac(vault, choice.incident_id, chosen, choice.activated_at)
        if chosen.incident_id != choice.incident_id or not compare_digest(choice.row_mac, row_mac):
            log.error(
                "exposure: the activation for incident %s was altered or inserted, no answer uses that list; "
                "run again: portal exposure activate SLUG VERSION",
                choice.incident_id.hex(),
            )
            continue
        found[choice.incident_id] = chosen
    return found


def activation_mac(vault: WorkerVault, incident_id: bytes, version: ExposureList, at: datetime) -> bytes:
    """Return the MAC of an activation, which is made with the worker's keys."""
    ids: tuple[bytes | int, ...] = (incident_id, version.id, version.entries)
    if version.people != version.entries:  # else as former versions made it
        ids += (version.people,)
    return vault.row_mac("active list", *ids, at.astimezone(UTC).isoformat(timespec="microseconds"))


def set_notifying(session: Session, version: ExposureList, *, goes_out: bool) -> None:
    """Record whether a notice to a version is being sent; while it is, the version cannot be destroyed."""
    version.notifying = goes_out
    session.flush()


def destroy(
    session: Session, incident_id: bytes, number: int, now: datetime, *, stop_notice: bool = False
) -> ExposureList:
    """Destroy the data key of a version, so that no copy of its rows can be read any more.

    Writes the audit row. `delete_people` deletes the rows; the version stays, with its counts except those
    by language. Raises ListUnknown, ListActive, and ListNotifying unless `stop_notice`.
    """
    version = finished(session, incident_id, number)
    session.refresh(version, with_for_update=True)
    if version.notifying and version.data_key is not None and not stop_notice:
        raise ListNotifying
    choice = session.get(ActiveList, incident_id, with_for_update=True)
    if choice is not None and choice.list_id == version.id:
        raise ListActive
    version.data_key, version.language_counts = None, "{}"
    session.flush()
    slug = incidents.by_id(session, incident_id).slug
    audit.record(session, "exposure.purge", slug, {"version": number, "people": version.people}, now)
    return version


def finished(session: Session, incident_id: bytes, number: int) -> ExposureList:
    """Return a version whose import has finished. Raises ListUnknown."""
    version = session.scalar(
        select(ExposureList).where(
            ExposureList.incident_id == incident_id,
            ExposureList.number == number,
            ExposureList.state == READY,
        )
    )
    if version is None:
        raise ListUnknown
    return version


def counts_of(version: ExposureList) -> dict[str, int]:
    """Return the people of a version by kind of data. Raises RowUnreadable where somebody altered the row."""
    return parsed(version.class_counts, "exposure_lists", version.id)


def languages_of(version: ExposureList) -> dict[str, int]:
    """Return the people of a version by language; nothing where nobody counted them, or it is destroyed.

    The key is "" where the list names no language. Raises RowUnreadable where somebody altered the row.
    """
    return parsed(version.language_counts, "exposure_lists", version.id)


def exposed_count(session: Session, vault: WorkerVault, incident_id: bytes, class_name: str) -> int:
    """Return the number of people of the active list whose data of this class were exposed.

    Raises ListNotActive.
    """
    counts: dict[str, int] = counts_of(needed(session, vault, incident_id))
    return counts.get(find(class_name).name, 0)


def classes_beyond(version: ExposureList, names: Collection[str]) -> list[str]:
    """Return the classes of a version's people that are not among `names`, in alphabetical order."""
    return sorted(set(counts_of(version)) - set(names))


def exposes(person: Person, class_name: str) -> bool:
    """Return whether a person's data of this class were exposed."""
    return bool(person.classes >> find(class_name).id & 1)


def people_after(
    session: Session, vault: WorkerVault, version: ExposureList, after: bytes, limit: int
) -> tuple[list[tuple[bytes, Person | None]], bytes]:
    """Return the next people of a version as (key, person), and the key to continue from, empty at the end.

    People who share an exact address are adjacent. The person is None if the row was tampered with. Raises
    ListDestroyed, or VaultError if the list's key does not open.
    """
    sealer = open_list(vault, version)
    rows = read_page(session, version.id, after, limit)
    people = [(key, _open_or_none(sealer, key, blob)) for key, blob in rows]
    return people, rows[-1][0] if len(rows) == limit else b""


def readable_before(session: Session, vault: WorkerVault, version: ExposureList, key: bytes) -> bool:
    """Return whether a readable row before `key` has the same exact address.

    Raises ListDestroyed, or VaultError if the list's key does not open.
    """
    after = key[:ADDRESS_BYTES]
    while after:
        people, after = people_after(session, vault, version, after, FEW)
        for other, person in people:
            if other >= key:
                return False
            if person is not None:
                return True
    return False


def _open_or_none(sealer: Sealer, key: bytes, blob: bytes) -> Person | None:
    try:
        return sealer.open(key, blob)
    except VaultError:
        return None


def same_address(key: bytes, other: bytes) -> bool:
    """Return whether two keys belong to the same exact address."""
    return key[:ADDRESS_BYTES] == other[:ADDRESS_BYTES]


def open_list(vault: WorkerVault, version: ExposureList) -> Sealer:
    """Return the sealer for the people of a version. Raises ListDestroyed, VaultError."""
    if version.data_key is None:
        raise ListDestroyed
    return Sealer(vault, version.id, vault.data_key(data_key_cell(version), version.data_key))


def data_key_cell(version: ExposureList) -> Cell:
    """Return the cell of a list's wrapped data key; it is bound to the list's incident and number."""
    return Cell("exposure_lists", "data_key", version.incident_id + version.number.to_bytes(4), version.id)


def needed(session: Session, vault: WorkerVault, incident_id: bytes) -> ExposureList:
    """Return the verified active version of an incident. Raises ListNotActive."""
    version = verified_active(session, vault, [incident_id]).get(incident_id)
    if version is None:
        raise ListNotActive
    return version
