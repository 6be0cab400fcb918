"""Read the people of a file, seal and sort them, and merge the rows of each."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from portal.crypto.vault import INDEX_BYTES
from portal.datakinds.taxonomy import by_id, find
from portal.exposure.people import ADDRESS_BYTES, Indexer, RowParser, Sealer, bitmap_of, pack
from portal.people_files.progress import Progress
from portal.people_files.reading import PLAIN, PROGRESS_ROWS, ReadOptions, RowCounts, read_rows
from portal.people_files.report import Report
from portal.people_files.sorting import Sorter

COLUMNS = ("email", "account_ref", "name", "locale", "jurisdiction", "data_classes")
NEEDED = ("email",)
KEY_BYTES = 2 * INDEX_BYTES
_MAX_BITMAPS = 10_000


@dataclass
class Summary(RowCounts):
    """The counts of an import: distinct `people`, and their distinct exact `addresses`."""

    list_id: int = 0
    number: int = 0
    people: int = 0
    addresses: int = 0
    duplicates: int = 0
    class_counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """The input of an import; `incident_classes` apply to rows that name none, `report` lists bad rows.

    `must_be_whole`: reject a file whose last line has no line break, because it may be cut.
    """

    incident_id: bytes
    incident_classes: tuple[str, ...]
    file: Path
    report: Path
    must_be_whole: bool = False
    options: ReadOptions = PLAIN


class Reader:
    """The people of one file, for one import."""

    def __init__(
        self, source: Source, sealer: Sealer, indexer: Indexer, sorter: Sorter, progress: Progress
    ) -> None:
        self._source = source
        self._sealer = sealer
        self._indexer = indexer
        self._sorter = sorter
        self._progress = progress
        self._length = 0
        self._bitmaps: Counter[int] = Counter()
        self._by_class: Counter[int] = Counter()
        self.summary = Summary()

    def read(self) -> None:
        """Read, seal and add every row to the sorter; bad rows are reported and skipped."""
        source, summary, bitmaps = self._source, self.summary, self._bitmaps
        parser = RowParser(bitmap_of(find(name) for name in source.incident_classes))
        add, seal = self._sorter.add, self._sealer.seal
        fold, person = self._indexer.fold, self._indexer.person
        with closing(Report(source.report, source.file)) as report:
            for _, (address, ref, bitmap, packed) in read_rows(
                source.file,
                COLUMNS,
                NEEDED,
                parser.parse,
                report,
                summary,
                self._progress,
                options=source.options,
                must_be_whole=source.must_be_whole,
            ):
                key = fold(address) + person(address, ref)
                add(key, seal(key, packed))
                bitmaps[bitmap] += 1
                if len(bitmaps) >= _MAX_BITMAPS:
                    self._settle_bitmaps()
        self._length = parser.length

    def people(self, stage: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield each person once as (key, blob), sorted by key; rows of the same person are merged.

        Every blob has the length that the longest address with its reference needs.
        The rows are taken from the disk on the way: it can be called once.
        """
        summary = self.summary
        expected = summary.parsed
        people = addresses = 0
        last_key = last_address = last_blob = b""
        for seen, (key, blob) in enumerate(self._sorter.sorted(consume=True), 1):
            if key == last_key:
                last_blob = self._merged(key, last_blob, blob)
                continue
            if last_key:
                yield last_key, self._sealer.of_length(last_key, last_blob, self._length)
            people += 1
            if key[:ADDRESS_BYTES] != last_address:
                addresses += 1
                last_address = key[:ADDRESS_BYTES]
            last_key, last_blob = key, blob
            if not people % PROGRESS_ROWS:
                self._progress(stage, seen, expected)
        yield last_key, self._sealer.of_length(last_key, last_blob, self._length)
        self._progress(stage, expected, expected)
        self._settle_bitmaps()
        summary.people, summary.addresses, summary.duplicates = people, addresses, expected - people
        summary.class_counts = {
            by_id(bit).name: count for bit, count in sorted(self._by_class.items()) if count
        }

    def _merged(self, key: bytes, blob: bytes, other: bytes) -> bytes:
        person, again = self._sealer.open(key, blob), self._sealer.open(key, other)
        merged = person.merged(again)
        self._bitmaps.subtract((person.classes, again.classes))
        self._bitmaps[merged.classes] += 1
        if len(self._bitmaps) >= _MAX_BITMAPS:
            self._settle_bitmaps()
        return self._sealer.seal(key, pack(merged))

    def _settle_bitmaps(self) -> None:
        """Add the bitmaps counted so far to the counts by class, and clear them: there may be very many."""
        for bitmap, count in self._bitmaps.items():
            rest = bitmap
            while rest:
                lowest = rest & -rest
                self._by_class[lowest.bit_length() - 1] += count
                rest ^= lowest
        self._bitmaps.clear()
