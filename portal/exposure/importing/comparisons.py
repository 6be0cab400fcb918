"""How versions of a list compare: counted by the worker, so that approvers see true figures."""

from collections.abc import Callable, Iterator
from hmac import compare_digest

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.db import Database
from portal.crypto.vault import WorkerVault
from portal.exposure import service
from portal.exposure.activating import Comparison
from portal.exposure.importing.comparing import Rows, compare, opened, stored
from portal.exposure.models import READY, ActiveList, ExposureList, ListComparison


def remember(session: Session, vault: WorkerVault, list_id: int, comparison: Comparison) -> None:
    """Store how a version compares with another one."""
    row = ListComparison(
        list_id=list_id,
        other_id=comparison.list_id,
        new=comparison.new,
        gone=comparison.gone,
        changed=comparison.changed,
    )
    row.row_mac = _row_mac(vault, row)
    session.merge(row)
    session.flush()


def remembered(session: Session, version: ExposureList, other: ExposureList) -> Comparison | None:
    """Return how a version compares with another one, as stored, or None. Its MAC is not verified."""
    row = session.get(ListComparison, (version.id, other.id))
    if row is None:
        return None
    return Comparison(other.id, other.number, other.people, row.new, row.gone, row.changed)


def verified(
    session: Session, vault: WorkerVault, version: ExposureList, other: ExposureList
) -> Comparison | None:
    """Return how a version compares with another one, or None where the worker did not count it."""
    row = session.get(ListComparison, (version.id, other.id))
    if row is None or not compare_digest(row.row_mac, _row_mac(vault, row)):
        return None
    return remembered(session, version, other)


def compare_next(db: Database, vault: WorkerVault, stopping: Callable[[], bool]) -> bool:
    """Compare the newest version not yet compared with the active one; return whether there was one.

    Reads both lists: about 20 seconds for a million people.
    """
    with db.read() as session:
        pair = _not_compared(session, vault)
    if pair is None:
        return False
    version, former = pair

    def until_stopped() -> Iterator[tuple[bytes, bytes]]:
        for row in stored(db, version.id):
            if stopping():
                raise StopComparing
            yield row

    people: Rows = until_stopped()
    try:
        comparison = compare(db, vault, people, opened(vault, version), former)
    except StopComparing:
        return False
    with db.write() as session:
        remember(session, vault, version.id, comparison)
    return True


class StopComparing(Exception):
    """The worker stops."""


def _not_compared(session: Session, vault: WorkerVault) -> tuple[ExposureList, ExposureList] | None:
    ids = list(session.scalars(select(ActiveList.incident_id)))
    for incident_id, former in service.verified_active(session, vault, ids).items():
        others = (
            select(ExposureList)
            .where(ExposureList.incident_id == incident_id, ExposureList.state == READY)
            .where(ExposureList.data_key.is_not(None), ExposureList.id != former.id)
            .order_by(ExposureList.number.desc())
        )
        for version in session.scalars(others):
            if verified(session, vault, version, former) is None:
                return version, former
    return None


def _row_mac(vault: WorkerVault, row: ListComparison) -> bytes:
    return vault.row_mac("list comparison", row.list_id, row.other_id, row.new, row.gone, row.changed)
