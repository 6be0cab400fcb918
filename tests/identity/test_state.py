"""The portal's table of accounts: what it keeps of one in a store of the company's, and who can read it."""

import pytest
from sqlalchemy import text

from portal.crypto.vault import VaultError
from portal.identity import state
from portal.identity.account import AccountMissing, Profile
from portal.identity.ports import Entry, StoreFault

ANA = Entry("4711", "Ana.Ruiz@example.com", "Ana Ruiz", "es", ("C-1001",))


@pytest.fixture
def ana(db, worker_vault) -> bytes:
    with db.write() as session:
        return state.ensure(session, worker_vault, "shop", ANA).id


def test_an_account_is_known_by_an_id_that_only_the_worker_can_compute(db, ana, worker_vault, web_vault):
    assert ana == worker_vault.list_index("external account", "shop\0004711")
    guesses = {web_vault.account_index(ANA.address), web_vault.bucket("external account", "shop\0004711")}
    assert ana not in guesses
    with db.read() as session:
        row = session.execute(text("SELECT * FROM account_state")).one()
    stored = b"".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    for word in (b"4711", b"ana", b"example", b"C-1001"):
        assert word not in stored


def test_its_owner_is_kept_as_last_seen_with_the_language_that_was_chosen_here(db, ana, worker_vault):
    renamed = Entry("4711", "ana@example.com", "Ana R.", "en")
    with db.write() as session:
        state.choose_language(session, worker_vault, ana, "de")
        assert state.ensure(session, worker_vault, "shop", renamed).version == 1
        assert state.owner(session, worker_vault, ana) == Profile("ana@example.com", "Ana R.", "", "en", "de")
        assert state.entry(session, worker_vault, ana) == renamed
        index = worker_vault.account_index("ana@example.com")
        assert state.chosen_languages(session, worker_vault, None, 9) == ({index: "de"}, None)
        assert state.indexes(session, worker_vault, None, 9) == ([index], None)
        with pytest.raises(AccountMissing):
            state.owner(session, worker_vault, bytes(16))


def test_a_required_reset_and_a_new_password_count_up_the_version(db, ana, worker_vault, clock):
    with db.write() as session:
        assert state.require(session, [ana, bytes(16)], "exposed", clock.now()) == [ana]
        assert state.require(session, [ana], "exposed", clock.now()) == []
        closed = state.get(session, ana)
        assert closed is not None
        assert (closed.version, closed.must_reset, closed.reset_reason) == (2, True, "exposed")
        assert not state.changed(session, ana, expected_version=1, now=clock.now())
        assert state.changed(session, ana, expected_version=2, now=clock.now())
        opened = state.get(session, ana)
    assert opened is not None
    assert (opened.version, opened.must_reset, opened.reset_required_at) == (3, False, None)


def test_what_a_store_wants_kept_of_a_closed_password_opens_in_its_own_row_alone(db, ana, worker_vault):
    with db.write() as session:
        other = state.ensure(session, worker_vault, "shop", Entry("4712", "ben@example.com")).id
        assert state.closed(session, worker_vault, ana) is None
        state.keep_closed(session, worker_vault, {ana: b"x" * 1_000, other: b"y"})
        assert state.closed(session, worker_vault, ana) == b"x" * 1_000
        lengths = session.execute(text("SELECT length(closed), length(owner) FROM account_state")).all()
        assert lengths == [(1404, 1052), (1404, 1052)]
        session.execute(
            text(
                "UPDATE account_state SET owner = (SELECT owner FROM account_state o WHERE o.id = :other),"
                " closed = (SELECT closed FROM account_state o WHERE o.id = :other) WHERE id = :ana"
            ),
            {"ana": ana, "other": other},
        )
        assert state.closed(session, worker_vault, ana) is None
        with pytest.raises(VaultError):
            state.owner(session, worker_vault, ana)


def test_an_account_of_another_store_is_none_of_the_one_in_use(db, ana):
    with db.read() as session:
        assert state.of_store(session, ana, "builtin") is None
        assert state.of_store(session, ana, "other") is None
        assert state.of_store(session, bytes(16), "builtin") is None
        fresh = state.of_store(session, bytes(16), "shop")
    assert fresh is not None
    assert (fresh.version, fresh.must_reset) == (1, False)


def test_a_long_name_is_cut_and_references_that_do_not_fit_are_left_out(db, worker_vault):
    entry = Entry(
        "i" * 200, "a" * 240 + "@example.com", "Né" * 400, "en", tuple(f"C-{n}" for n in range(300))
    )
    with db.write() as session:
        account = state.ensure(session, worker_vault, "shop", entry).id
        kept = state.entry(session, worker_vault, account)
        assert session.scalar(text("SELECT length(owner) FROM account_state")) == 1052
        with pytest.raises(StoreFault):
            state.ensure(session, worker_vault, "shop", Entry("🦉" * 255, "ana@example.com"))
    assert (kept.id, kept.address, kept.references) == (entry.id, entry.address, ())
    assert entry.name.startswith(kept.name)
    assert len(kept.name) > 200
