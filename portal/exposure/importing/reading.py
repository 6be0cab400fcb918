"""Read the people of a file, seal and sort them, and merge the rows of each."""

from bisect import insort
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from os import urandom
from pathlib import Path

from portal.crypto.vault import INDEX_BYTES
from portal.datakinds.names import Meanings
from portal.datakinds.taxonomy import by_id, find
from portal.exposure.activating import Comparison
from portal.exposure.people import ADDRESS_BYTES, Indexer, Person, RowParser, Sealer, bitmap_of, pack
from portal.people_files.formats.streamed import Input
from portal.people_files.progress import Progress
from portal.people_files.reading import PLAIN, PROGRESS_ROWS, ReadOptions, RowCounts, read_rows
from portal.people_files.report import LineReport, Report, RowReport
from portal.people_files.sorting import Sorter

COLUMNS = ("email", "account_ref", "name", "locale", "jurisdiction", "data_classes")
NEEDED = ("email",)
KEY_BYTES = 2 * INDEX_BYTES
_FURTHER = b"+"
_LINE_BYTES = 6  # even, as the length of a blob is
_MOST_LINES = 5
_NONCE_BYTES = 12  # a blob begins with its nonce, which is new for each row
_MAX_BITMAPS = 10_000
_MAX_LANGUAGES = 1_000
OTHERS = "*"  # languages after the first thousand: such a column is no language


@dataclass
class Summary(RowCounts):
    """The counts of an import: distinct `people`, and their distinct exact `addresses`.

    `comparison` is with the active version. `beyond` counts people by each class that the incident does not
    list; `staged` says that they wait for its next publish. `languages` counts people by their language's
    tag, empty where the file names none, and `und` where it names none that is known. `duplicate_lines` are
    the first rows that name somebody again.
    """

    list_id: int = 0
    number: int = 0
    people: int = 0
    entries: int = 0
    addresses: int = 0
    duplicates: int = 0
    duplicate_lines: list[int] = field(default_factory=list)
    class_counts: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    comparison: Comparison | None = None
    beyond: dict[str, int] = field(default_factory=dict)
    staged: bool = False


@dataclass(frozen=True)
class Source:
    """The input of an import; `incident_classes` apply to rows that name none.

    `report` lists bad rows: a path, or a list in memory where the file lies in no folder.

    `meanings` say which class a name stands for that is none.

    `must_be_whole`: reject a file whose last line has no line break, because it may be cut. `widen`: stage
    classes that the incident does not list, instead of refusing them. `must_not_lose`: refuse a file that
    lacks more than a tenth of the active version's people. `to_leave_out` people get no notice: refuse
    the file if they are more than a tenth of its people.
    """

    incident_id: bytes
    incident_classes: tuple[str, ...]
    file: Input
    report: Path | LineReport
    must_be_whole: bool = False
    options: ReadOptions = PLAIN
    meanings: Meanings = ()
    widen: bool = False
    must_not_lose: bool = False
    to_leave_out: int = 0


