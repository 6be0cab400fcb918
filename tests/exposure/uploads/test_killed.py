"""A worker that is killed at the worst moment stores a file once."""

import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from portal.audit.models import AuditEntry
from portal.exposure.importing.leftovers import clear
from portal.exposure.models import ExposedPerson, ExposureList
from portal.exposure.uploads import plans
from portal.exposure.uploads.models import Upload
from portal.exposure.uploads.plans import Plan
from portal.exposure.uploads.work import Uploads
from tests.processes import ROOT

LIST = b"email,account_ref\nana@mail.example,C-1\nben@mail.example,C-2\nbad,C-3\n"
# Works on what is due, and kills itself as soon as the transaction with this statement is committed.
PROGRAM = textwrap.dedent("""
    import os, signal, sys
    from sqlalchemy import event
    from portal import app
    from portal.core.clock import SystemClock
    from portal.core.settings import Settings
    from portal.exposure.uploads.work import Uploads
    from portal.runtime.context import Context

    context = Context(Settings.from_env(os.environ))
    parts = app.worker_parts(context.settings, context.db, SystemClock(), context.worker_vault())
    seen = []

    def note(_connection, _cursor, statement, *_rest):
        if statement.startswith(sys.argv[1]):
            seen.append(statement)

    def end(*_arguments):
        if seen:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(context.db.engine, "before_cursor_execute", note)
    event.listen(context.db.engine, "checkin", end)
    while Uploads(parts).step():
        pass
""")


def decided(desk):
    upload, _found = desk.read(LIST)
    with desk.db.write() as session:
        row = session.get_one(Upload, upload.id)
        plans.decide(session, desk.parts.vault, row, Plan(store=True), desk.place.clock.now())
    return upload


def killed_after(environ, statement):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, statement], env={**os.environ, **environ}, cwd=ROOT, check=False
    )
    assert done.returncode == -signal.SIGKILL


def versions(desk):
    """Numbers of the versions, and how many people and audit entries there are of them."""
    with desk.db.read() as session:
        numbers = list(session.scalars(select(ExposureList.number).where(ExposureList.state == "ready")))
        people = session.scalar(select(func.count()).select_from(ExposedPerson))
        entries = select(func.count()).where(AuditEntry.action == "exposure.import")
        return numbers, people, session.scalar(entries)


def test_killed_after_a_version_is_stored_the_worker_stores_no_second_one(desk, clock, environ):
    upload = decided(desk)
    killed_after(environ, "UPDATE exposure_lists SET state")
    clock.at = datetime.now(UTC) + timedelta(seconds=125)
    desk.work()
    assert versions(desk) == ([1], 2, 1)
    row = desk.row(upload)
    assert (row.state, row.number, row.people, row.bad_rows) == ("stored", 1, 2, 1)
    assert desk.found(upload)["number"] == 1


def test_killed_before_a_version_is_whole_the_worker_stores_it_once(desk, clock, environ):
    upload = decided(desk)
    killed_after(environ, "INSERT INTO exposure_lists")
    assert versions(desk) == ([], 0, 0)
    clock.at = datetime.now(UTC) + timedelta(seconds=125)
    desk.work()
    clear(desk.db)
    numbers, people, entries = versions(desk)
    assert (len(numbers), people, entries) == (1, 2, 1)
    assert (desk.row(upload).state, desk.row(upload).number) == ("stored", numbers[0])


def test_whoever_discards_a_file_at_its_end_finds_no_version_of_it(desk, monkeypatch):
    """The worker has read and stored everything, and is about to say so."""
    upload = decided(desk)
    note = Uploads._note

    def late(self, session, row, *arguments):
        session.get_one(Upload, row.id).state = "discarded"
        session.flush()
        return note(self, session, row, *arguments)

    monkeypatch.setattr(Uploads, "_note", late)
    Uploads(desk.parts).step()
    assert versions(desk) == ([], 0, 0)
    assert desk.row(upload).number == 0
