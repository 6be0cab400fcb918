"""The log: whoever touches it is found out, and whoever writes it waits their turn."""

import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, insert, select, update

from portal.app import SCHEDULE
from portal.audit import service
from portal.audit.commands import audit
from portal.audit.models import AuditCheckpoint, AuditEntry, AuditHead
from portal.runtime.context import Context
from portal.runtime.schedule import ScheduledJob
from portal.worker import run_schedule

DETAILS: dict[str, str | int | bool | None] = {"people": 12, "dry_run": False, "name": "¡día!"}


@pytest.fixture
def key(worker_vault):
    return worker_vault.audit_key


@pytest.fixture
def written(db, clock, key):
    """Five entries, signed after the fourth."""
    for number in range(5):
        with db.write() as session:
            service.record(session, "exposure.import", f"list-{number}", DETAILS, clock.now())
        if number == 3:
            sign(db, key, clock)
    return db


def sign(db, key, clock):
    with db.write() as session:
        return service.sign(session, key, clock.now())


def verify(db, key=None, holds=()):
    with db.snapshot() as session:
        return service.verify(session, key, holds)


def write_another(db, clock):
    """Take the whole log away and write one that is whole in itself, as who holds the database can."""
    tamper(
        db,
        delete(AuditEntry),
        delete(AuditCheckpoint),
        update(AuditHead).values(number=0, digest=bytes(32)),
    )
    for number in range(5):
        with db.write() as session:
            service.record(session, "exposure.import", f"another-{number}", DETAILS, clock.now())


def tamper(db, *statements):
    with db.write() as session:
        for statement in statements:
            session.execute(statement)


def test_an_untouched_log_is_whole(written, key):
    seen = verify(written, key)
    assert (seen.entries, seen.signed_up_to) == (5, 4)
    assert verify(written).entries == 5


