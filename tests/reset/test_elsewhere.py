"""Links for accounts in the company's own table: who gets one, what it leaves, and a store that is away."""

import json
import logging
import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.core.addresses import mask
from portal.identity import state
from portal.identity.ports import Entry
from portal.intake import replies
from portal.intake.service import LinkInvalid
from portal.reset import service
from portal.reset.require.mailing import Recipient, mail_links
from portal.worker import drain
from tests import traces
from tests.configured import configured
from tests.elsewhere import ANA, TWIN, company, environ

__all__ = ["company", "environ"]

pytestmark = (
    pytest.mark.sqlite
)  # what the portal stores of it is tried on both in tests/identity/test_state.py
STRANGER = "nobody@northwind.example"
REQUEST = "Your request for a new password"


@pytest.fixture
def ask(app):
    def submit(address: str) -> None:
        assert app.test_client().submit("/reset/", email=address).status_code == 303

    return submit


def test_the_link_knows_the_account_and_only_the_worker_can_read_which(
    ask, db, worker_parts, worker_vault, web_vault, smtp
):
    ask("ANA@northwind.example")
    drain(worker_parts)
    (mail,) = smtp.to("Ana@Northwind.example")
    token = mail.text.split("/reset/")[1].split("/")[0]
    account_id = worker_vault.list_index("external account", "sql\0007")
    with db.read() as session:
        link = service.open_link(session, "sql", token, worker_parts.clock.now())
        _id, private = replies.private(session, worker_vault, "reset", token)
        assert session.scalar(text("SELECT count(*) FROM account_state")) == 0
        with pytest.raises(LinkInvalid):
            service.open_link(session, "builtin", token, worker_parts.clock.now())
    assert (link.account.id, link.account.store, link.account.version) == (account_id, "sql", 1)
    assert link.own_words == ("Ana@Northwind.example", "Ana Ruiz")
    assert private == {"to": "Ana@Northwind.example", "id": "7", "version": 1}


def test_known_unknown_and_shared_addresses_leave_the_same_rows(ask, db, worker_parts, smtp):
    seen = []
    for address in (STRANGER, ANA, TWIN):
        ask(address)
        before = traces.lengths(db)
        with traces.statements(db) as statements:
            drain(worker_parts)
        seen.append((statements, traces.change(before, traces.lengths(db))))
    assert seen[0] == seen[1] == seen[2]
    assert "no account here" in smtp.to(STRANGER)[0].text
    assert "http://localhost:8000/reset/" in smtp.to("Ana@Northwind.example")[0].text


def test_of_two_accounts_at_one_address_none_is_guessed(ask, worker_parts, smtp):
    ask(TWIN)
    drain(worker_parts)
    (mail,) = smtp.to(TWIN)
    assert "couldn’t prepare your link" in mail.text
    assert "help@northwind.example" in mail.text
    assert "http://localhost:8000/reset/" not in mail.text


@pytest.mark.parametrize(
    "typed", ["ana@northwınd.example", "aná@northwind.example", "a.na@northwind.example"]
)
def test_a_similar_address_is_somebody_else(ask, company, worker_parts, smtp, typed):
    ask(typed)
    drain(worker_parts)
    assert not smtp.to("Ana@Northwind.example")


def test_a_store_that_is_away_for_an_hour_costs_nobody_their_mail(
    ask, company, db, worker_parts, smtp, clock, caplog
):
    caplog.set_level(logging.WARNING)
    people = [f"p{number}@northwind.example" for number in range(12)]
    with sqlite3.connect(company) as shop:
        shop.executemany(
            "INSERT INTO customers (email, password, name) VALUES (?, '!', '')", [(p,) for p in people]
        )
    shop.close()
    for address in people:
        ask(address)
    company.rename(company.with_suffix(".away"))
    until = clock.now() + timedelta(hours=1)
    while clock.now() < until:
        drain(worker_parts)
        clock.advance(timedelta(minutes=5))
    assert smtp.messages == []
    company.with_suffix(".away").rename(company)
    clock.advance(timedelta(minutes=31))  # longer than the longest delay
    drain(worker_parts)
    assert sorted(mail.recipients[0] for mail in smtp.messages) == sorted(people)
    assert all(mail.message["Subject"] == REQUEST for mail in smtp.messages)
    assert "northwind" not in caplog.text


@pytest.mark.parametrize("waited", [timedelta(), timedelta(days=9)])
def test_a_mail_about_an_account_of_another_store_waits_until_that_is_set_again(
    db, worker_parts, worker_vault, smtp, clock, caplog, waited
):
    now = clock.now()
    with db.write() as session:
        ana = state.ensure(session, worker_vault, "sql", Entry("7", ANA, "Ana Ruiz", "en"))
        state.require(session, [ana.id], "exposed", now)
        recipient = Recipient(ana, state.owner(session, worker_vault, ana.id), "en", "7")
        letters = {bytes(15) + bytes([n]): recipient for n in range(3)}
        mail_links(session, worker_vault, letters, everyone=False, now=now, batch=bytes(16))
    clock.advance(waited)
    settings = configured(worker_parts.settings, identity={"store": "builtin"})
    for _ in range(3):
        drain(replace(worker_parts, settings=settings))
        clock.advance(timedelta(minutes=61))
    assert smtp.messages == []
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 3
    assert "mails about a required reset wait, because their accounts are of another store" in said[0]
    drain(worker_parts)
    assert len(smtp.to(ANA)) == 3


def test_the_mail_about_a_required_reset_gets_a_living_link_without_a_look_at_the_store(
    db, company, worker_parts, worker_vault, smtp, clock
):
    """Even where the account changed since: everything about it is in the portal's own table."""
    now = clock.now()
    with db.write() as session:
        ana = state.ensure(session, worker_vault, "sql", Entry("7", ANA, "Ana Ruiz", "en"))
        assert state.require(session, [ana.id], "exposed", now) == [ana.id]
        closed = state.get(session, ana.id)
        assert closed is not None
        recipient = Recipient(closed, state.owner(session, worker_vault, ana.id), "en", "7")
        mail_links(session, worker_vault, {bytes(16): recipient}, everyone=False, now=now, batch=bytes(16))
        session.execute(text("UPDATE account_state SET version = 5"))
    company.unlink()
    drain(worker_parts)
    (mail,) = smtp.to(ANA)
    token = mail.text.split("/reset/")[1].split("/")[0]
    with db.read() as session:
        link = service.open_link(session, "sql", token, now)
        _id, private = replies.private(session, worker_vault, "reset", token)
    assert (link.account.id, link.account.version, mask(link.address)) == (ana.id, 5, mask(ANA))
    assert private == {"to": ANA, "id": "7", "version": 5}
    assert json.dumps(private)
