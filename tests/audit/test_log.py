"""The log: whoever touches it is found out, and whoever writes it waits their turn."""

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, update

from portal.audit import service
from portal.audit.models import AuditCheckpoint, AuditEntry, AuditHead

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
            with db.write() as session:
                service.sign(session, key, clock.now())
    return db


def verify(db, key=None):
    with db.snapshot() as session:
        return service.verify(session, key)


def tamper(db, *statements):
    with db.write() as session:
        for statement in statements:
            session.execute(statement)


def test_an_untouched_log_is_whole(written, key):
    assert verify(written, key) == service.Verified(entries=5, signed_up_to=4)
    assert verify(written).entries == 5


def test_an_empty_log_is_whole(db, key):
    assert verify(db, key) == service.Verified(0, 0)


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
    tamper(written, delete(AuditEntry), update(AuditHead).values(number=0, digest=service.GENESIS))
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


def test_four_writers_at_once_make_one_chain_and_a_reader_meanwhile_sees_it_whole(db, clock, key):
    faults = []

    def write(name):
        try:
            for number in range(10):
                with db.write() as session:
                    service.record(session, "test.write", f"{name}-{number}", {}, clock.now())
                verify(db)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must show it
            faults.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert verify(db, key).entries == 40
