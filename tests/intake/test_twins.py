"""Addresses that only look like somebody's, typed into each of the three forms (Django CVE-2019-19844)."""

import re

import pytest

from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.service import hasher_for
from portal.incidents import service as incidents
from portal.subscriptions import service as subscriptions
from portal.worker import drain
from tests.lists import import_and_activate
from tests.open_store import OpenStore
from tests.traces import contents

# Folds are made before the database sees them: it gets hashes.
pytestmark = pytest.mark.sqlite

NAMES = ("kim", "ian", "strasse")
PAGES = ("/check/", "/reset/", "/subscribe/")
KELVIN = "\u212aim@northwind.example"
DOTLESS = "\u0131an@northwind.example"
SHARP_S = "stra\u00dfe@northwind.example"
SOMEBODY = "n\u00f8body@northwind.example"


@pytest.fixture
def imitated(db, worker_vault, clock, settings, database_url, tmp_path):
    """People who are on the list, have accounts and get updates: whoever is imitated."""
    with db.write() as session:
        incident = incidents.create(session, "november", "The incident", ("Names",), clock.now())
    with db.write() as session:
        incidents.publish(session, "november", clock.now())
    file = tmp_path / "list.csv"
    file.write_text("email\n" + "".join(f"{name}@northwind.example\n" for name in NAMES))
    import_and_activate(db, worker_vault, clock, incident.id, file)
    password_hash = hasher_for(settings).hash("eleven owls at noon")
    with db.write() as session:
        accounts = [NewAccount(Profile(f"{name}@northwind.example"), password_hash) for name in NAMES]
        OpenStore().add(session, worker_vault, accounts, clock.now())
        for name in NAMES:
            contact = subscriptions.Contact(f"{name}@northwind.example", "en")
            subscriptions.confirm(session, worker_vault, incident.id, contact)


@pytest.fixture
def mails_for(client, worker_parts, smtp, imitated):
    """Type an address into a form, let the worker work, and return the mails that came."""

    def asked(page, address):
        before = len(smtp.messages)
        assert client.submit(page, email=address).status_code == 303
        drain(worker_parts)
        return smtp.messages[before:]

    return asked


def plain(mail):
    """What a mail says, without the codes and links that are new in each."""
    return re.sub(r"[a-z2-7]{32}|[A-Z2-7]{7}-[A-Z2-7]{7}|[A-Z2-7]{4}-[A-Z2-7]{4}", "", mail.text)


@pytest.mark.parametrize("page", PAGES)
def test_a_kelvin_sign_is_the_letter_k_for_every_form_and_nobody_else_gets_the_mail(mails_for, page):
    (mail,) = mails_for(page, KELVIN)
    assert [address.lower() for address in mail.recipients] == ["kim@northwind.example"]
    assert mail.recipients[0].isascii()


@pytest.mark.parametrize("page", PAGES)
def test_a_twin_is_a_stranger_and_whom_it_imitates_gets_no_mail(mails_for, page):
    strangers = [plain(mail) for mail in mails_for(page, SOMEBODY)]
    for twin in (DOTLESS, SHARP_S):
        mails = mails_for(page, twin)
        assert {mail.recipients for mail in mails} <= {(twin,)}
        assert [plain(mail) for mail in mails] == strangers


@pytest.mark.parametrize("page", ["/reset/", "/subscribe/"])
def test_the_imitated_are_told_apart_from_strangers_by_their_own_address(mails_for, page):
    """So that the test before this one could fail."""
    for name in NAMES:
        (known,), (stranger,) = (
            mails_for(page, f"{name}@northwind.example"),
            mails_for(page, f"no.{name}@northwind.example"),
        )
        assert plain(known) != plain(stranger)


@pytest.mark.parametrize("page", PAGES)
def test_letters_that_only_look_plain_are_told_at_every_form_and_ask_nobody(client, db, imitated, page):
    for name in ("\u017fam", "\uff4bim", "\ufb01ona"):
        shown = client.submit(page, email=f"{name}@northwind.example")
        assert shown.status_code == 400
        assert "only look like plain letters" in shown.text
        assert "<title>Error:" in shown.text
    assert contents(db)["intake_requests"] == []
