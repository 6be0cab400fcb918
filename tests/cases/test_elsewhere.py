"""Cases where the accounts are in the company's own store: its address is the company's to change."""

import sqlite3

import pytest

from tests.cases.conftest import NEW, NOTICE, RESET
from tests.elsewhere import ANA, TWIN, company, environ
from tests.identity.shops import cheap_hash
from tests.reset.journey import OLD, link_in

__all__ = ["company", "environ"]
pytestmark = pytest.mark.sqlite
PROOF = ("--new-address", NEW, "--how", "passport")
HASH = cheap_hash(OLD)


@pytest.fixture
def confirmed(open_case, portal, as_staff, confirm, time):
    case = open_case()
    portal("cases", "prove", case.number, "--address", ANA, *PROOF)
    as_staff("kim")
    confirmed = confirm(case)
    assert "the account's address is yours to change" in confirmed.stdout
    time.work()
    time.passes(1.5)
    return case


def test_the_link_goes_to_the_verified_address_and_the_page_says_the_rest(
    client, confirmed, press, time, shown, smtp, subjects, portal
):
    press("verify", NEW)
    time.passes(76)
    assert subjects("Ana@Northwind.example") == [NOTICE]
    assert subjects(NEW).count(RESET) == 1
    assert "Your account still has its old address" in shown(confirmed)
    assert "change it there" in portal("cases", "show", confirmed.number, "--reason", "t").stdout
    mail = next(mail for mail in smtp.to(NEW) if mail.message["Subject"] == RESET)
    opened = client.get(link_in(mail))
    assert "password" in client.get(opened.location).text.lower()


def test_a_store_that_does_not_answer_is_asked_again_and_nothing_is_mailed_before(
    confirmed, press, time, company, subjects
):
    shop = sqlite3.connect(company, isolation_level=None)
    shop.execute("UPDATE customers SET password = ? WHERE id = 7", (HASH,))
    press("verify", NEW)
    shop.execute("ALTER TABLE customers RENAME TO away")
    time.passes(80)
    assert RESET not in subjects(NEW)
    shop.execute("ALTER TABLE away RENAME TO customers")
    assert shop.execute("SELECT password FROM customers WHERE id = 7").fetchone() == (HASH,)
    time.passes(3)
    assert subjects(NEW).count(RESET) == 1
    assert shop.execute("SELECT password FROM customers WHERE id = 7").fetchone() != (HASH,)
    shop.close()


def test_of_several_accounts_at_one_address_none_is_taken(open_case, portal, as_staff):
    case = open_case()
    said = portal("cases", "prove", case.number, "--address", TWIN, *PROOF, status=1)
    assert "Several accounts fit" in said.stderr
