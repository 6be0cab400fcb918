"""The versions of an affected list: which there are, which one is active, and whom it names."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from portal.crypto.vault import Cell, VaultError, WorkerVault
from portal.datakinds.taxonomy import find
from portal.exposure.models import READY, ActiveList, ExposedPerson, ExposureList
from portal.exposure.people import ADDRESS_BYTES, Person, Sealer, read_page

log = logging.getLogger("portal.exposure")

PAGE = 500
FEW = 10


class ListNotActive(Exception):
    """No affected list is active for this incident."""


class ListActive(Exception):
    """Answers come from this version; another one must be activated first."""


class ListNotifying(Exception):
    """A notice to this version still goes out; without the list its people would not be told."""


class ListUnknown(Exception):
    """There is no such version, or its import has not ended."""


class ListHasBadRows(Exception):
    """Rows of the file were left out, and nobody said that this is accepted."""

    def __init__(self, bad_rows: int) -> None:
        """Keep how many."""
        self.bad_rows = bad_rows
        super().__init__(f"{bad_rows} rows were left out")


class ListDestroyed(Exception):
    """The list's key was destroyed; nobody can read it any more."""


@dataclass(frozen=True)
class Difference:
    """How a version differs from another: addresses (in any spelling) that are new, and that are gone."""

    number: int
    new: int
    gone: int


def versions(session: Session, incident_id: bytes) -> list[ExposureList]:
    """Return the finished versions of an incident's list, the newest first."""
    return list(
        session.scalars(
            select(ExposureList)
            .where(ExposureList.incident_id == incident_id, ExposureList.state == READY)
            .order_by(ExposureList.number.desc())
        )
    )


def version(session: Session, list_id: int) -> ExposureList:
    """Return a version that exists."""
    return session.get_one(ExposureList, list_id)


def active(session: Session, incident_id: bytes) -> ExposureList | None:
    """Return the active version of an incident's list, or None. What acts on a list asks `answering` instead."""
    return session.scalar(
        select(ExposureList)
        .join(ActiveList, ActiveList.list_id == ExposureList.id)
        .where(ActiveList.incident_id == incident_id)
    )


def answering(session: Session, vault: WorkerVault, incident_ids: list[bytes]) -> dict[bytes, ExposureList]:
    """Return the versions that answers come from, by incident: those that somebody with the worker's keys activated."""
    rows = session.execute(
        select(ActiveList, ExposureList)
        .join(ExposureList, ActiveList.list_id == ExposureList.id)
        .where(ActiveList.incident_id.in_(incident_ids))
    )
    found = {}
    for choice, chosen in rows:
        row_mac = _row_mac(vault, choice.incident_id, chosen, choice.activated_at)
        if chosen.incident_id != choice.incident_id or not compare_digest(choice.row_mac, row_mac):
            log.error(
                "an activation was altered or put in: nobody is answered from that list until one is "
                "activated"
            )
            continue
        found[choice.incident_id] = chosen
    return found


def _row_mac(vault: WorkerVault, incident_id: bytes, version: ExposureList, at: datetime) -> bytes:
    ids = (incident_id, version.id, version.people)
    return vault.row_mac("active list", *ids, at.astimezone(UTC).isoformat(timespec="microseconds"))


def activate(
    session: Session,
    vault: WorkerVault,
    incident_id: bytes,
    number: int,
    now: datetime,
    *,
    accept_bad_rows: bool = False,
) -> ExposureList:
    """Make a version the one that answers come from; an older one may be activated again.

    Raises ListUnknown, ListDestroyed, and ListHasBadRows unless those are accepted.
    """
    version = _finished(session, incident_id, number)
    if version.data_key is None:
        raise ListDestroyed
    if version.bad_rows and not accept_bad_rows:
        raise ListHasBadRows(version.bad_rows)
    current = session.get(ActiveList, incident_id, with_for_update=True)
    row_mac = _row_mac(vault, incident_id, version, now)
    if current is None:
        session.add(
            ActiveList(incident_id=incident_id, list_id=version.id, activated_at=now, row_mac=row_mac)
        )
    else:
        current.list_id, current.activated_at, current.released = version.id, now, False
        current.row_mac = row_mac
    session.flush()
    return version


def set_notifying(session: Session, version: ExposureList, *, goes_out: bool) -> None:
    """Note whether a notice to a version goes out: until it has, the version is not destroyed."""
    version.notifying = goes_out
    session.flush()


