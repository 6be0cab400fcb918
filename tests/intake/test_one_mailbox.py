"""Whoever asks under ever new spellings of an address fills nobody's mailbox: they count as one."""

from datetime import timedelta

import pytest

from portal.incidents import service as incidents
from portal.worker import drain

MORE_THAN_TEN_MINUTES = timedelta(minutes=11)
FORMS = ("/check/", "/reset/", "/subscribe/")
GMAIL = ("ann.lee@gmail.com", "annlee@gmail.com", "A.n.n.Lee+news@googlemail.com", "annlee+1@gmail.com")
TAGS = ("ann@proton.me", "ann+a@proton.me", "Ann+b@proton.me", "ANN+c@proton.me")
CASE = ("ann@northwind.example", "Ann@northwind.example", "ANN@Northwind.example", "aNN@northwind.example")


@pytest.fixture
def ask(client, db, clock, worker_parts, smtp):
    """Ask for each address once; return the addresses that got a mail."""
    with db.write() as session:
        incidents.create(session, "november", "The November incident", ("Names",), clock.now())
        incidents.publish(session, "november", clock.now())

    def submit(form, addresses):
        more = {"incident": "november"} if form == "/subscribe/" else {}
        for address in addresses:
            assert client.submit(form, email=address, **more).status_code == 303
            drain(worker_parts)
            clock.advance(MORE_THAN_TEN_MINUTES)
        return [recipient for mail in smtp.messages for recipient in mail.recipients]

    return submit


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("spellings", [GMAIL, TAGS, CASE])
def test_spellings_of_one_mailbox_get_three_mails_a_day_together(ask, form, spellings):
    assert len(ask(form, spellings)) == 3


@pytest.mark.parametrize("form", FORMS)
def test_other_mailboxes_are_not_made_to_pay(ask, form):
    others = ("ann+a@northwind.example", "ann+b@northwind.example", "a.nn@northwind.example", "ann@proton.me")
    assert len(ask(form, others)) == 4
