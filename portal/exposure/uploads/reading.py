"""Read or store what was uploaded, by the services of the commands."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from portal.exposure import importing, left_out, service
from portal.exposure.importing.comparisons import remember
from portal.exposure.importing.exceptions import read_exceptions, store_exceptions
from portal.exposure.uploads import found
from portal.exposure.uploads.models import Upload
from portal.exposure.uploads.plans import Plan
from portal.incidents import service as incidents
from portal.people_files.formats.streamed import Streamed
from portal.people_files.progress import Progress
from portal.people_files.reading import RowCounts
from portal.people_files.report import LineReport
from portal.runtime.parts import WorkerParts


def read_list(
    parts: WorkerParts,
    upload: Upload,
    plan: Plan,
    file: Streamed,
    report: LineReport,
    progress: Progress,
    note: Callable[[Session, dict[str, Any]], None],
) -> dict[str, Any]:
    """Read a list, and with `plan.store` store it as a version; return what was found.

    `note` is called with that in the transaction that ends the version, so that a worker that dies leaves
    both or neither. Raises what `import_list` raises.
    """

    def also(session: Session, summary: importing.Summary) -> None:
        if summary.comparison is not None:
            remember(session, parts.vault, summary.list_id, summary.comparison)
        note(session, found.of_summary(summary, report))

    with parts.db.read() as session:
        incident = incidents.by_id(session, upload.incident_id)
    source = importing.Source(
        incident.id,
        incident.next_class_names,
        file,
        report,
        options=plan.options,
        meanings=plan.meanings,
        widen=plan.widen,
    )
    summary = importing.import_list(
        parts.db, parts.vault, parts.clock, source, progress, dry_run=not plan.store, also=also
    )
    return found.of_summary(summary, report)


def read_people_left_out(
    parts: WorkerParts, upload: Upload, plan: Plan, file: Streamed, report: LineReport, progress: Progress
) -> dict[str, Any]:
    """Read people to leave out of notices, and with `plan.store` store them; return what was found.

    Raises what `read_exceptions` raises.
    """
    with parts.db.read() as session:
        incident = incidents.by_id(session, upload.incident_id)
        active = service.active(session, upload.incident_id)
    counts = RowCounts()
    people = read_exceptions(file, report, plan.options, progress, counts)
    content = found.of_counts(counts, report) | {"people": len(people)}
    large = left_out.is_large_part(len(people), active.people if active else 0)
    if large:
        content["silences"] = [len(people), active.people if active else 0]
    if plan.store and (plan.silence or not large):
        content["new"] = store_exceptions(parts.db, parts.vault, parts.clock, incident, people)
    return content
