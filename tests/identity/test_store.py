"""The builtin user store keeps the port's promises, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, text, update

from portal.crypto.hashing import unset_hash
from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import AccountMissing, Profile
from portal.identity.builtin import adding, hashes, profiles, references
from portal.identity.builtin.adding import NewAccount, Stored
from portal.identity.builtin.jobs import count_hash_costs
from portal.identity.builtin.models import AccountReference, AccountRow, CostCount
from portal.identity.builtin.profiles import pack
from tests.open_store import OpenAccount, OpenStore

STORE = OpenStore()
HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("a password of long ago")
OTHER_HASH = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash("another one")
ANA = Profile("Ana.Ruiz@example.com", "Ana Ruiz", locale="es")
BEN = Profile("ben@example.org", "Ben", locale="en")
REFERENCES = {ANA.address: frozenset({"C-1001"}), BEN.address: frozenset({"C-1002"})}


def put(db, vault, clock, *profiles: Profile, password_hash: str = HASH) -> Stored:
    with db.write() as session:
        new = [NewAccount(p, password_hash, REFERENCES.get(p.address, frozenset())) for p in profiles]
        return STORE.add(session, vault, new, clock.now())


def find(db, vault, address: str):
    with db.read() as session:
        return STORE.find(session, vault, address)


def get(session, vault, account_id: bytes) -> OpenAccount:
    account = STORE.get(session, vault, account_id)
    assert account is not None
    return account


@pytest.fixture
def ana(db, worker_vault, web_vault, clock):
    put(db, worker_vault, clock, ANA)
    return find(db, web_vault, ANA.address)


def test_an_account_is_found_by_its_address_whatever_the_case(db, ana, web_vault):
    assert find(db, web_vault, "ana.ruiz@EXAMPLE.com".lower()) == ana
    assert find(db, web_vault, "ANA.RUIZ@example.com") == ana


@pytest.mark.parametrize(
    "twin", ["ana.ruız@example.com", "anaruiz@example.com", "ana.ruiz+x@example.com", ""]
)
def test_a_twin_is_somebody_else(db, ana, web_vault, twin):
    assert find(db, web_vault, twin) is None


def test_the_language_that_a_person_chose_outlives_the_company_s_next_list(db, ana, worker_vault, clock):
    with db.write() as session:
        STORE.choose_language(session, worker_vault, ana.id, "de")
        with pytest.raises(AccountMissing):
            STORE.choose_language(session, worker_vault, bytes(16), "de")
    assert put(db, worker_vault, clock, ANA) == Stored(0, 0, 1)
    assert put(db, worker_vault, clock, replace(ANA, name="Ana R.", locale="en")) == Stored(0, 1, 0)
    with db.read() as session:
        profile = STORE.profile(session, worker_vault, ana.id)
        assert (profile.name, profile.locale, profile.language) == ("Ana R.", "en", "de")
        index = worker_vault.account_index("ANA.RUIZ@example.com")
        assert STORE.chosen_languages(session, worker_vault, None, 9) == ({index: "de"}, None)
        assert STORE.chosen_languages(session, worker_vault, None, 1) == ({index: "de"}, ana.id)
        assert STORE.chosen_languages(session, worker_vault, ana.id, 1) == ({}, None)


def test_a_chosen_language_fits_into_the_longest_profile(db, worker_vault, web_vault, clock):
    longest = Profile("long@example.com", "n" * (987 - len(pack(Profile("long@example.com")))))
    put(db, worker_vault, clock, longest)
    account = find(db, web_vault, longest.address)
    with db.write() as session:
        STORE.choose_language(session, worker_vault, account.id, "x" * 99)
    with db.read() as session:
        assert STORE.profile(session, worker_vault, account.id).chosen == "x" * 35


def test_the_worker_reads_whose_account_it_is(db, ana, worker_vault):
    with db.read() as session:
        assert STORE.profile(session, worker_vault, ana.id) == ANA
        assert [account.id for account in STORE.find_by_ref(session, worker_vault, "C-1001")] == [ana.id]
        assert STORE.find_by_ref(session, worker_vault, "C-9") == []
        with pytest.raises(AccountMissing):
            STORE.profile(session, worker_vault, bytes(16))


def test_several_people_may_share_a_customer_number(db, worker_vault, clock):
    leo = NewAccount(Profile("leo@example.com", "Leo"), HASH, frozenset({"C-1001"}))
    with db.write() as session:
        STORE.add(session, worker_vault, [NewAccount(ANA, HASH, frozenset({"C-1001"})), leo], clock.now())
        assert len(STORE.find_by_ref(session, worker_vault, "C-1001")) == 2


def test_nothing_about_a_person_stands_in_the_table(db, ana):
    with db.read() as session:
        row = session.execute(text("SELECT * FROM identity_accounts")).one()
    stored = b"".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    for word in (
        b"ana.ruiz",
        b"ana ruiz",
        b"example.com",
        b"c-1001",
    ):  # none so short that a salt may hold it
        assert word not in stored.lower()


def test_rows_look_alike_with_and_without_a_reference_or_a_name(db, worker_vault, clock):
    put(db, worker_vault, clock, ANA, Profile("x@y.example"))
    with db.read() as session:
        rows = session.execute(text("SELECT length(profile), length(ref_index) FROM identity_accounts")).all()
        references = session.execute(text("SELECT length(sealed) FROM identity_references")).all()
    assert rows[0] == rows[1]
    assert references == [(156,)]


def test_a_profile_that_was_moved_to_another_row_does_not_open(db, ana, worker_vault, clock, web_vault):
    put(db, worker_vault, clock, BEN)
    ben = find(db, web_vault, BEN.address)
    with db.write() as session:
        session.get(AccountRow, ana.id).profile = session.get(AccountRow, ben.id).profile
    with db.read() as session, pytest.raises(VaultError):
        STORE.profile(session, worker_vault, ana.id)


def test_a_new_password_is_stored_at_the_expected_version_only(db, ana, clock, web_vault):
    with db.write() as session:
        assert not STORE.set_password(
            session,
            web_vault,
            ana.id,
            expected_version=ana.version + 1,
            password_hash=OTHER_HASH,
            now=clock.now(),
        )
        assert get(session, web_vault, ana.id) == ana
        assert STORE.set_password(
            session,
            web_vault,
            ana.id,
            expected_version=ana.version,
            password_hash=OTHER_HASH,
            now=clock.now(),
        )
        changed = get(session, web_vault, ana.id)
    assert (changed.version, changed.password_hash) == (ana.version + 1, OTHER_HASH)
    assert changed.password_changed_at == datetime(2026, 11, 23, tzinfo=UTC)


def test_of_many_new_passwords_at_once_exactly_one_is_stored(db, ana, clock, web_vault):
    def store(number: int) -> bool:
        with db.write() as session:
            return STORE.set_password(
                session,
                web_vault,
                ana.id,
                expected_version=1,
                password_hash=f"{HASH}{number}",
                now=clock.now(),
            )

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(store, range(16))) == 1
    with db.read() as session:
        assert get(session, web_vault, ana.id).version == 2


def test_a_required_reset_closes_the_password_once_and_a_new_one_opens_it(db, ana, clock, web_vault):
    with db.write() as session:
        assert STORE.require_reset(session, [ana.id, bytes(16)], "exposed", clock.now()) == [ana.id]
        assert STORE.require_reset(session, [ana.id], "everyone", clock.now()) == []
        closed = get(session, web_vault, ana.id)
        assert (closed.must_reset, closed.reset_reason, closed.version) == (True, "exposed", ana.version + 1)
        assert closed.reset_required_at == clock.now()
        STORE.set_password(
            session,
            web_vault,
            ana.id,
            expected_version=closed.version,
            password_hash=OTHER_HASH,
            now=clock.now(),
        )
        opened = get(session, web_vault, ana.id)
    assert (opened.must_reset, opened.reset_reason, opened.reset_required_at) == (False, None, None)


def test_a_hash_is_upgraded_only_where_nothing_changed_meanwhile(db, ana, clock, web_vault):
    with db.write() as session:
        assert STORE.upgrade_hash(session, web_vault, ana, OTHER_HASH)
        assert get(session, web_vault, ana.id).version == ana.version
        assert not STORE.upgrade_hash(session, web_vault, ana, HASH)
        assert get(session, web_vault, ana.id).password_hash == OTHER_HASH


def test_a_list_handed_over_again_changes_no_password_and_only_adds_references(
    db, ana, worker_vault, web_vault, clock
):
    moved = NewAccount(Profile(ANA.address, "Ana R. Gómez", locale="en"), OTHER_HASH, frozenset({"C-2002"}))
    assert put(db, worker_vault, clock, ANA, password_hash=OTHER_HASH) == Stored(0, 0, 1)
    for expected in (Stored(0, 1, 0), Stored(0, 0, 1)):
        with db.write() as session:
            assert adding.compare(session, worker_vault, [moved]) == expected
            assert STORE.add(session, worker_vault, [moved], clock.now()) == expected
    with db.read() as session:
        assert get(session, web_vault, ana.id) == ana
        assert STORE.profile(session, worker_vault, ana.id) == moved.profile
        assert STORE.references(session, worker_vault, ana.id) == ["C-1001", "C-2002"]
        for reference in ("C-1001", "C-2002"):
            assert [one.id for one in STORE.find_by_ref(session, worker_vault, reference)] == [ana.id]


def test_a_reference_of_an_earlier_version_is_found_and_moves_when_it_is_imported_again(
    db, ana, worker_vault, clock
):
    former = replace(ANA, account_ref="C-7")
    with db.write() as session:
        row = session.get(AccountRow, ana.id)
        row.profile = profiles.encrypt(worker_vault, ana.id, former)
        row.ref_index = worker_vault.list_index("account-ref", "C-7")
        session.execute(text("DELETE FROM identity_references"))
    seen = []
    for imported in (Stored(0, 1, 0), Stored(0, 0, 1)):
        with db.read() as session:
            assert [one.id for one in STORE.find_by_ref(session, worker_vault, "C-7")] == [ana.id]
            seen.append(STORE.references(session, worker_vault, ana.id))
        assert put(db, worker_vault, clock, ANA) == imported
    assert seen == [["C-7"], ["C-1001", "C-7"]]
    with db.read() as session:
        assert STORE.profile(session, worker_vault, ana.id) == ANA
        index = session.scalar(select(AccountRow.ref_index))
    assert index != worker_vault.list_index("account-ref", "C-7")


def test_nobody_without_the_workers_keys_gives_an_account_a_reference(db, ana, worker_vault, clock, caplog):
    put(db, worker_vault, clock, BEN)
    ben = find(db, worker_vault, BEN.address)
    theirs = worker_vault.list_index("account-ref", "C-1002")
    with db.write() as session:
        session.execute(update(AccountRow).where(AccountRow.id == ana.id).values(ref_index=theirs))
        one, other = session.scalars(select(AccountReference).order_by(AccountReference.ref_index))
        one.sealed, other.sealed = other.sealed, one.sealed
    with db.read() as session:
        assert STORE.find_by_ref(session, worker_vault, "C-1002") == []
        assert STORE.find_by_ref(session, worker_vault, "C-1001") == []
        assert references.count_altered(session, worker_vault, None, 1)[0] == 1
        assert references.count_altered(session, worker_vault, None, 9) == (2, None)
    assert "1 references of accounts do not decrypt" in caplog.text
    assert put(db, worker_vault, clock, ANA, BEN) == Stored(0, 2, 0)
    with db.read() as session:
        assert [each.id for each in STORE.find_by_ref(session, worker_vault, "C-1002")] == [ben.id]
        assert references.count_altered(session, worker_vault, None, 9) == (0, None)


def test_an_account_without_a_password_takes_the_one_of_a_later_file_until_its_owner_chooses(
    db, worker_vault, web_vault, clock
):
    empty = unset_hash("m=64,t=1,p=1")
    assert put(db, worker_vault, clock, ANA, password_hash=empty) == Stored(1, 0, 0, must_choose=1)
    assert put(db, worker_vault, clock, ANA, password_hash=empty) == Stored(0, 0, 1, must_choose=1)
    assert put(db, worker_vault, clock, ANA, password_hash=HASH) == Stored(0, 1, 0)
    found = find(db, web_vault, ANA.address)
    assert (found.password_hash, found.unset, found.version) == (HASH, False, 1)
    with db.write() as session:
        STORE.set_password(
            session, web_vault, found.id, expected_version=1, password_hash=OTHER_HASH, now=clock.now()
        )
    assert put(db, worker_vault, clock, ANA, password_hash=empty) == Stored(0, 0, 1, chosen_since=1)
    assert find(db, web_vault, ANA.address).password_hash == OTHER_HASH


def test_a_password_that_comes_after_a_reset_was_required_is_closed_at_once(
    db, worker_vault, web_vault, clock
):
    put(db, worker_vault, clock, ANA, password_hash=unset_hash("m=64,t=1,p=1"))
    with db.write() as session:
        account = STORE.find(session, worker_vault, ANA.address)
        assert account is not None
        STORE.require_reset(session, [account.id], "exposed", clock.now())
    put(db, worker_vault, clock, ANA, password_hash=HASH)
    closed = find(db, web_vault, ANA.address)
    assert (closed.must_reset, closed.closed_hash) == (True, HASH)


def test_a_walk_over_all_ids_meets_each_once(db, worker_vault, clock):
    put(db, worker_vault, clock, *(Profile(f"p{number}@example.com") for number in range(7)))
    seen, after = [], None
    with db.read() as session:
        while page := STORE.all_ids(session, after, 3):
            seen += page
            after = page[-1]
    assert len(set(seen)) == len(seen) == 7
    assert seen == sorted(seen)


def test_a_walk_over_all_indexes_meets_each_once(db, worker_vault, clock):
    addresses = [f"p{number}@example.com" for number in range(7)]
    put(db, worker_vault, clock, *map(Profile, addresses))
    seen: list[bytes] = []
    after, pages = None, 0
    with db.read() as session:
        while pages == 0 or after is not None:
            page, after = state.indexes(session, worker_vault, after, 3)
            seen, pages = seen + page, pages + 1
    assert sorted(seen) == sorted(worker_vault.account_index(address) for address in addresses)
    assert pages == 3


def test_nobodys_salt_becomes_a_shape(db, worker_parts, worker_vault, clock):
    """A hash without its version has its salt where the cost of the others stands."""
    put(db, worker_vault, clock, *(Profile(f"p{number}@example.com") for number in range(3)))
    with db.write() as session:
        ana = session.scalars(select(AccountRow).limit(1)).one()
        ana.password_hash = hashes.encrypt(worker_vault, ana.id, HASH.replace("$v=19", ""))
    count_hash_costs(worker_parts)
    with db.read() as session:
        assert {row.cost_class: row.accounts for row in session.scalars(select(CostCount))} == {
            "m=64,t=1,p=1": 2,
            "argon2id-16 m=64,t=1,p=1": 1,
        }


def test_an_account_shows_no_hash_when_it_is_printed(ana):
    assert "argon2" not in repr(ana)
    assert "Ana" not in repr(ANA)
    assert "Ana" not in repr(NewAccount(ANA, HASH))
