"""What a list says follows somebody who changed their address, and brings nothing of who has the old one."""

from datetime import timedelta

import pytest

from portal.accounts.address import service as addresses
from tests.exposure.conftest import words
from tests.reset.journey import ANA, BEN, people

__all__ = ["people"]

NEW = "ana@home.example"
NOT_LISTED = "You’re not on our list"


@pytest.fixture
def moved(people, db, worker_vault, clock):
    """Ana has another address, since longer than she can undo it."""
    ana = people.add(ANA, name="Ana Ruiz", ref="K-1")
    with db.write() as session:
        addresses.change(session, worker_vault, ana, NEW, clock.now())
    clock.advance(timedelta(days=9))


@pytest.fixture
def given_to_ben(moved, people, db, worker_vault, clock):
    """Her former address is Ben's now."""
    ben = people.add(BEN, name="Ben Ode")
    with db.write() as session:
        addresses.change(session, worker_vault, ben, ANA, clock.now())


def test_a_past_address_goes_on_matching(moved, lists, check, read):
    lists.live(f"{ANA},,,,,Passwords\n")
    assert "Passwords" in words(read(check(NEW)))


@pytest.mark.parametrize(
    "rows",
    [f"{ANA},,Ben Ode,,,Passwords\n", f"{ANA},,,,,Passwords\n", f"{ANA},K-9,Ana Ruiz,,,Passwords\n"],
    ids=["his name", "nobody's name", "another number"],
)
def test_what_is_listed_there_about_who_has_it_now_is_not_hers(given_to_ben, lists, check, read, rows):
    lists.live(rows)
    page = words(read(check(NEW)))
    assert NOT_LISTED in page
    assert "Passwords" not in page
    assert "Passwords" in words(read(check(ANA)))


@pytest.mark.parametrize("rows", [f"{ANA},,Ana Ruiz,,,Passwords\n", f"{ANA},K-1,,,,Passwords\n"])
def test_what_names_her_still_is(given_to_ben, lists, check, read, rows):
    lists.live(f"{rows}{ANA},K-9,Ben Ode,,,Phone numbers\n")
    hers, others = words(read(check(NEW))).split("Not yours")
    assert "Passwords" in hers
    assert "Phone numbers" not in hers
    assert "Phone numbers" in others