def test_an_empty_log_is_whole(db, key, clock):
    seen = verify(db, key)
    assert (seen.entries, seen.signed_up_to) == (0, 0)
    assert sign(db, key, clock) is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("action", "exposure.delete"), ("subject", "list-9"), ("details", "{}"), ("previous", b"x" * 32),
        ("digest", b"x" * 32), ("number", 77), ("at", datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("entry", [1, 3, 5])
def test_any_column_of_any_entry_that_is_touched_is_noticed(written, column, value, entry):
    tamper(written, update(AuditEntry).where(AuditEntry.number == entry).values({column: value}))
    with pytest.raises(service.ChainBroken):
        verify(written)


def test_the_worker_walks_the_whole_log_once_a_day(written, worker_parts, clock, caplog):
    caplog.set_level(logging.ERROR)
    run_schedule(worker_parts, SCHEDULE)
    tamper(written, update(AuditEntry).where(AuditEntry.number == 2).values(subject="list-9"))
    run_schedule(worker_parts, SCHEDULE)
    assert caplog.text == ""
    clock.advance(timedelta(days=1))
    run_schedule(worker_parts, SCHEDULE)
    run_schedule(worker_parts, SCHEDULE)
    assert caplog.text.count("the audit log does not verify: entry 2") == 1


@pytest.mark.parametrize("entry", [1, 3, 5])
def test_a_removed_entry_is_missed(written, entry):
    tamper(written, delete(AuditEntry).where(AuditEntry.number == entry))
    with pytest.raises(service.ChainBroken):
        verify(written)


def test_two_entries_that_changed_places_are_noticed(written):
    tamper(
        written,
        update(AuditEntry).where(AuditEntry.number == 2).values(number=99),
        update(AuditEntry).where(AuditEntry.number == 3).values(number=2),
        update(AuditEntry).where(AuditEntry.number == 99).values(number=3),
    )
    with pytest.raises(service.ChainBroken, match="entry 2"):
        verify(written)


def test_a_tail_cut_off_below_a_checkpoint_is_missed_though_the_head_was_moved_back(written):
    with written.read() as session:
        kept = session.get(AuditEntry, 3)
    tamper(
        written,
        delete(AuditEntry).where(AuditEntry.number > 3),
        update(AuditHead).values(number=3, digest=kept.digest),
    )
    with pytest.raises(service.ChainBroken, match="ends at entry 3"):
        verify(written)


def test_a_forged_checkpoint_is_found_out_by_who_holds_the_key(written, key):
    tamper(written, update(AuditCheckpoint).values(signature=service._signature(b"k" * 32, 4, b"d" * 32)))
    assert verify(written).entries == 5
    with pytest.raises(service.ChainBroken, match="checkpoint at entry 4"):
        verify(written, key)


def test_a_chain_that_was_rewritten_below_a_checkpoint_does_not_fit_it(written, key, clock):
    tamper(written, delete(AuditEntry), update(AuditHead).values(number=0, digest=bytes(32)))
    for number in range(5):
        with written.write() as session:
            service.record(session, "exposure.import", f"another-{number}", DETAILS, clock.now())
    with pytest.raises(service.ChainBroken, match="checkpoint at entry 4"):
        verify(written, key)


def test_what_failed_left_no_entry(written, clock):
    def fail():
        with written.write() as session:
            service.record(session, "exposure.import", "list", {}, clock.now())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert verify(written).entries == 5


def test_four_writers_and_a_signer_at_once_make_one_chain_and_a_reader_meanwhile_sees_it_whole(
    db, clock, key
):
    faults = []

    def sign_often():
        try:
            for _ in range(20):
                sign(db, key, clock)
        except Exception as error:  # noqa: BLE001 - as below
            faults.append(error)

    def write(name):
        try:
            for number in range(10):
                with db.write() as session:
                    service.record(session, "test.write", f"{name}-{number}", {}, clock.now())
                verify(db)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must show it
            faults.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    threads.append(threading.Thread(target=sign_often))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert verify(db, key).entries == 40


def test_a_log_that_was_replaced_as_a_whole_is_noticed_by_who_noted_an_entry_down(written, key, clock):
    noted = verify(written, key).last
    assert verify(written, key, [noted, service.Mark.parse(str(noted))]).last == noted
    write_another(written, clock)
    sign(written, key, clock)
    assert verify(written, key).signed_up_to == 5
    with pytest.raises(service.ChainBroken, match="entry 5 is not the one given with --holds"):
        verify(written, key, [noted])


def test_an_entry_that_was_noted_down_and_cut_off_is_missed(written, key, clock):
    noted = sign(written, key, clock)
    with written.read() as session:
        kept = session.get(AuditEntry, 3)
    tamper(
        written,
        delete(AuditCheckpoint),
        delete(AuditEntry).where(AuditEntry.number > 3),
        update(AuditHead).values(number=3, digest=kept.digest),
    )
    assert verify(written, key).entries == 3
    with pytest.raises(service.ChainBroken, match="entry 5"):
        verify(written, key, [noted])


class TestSigning:
    def test_what_was_written_since_is_signed_once(self, written, key, clock):
        assert sign(written, key, clock) == verify(written).last
        assert verify(written, key).signed_up_to == 5
        assert sign(written, key, clock) is None

    def test_a_long_log_is_signed_a_page_at_a_time(self, db, key, clock):
        with db.write() as session:
            for number in range(2000):
                service.record(session, "test.write", str(number), {}, clock.now())
        signed = [sign(db, key, clock) for _ in range(3)]
        assert [mark and mark.number for mark in signed] == [1000, 2000, None]
        assert verify(db, key).signed_up_to == 2000

    @pytest.mark.parametrize(
        "change",
        [
            update(AuditEntry).where(AuditEntry.number == 5).values(subject="list-9"),
            update(AuditEntry).where(AuditEntry.number == 4).values(subject="list-9"),
            update(AuditEntry).where(AuditEntry.number == 5).values(previous=b"x" * 32),
            update(AuditEntry).where(AuditEntry.number == 5).values(number=6),
            delete(AuditEntry).where(AuditEntry.number == 5),
            delete(AuditEntry).where(AuditEntry.number == 4),
            delete(AuditEntry),
            update(AuditHead).values(digest=b"x" * 32),
            update(AuditHead).values(number=3),
            update(AuditHead).values(number=9),
            delete(AuditHead),
            update(AuditCheckpoint).values(signature=b"x" * 32),
            update(AuditCheckpoint).values(digest=b"x" * 32),
            update(AuditCheckpoint).values(number=3),
            update(AuditCheckpoint).values(number=9),
        ],
        ids=str,
    )
    def test_what_does_not_fit_is_not_signed(self, written, key, clock, change):
        tamper(written, change)
        with pytest.raises(service.ChainBroken):
            sign(written, key, clock)
        with written.read() as session:
            assert len(session.scalars(select(AuditCheckpoint)).all()) == 1

    def test_a_head_moved_back_below_what_is_signed_is_not_signed(self, written, key, clock):
        with written.read() as session:
            kept = session.get(AuditEntry, 3)
        tamper(written, update(AuditHead).values(number=3, digest=kept.digest))
        with pytest.raises(service.ChainBroken, match="head or a checkpoint says otherwise"):
            sign(written, key, clock)

    def test_a_log_written_anew_above_what_is_signed_is_not_signed(self, written, key, clock):
        with written.read() as session:
            signed = session.scalars(select(AuditCheckpoint)).one()
        write_another(written, clock)
        tamper(
            written,
            insert(AuditCheckpoint).values(
                number=signed.number, at=signed.at, digest=signed.digest, signature=signed.signature
            ),
        )
        with pytest.raises(service.ChainBroken, match="checkpoint at entry 4"):
            sign(written, key, clock)

    def test_the_worker_says_outside_the_database_what_it_signed(self, written, worker_parts, caplog):
        caplog.set_level(logging.INFO, logger="portal.audit")
        run_schedule(worker_parts, SCHEDULE)
        run_schedule(worker_parts, SCHEDULE)
        said = [record.getMessage() for record in caplog.records if record.name == "portal.audit"]
        last = verify(written).last
        assert said == [f"audit: the audit log is signed up to entry 5: {last.digest}"]
        assert service.Mark.parse(said[0].partition("entry ")[2]) == last

    def test_a_broken_log_is_an_error_that_keeps_no_other_job_from_running(
        self, written, worker_parts, caplog
    ):
        tamper(written, update(AuditEntry).where(AuditEntry.number == 5).values(subject="list-9"))
        ran: list[object] = []
        run_schedule(worker_parts, [*SCHEDULE, ScheduledJob("last", timedelta(seconds=10), ran.append)])
        assert ran == [worker_parts]
        errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
        assert any("not signed: entry 5 was altered or removed" in error for error in errors)


class TestCommand:
    @pytest.fixture
    def verify_log(self, settings):
        context = Context(settings)
        yield lambda *words: CliRunner().invoke(audit, ["verify", *words], obj=context)
        context.db.dispose()

    def test_it_shows_the_last_entry_which_may_be_asked_for_later(self, written, verify_log, clock):
        shown = verify_log()
        mark = str(verify(written).last)
        assert shown.exit_code == 0
        assert f"Its last entry is {mark}" in shown.output
        with written.write() as session:
            service.record(session, "exposure.import", "list-5", DETAILS, clock.now())
        assert verify_log("--holds", mark, "--holds", mark.upper()).exit_code == 0

    @pytest.mark.parametrize("other", ["5:0000000000000000", "6:0000000000000000"])
    def test_a_log_that_does_not_hold_what_was_noted_down_is_not_whole(self, written, verify_log, other):
        result = verify_log("--holds", str(verify(written).last), "--holds", other)
        assert result.exit_code == 1
        assert "The audit log does not verify" in result.output

    @pytest.mark.parametrize("words", ["5", "5:", "5:abc", "five:0000000000000000", "0:0000000000000000", ""])
    def test_what_is_no_entry_s_mark_is_said_to_be_none(self, verify_log, words):
        result = verify_log("--holds", words)
        assert result.exit_code == 2
        assert "16 hexadecimal digits" in result.output

    def test_an_empty_log_has_no_last_entry_to_note_down(self, verify_log):
        result = verify_log()
        assert "0 entries" in result.output
        assert "last entry" not in result.output
