"""Sessions in the company's product that were not ended with a new password are ended later."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from portal.core.db import new_id
from portal.identity import state
from portal.identity.models import AccountState
from portal.reset import service as resets
from portal.reset.external import attempts
from portal.reset.external import jobs as reset_jobs
from portal.reset.models import PasswordAttempt
from tests.identity.sealed.shop import ANN, NEW, OLD, cannot, settings, shop, shop_environ

__all__ = ["cannot", "settings", "shop", "shop_environ"]

MINUTE = timedelta(minutes=1)


@pytest.fixture
def ann(shop, db, worker_vault):
    """The portal's id of her account, which has a session in the product."""
    shop.add(ANN, OLD, store_id="1")
    with db.write() as session:
        return state.ensure(session, worker_vault, "shop", shop.get(["1"])[0]).id


@pytest.fixture
def change(ann, worker_parts, db):
    def changed(current=OLD, new=NEW):
        with db.read() as session:
            (version,) = session.scalars(select(AccountState.version)).all()
        fields = {"account": ann.hex(), "version": str(version), "language": "en"}
        fields |= {"current": current, "password": new}
        return reset_jobs.change_password(new_id(), fields, worker_parts)

    return changed


@pytest.fixture
def look(worker_parts, clock):
    def looked(after):
        clock.at += after
        reset_jobs.recover(worker_parts)

    return looked


@pytest.fixture
def rows(db):
    def counted():
        with db.read() as session:
            return session.scalar(select(func.count()).select_from(PasswordAttempt))

    return counted


def test_the_store_is_asked_again_until_it_has_ended_them(shop, change, look, rows, caplog):
    caplog.set_level("INFO")
    shop.trouble("before end_sessions", "away")
    assert change()["signed_out"] is False
    assert (shop.sessions("1"), rows()) == (1, 1)
    look(59 * timedelta(seconds=1))
    assert shop.calls("before end_sessions") == 1
    look(timedelta(seconds=1))
    look(MINUTE)
    assert shop.calls("before end_sessions") == 2
    shop.no_trouble()
    look(MINUTE)
    assert (shop.sessions("1"), shop.password("1"), rows()) == (0, NEW, 0)
    assert "the sessions of account" in caplog.records[-1].getMessage()
    assert ANN not in caplog.text


@pytest.mark.sqlite
def test_it_is_asked_ever_more_rarely_and_not_for_ever(shop, change, look, rows, db, caplog):
    shop.trouble("before end_sessions", "fault")
    change()
    for looks, after, asked in ((60, MINUTE, 6), (6, 60 * MINUTE, 12)):
        for _ in range(looks):
            look(after)
        assert shop.calls("before end_sessions") == asked
    with db.write() as session:
        session.execute(update(PasswordAttempt).values(sign_outs=178))  # a week later
    for _ in range(4):
        look(60 * MINUTE)
    assert (shop.calls("before end_sessions"), rows()) == (14, 0)
    assert caplog.text.count("the portal tries no more, so end them there") == 1


def test_a_later_attempt_that_changes_nothing_leaves_it_to_be_done(shop, change, look, rows):
    shop.trouble("before end_sessions", "away")
    change()
    assert change(NEW, NEW)["outcome"] == "refused"
    shop.no_trouble()
    look(timedelta())
    assert (shop.sessions("1"), rows()) == (0, 0)


def test_what_was_not_known_is_still_said_after_they_have_ended(shop, change, look, db):
    shop.trouble("before end_sessions", "away")
    shop.trouble("after set_password", "bug")
    assert change() == {"outcome": "unknown", "signed_out": False}
    shop.no_trouble()
    look(MINUTE)
    assert shop.sessions("1") == 0
    with db.read() as session:
        row = session.scalars(select(PasswordAttempt)).one()
        assert (row.unknown, row.sign_outs, row.attempt) == (True, None, None)


@pytest.mark.sqlite
def test_a_password_that_was_stored_but_not_noted_ends_all_sessions_at_once(shop, change, rows, monkeypatch):
    def fail(*_args, **_options):
        raise RuntimeError

    monkeypatch.setattr(resets, "note_changed", fail)
    assert change() == {"outcome": "unknown", "signed_out": True}
    assert (shop.password("1"), shop.sessions("1"), rows()) == (NEW, 0, 1)


@pytest.mark.sqlite
def test_where_the_database_fails_those_of_the_product_end_at_once_and_the_others_with_the_lease(
    shop, change, look, db, monkeypatch
):
    with db.write() as session:
        connection = session.connection()
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE UPDATE ON reset_attempts WHEN new.attempt IS NULL "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    assert change() == {"outcome": "unknown", "signed_out": True}
    assert (shop.password("1"), shop.sessions("1")) == (NEW, 0)
    with db.write() as session:
        session.connection().exec_driver_sql("DROP TRIGGER full")
    shop.run("UPDATE people SET sessions = 1")
    look(MINUTE)
    assert shop.sessions("1") == 0


@pytest.mark.sqlite
@pytest.mark.parametrize("cannot", ["end_sessions"])
def test_a_store_that_cannot_leaves_nothing_to_do(shop, change, rows):
    assert change()["signed_out"] is False
    assert (shop.calls("before end_sessions"), rows()) == (0, 0)


@pytest.mark.sqlite
def test_nobody_is_signed_out_of_another_store(shop, db, worker_vault, clock, look, rows, caplog):
    account = state.account_id(worker_vault, "sql", "1")
    shop.add(ANN, OLD, store_id="1")
    with db.write() as session:
        attempt = attempts.begin(session, worker_vault, new_id(), account, "1", clock.now())
        attempts.end_with_sign_out(session, worker_vault, attempt, "1", clock.now(), unknown=False)
    look(MINUTE)
    assert (shop.sessions("1"), rows()) == (1, 0)
    assert "names another store now" in caplog.text
