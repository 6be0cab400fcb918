"""A thief with the database, the web keys and every customer's address does not learn who is listed."""

import math
import random
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from portal.crypto.vault import WebVault
from portal.exposure.people import Indexer
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from tests import traces
from tests.exposure.conftest import HEADER, SLUG, Lists
from tests.open_store import OpenStore

PEOPLE = 600


@pytest.fixture
def addresses() -> list[tuple[str, str]]:
    """Everyone's address and name, of very different lengths, in the order of the customer list."""
    rng = random.Random(7)
    return [
        (f"{'x' * rng.randint(1, 40)}{i}@northwind.example", "Né " * rng.randint(0, 12) + f"Person{i}")
        for i in range(PEOPLE)
    ]


@pytest.fixture
def stolen(lists: Lists, addresses: list[tuple[str, str]]) -> Iterator[list[tuple[bytes, bytes, bytes]]]:
    """The rows of the list of every second customer, as the thief reads them."""
    rows = "".join(f"{address},{i},{name},en,,\n" for i, (address, name) in enumerate(addresses) if i % 2)
    lists.take_in(HEADER + rows)
    lists.activate(1)
    with lists.db.engine.connect() as connection:
        found = connection.execute(text("SELECT fold_index, person_key, blob FROM exposure_people"))
        yield [(bytes(fold), bytes(key), bytes(blob)) for fold, key, blob in found]


def test_no_address_or_name_is_anywhere_in_the_files(lists, addresses, stolen, tmp_path):
    if not lists.db.is_sqlite:
        files = repr(stolen).encode()
    else:
        files = b"".join(path.read_bytes() for path in Path(tmp_path).glob("portal.db*") if path.is_file())
        assert b"exposure_people" in files
    for address, name in addresses:
        assert address.encode() not in files
        assert name.encode() not in files
    assert b"northwind" not in files
    assert b"Person" not in files


def test_the_web_keys_confirm_nobody(addresses, stolen, web_keys):
    vault = WebVault(web_keys)
    present = {part for row in stolen for part in row[:2]}
    guesses = {
        guess
        for address, _ in addresses
        for guess in (
            vault.account_index(address),
            vault.bucket(address),
            vault.bucket("exposure", address),
            vault.bucket("exposure-person", address),
        )
    }
    assert not present & guesses


@pytest.fixture
def customers(lists: Lists, addresses: list[tuple[str, str]], stolen, worker_vault, clock) -> dict[str, str]:
    """The company's customer table with its hashes, which the thief has too; the listed must choose anew."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    table = {address: hasher.hash(address) for address, _ in addresses}
    store, listed = OpenStore(), [address for address, _ in addresses[1::2]]
    with lists.db.write() as session:
        store.add(
            session,
            worker_vault,
            [NewAccount(Profile(*one), table[one[0]]) for one in addresses],
            clock.now(),
        )
        found = [store.find(session, worker_vault, address) for address in listed]
        store.require_reset(session, [one.id for one in found if one], "exposed", clock.now())
    return table


def test_the_customer_table_with_its_hashes_says_nothing_about_anyone(lists, addresses, customers):
    """Nothing in the database equals or holds a hash, and what must be chosen anew looks like the rest."""
    everything = traces.contents(lists.db)
    values = {
        value for rows in everything.values() for row in rows for value in row if isinstance(value, str)
    }
    assert "exposed" in values
    ends = {value.rpartition("$")[2] for value in values}
    for password_hash in customers.values():
        digest = password_hash.rpartition("$")[2]
        assert digest not in ends
        assert not {password_hash, b64encode(password_hash.encode()).decode()} & values
    rows = (
        "SELECT must_reset, length(password_hash), length(closed), length(profile) "
        "FROM identity_accounts JOIN account_state USING (id)"
    )
    with lists.db.engine.connect() as connection:
        shown = Counter(tuple(row) for row in connection.execute(text(rows)))
    assert shown == {(True, 720, 720, 284): PEOPLE // 2, (False, 720, 720, 284): PEOPLE // 2}


def test_no_two_values_of_an_account_are_equal_or_equal_another_table_s(lists, customers):
    """What is closed is the former hash of the same account: it may repeat, and so does the account's id."""
    everything = traces.contents(lists.db)
    seen: Counter[bytes] = Counter()
    for rows in everything.values():
        for row in rows:
            seen.update(
                {bytes(value) for value in row if isinstance(value, bytes | memoryview) and len(value) > 8}
            )
    with lists.db.engine.connect() as connection:
        own = connection.execute(text("SELECT address_index, ref_index, profile FROM identity_accounts"))
        assert {seen[bytes(value)] for row in own for value in row} == {1}


def test_every_row_has_one_length(stolen):
    assert Counter(len(blob) for _, _, blob in stolen) == {284: PEOPLE // 2}


def test_the_order_of_rows_says_nothing_about_the_order_of_customers(lists, addresses, stolen):
    # Rank correlation between a row's place and its person's place in the customer list, which only the owner
    # can see.
    indexer = Indexer(lists.vault)
    place = {indexer.fold(address): i for i, (address, _) in enumerate(addresses)}
    places = [place[fold] for fold, _, _ in stolen]
    count = len(places)
    ranks = {value: rank for rank, value in enumerate(sorted(places))}
    squares = sum((rank - ranks[value]) ** 2 for rank, value in enumerate(places))
    correlation = 1 - 6 * squares / (count * (count**2 - 1))
    assert abs(correlation) < 4 / math.sqrt(count)


def test_only_counts_stand_in_clear(lists, stolen):
    with lists.db.engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM exposure_lists")).mappings().all()
    clear = {name: value for name, value in row.items() if name not in {"id", "incident_id", "data_key"}}
    assert set(clear) == {
        "number", "state", "imported_at", "class_counts", "rows", "people", "addresses", "duplicates",
        "bad_rows", "language_counts",
        "notifying",
    }  # fmt: skip
    assert SLUG not in repr(clear)
