"""A required reset of many goes by pages: killed, shared or interrupted, and still counted exactly."""

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

import pytest
from sqlalchemy import Engine, event, func, select, text

from portal.crypto.hashing import dummy_hash
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.models import AccountState
from portal.outbox import service as outbox
from portal.outbox.models import OutboxMail
from portal.reset.models import CountedAccount, Requirement
from portal.reset.require import cohorts
from portal.runtime import turns
from tests.processes import ROOT
from tests.reset.test_require import HEADER, SLUG, counted, take_in

MANY = 1_100
# Runs a command that kills itself in the transaction that closes, counts and mails: when that has begun, when
# all is written, or, where the first is to be committed, in the second one.
KILLED = """
import os, signal, sys
from portal.cli import main
from portal.reset.require import run

point, advance = sys.argv.pop(1), run.advance

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def first(*arguments):
    advance(*arguments)
    if point == "written":
        die()
    run.advance = die

run.advance = die if point == "begun" else first
main()
"""


@pytest.fixture
def many(portal, people, db, clock, tmp_path) -> list[str]:
    """A list in which each row leads to two accounts: by its address, and to another by customer number.

    So each account is reached twice, from rows that lie far apart.
    """
    addresses = [f"person{number}@northwind.example" for number in range(MANY)]
    new = [
        NewAccount(Profile(address), dummy_hash("m=64,t=1,p=1"), frozenset({f"C-{number}"}))
        for number, address in enumerate(addresses)
    ]
    with db.write() as session:
        people.store.add(session, people.vault, new, clock.now())
    portal("incidents", "create", SLUG, "--title", "The incident", "--classes", "Email addresses")
    rows = (f"{address},C-{number * 7 % MANY},,Passwords\n" for number, address in enumerate(addresses))
    take_in(portal, tmp_path, HEADER + "".join(rows))
    return addresses


@pytest.fixture
def short_pages(monkeypatch) -> None:
    """Five rows a page, and no more a turn."""
    monkeypatch.setattr(cohorts, "PAGE", 5)


@pytest.fixture
def after_turn(monkeypatch) -> Callable[[int, Callable[[], object]], None]:
    """Does something once, just before a job takes its turn of that number, for which it has read a page."""

    def at(number: int, work: Callable[[], object]) -> None:
        numbers, take = count(1), turns.Turns.take

        def counting(self):
            if next(numbers) == number:
                work()
            return take(self)

        monkeypatch.setattr(turns.Turns, "take", counting)

    return at


def rows_of(db, table) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def mailed(db, vault) -> list[str]:
    with db.read() as session:
        rows = session.execute(select(OutboxMail.id, OutboxMail.payload)).all()
    return sorted(outbox.unseal(vault, row.id, row.payload).address for row in rows)


