"""Compare the people of a file, or of a version, with those of the active version, by their keys."""

from collections.abc import Iterable, Iterator

from portal.core.db import Database
from portal.crypto.vault import INDEX_BYTES, VaultError, WorkerVault
from portal.exposure.activating import Comparison
from portal.exposure.models import ExposureList
from portal.exposure.people import LENGTHS, Sealer, pack, read_page, unpack
from portal.exposure.service import ListDestroyed, open_list

PAGE = 2_000
_END = b"\xff" * (2 * INDEX_BYTES + 1)  # after every key

Rows = Iterable[tuple[bytes, bytes]]  # (key, blob), sorted by key


def compare_versions(
    db: Database, vault: WorkerVault, version: ExposureList, active: ExposureList
) -> Comparison:
    """Compare two versions. Reads pages in transactions of their own, so that it holds no lock for long."""
    return compare(db, vault, stored(db, version.id), opened(vault, version), active)


def compare(
    db: Database, vault: WorkerVault, people: Rows, sealer: Sealer | None, active: ExposureList
) -> Comparison:
    """Compare people, whom `sealer` opens, with the active version; memory holds one page.

    Raises nothing for rows that do not open, on either side: they count as changed.
    """
    result = Comparison(active.id, active.number, active.entries)
    tally, former = _Tally(result), opened(vault, active)
    others = stored(db, active.id)
    other_key, other_blob = next(others, (_END, b""))
    for key, blob in people:
        while other_key < key:
            tally.add(other_key, gone=1)
            other_key, other_blob = next(others, (_END, b""))
        if other_key == key:
            result.changed += _differs(key, sealer, blob, former, other_blob)
            other_key, other_blob = next(others, (_END, b""))
        else:
            tally.add(key, new=1)
    while other_key != _END:
        tally.add(other_key, gone=1)
        other_key, other_blob = next(others, (_END, b""))
    tally.settle()
    return result


class _Tally:
    """Counts who is new and gone; at one fold of an address, those who are both have only changed."""

    def __init__(self, result: Comparison) -> None:
        self._result = result
        self._fold = b""
        self._new = self._gone = 0

    def add(self, key: bytes, *, new: int = 0, gone: int = 0) -> None:
        if key[:INDEX_BYTES] != self._fold:
            self.settle()
            self._fold = key[:INDEX_BYTES]
        self._new += new
        self._gone += gone

    def settle(self) -> None:
        both = min(self._new, self._gone)
        self._result.changed += both
        self._result.new += self._new - both
        self._result.gone += self._gone - both
        self._new = self._gone = 0


def _differs(key: bytes, sealer: Sealer | None, blob: bytes, former: Sealer | None, other: bytes) -> bool:
    if sealer is None or former is None:
        return True
    try:
        packed, before = sealer.packed(key, blob), former.packed(key, other)
        # The lists may have rows of different lengths, and names cut accordingly.
        return packed != before and pack(unpack(packed), LENGTHS[0]) != pack(unpack(before), LENGTHS[0])
    except VaultError:
        return True


def opened(vault: WorkerVault, version: ExposureList) -> Sealer | None:
    """Return the sealer of a version, or None if its key is destroyed or does not open."""
    try:
        return open_list(vault, version)
    except (ListDestroyed, VaultError):
        return None


def stored(db: Database, list_id: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the rows of a version as (key, blob), sorted by key, one page per transaction."""
    after = b""
    while True:
        with db.read() as session:
            rows = read_page(session, list_id, after, PAGE)
        yield from rows
        if len(rows) < PAGE:
            return
        after = rows[-1][0]
