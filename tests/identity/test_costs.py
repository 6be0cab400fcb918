"""An address without an account costs what accounts cost, also while their costs move. On both databases."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher
from sqlalchemy import delete, select, update

from portal.crypto.formats import registry
from portal.crypto.hashing import unset_hash
from portal.identity.account import Profile
from portal.identity.builtin import hashes
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.jobs import count_hash_costs
from portal.identity.builtin.models import AccountRow, CostCount
from tests.open_store import OpenStore

STORE = OpenStore()
OURS = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("a password of long ago")
# bcrypt 4.3.0, password "hunter22"
THEIRS = "$2y$04$HHprCYkrhXKoRtOFlAn1fu7UnCw4LJF9av7hR8gg5BvkDRIxsJNYG"
ARGON2, BCRYPT = "m=64,t=1,p=1", "bcrypt 4"


def put(db, vault, clock, password_hash, *names):
    with db.write() as session:
        new = [NewAccount(Profile(f"{name}@example.com"), password_hash) for name in names]
        STORE.add(session, vault, new, clock.now())


def counts(db):
    with db.read() as session:
        return {row.cost_class: (row.came, row.accounts) for row in session.scalars(select(CostCount))}


def account(db, vault, name):
    with db.read() as session:
        found = STORE.find(session, vault, f"{name}@example.com")
    assert found is not None
    return found


def strangers(db, vault, number=300):
    """The classes of addresses without an account, by address."""
    with db.read() as session:
        return {
            n: registry.cost_class(str(STORE.dummy_hash(session, vault, f"nobody{n}@example.com")))
            for n in range(number)
        }


def test_without_accounts_the_setting_decides(db, web_vault):
    with db.read() as session:
        assert STORE.dummy_hash(session, web_vault, "nobody@example.com") is None


def test_a_stand_in_keeps_its_cost_and_tells_nothing_else(db, worker_vault, web_vault, clock):
    put(db, worker_vault, clock, THEIRS, *"abc")
    put(db, worker_vault, clock, OURS, "d")
    drawn = strangers(db, web_vault)
    assert 190 <= Counter(drawn.values())[BCRYPT] <= 260
    assert strangers(db, web_vault) == drawn
    with db.read() as session:
        two = {STORE.dummy_hash(session, web_vault, "nobody@example.com") for _ in range(2)}
    assert len(two) == 2


@pytest.mark.parametrize("way", ["sign-in", "new password"])
def test_an_account_that_gets_our_hash_does_not_stand_out_before_the_next_count(
    db, worker_vault, web_vault, clock, way
):
    names = [f"user{n}" for n in range(8)]
    put(db, worker_vault, clock, THEIRS, *names)
    before = strangers(db, web_vault)
    assert set(before.values()) == {BCRYPT}
    for done, name in enumerate(names, 1):
        found = account(db, web_vault, name)
        with db.write() as session:
            if way == "sign-in":
                assert STORE.upgrade_hash(session, web_vault, found, OURS)
            else:
                assert STORE.set_password(
                    session, web_vault, found.id, expected_version=1, password_hash=OURS, now=clock.now()
                )
        after = strangers(db, web_vault)
        # As many strangers of a hundred as accounts: within four standard deviations.
        assert abs(Counter(after.values())[ARGON2] / 300 - done / 8) < 0.12
        assert all(after[n] in (before[n], ARGON2) for n in after), "nobody goes back"
        before = after
    assert counts(db) == {BCRYPT: (8, 0), ARGON2: (0, 8)}


def test_the_hash_of_an_account_without_a_password_is_counted_like_others(db, worker_vault, clock):
    put(db, worker_vault, clock, unset_hash(ARGON2), "a", "b")
    put(db, worker_vault, clock, THEIRS, "c")
    assert counts(db) == {ARGON2: (2, 2), BCRYPT: (1, 1)}
    # A later file has the hash that was missing.
    put(db, worker_vault, clock, THEIRS, "a")
    assert counts(db) == {ARGON2: (1, 1), BCRYPT: (2, 2)}
    put(db, worker_vault, clock, OURS, "a", "b", "c")
    assert counts(db) == {ARGON2: (1, 1), BCRYPT: (2, 2)}


def test_a_closed_password_costs_what_it_did(db, worker_vault, web_vault, clock):
    put(db, worker_vault, clock, THEIRS, "a")
    with db.write() as session:
        STORE.require_reset(session, STORE.all_ids(session, None, 9), "everyone", clock.now())
    assert counts(db) == {BCRYPT: (1, 1)}
    forced = account(db, web_vault, "a")
    assert (forced.password_hash, forced.closed_hash) == (THEIRS, THEIRS)


def test_a_new_accounts_closed_hash_costs_what_its_own_does(db, worker_vault, web_vault, clock):
    put(db, worker_vault, clock, THEIRS, "a")
    assert registry.cost_class(account(db, web_vault, "a").closed_hash) == BCRYPT


def test_the_daily_count_corrects_the_counts_and_keeps_how_accounts_came(
    db, worker_parts, worker_vault, web_vault, clock
):
    put(db, worker_vault, clock, THEIRS, *"abcd")
    with db.write() as session:
        assert STORE.upgrade_hash(session, web_vault, account(db, web_vault, "a"), OURS)
        session.execute(update(CostCount).values(accounts=77))
    count_hash_costs(worker_parts)
    assert counts(db) == {BCRYPT: (4, 3), ARGON2: (0, 1)}
    with db.write() as session:  # a database of an earlier version whose accounts were never counted
        session.execute(delete(CostCount))
    count_hash_costs(worker_parts)
    assert counts(db) == {}, "once a day"


def test_a_database_that_was_never_counted_is_counted_as_it_is(db, worker_parts, worker_vault, clock):
    put(db, worker_vault, clock, THEIRS, *"abcd")
    with db.write() as session:
        session.execute(delete(CostCount))
    put(db, worker_vault, clock, OURS, "e")
    count_hash_costs(worker_parts)
    assert counts(db) == {BCRYPT: (4, 4), ARGON2: (1, 1)}


def test_a_hash_that_was_tampered_with_is_in_no_class(db, worker_vault, web_vault, worker_parts, clock):
    put(db, worker_vault, clock, THEIRS, "a", "b")
    with db.write() as session:
        row = session.scalars(select(AccountRow).limit(1)).one()
        row.password_hash = hashes.encrypt(worker_vault, row.id, "no hash at all")
    count_hash_costs(worker_parts)
    assert counts(db) == {BCRYPT: (2, 1)}


def test_many_at_once_lose_no_count(db, worker_vault, web_vault, clock):
    names = [f"user{n}" for n in range(12)]
    put(db, worker_vault, clock, THEIRS, *names)
    found = [account(db, web_vault, name) for name in names]

    def upgrade(one):
        with db.write() as session:
            return STORE.upgrade_hash(session, web_vault, one, OURS)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(upgrade, found))
    assert counts(db) == {BCRYPT: (12, 0), ARGON2: (0, 12)}
