"""Show how a file was read before anything is stored, and ask."""

import shlex
from collections.abc import Iterator, Sequence

from portal.people_files.headers import JOINED, Column, How, Layout, is_part
from portal.people_files.reading import ColumnsUndecided, RowCounts, Sample

MAX_REASONS = 12
_WIDTH = 28


def preview_lines(counts: RowCounts, name: str) -> Iterator[str]:
    """Yield a preview of the file `name`: its columns, three masked rows, and what was mended."""
    yield f"{name} was read as {counts.description}."
    yield from _column_lines(counts.layout, counts.samples)
    if counts.hidden_rows:
        yield f"Rows that the workbook hides, imported as well: {counts.hidden_rows}."
    yield from note_lines(counts)


def note_lines(counts: RowCounts) -> Iterator[str]:
    """Yield what was mended or looks wrong, with counts and the first lines."""
    if not counts.notes.counts:
        return
    yield "Mended, or to be checked:"
    for note, rows in counts.notes.counts.most_common():
        lines = counts.notes.lines[note]
        more = ", …" if rows > len(lines) else ""
        where = "line" if rows == 1 else "lines"
        yield f"    {note}: {rows} ({where} {', '.join(map(str, lines))}{more})"


def reason_lines(counts: RowCounts) -> Iterator[str]:
    """Yield why rows were rejected, with counts, most frequent first."""
    for reason, rows in counts.reasons.most_common(MAX_REASONS):
        yield f"    {reason}: {rows}"
    if (more := len(counts.reasons) - MAX_REASONS) > 0:
        yield f"    and {more} more reasons"


def unknown_lines(counts: RowCounts, command: Sequence[str]) -> Iterator[str]:
    """Yield how to say what unknown words mean; `command` are its words so far."""
    if not counts.unknown:
        return
    options = [word for each in counts.unknown for word in ("--means", f"{each}=KIND")]
    yield "Say which kind of data a word means (to see all kinds: portal exposure classes):"
    yield "    " + shlex.join([*command, *options])


def undecided_lines(undecided: ColumnsUndecided, command: Sequence[str]) -> Iterator[str]:
    """Yield what must be decided, and a command that decides it; `command` are its words so far."""
    counts = undecided.counts
    layout = counts.layout
    if undecided.encoding:
        yield f"The text is not UTF-8: --encoding must name its encoding, probably {undecided.encoding}."
    if layout.undecided or undecided.needed:
        yield from _column_lines(layout, counts.samples)
    for missing in undecided.needed:
        yield f"No column is '{missing}', which is required."
    if layout.undecided:
        yield (
            "Decide each column that is marked with ?: --map 'HEADER=COLUMN' reads it as one of "
            f"{', '.join(layout.wanted)}; --ignore HEADER leaves it out. Two may be mapped to 'name'."
        )
    options = ["--encoding", undecided.encoding] if undecided.encoding else []
    yield "For example:"
    yield "    " + shlex.join([*command, *options, *_suggested(layout, undecided.needed)])


def _suggested(layout: Layout, needed: Sequence[str]) -> Iterator[str]:
    """Yield options for the undecided columns: map one to what is needed, if it is clear; ignore the rest."""
    wanted = list(needed)
    unread = layout.missing(layout.wanted)
    for column in layout.undecided:
        if wanted and (len(layout.undecided) == 1 or "mail" in column.header.casefold()):
            yield from ("--map", f"{column.shown}={wanted.pop(0)}")
        elif is_part(column) and JOINED in unread:
            yield from ("--map", f"{column.shown}={JOINED}")
        else:
            yield from ("--ignore", column.shown)
    for name in wanted:
        yield from ("--map", f"HEADER={name}")


def _column_lines(layout: Layout, samples: Sequence[Sample]) -> Iterator[str]:
    yield "Columns:"
    for column in layout.columns:
        if column.how is not How.UNNAMED:
            shown = column.shown if len(column.shown) < _WIDTH else f"{column.shown[: _WIDTH - 1]}…"
            values = [sample[column.number - 1] for sample in samples]
            yield f"    {shown:<{_WIDTH}} {_reading_of(column):<38} {'  '.join(values)}".rstrip()


def _reading_of(column: Column) -> str:
    match column.how:
        case How.UNDECIDED:
            return "?"
        case How.IGNORED:
            return "left out"
        case How.EXACT:
            return column.target
    return f"{column.target} ({column.how.value})"
