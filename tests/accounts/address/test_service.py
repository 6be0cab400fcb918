"""The worker changes an address: what moves to the new one, what ends, and what stays with the old one."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from portal.accounts.address import past, service
from portal.accounts.address.models import PastAddress
from portal.accounts.address.service import AddressTaken
from portal.identity import state
from tests.accounts.conftest import ADDRESS, STORE

NEW = "ana@home.example"
DAY = timedelta(days=1)


@pytest.fixture
def change(db, worker_vault, clock, ana):
    def changed(address=NEW, **options):
        with db.write() as session:
            return service.change(session, worker_vault, ana.id, address, clock.now(), **options)

    return changed


def test_the_account_is_found_by_its_new_address_and_signs_out_everywhere(
    change, db, worker_vault, ana, client, sign_in
):
    sign_in()
    made = change()
    with db.read() as session:
        assert STORE.find(session, worker_vault, ADDRESS) is None
        found = STORE.find(session, worker_vault, NEW)
        assert found is not None
        assert (found.id, found.version) == (ana.id, 2)
        assert state.owner(session, worker_vault, ana.id).address == NEW
        assert service.past_addresses(session, worker_vault, ana.id) == [ADDRESS]
    assert (made.old, made.profile.address, made.profile.name) == (ADDRESS, NEW, "Ana Ruiz")
    assert client.get("/account/").status_code == 303


def test_the_old_address_is_told_for_a_week_and_is_nobody_elses_meanwhile(
    change, db, worker_vault, clock, ana, add_account
):
    made, other = change(), add_account("sam@example.com")
    with db.read() as session:
        told = service.told_addresses(session, worker_vault, ana.id, clock.now())
        assert [(one.address, one.change_id) for one in told] == [(ADDRESS, made.change_id)]
        for address in (ADDRESS, "ana.ruiz@example.com", NEW):
            assert not service.is_free(session, worker_vault, address, other.id, clock.now())
        assert service.is_free(session, worker_vault, ADDRESS, ana.id, clock.now())
    with db.write() as session, pytest.raises(AddressTaken):
        service.change(session, worker_vault, other.id, ADDRESS, clock.now())
    clock.advance(8 * DAY)
    with db.read() as session:
        assert service.told_addresses(session, worker_vault, ana.id, clock.now()) == []
        assert service.is_free(session, worker_vault, ADDRESS, other.id, clock.now())
        assert service.past_addresses(session, worker_vault, ana.id) == [ADDRESS]


def test_a_change_by_staff_leaves_the_old_inbox_nothing_to_undo(change, db, worker_vault, clock, ana):
    change(undo=False)
    with db.read() as session:
        assert service.told_addresses(session, worker_vault, ana.id, clock.now()) == []
        assert service.past_addresses(session, worker_vault, ana.id) == [ADDRESS]


def test_a_past_that_is_copied_to_another_account_is_nobodys(
    change, db, worker_vault, ana, add_account, caplog
):
    """The web process can write the table, but nothing that is sealed."""
    other = add_account("sam@example.com")
    change()
    with db.write() as session:
        session.execute(update(PastAddress).values(account_id=other.id))
    with db.read() as session:
        assert service.past_addresses(session, worker_vault, other.id) == []
        assert past.accounts_with(session, worker_vault, [ADDRESS]) == {}
