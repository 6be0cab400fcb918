"""All rows of a list have one length: 256 bytes, or 512 where an address with its reference needs them."""

import pytest
from sqlalchemy import select

from portal.datakinds.taxonomy import load
from portal.exposure.models import ExposedPerson
from portal.exposure.people import Person
from tests.exposure.conftest import HEADER
from tests.exposure.test_import import people_of

SHORT, LONG = 284, 540  # nonce and tag included
LONG_NAME = "Ñandú " * 33
ANN = "ann@northwind.example,7,Ann,en,ES,Passwords\n"
BEN = f"ben@northwind.example,8,{LONG_NAME},en,ES,Passwords\n"
CLEO = f"{'cleo' * 15}@{'long-domain.' * 13}example,{'9' * 40},Cleo,en,ES,Passwords\n"


def lengths(lists) -> set[int]:
    with lists.db.read() as session:
        return {len(blob) for blob in session.scalars(select(ExposedPerson.blob))}


def named(lists, ref: str) -> Person:
    return next(person for person in people_of(lists) if person.account_ref == ref)


@pytest.mark.parametrize("order", [(ANN, BEN), (BEN, ANN)])
def test_a_long_name_is_cut_and_no_row_is_longer_for_it(lists, order):
    lists.take_in(HEADER + "".join(order))
    assert lengths(lists) == {SHORT}
    name = named(lists, "8").name
    assert LONG_NAME.startswith(name)
    assert 190 < len(name.encode()) < 210
    assert named(lists, "7").name == "Ann"


@pytest.mark.parametrize("order", [(ANN, BEN, CLEO), (CLEO, BEN, ANN)])
def test_one_long_address_makes_every_row_longer(lists, order):
    lists.take_in(HEADER + "".join(order))
    assert lengths(lists) == {LONG}
    assert named(lists, "9" * 40).address == CLEO.partition(",")[0]
    assert named(lists, "8").name == LONG_NAME.strip()
    assert named(lists, "7").name == "Ann"


def test_what_another_row_of_the_same_person_adds_finds_room(lists):
    address, every = (
        f"{'d' * 60}@{'long-domain.' * 8}example",
        "Passwords;Phone numbers;Names;Email addresses",
    )
    rows = (f"{address},5,{LONG_NAME},,,Names\n", f"{address},5,,zh-Hant-TW-variant1,Nordrhein,{every}\n")
    lists.take_in(HEADER + ANN + "".join(rows))
    assert lengths(lists) == {SHORT}
    merged = named(lists, "5")
    assert (merged.address, merged.locale, merged.jurisdiction) == (
        address,
        "zh-Hant-TW-variant1",
        "Nordrhein",
    )
    assert merged.classes.bit_count() == 4


def test_every_class_of_the_taxonomy_has_room():
    assert max(data_class.id for data_class in load()) < 4 * (70 - 30)


def test_a_row_that_fits_into_no_length_is_left_out(lists):
    summary = lists.take_in(
        HEADER + ANN + f"ann@northwind.example,{'🦉' * 100},Ann,en,{'🦉' * 60},Passwords\n"
    )
    assert (summary.people, summary.bad_rows) == (1, 1)
    assert "the row is too long" in lists.report.read_text()
    assert lengths(lists) == {SHORT}