def test_a_command_killed_at_any_point_goes_on_where_it_was(portal, many, environ, db, people, clock):
    clock.at = datetime.now(UTC)
    command, surroundings = [sys.executable, "-c", KILLED], {"PATH": "/usr/bin:/bin", **environ}
    found = []
    for point in ("begun", "committed", "written"):
        killed = subprocess.run(
            [*command, point, "reset", "require", SLUG],
            env=surroundings,
            cwd=ROOT,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        found.append((rows_of(db, Requirement), rows_of(db, OutboxMail)))
    (begun, committed, written) = found
    assert begun == (1, 0)
    assert committed == written == (1, committed[1])
    assert 0 < rows_of(db, OutboxMail) < MANY
    before_resuming = counted(portal("reset", "require", SLUG, "--dry-run"))
    done = counted(portal("reset", "require", SLUG))
    assert done == before_resuming == counts(newly=1_100, mails=1_100)
    assert mailed(db, people.vault) == sorted(many)
    with db.read() as session:
        assert session.scalar(select(func.count()).where(AccountState.must_reset)) == 1_100
        assert (
            session.scalars(select(AccountState.reset_required_at).distinct()).all()
            == session.scalars(select(Requirement.started_at)).all()
        )
    assert rows_of(db, CountedAccount) == 0
    assert counted(portal("reset", "require", SLUG)) == counts(already=1_100)


def counts(newly: int = 0, already: int = 0, renewed: int = 0, mails: int = 0) -> dict[str, int]:
    return {
        "people": 1_100,
        "tampered, skipped": 0,
        "accounts found": newly + already + renewed,
        "newly required": newly,
        "already required": already,
        "renewed since": renewed,
        "mails": mails,
    }


@pytest.fixture
def twelve(portal, people, tmp_path) -> list[str]:
    """A list of twelve whose accounts are each reached twice."""
    addresses = [f"p{number}@northwind.example" for number in range(12)]
    for number, address in enumerate(addresses):
        people.add(address, ref=f"C-{number}")
    portal("incidents", "create", SLUG, "--title", "The incident", "--classes", "Email addresses")
    rows = (f"{address},C-{number * 7 % 12},,Passwords\n" for number, address in enumerate(addresses))
    take_in(portal, tmp_path, HEADER + "".join(rows))
    return addresses


def test_an_account_reached_from_several_pages_counts_once_whatever_its_state(
    portal, twelve, people, db, short_pages
):
    people.require(twelve[0])
    with db.write() as session:
        session.execute(
            text("UPDATE account_state SET chosen_by_mail_at = '2030-01-01 00:00:00' WHERE id = :id"),
            {"id": people.account(twelve[1]).id},
        )
    expected = counts(newly=10, already=1, renewed=1, mails=10) | {"people": 12}
    assert counted(portal("reset", "require", SLUG, "--dry-run")) == expected
    assert counted(portal("reset", "require", SLUG)) == expected


def test_the_end_of_a_job_reads_none_of_the_rows_that_it_deletes(portal, twelve, db):
    """There is one for each account: memory would grow with them."""
    deleted: list[str] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, *_):
        if statement.startswith("DELETE FROM reset_counted"):
            deleted.append(statement)

    try:
        portal("reset", "require", SLUG)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert deleted
    assert not any("RETURNING" in each for each in deleted)
    assert rows_of(db, CountedAccount) == 0


def test_another_command_that_does_the_rest_meanwhile_shares_the_counts(
    portal, twelve, people, db, short_pages, after_turn
):
    """The first has read a page already, which the second does: it is done once."""
    others = []
    after_turn(2, lambda: others.append(counted(portal("reset", "require", SLUG))))
    mine = counted(portal("reset", "require", SLUG))
    assert mine == others[0] == counts(newly=12, mails=12) | {"people": 12}
    assert mailed(db, people.vault) == sorted(twelve)
    assert rows_of(db, Requirement) == 1


def test_a_list_that_is_activated_anew_meanwhile_stops_the_command(
    portal, twelve, people, db, short_pages, after_turn, tmp_path
):
    """Whoever replaces a list while it is worked through has a reason: the rest of the former is spared."""
    after_turn(1, lambda: take_in(portal, tmp_path, HEADER + f"{twelve[3]},,,Passwords\n"))
    stopped = portal("reset", "require", SLUG, status=1)
    assert "Version 2 of the list of november was activated meanwhile" in stopped.output
    closed = [address for address in twelve if people.account(address).must_reset]
    assert 5 <= len(closed) <= 10  # a page of five rows, each of which leads to two accounts at most
    again = counted(portal("reset", "require", SLUG))
    assert again["people"] == again["accounts found"] == 1
    assert mailed(db, people.vault) == sorted({*closed, twelve[3]})


def test_a_list_that_is_destroyed_or_off_meanwhile_says_so(portal, twelve, db, short_pages, after_turn):
    def switch_off() -> None:
        with db.write() as session:
            session.execute(text("DELETE FROM exposure_active"))

    after_turn(2, switch_off)
    assert "No list of november is active" in portal("reset", "require", SLUG, status=1).output


def test_nothing_stored_joins_the_list_with_accounts(portal, twelve, people, db, short_pages, after_turn):
    """What a job notes while it works is neither an account's id nor the key of a row of the list."""
    seen: list[bytes] = []

    def look() -> None:
        with db.read() as session:
            seen.extend(key[16:] for key in session.scalars(select(CountedAccount.key)))

    after_turn(3, look)
    portal("reset", "require", SLUG)
    with db.read() as session:
        known = {row[0] for row in session.execute(select(AccountState.id))}
        for column in ("fold_index", "person_key"):
            known |= {bytes(row[0]) for row in session.execute(text(f"SELECT {column} FROM exposure_people"))}
    assert len(seen) >= 5
    assert known.isdisjoint(seen)
