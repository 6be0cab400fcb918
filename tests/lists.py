"""Import an affected list and make it active, as an operator does who means it."""

from datetime import datetime
from pathlib import Path

from portal.core.clock import FixedClock, SystemClock
from portal.core.db import Database
from portal.crypto.vault import WorkerVault
from portal.exposure import activating, importing, service
from portal.exposure.importing import comparing
from portal.incidents import service as incidents


def import_file(
    db: Database, vault: WorkerVault, clock: FixedClock | SystemClock, incident_id: bytes, file: Path
) -> importing.Summary:
    """Import a file, whose rows without classes have the incident's, and stage those beyond."""
    with db.read() as session:
        listed = incidents.by_id(session, incident_id).class_names
    report = file.with_name("report.csv")
    source = importing.Source(incident_id, listed, file, report, widen=True)
    return importing.import_list(db, vault, clock, source, lambda *_: None)


def activate(db: Database, vault: WorkerVault, incident_id: bytes, number: int, now: datetime) -> None:
    """Activate a version, however many rows were rejected or people are gone, once its classes are public."""
    with db.read() as session:
        incident = incidents.by_id(session, incident_id)
        former = service.verified_active(session, vault, [incident_id]).get(incident_id)
        version = service.finished(session, incident_id, number)
    compared = comparing.compare_versions(db, vault, version, former) if former else None
    with db.write() as session:
        if incident.staged_classes is not None:
            incidents.publish(session, incident.slug, now)
        activating.activate(
            session, vault, incident_id, number, now, accept_bad_rows=True, comparison=compared, replace=True
        )


def import_and_activate(
    db: Database, vault: WorkerVault, clock: FixedClock | SystemClock, incident_id: bytes, file: Path
) -> importing.Summary:
    """Do both."""
    summary = import_file(db, vault, clock, incident_id, file)
    activate(db, vault, incident_id, summary.number, clock.now())
    return summary
