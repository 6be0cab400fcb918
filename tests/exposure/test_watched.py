"""Who watches the live database learns from the worker's look-ups nothing about who is listed."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import event, func, select, text

from portal.exposure import answers, jobs
from portal.exposure.models import ExposedPerson
from portal.exposure.people import Indexer
from portal.intake import jobs as intake
from portal.worker import drain
from tests.exposure.conftest import words

WHO = "ann@northwind.example"
LISTED = [f"person{n}@northwind.example" for n in range(3000)]
STRANGERS = [f"stranger{n}@northwind.example" for n in range(50)]


def before_the_tail(db, vault, addresses):
    """Those behind whom so many rows lie, whoever is listed, that no other way to them is shorter."""
    found = []
    with db.read() as session:
        for address in addresses:
            later = ExposedPerson.fold_index > Indexer(vault).fold(address)
            if session.scalar(select(func.count()).where(later)) >= 1000:
                found.append(address)
    return found[:5]


def rows_fetched(db, vault, incident_id, address):
    """How many rows of the list one look-up fetched, as the database itself counts."""
    counted = []

    def seen(blob):
        counted.append(blob)
        return blob

    if db.is_sqlite:

        @event.listens_for(db.engine, "connect")
        def _(connection, _record):
            connection.create_function("seen", 1, seen)

        db.dispose()
    query = text(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'exposure_people'"
    )
    with db.read() as session:
        before = 0 if db.is_sqlite else session.scalar(query)
        found = answers.candidates(session, vault, [incident_id], address)
        return (len(counted) if db.is_sqlite else session.scalar(query) - before), found


def test_as_many_rows_are_fetched_for_who_is_listed_as_for_who_is_not(db, lists, worker_vault):
    lists.live("".join(f"{address},,,,,Passwords\n" for address in LISTED))
    asked = [before_the_tail(db, worker_vault, group) for group in (LISTED, STRANGERS)]
    if db.is_sqlite:
        with db.write() as session:
            session.execute(text("ALTER TABLE exposure_people RENAME TO people"))
            columns = "list_id, fold_index, person_key, seen(blob) AS blob"
            session.execute(text(f"CREATE VIEW exposure_people AS SELECT {columns} FROM people"))
    else:
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE exposure_people"))
    fetched = set()
    for group, people in zip(asked, (1, 0), strict=True):
        assert len(group) == 5
        for address in group:
            count, found = rows_fetched(db, worker_vault, lists.id_of("november"), address)
            assert len(found[0].people) == people
            fetched.add(count)
    assert len(fetched) == 1, fetched
    assert min(fetched) >= 32


def test_everybody_of_an_address_is_found_however_many_share_it(lists, check, read):
    rows = "".join(f"{WHO},{n},Ann,en,,{'Passwords' if n == 70 else 'Names'}\n" for n in range(80))
    lists.live(rows + "".join(f"{address},,,,,\n" for address in LISTED[:40]))
    with lists.db.read() as session:
        (found,) = answers.candidates(session, lists.vault, [lists.id_of("november")], WHO)
    assert {person.account_ref for person in found.people} == {str(n) for n in range(80)}
    assert "You are affected" in words(read(check(WHO)))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_check_that_is_answered_in_the_moment_of_the_activation_is_answered_again(
    lists, client, read, worker_parts, smtp
):
    client.submit("/check/", email=WHO)
    lists.take_in(f"email\n{WHO}\n")
    looked, go = threading.Event(), threading.Event()
    handler = worker_parts.handlers["check"]

    def slowly(*arguments):
        held = handler(*arguments)
        looked.set()
        assert go.wait(20)
        return held

    slow = replace(worker_parts, handlers=worker_parts.handlers | {"check": slowly})
    answering = threading.Thread(target=intake.answer, args=(slow,))
    answering.start()
    assert looked.wait(20)
    lists.activate(1)
    releasing = threading.Thread(target=jobs.release, args=(worker_parts,))
    releasing.start()
    releasing.join(0.5)  # without the wait it would be done by now, and have seen nobody who waits
    go.set()
    for thread in (answering, releasing):
        thread.join()
    drain(worker_parts)
    assert len(smtp.to(WHO)) == 2
    assert "You are affected<" in read(smtp.messages[-1])