class Reader:
    """The people of one file, for one import."""

    def __init__(
        self, source: Source, sealer: Sealer, indexer: Indexer, sorter: Sorter, progress: Progress
    ) -> None:
        self._source = source
        self.sealer = sealer
        self._indexer = indexer
        self._sorter = sorter
        self._progress = progress
        self._length = 0
        self._bitmaps: Counter[int] = Counter()
        self._by_class: Counter[int] = Counter()
        self._by_language: Counter[str] = Counter()
        self._line_key = urandom(32)
        self.summary = Summary()

    @property
    def beyond(self) -> bool:
        """Whether a row has a class that the incident does not list."""
        self._settle_bitmaps()
        listed = {find(name).id for name in self._source.incident_classes}
        return any(count for bit, count in self._by_class.items() if bit not in listed)

    def read(self) -> None:
        """Read, seal and add every row to the sorter; bad rows are reported and skipped."""
        source, summary, bitmaps = self._source, self.summary, self._bitmaps
        parser = RowParser(bitmap_of(map(find, source.incident_classes)), source.meanings)
        add, seal = self._sorter.add, self.sealer.seal
        fold, person = self._indexer.fold, self._indexer.person
        with closing(report_of(source.report, source.file)) as report:
            last_line = 0
            for line, (address, ref, bitmap, language, packed) in read_rows(
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
                # One byte more marks a further address of the same row: no person of its own.
                blob = seal(key, packed)
                row = blob + self._masked(blob, line.to_bytes(_LINE_BYTES))
                if line != last_line:
                    add(key, row)
                    self._count_language(language)
                else:
                    add(key, row + _FURTHER)
                last_line = line
                bitmaps[bitmap] += 1
                if len(bitmaps) >= _MAX_BITMAPS:
                    self._settle_bitmaps()
        self._length = parser.length

    def people(self, stage: str, *, consume: bool = True) -> Iterator[tuple[bytes, bytes]]:
        """Yield each person once as (key, blob), sorted by key; rows of the same person are merged.

        Every blob has the length that the longest address with its reference needs. Afterwards, the summary
        counts the people. With `consume` the rows are taken from the disk on the way, and it cannot be called
        again.
        """
        self._settle_bitmaps()
        by_class, by_language = self._by_class.copy(), self._by_language.copy()
        summary = self.summary
        expected = summary.parsed
        entries = further = addresses = 0
        last_key = last_address = last_blob = first = b""
        only_further = False
        again_lines: list[int] = []
        for seen, (key, sealed) in enumerate(self._sorter.sorted(consume=consume), 1):
            is_further = len(sealed) % 2 == 1  # a blob has an even length
            row = sealed[:-1] if is_further else sealed
            blob = row[:-_LINE_BYTES]
            if key == last_key:
                first, later = sorted((first, row), key=self._line)
                insort(again_lines, self._line(later))
                del again_lines[_MOST_LINES:]
                last_blob, one, again, merged = self._merged(key, last_blob, blob)
                by_class.subtract(_bits(one.classes & again.classes))
                # A further address of the same row was not counted.
                counted = [one.locale] * (not only_further) + [again.locale] * (not is_further)
                if counted:
                    by_language.subtract(map(self._counted_as, counted))
                    by_language[self._counted_as(merged.locale)] += 1
                further -= only_further and not is_further
                only_further = only_further and is_further
                continue
            if last_key:
                yield last_key, self.sealer.of_length(last_key, last_blob, self._length)
            entries += 1
            further += is_further
            only_further = is_further
            if key[:ADDRESS_BYTES] != last_address:
                addresses += 1
                last_address = key[:ADDRESS_BYTES]
            last_key, last_blob, first = key, blob, row
            if not entries % PROGRESS_ROWS:
                self._progress(stage, seen, expected)
        yield last_key, self.sealer.of_length(last_key, last_blob, self._length)
        self._progress(stage, expected, expected)
        summary.people, summary.entries = entries - further, entries
        summary.addresses, summary.duplicates = addresses, expected - entries
        summary.duplicate_lines = again_lines
        summary.class_counts = {by_id(bit).name: count for bit, count in sorted(by_class.items()) if count}
        summary.languages = {tag: count for tag, count in by_language.most_common() if count}
        listed = {find(name).name for name in self._source.incident_classes}
        summary.beyond = {name: count for name, count in summary.class_counts.items() if name not in listed}

    def _merged(self, key: bytes, blob: bytes, other: bytes) -> tuple[bytes, Person, Person, Person]:
        """Return the blob of two rows of one person, both of them, and the person."""
        person, again = self.sealer.open(key, blob), self.sealer.open(key, other)
        merged = person.merged(again)
        return self.sealer.seal(key, pack(merged)), person, again, merged

    def _line(self, row: bytes) -> int:
        """Return the line of the file that a row was read from."""
        return int.from_bytes(self._masked(row, row[-_LINE_BYTES:]))

    def _masked(self, blob: bytes, line: bytes) -> bytes:
        """Return a line as it lies on the disk, or back: nobody else reads the order of the file there."""
        mask = blake2b(blob[:_NONCE_BYTES], key=self._line_key, digest_size=_LINE_BYTES).digest()
        return (int.from_bytes(line) ^ int.from_bytes(mask)).to_bytes(_LINE_BYTES)

    def _count_language(self, tag: str) -> None:
        counts = self._by_language
        counts[tag if tag in counts or len(counts) < _MAX_LANGUAGES else OTHERS] += 1

    def _counted_as(self, tag: str) -> str:
        return tag if tag in self._by_language else OTHERS

    def _settle_bitmaps(self) -> None:
        """Add the bitmaps counted so far to the counts by class, and clear them: there may be very many."""
        for bitmap, count in self._bitmaps.items():
            for bit in _bits(bitmap):
                self._by_class[bit] += count
        self._bitmaps.clear()


def report_of(report: Path | LineReport, file: Input) -> RowReport:
    """Return what takes the rejected rows of a file. Raises ReportUnwritable."""
    return report if isinstance(report, LineReport) else Report(report, file)


def _bits(bitmap: int) -> Iterator[int]:
    while bitmap:
        lowest = bitmap & -bitmap
        yield lowest.bit_length() - 1
        bitmap ^= lowest
