"""Passwords of the operator's own lists are refused wherever a new one is chosen, with the reason."""

import os

import pytest
from sqlalchemy import text

from portal.worker import drain
from tests.blocklists.range_server import serving
from tests.passwords_file import made
from tests.reset.journey import NEW, OLD, REQUEST, link_in

__all__ = ["made"]

STOLEN = "velvet-canyon-lantern-stolen"
EXPOSED = "velvet-canyon-lantern-exposed"
ON_A_LIST = "This password is on a list of stolen passwords."
FROM_US = "This password was stolen from us."


@pytest.fixture
def ranges():
    with serving(STOLEN) as server:
        yield server


@pytest.fixture
def asking(portal_with, ranges):
    """Make a browser at a portal that asks a service of range requests."""
    app = portal_with(passwords={"range_url": ranges.url, "range_seconds": 5})
    return app.test_client


@pytest.fixture
def browser(portal_with, made):
    """A browser at a portal with both files."""
    files = {"corpus_file": made(STOLEN, EXPOSED), "exposed_file": made(EXPOSED, name="exposed.pwc")}
    return portal_with(passwords=files).test_client()


@pytest.mark.parametrize(("password", "why"), [(STOLEN, ON_A_LIST), (EXPOSED, FROM_US)])
def test_through_a_link(browser, ask, ana, people, password, why):
    browser.get(link_in(ask(ana, browser)))
    refused = browser.submit("/reset/choose/", password=password)
    assert refused.status_code == 400
    assert why in refused.text
    assert "Choose one you’ve never used, here or anywhere else." in refused.text
    assert password not in refused.text
    assert (ON_A_LIST in refused.text) + (FROM_US in refused.text) == 1, "one reason is enough"
    assert browser.submit("/reset/choose/", password=NEW).status_code == 303
    assert people.signs_in_with(ana, NEW)


@pytest.mark.parametrize(("password", "why"), [(STOLEN, ON_A_LIST), (EXPOSED, FROM_US)])
def test_in_the_account(browser, ana, people, password, why):
    browser.submit("/sign-in/", email=ana, password=OLD)
    refused = browser.submit("/account/password/", current_password=OLD, password=password)
    assert refused.status_code == 400
    assert why in refused.text
    assert people.signs_in_with(ana, OLD)


def test_typed_with_other_accents_it_is_the_same_password(portal_with, made, ask, ana):
    browser = portal_with(passwords={"corpus_file": made("étoile-canyon-lantern-süß")}).test_client()
    browser.get(link_in(ask(ana, browser)))
    typed = "e\u0301toile-canyon-lantern-su\u0308ß"
    assert ON_A_LIST in browser.submit("/reset/choose/", password=typed).text


def test_a_file_that_was_cut_is_logged_and_the_other_lists_decide(
    portal_with, made, ask, ana, people, caplog
):
    path = made(STOLEN)
    browser = portal_with(passwords={"corpus_file": path}).test_client()
    os.truncate(path, 4000)
    browser.get(link_in(ask(ana, browser)))
    assert browser.submit("/reset/choose/", password="iloveyou1234567890").status_code == 400
    assert browser.submit("/reset/choose/", password=STOLEN).status_code == 303
    logged = [message for message in caplog.messages if message.startswith("passwords: ")]
    assert "PORTAL_PASSWORD_CORPUS_FILE has 4000 bytes instead of" in logged[-1]
    assert STOLEN not in caplog.text


def test_a_service_that_knows_the_password_is_believed(asking, ranges, ask, ana, people):
    browser = asking()
    browser.get(link_in(ask(ana, browser)))
    assert ON_A_LIST in browser.submit("/reset/choose/", password=STOLEN).text
    assert browser.submit("/reset/choose/", password="iloveyou1234567890").status_code == 400
    assert len(ranges.asked) == 1, "what is refused anyway is not asked about"
    assert browser.submit("/reset/choose/", password=NEW).status_code == 303
    assert people.signs_in_with(ana, NEW)


@pytest.fixture
def chosen_meanwhile(asking, ranges, ask, ana, people):
    """Ana chose the stolen password while the service was away, and signed in."""
    ranges.fault = "error"
    browser = asking()
    browser.get(link_in(ask(ana, browser)))
    assert browser.submit("/reset/choose/", password=STOLEN).status_code == 303
    assert browser.submit("/sign-in/", email=ana, password=STOLEN).location == "/account/"
    return browser


def test_a_service_that_is_away_holds_nobody_up_and_is_asked_at_each_sign_in_until_it_answers(
    chosen_meanwhile, asking, ranges, ana, people, worker_parts, smtp, caplog
):
    ranges.fault = ""
    elsewhere = asking()
    refused = elsewhere.submit("/sign-in/", email=ana, password=STOLEN)
    assert refused.status_code == 400
    assert "We may have locked your old password" in refused.text
    assert chosen_meanwhile.get("/account/").status_code == 303, "every session has ended"
    assert not people.signs_in_with(ana, STOLEN)
    assert "is on a list that was away when it was chosen; it was locked" in caplog.text
    assert STOLEN not in caplog.text
    drain(worker_parts)
    mailed = [mail for mail in smtp.to(ana) if mail.message["Subject"] == REQUEST]
    elsewhere.get(link_in(mailed[-1]))
    page = elsewhere.get("/reset/choose/")
    assert "Your old password is on a list of stolen passwords, so we locked it." in page.text
    assert ON_A_LIST in elsewhere.submit("/reset/choose/", password=STOLEN).text
    assert elsewhere.submit("/reset/choose/", password=NEW).status_code == 303
    assert elsewhere.submit("/sign-in/", email=ana, password=NEW).location == "/account/"


def test_a_password_that_turns_out_to_be_on_no_list_is_asked_about_once(asking, ranges, ask, ana, people):
    ranges.fault = "error"
    browser = asking()
    browser.get(link_in(ask(ana, browser)))
    assert browser.submit("/reset/choose/", password=NEW).status_code == 303
    ranges.fault = ""
    ranges.asked.clear()
    for _ in range(2):
        assert asking().submit("/sign-in/", email=ana, password=NEW).location == "/account/"
    assert len(ranges.asked) == 1


def test_a_wrong_password_is_never_asked_about(chosen_meanwhile, asking, ranges, ana):
    ranges.fault = ""
    ranges.asked.clear()
    assert asking().submit("/sign-in/", email=ana, password="wrong-wrong-wrong").status_code == 400
    assert ranges.asked == []


def test_an_account_that_changes_while_the_service_is_asked_is_left_as_it_then_is(
    chosen_meanwhile, asking, ranges, ana, people, db
):
    answer = ranges.answer

    def answer_late(prefix):
        with db.write() as session:  # another password was chosen
            session.execute(text("UPDATE account_state SET version = version + 1"))
        return answer(prefix)

    ranges.fault, ranges.answer = "", answer_late
    asking().submit("/sign-in/", email=ana, password=STOLEN)
    assert not people.account(ana).must_reset
