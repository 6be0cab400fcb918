"""The link in a notice: one press, and its reader sees their own answer, without another mail."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.intake.jobs import tidy
from portal.intake.models import IntakeReply, IntakeRequest
from portal.worker import drain
from tests.campaigns.conftest import SLUG, STATEMENT
from tests.mailbox import Delivered, Mailbox
from tests.traces import contents
from tests.visitor import Visitor, leads_to

ANN = "ann@northwind.example"
FORGED = "a" * 69
PREPARING, READY = "We’re preparing your answer", "You are affected"


@pytest.fixture
def notices(operator, worker_parts, smtp: Mailbox) -> dict[str, Delivered]:
    """A notice to two people at one address, and one at another."""
    operator.statement(STATEMENT)
    operator.live(f"{ANN},7,Ann,en\n{ANN},8,Leo,en\nbob@northwind.example,9,Bob,en\n")
    assert operator.run("notify", SLUG, "--confirm", "2").exit_code == 0
    drain(worker_parts)
    return {mail.recipients[0]: mail for mail in smtp.messages}


def path_in(mail: Delivered) -> str:
    (path,) = set(re.findall(r"http://localhost:8000(/check/notice/[a-z2-7]{69}/)", mail.text))
    return str(path)


@pytest.fixture
def press(app, worker_parts) -> Callable[[str], tuple[Visitor, str]]:
    """Open a link in a fresh browser, press the button and let the worker work; the browser and its page."""

    def pressed(path: str) -> tuple[Visitor, str]:
        browser = app.test_client()
        page = browser.get(path).location
        assert "Show my answer" in browser.get(page).text
        assert leads_to(browser.submit(page)) == "/check/notice/"
        drain(worker_parts)
        return browser, page

    return pressed


def test_one_press_shows_what_was_taken_from_this_person_without_another_mail(notices, press, smtp):
    browser, page = press(path_in(notices[ANN]))
    answer = browser.get(page, follow_redirects=True)
    assert leads_to(browser.get(page)) == "/check/answer/"
    assert READY in answer.text
    assert ANN in answer.text
    assert "Ann" in answer.text
    assert "Leo" in answer.text
    assert "Bob" not in answer.text
    assert len(smtp.messages) == 2


def test_the_answer_waits_for_the_worker_and_is_prepared_once(notices, app, worker_parts, db):
    browser = app.test_client()
    page = browser.get(path_in(notices[ANN])).location
    for _ in range(3):
        assert leads_to(browser.submit(page)) == "/check/notice/"
        assert PREPARING in browser.get(page).text
    with db.read() as session:
        assert len(session.scalars(select(IntakeRequest)).all()) == 1
    drain(worker_parts)
    other = app.test_client()
    page = other.get(path_in(notices[ANN])).location
    assert leads_to(other.submit(page)) == "/check/answer/", "it is there already"
    with db.read() as session:
        assert len(session.scalars(select(IntakeReply)).all()) == 1


def test_a_scanner_that_opens_the_link_leaves_no_trace(notices, client, db):
    before = contents(db)
    client.get(path_in(notices[ANN]), follow_redirects=True)
    client.head(path_in(notices[ANN]), follow_redirects=True)
    assert contents(db) == before


def test_a_link_that_we_did_not_make_looks_like_ours_and_opens_nothing(notices, press, app, db, caplog):
    browser, page = press(f"/check/notice/{FORGED}/")
    ours, of_ours = app.test_client(), path_in(notices["bob@northwind.example"])
    waiting = ours.submit(ours.get(of_ours).location)
    assert PREPARING in browser.get(page).text
    assert PREPARING in ours.get(waiting.location).text
    assert "not ours, or older than 90 days" in caplog.text
    assert FORGED not in caplog.text
    with db.read() as session:
        assert session.scalars(select(IntakeReply)).all() == []
    malformed = app.test_client()
    assert malformed.get("/check/notice/short/", follow_redirects=True).status_code == 410


def test_no_other_spelling_of_a_link_opens_a_second_answer(notices, press, db):
    path, letters = path_in(notices[ANN]), "abcdefghijklmnopqrstuvwxyz234567"
    # Of the last character's five bits the lowest decodes to nothing.
    press(f"{path[:-2]}{letters[letters.index(path[-2]) ^ 1]}/")
    with db.read() as session:
        assert session.scalars(select(IntakeReply)).all() == []


def test_a_flood_of_forged_links_does_not_fill_the_log(notices, press, clock, caplog):
    for letter in "bcd":
        press(f"/check/notice/{letter * 69}/")
    assert caplog.text.count("not ours, or older than 90 days") == 1
    clock.advance(timedelta(hours=1, seconds=1))
    press(f"/check/notice/{FORGED}/")
    assert caplog.text.count("not ours, or older than 90 days") == 2


def test_a_link_of_91_days_ago_opens_nothing_and_a_later_one_does(notices, press, clock):
    clock.advance(timedelta(days=90))
    browser, page = press(path_in(notices[ANN]))
    assert READY in browser.get(page, follow_redirects=True).text
    clock.advance(timedelta(days=1))
    browser, page = press(path_in(notices["bob@northwind.example"]))
    assert PREPARING in browser.get(page, follow_redirects=True).text
    assert 'href="/check/"' in browser.get(page).text


def test_an_answer_that_has_ended_is_prepared_anew(notices, press, clock):
    press(path_in(notices[ANN]))
    clock.advance(timedelta(days=31))
    browser, page = press(path_in(notices[ANN]))
    assert READY in browser.get(page, follow_redirects=True).text


def test_two_links_in_one_browser_show_each_person_their_own(notices, client, worker_parts):
    pages = [client.get(path_in(notices[who])).location for who in (ANN, "bob@northwind.example")]
    for page in pages:
        client.submit(page)
    drain(worker_parts)
    ann, bob = (client.get(page, follow_redirects=True).text for page in pages)
    assert ANN in ann
    assert ANN not in bob
    assert "bob@northwind.example" in bob


def test_a_link_whose_list_was_destroyed_tells_nobody_that_they_are_safe(
    notices, press, operator, db, worker_vault, clock
):
    operator.live("zoe@northwind.example,1,Zoe,en\n")
    with db.write() as session:
        exposure.destroy(session, incidents.by_slug(session, SLUG).id, 1, clock.now())
    browser, page = press(path_in(notices[ANN]))
    assert PREPARING in browser.get(page).text


def test_the_request_reads_like_any_check(notices, client, db):
    """Else its row would say that somebody affected was here."""
    client.submit(client.get(path_in(notices[ANN])).location)
    client.submit("/check/", email="anyone@northwind.example")
    with db.read() as session:
        by_link, by_form = session.scalars(select(IntakeRequest).order_by(IntakeRequest.asked_at))
    assert by_link.purpose == by_form.purpose == "check"
    assert len(by_link.sealed) == len(by_form.sealed)
    assert by_link.lane == by_form.lane


def test_the_neutral_notice_of_a_discreet_incident_has_the_link_too(operator, worker_parts, smtp, press, db):
    operator.statement(STATEMENT)
    with db.write() as session:
        incidents.by_slug(session, SLUG).discreet = True
    operator.live(f"{ANN},7,Ann,en\n")
    operator.run("notify", SLUG, "--confirm", "1")
    drain(worker_parts)
    (mail,) = smtp.messages
    assert "affected" not in mail.text
    browser, page = press(path_in(mail))
    assert READY in browser.get(page, follow_redirects=True).text


def test_who_closes_the_answer_leaves_no_way_back_to_it_in_this_browser(notices, press):
    browser, page = press(path_in(notices[ANN]))
    other = browser.get(path_in(notices["bob@northwind.example"])).location
    answer = browser.get(page).location
    assert leads_to(browser.submit(answer, to="/check/answer/close/")) == "/check/"
    assert browser.get(page).status_code == 410
    assert "Show my answer" in browser.get(other).text, "another tab's link went too"


def test_its_answer_is_stored_like_that_of_any_check(notices, press, client, db, worker_parts, clock):
    """Else its row would say, for 30 days, that somebody affected was here."""
    press(path_in(notices[ANN]))
    client.submit("/check/", email="anyone@northwind.example")
    drain(worker_parts)
    lives = "code_expires_at", "expires_at", "created_at", "spent_at", "code_tries", "reusable"
    for hours in (0, 2):
        clock.advance(timedelta(hours=hours))
        tidy(worker_parts)
        with db.read() as session:
            by_link, by_form = session.scalars(select(IntakeReply))
        assert [getattr(by_link, name) for name in lives] == [getattr(by_form, name) for name in lives]
        assert len(by_link.by_code) == len(by_form.by_code)
