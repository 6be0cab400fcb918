"""What was found in an upload, as data for an answer to the console: masked and counted, never a person."""

from collections.abc import Mapping
from typing import Any

from portal.core.i18n import packed
from portal.crypto.vault import WorkerVault
from portal.exposure.activating import Comparison
from portal.exposure.importing import Summary
from portal.exposure.uploads import plans
from portal.exposure.uploads.models import Upload
from portal.people_files.formats.refusal import FileRefused
from portal.people_files.headers import JOINED, How, is_part
from portal.people_files.reading import ColumnsUndecided, RowCounts
from portal.people_files.report import LineReport
from portal.people_files.room import NoRoom

MOST_COLUMNS = 60
FIRST_LINES = 5
MOST_LANGUAGES = 40
_LONGEST = 200


def of_counts(counts: RowCounts, report: LineReport | None = None) -> dict[str, Any]:
    """Return what was read: the columns, masked samples, and counts by reason."""
    lines = report.lines if report is not None else {}
    return {
        "description": counts.description,
        "columns": [
            {
                "number": column.number,
                "header": column.shown,
                "column": column.target,
                "how": column.how.name.lower(),
                "suggested": JOINED if column.how is How.UNDECIDED and is_part(column) else "",
                "samples": [row[column.number - 1] for row in counts.samples],
            }
            for column in counts.layout.columns[:MOST_COLUMNS]
            if column.how is not How.UNNAMED
        ],
        # What is not shown can only be left out.
        "shown": MOST_COLUMNS,
        "width": len(counts.layout.columns),
        "targets": list(counts.layout.wanted),
        "rows": counts.rows,
        "blank_rows": counts.blank_rows,
        "hidden_rows": counts.hidden_rows,
        "bad_rows": counts.bad_rows,
        # In the order of their numbers in the stored lines.
        "reasons": [
            [packed(reason), counts.reasons[reason], rejected[:FIRST_LINES]]
            for reason, rejected in lines.items()
        ],
        "unknown": [[word, rows] for word, rows in counts.unknown.most_common()],
        "notes": [
            [note[:_LONGEST], rows, counts.notes.lines[note]]
            for note, rows in counts.notes.counts.most_common()
        ],
        "whole": counts.whole,
        "more_lines": report is not None and report.more,
    }


def of_summary(summary: Summary, report: LineReport) -> dict[str, Any]:
    """Return what was read of a list, and how it compares with the active version."""
    return of_counts(summary, report) | {
        "people": summary.people,
        "addresses": summary.addresses,
        "duplicates": summary.duplicates,
        "duplicate_lines": summary.duplicate_lines,
        "classes": summary.class_counts,
        "languages": dict(list(summary.languages.items())[:MOST_LANGUAGES]),
        "beyond": summary.beyond,
        "staged": summary.staged,
        "number": summary.number,
        "compared": compared(summary.comparison),
    }


def compared(comparison: Comparison | None) -> dict[str, Any] | None:
    """Return a comparison as data."""
    if comparison is None:
        return None
    return {
        "version": comparison.number,
        "people": comparison.people,
        "new": comparison.new,
        "gone": comparison.gone,
        "changed": comparison.changed,
        "loses_many": comparison.loses_many,
    }


def undecided(error: ColumnsUndecided) -> dict[str, Any]:
    """Return what must be decided before the rows can be read."""
    problem = {"kind": "encoding" if error.encoding else "columns", "line": error.line}
    return of_counts(error.counts) | {
        "problem": problem | {"encoding": error.encoding},
        "missing": list(error.needed),
    }


def refused(kind: str, reason: str = "", line: int = 0) -> dict[str, Any]:
    """Return why an upload cannot be read."""
    return {"problem": {"kind": kind, "reason": reason, "line": line}}


def refused_file(error: FileRefused, report: LineReport) -> dict[str, Any]:
    """Return why a file is rejected, with what was read of it until then."""
    known = {} if error.counts is None else of_counts(error.counts, report)
    return known | refused(error.code or "file", error.reason, error.line)


def failed(vault: WorkerVault, upload: Upload, cause: BaseException) -> dict[str, Any]:
    """Return what was found before, and that something beside the file failed since."""
    before: Mapping[str, Any] = plans.findings(vault, upload)
    kind = "no-room" if isinstance(cause, NoRoom) else "failed"
    return dict(before) | {"problem": {"kind": kind, "reason": str(cause) if kind == "no-room" else ""}}