def destroy(session: Session, incident_id: bytes, number: int, *, stop_notice: bool = False) -> ExposureList:
    """Destroy the key of a version, so that nobody can read its people any more, wherever copies of its rows lie.

    The rows go with `delete_people`; the version stays, with its counts. Raises ListUnknown, ListActive, and
    ListNotifying unless the notice shall end where it is.
    """
    version = _finished(session, incident_id, number)
    session.refresh(version, with_for_update=True)
    if version.notifying and version.data_key is not None and not stop_notice:
        raise ListNotifying
    choice = session.get(ActiveList, incident_id, with_for_update=True)
    if choice is not None and choice.list_id == version.id:
        raise ListActive
    version.data_key = None
    session.flush()
    return version


def _finished(session: Session, incident_id: bytes, number: int) -> ExposureList:
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


def difference(session: Session, version: ExposureList, other: ExposureList) -> Difference:
    """Compare a version with another by the folds of their addresses, so that another case makes nobody new."""
    return Difference(
        other.number, _only_in(session, version.id, other.id), _only_in(session, other.id, version.id)
    )


def _only_in(session: Session, list_id: int, other_id: int) -> int:
    there = aliased(ExposedPerson)
    elsewhere = exists().where(there.list_id == other_id, there.fold_index == ExposedPerson.fold_index)
    statement = select(func.count(ExposedPerson.fold_index.distinct())).where(
        ExposedPerson.list_id == list_id, ~elsewhere
    )
    return session.scalar(statement) or 0


def exposed_count(session: Session, vault: WorkerVault, incident_id: bytes, class_name: str) -> int:
    """Return how many people of the active list had data of this class exposed. Raises ListNotActive."""
    counts: dict[str, int] = json.loads(needed(session, vault, incident_id).class_counts)
    return counts.get(find(class_name).name, 0)


def exposed_people(
    session: Session, vault: WorkerVault, incident_id: bytes, class_name: str
) -> Iterator[Person]:
    """Yield everyone of the active list whose data of this class were exposed, in the order of the index.

    Reads a page at a time. A row that was tampered with is told in the log, and does not keep the others from
    being found. Raises ListNotActive or ListDestroyed, and VaultError where nobody can be read.
    """
    version = needed(session, vault, incident_id)
    bit = 1 << find(class_name).id
    after = b""
    while True:
        people, after = people_after(session, vault, version, after, PAGE)
        for _, person in people:
            if person is None:
                log.error(
                    "a row of a list does not open: it was altered or moved, and nobody could be found by it"
                )
            elif person.classes & bit:
                yield person
        if not after:
            return


def people_after(
    session: Session, vault: WorkerVault, version: ExposureList, after: bytes, limit: int
) -> tuple[list[tuple[bytes, Person | None]], bytes]:
    """Return the next people of a version with their keys, and the key to go on from, empty at the end.

    People who share an exact address come one after the other. None stands for who cannot be read, because
    that row was tampered with. Raises ListDestroyed, or VaultError where nobody can be read.
    """
    sealer = open_list(vault, version)
    rows = read_page(session, version.id, after, limit)
    people = [(key, _readable(sealer, key, blob)) for key, blob in rows]
    return people, rows[-1][0] if len(rows) == limit else b""


def readable_before(session: Session, vault: WorkerVault, version: ExposureList, key: bytes) -> bool:
    """Tell whether anybody of a key's exact address who comes before it can be read.

    Raises ListDestroyed, or VaultError where nobody can be read.
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


def _readable(sealer: Sealer, key: bytes, blob: bytes) -> Person | None:
    try:
        return sealer.open(key, blob)
    except VaultError:
        return None


def same_address(key: bytes, other: bytes) -> bool:
    """Tell whether two keys belong to people of one exact address."""
    return key[:ADDRESS_BYTES] == other[:ADDRESS_BYTES]


def open_list(vault: WorkerVault, version: ExposureList) -> Sealer:
    """Return what opens the people of a version. Raises ListDestroyed, VaultError."""
    if version.data_key is None:
        raise ListDestroyed
    return Sealer(vault, version.id, vault.data_key(data_key_cell(version), version.data_key))


def data_key_cell(version: ExposureList) -> Cell:
    """Return the place of a list's wrapped data key: it opens for its own incident and number alone."""
    return Cell("exposure_lists", "data_key", version.incident_id + version.number.to_bytes(4), version.id)


def needed(session: Session, vault: WorkerVault, incident_id: bytes) -> ExposureList:
    """Return the version that answers come from. Raises ListNotActive."""
    version = answering(session, vault, [incident_id]).get(incident_id)
    if version is None:
        raise ListNotActive
    return version
