"""Fill a database for the bench of the console: a list of a million, a notice's mails, and staff's work.

Rows by the million are made inside the database. The console opens none of them: they have the right size,
and mean nothing.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import insert, select, text, update

from portal.audit.models import AuditEntry, AuditHead
from portal.campaigns import wording
from portal.campaigns.models import DONE, ENDED, FIRST, SUPPLEMENTARY, Campaign
from portal.campaigns.series import drafting, signing, steering
from portal.campaigns.series.audience import Audience
from portal.campaigns.series.waves import PlannedWave
from portal.core.db import Base, Database
from portal.exposure.activating import Comparison, activate
from portal.exposure.importing.comparisons import remember
from portal.exposure.models import READY, ExposureList
from portal.exposure.service import data_key_cell
from portal.incidents.models import Incident
from portal.outbox.models import OutboxCount, OutboxLedger
from portal.runtime.parts import WorkerParts

PEOPLE = int(os.environ.get("BENCH_PEOPLE", "1000000"))
MAILS = int(os.environ.get("BENCH_MAILS", "10000000"))
ENTRIES = 100_000
VERSIONS = 12
# One mail in ten has not been moved yet. Of these six were sent, three wait and one failed.
MOVED = MAILS - MAILS // 10
HERE = MAILS - MOVED
WAVES = 3
SLOTS = 16
_CHUNK = 10_000
_CLASS_COUNTS = '{"Email addresses": 1000000, "Names": 1000000, "Passwords": 412000}'

# By the name of the dialect: a table of numbers, and bytes of a length that rise with the number.
_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :most) ",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1, :most)) ",
}
_RISING = {
    "sqlite": "CAST(printf('%0{length}d', i) AS BLOB)",
    "postgresql": "convert_to(lpad(i::text, {length}, '0'), 'UTF8')",
}
_ZEROS = {"sqlite": "zeroblob({length})", "postgresql": "decode(repeat('00', {length}), 'hex')"}
_TIMES = {"sqlite": r":\1", "postgresql": r"CAST(:\1 AS timestamptz)"}


class Rows:
    """Statements that make many rows, in the words of one database."""

    def __init__(self, db: Database) -> None:
        """Take the database; nothing else may use it meanwhile."""
        self._db = db
        self._dialect = db.engine.dialect.name

    def add(self, table: str, most: int, columns: dict[str, str], **values: Any) -> None:
        """Insert so many rows. A column is SQL; `{32}` in it means rising bytes, `{0:284}` zeros."""
        said = {name: self._written(sql) for name, sql in columns.items()}
        statement = (
            f"{_NUMBERS[self._dialect]}INSERT INTO {table} ({', '.join(said)}) "
            f"SELECT {', '.join(said.values())} FROM n"
        )
        if self._dialect == "postgresql":
            with self._db.write() as session:
                session.execute(text(statement), values | {"most": most})
            return
        self._db.dispose()  # the journal can be changed by the only connection alone
        # No journal, and a cache that holds the tables' inner pages: a crash costs the bench alone.
        with sqlite3.connect(str(self._db.engine.url.database)) as connection:
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute(statement, values | {"most": most})
            connection.commit()
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()

    def _written(self, sql: str) -> str:
        for length in (16, 32):
            sql = sql.replace(f"{{{length}}}", _RISING[self._dialect].format(length=length))
        for length in (284, 288, 1052):
            sql = sql.replace(f"{{0:{length}}}", _ZEROS[self._dialect].format(length=length))
        return re.sub(r":(now|later)\b", _TIMES[self._dialect], sql)


def add_people(parts: WorkerParts, incident: Incident) -> ExposureList:
    """Store twelve versions of the list, and activate the newest, which has a million people."""
    now = parts.clock.now()
    with parts.db.write() as session:
        first = len(
            session.scalars(select(ExposureList).where(ExposureList.incident_id == incident.id)).all()
        )
        for number in range(first + 1, first + VERSIONS + 1):
            version = _version(incident, number, now)
            session.add(version)
            session.flush()
            version.data_key = parts.vault.new_data_key(data_key_cell(version))[1]
            former = session.scalar(select(ExposureList).where(ExposureList.number == number - 1))
            comparison = None if former is None else Comparison(former.id, former.number, PEOPLE, 9, 7, 5)
            if comparison is not None:
                remember(session, parts.vault, version.id, comparison)
            if number == first + VERSIONS:
                current = session.scalar(select(ExposureList).where(ExposureList.number == first))
                compared = None if current is None else Comparison(current.id, current.number, PEOPLE)
                activate(
                    session, parts.vault, incident.id, number, now, accept_bad_rows=True, comparison=compared
                )
    blob = {"list_id": ":list", "fold_index": "{16}", "person_key": "{16}", "blob": "{0:284}"}
    Rows(parts.db).add("exposure_people", PEOPLE, blob, list=version.id)
    return version


def _version(incident: Incident, number: int, now: datetime) -> ExposureList:
    return ExposureList(
        incident_id=incident.id,
        number=number,
        state=READY,
        imported_at=now - timedelta(hours=3),
        class_counts=_CLASS_COUNTS,
        rows=PEOPLE,
        people=PEOPLE,
        addresses=PEOPLE,
        bad_rows=17,
    )


def add_notices(parts: WorkerParts, incident: Incident, version: ExposureList) -> tuple[int, int]:
    """Add a notice with ten million mails that is going out, and a draft; return both numbers."""
    now, vault = parts.clock.now(), parts.vault
    with parts.db.write() as session:
        going = _drafted(parts, session, incident, version, FIRST)
        steering.start(session, vault, going, going.expected, now)
        going.written, going.state, going.ended_at = PEOPLE, ENDED, now
        for wave in signing.waves_of(session, going):
            wave.state, wave.written, wave.begun_at, wave.ended_at = DONE, wave.expected, now, now
        signing.sign(session, vault, going)
        draft = _drafted(parts, session, incident, version, SUPPLEMENTARY)
        batch, lane, numbers = going.id, going.lane, (going.number, draft.number)
        session.add_all(_ledger(batch))
        session.add(OutboxCount(batch=batch, state="sent", number=MOVED))
    _add_mails(parts.db, batch, lane or 0, now)
    return numbers


def _drafted(
    parts: WorkerParts, session: Any, incident: Incident, version: ExposureList, kind: str
) -> Campaign:
    now, vault = parts.clock.now(), parts.vault
    words = wording.drawn(session, vault, parts.settings, incident, now, kind=kind)
    sizes = [MAILS // WAVES] * (WAVES - 1)
    waves = (
        *(PlannedWave(5, 0, size, None, size) for size in sizes),
        PlannedWave(5, 0, None, None, sizes[0]),
    )
    plan = drafting.Plan(kind, Audience(offered=parts.settings.site.languages), waves, 1_000_000)
    return drafting.draft(session, vault, incident, version, plan, words, now)


def _ledger(batch: bytes) -> Iterator[OutboxLedger]:
    """Yield the counters of the mails: by wave, state and slot of a process."""
    states = {"sent": MOVED + HERE * 6 // 10, "queued": HERE * 3 // 10, "failed": HERE // 10}
    for wave in range(1, WAVES + 1):
        for state, number in states.items():
            for slot in range(SLOTS):
                share = number // WAVES // SLOTS
                rest = number - share * WAVES * SLOTS if (wave, slot) == (1, 0) else 0
                yield OutboxLedger(batch=batch, wave=wave, state=state, slot=slot, number=share + rest)


def _add_mails(db: Database, batch: bytes, lane: int, now: datetime) -> None:
    rows, moments = Rows(db), (now, now + timedelta(hours=2))
    at, later = (moment.replace(tzinfo=None).isoformat(" ") for moment in moments)
    state = "CASE WHEN i % 10 < 3 THEN 'queued' WHEN i % 10 = 3 THEN 'failed' ELSE 'sent' END"
    waits, sent = "i % 10 < 3", "i % 10 > 3"
    here = {
        "id": "{16}",
        "purpose": "'notice'",
        "priority": ":lane",
        "state": state,
        "attempts": "1",
        "ambiguous": "0",
        "due_at": f"CASE WHEN {waits} THEN :later END",
        "created_at": ":now",
        "finished_at": f"CASE WHEN NOT ({waits}) THEN :now END",
        "reason": "CASE WHEN i % 10 = 3 THEN 'smtp-550' WHEN i % 100 = 1 THEN 'smtp-451' END",
        "batch": ":batch",
        "unique_key": "{16}",
        "payload": "{0:1052}",
        "proof": f"CASE WHEN {sent} THEN {{0:288}} END",
        "proof_hash": f"CASE WHEN {sent} THEN {{32}} END",
        "counted": state,
    }
    # A fifth on PostgreSQL, where a million rows take five times as long; no page reads them.
    part = 1 if db.is_sqlite else 5
    rows.add("outbox_mails", HERE // part, here, lane=lane, batch=batch, now=at, later=later)
    moved = {"proof_hash": "{32}", "batch": ":batch", "unique_key": "{16}", "state": "'sent'"}
    day = {"day": "'2026-11-29'" if db.is_sqlite else "DATE '2026-11-29'", "proof": "{0:288}"}
    rows.add("outbox_delivered", MOVED // part, moved | day, batch=batch)


def add_entries(db: Database, members: list[bytes], now: datetime) -> None:
    """Add 100,000 entries to the audit log, as staff, commands and the portal itself leave them."""
    kinds = (
        ("exposure.samples", '{"upload":"%032x","by":"staff %s"}'),
        ("outbox.retry", '{"mails":%d,"by":"operator root","kind":"%s"}'),
        ("staff.sign_in", '{"how":"code","n":%d,"by":"staff %s"}'),
        ("campaigns.notify", '{"mails":%d,"by":"operator root","x":"%s"}'),
        ("exposure.import", '{"people":%d,"version":3,"x":"%s"}'),
    )
    with db.write() as session:
        first = session.get_one(AuditHead, 1).number + 1

        def rows() -> Iterator[dict[str, Any]]:
            for number in range(ENTRIES):
                action, details = kinds[number % len(kinds)]
                yield {
                    "number": first + number,
                    "at": now - timedelta(days=60) + timedelta(seconds=number * 51),
                    "action": action,
                    "subject": f"incident-{number % 7}",
                    "details": details % (number, members[number % len(members)].hex()),
                    "previous": bytes(32),
                    "digest": bytes(32),
                }

        insert_rows(session, AuditEntry, rows())
        session.execute(update(AuditHead).values(number=first + ENTRIES - 1))


def insert_rows(session: Any, table: type[Base], rows: Iterator[dict[str, Any]]) -> None:
    """Insert rows, some thousand per statement."""
    while chunk := list(islice(rows, _CHUNK)):
        session.execute(insert(Base.metadata.tables[table.__tablename__]), chunk)
