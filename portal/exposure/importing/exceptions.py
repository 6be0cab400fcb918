"""Read a file of people to leave out of notices, and store them."""

from contextlib import closing
from pathlib import Path

from portal.core.clock import Clock
from portal.core.db import Database
from portal.crypto.vault import WorkerVault
from portal.exposure import left_out
from portal.exposure.importing.reading import COLUMNS, NEEDED, report_of
from portal.exposure.left_out import CHUNK, MOST, Who
from portal.exposure.people import RowParser
from portal.incidents.models import Incident
from portal.people_files.formats.refusal import PEOPLE_UNREAD, FileRefused
from portal.people_files.formats.streamed import Input
from portal.people_files.progress import Progress
from portal.people_files.reading import ReadOptions, RowCounts, read_rows
from portal.people_files.report import LineReport


def read_exceptions(
    path: Input,
    where: Path | LineReport,
    options: ReadOptions,
    progress: Progress,
    counts: RowCounts | None = None,
) -> list[Who]:
    """Return the people of a file, each once: the address, and the account_ref where it has one.

    It may have all columns of a list; the others are not stored. Raises what `read_rows` raises, and
    FileRefused for a bad row, because its person would be notified, or for more than 100,000 people.
    """
    counts, found = counts or RowCounts(), dict[Who, None]()
    parser = RowParser(0)
    classes = COLUMNS.index("data_classes")

    def parse(cells: tuple[str, ...]) -> tuple[str, str, int, str, bytes]:
        # What was taken from them is not stored: no row is refused for it.
        return parser.parse((*cells[:classes], "", *cells[classes + 1 :]))

    with closing(report_of(where, path)) as report:
        for line, (address, ref, *_) in read_rows(
            path, COLUMNS, NEEDED, parse, report, counts, progress, options=options
        ):
            found[address, ref] = None
            if len(found) > MOST:
                raise FileRefused(line, f"more than {MOST} people to leave out; this is not the right file")
    if counts.bad_rows:
        refused = FileRefused(
            counts.rows + 1,
            f"{counts.bad_rows} of the people to leave out could not be read, and would be notified. "
            f"{report.where}",
            code=PEOPLE_UNREAD,
        )
        refused.counts = counts
        raise refused
    return list(found)


def store_exceptions(
    db: Database, vault: WorkerVault, clock: Clock, incident: Incident, people: list[Who]
) -> int:
    """Store people to leave out, in chunks that hold no lock for long; return how many are new."""
    new = 0
    for start in range(0, len(people), CHUNK):
        with db.write_in_turn() as session:
            some, now = people[start : start + CHUNK], clock.now()
            new += left_out.add(session, vault, incident, some, now, "file")
    return new
