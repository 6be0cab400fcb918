"""A report locks an account of the company's own table, there too, also when that was away at first."""

import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from portal.identity import state
from portal.identity.ports import Entry
from portal.reset import service
from portal.worker import drain
from tests.elsewhere import company, environ
from tests.identity.shops import cheap_hash
from tests.reset.journey import NEW, link_in
from tests.visitor import hidden

__all__ = ["company", "environ"]

pytestmark = pytest.mark.sqlite  # the company's table is one
HOUR = timedelta(hours=1)
STORED = "Ana@Northwind.example"
HASH = cheap_hash(NEW)


@pytest.fixture
def changed(company, db, worker_vault, worker_parts, clock, smtp):
    """The mail that Ana got about a new password that a thief has set."""
    with closing(sqlite3.connect(company)) as shop, shop:
        shop.execute("UPDATE customers SET password = ? WHERE id = 7", (HASH,))
    with db.write() as session:
        account = state.ensure(session, worker_vault, "sql", Entry("7", STORED, "Ana Ruiz"))
        service.note_changed(
            session, worker_vault, account.id, 1, language="en", by_mail=False, now=clock.now()
        )
    drain(worker_parts)
    return smtp.to(STORED)[-1]


@pytest.fixture
def press(changed, app):
    browser = app.test_client()
    (path,) = set(re.findall(r"http://localhost:8000(/not-me/[a-z2-7]{32}/)", changed.text))
    page = browser.get(path, follow_redirects=True)
    assert browser.post("/not-me/", data=hidden(page.text) | {"sure": "y"}).status_code == 303


def stored(company):
    with closing(sqlite3.connect(company)) as shop:
        return shop.execute("SELECT password FROM customers WHERE id = 7").fetchone()[0]


def must_reset(db, vault):
    with db.read() as session:
        account = state.get(session, state.account_id(vault, "sql", "7"))
    assert account is not None
    return account.must_reset


def test_the_password_is_closed_here_at_once_and_in_the_table_before_the_link_is_mailed(
    press, company, db, worker_vault, worker_parts, smtp, app
):
    assert must_reset(db, worker_vault)
    assert stored(company) == HASH
    drain(worker_parts)
    assert stored(company) != HASH
    mail = smtp.to(STORED)[-1]
    assert mail.message["Subject"] == "We locked your account"
    page = app.test_client().get(link_in(mail), follow_redirects=True)
    assert "Someone told us that a change to your account wasn’t you." in page.text
    with db.read() as session:
        kept = state.closed(session, worker_vault, state.account_id(worker_vault, "sql", "7"))
    assert kept, "the thief's password must be known as the closed one"


def test_a_table_that_is_away_is_locked_when_it_is_back_and_nothing_is_mailed_before(
    press, company, db, worker_vault, worker_parts, smtp, clock
):
    company.rename(company.with_suffix(".away"))
    drain(worker_parts)
    assert must_reset(db, worker_vault)
    assert [mail.message["Subject"] for mail in smtp.to(STORED)] == ["Your password was changed"]
    company.with_suffix(".away").rename(company)
    clock.advance(HOUR)
    drain(worker_parts)
    assert stored(company) != HASH
    assert [mail.message["Subject"] for mail in smtp.to(STORED)][1:] == ["We locked your account"]


def test_a_password_that_was_chosen_before_the_table_could_be_asked_stays(
    press, company, db, worker_vault, worker_parts, smtp, clock
):
    """The owner asked for a link at /reset/, and was quicker than the worker's next try."""
    company.rename(company.with_suffix(".away"))
    drain(worker_parts)
    company.with_suffix(".away").rename(company)
    chosen = cheap_hash("violet-anchor-mosaic-thimble")
    with closing(sqlite3.connect(company)) as shop, shop:
        shop.execute("UPDATE customers SET password = ? WHERE id = 7", (chosen,))
    account = state.account_id(worker_vault, "sql", "7")
    with db.write() as session:
        service.note_changed(session, worker_vault, account, 3, language="en", by_mail=True, now=clock.now())
    clock.advance(HOUR)
    drain(worker_parts)
    assert (stored(company), must_reset(db, worker_vault)) == (chosen, False)
    assert "We locked your account" not in [mail.message["Subject"] for mail in smtp.to(STORED)]
