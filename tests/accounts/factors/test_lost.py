"""The way back after losing every factor: two mailed links, a day apart, and a stop in each mail."""

import re
from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy import select

from portal.accounts.factors import service
from portal.accounts.factors.lost import jobs
from portal.accounts.factors.models import FactorRemoval
from portal.app import create_app
from portal.core.settings import Settings
from portal.identity import state
from portal.worker import drain
from tests.accounts.conftest import ADDRESS, PASSWORD
from tests.reset.journey import REQUEST, link_in
from tests.visitor import SAME_SITE, Visitor, hidden, leads_to, main_of

FIRST, SECOND = "Did you lose your second step?", "Confirm once more: remove your second step"
REMOVED = "Your second step was removed"
KEPT = "We kept your second step"
DECIDE = "/second-step/decide/"


@pytest.fixture
def subjects(smtp):
    return lambda: [mail.message["Subject"] for mail in smtp.to(ADDRESS)]


@pytest.fixture
def work(worker_parts):
    """Let the worker do what is due."""

    def working():
        drain(worker_parts)
        jobs.mail_second(worker_parts)
        drain(worker_parts)

    return working


@pytest.fixture
def begin(client, protected, sign_in, work):
    """Say at sign-in, after the password, that everything is lost."""

    def begun():
        page = client.get(sign_in().location).text
        lost = re.findall(r'href="(/sign-in/second/lost/\?link=\w+)"', page)[0]
        assert leads_to(client.submit(lost)) == "/second-step/sent/"
        assert "24 hours later we email you again" in client.get("/second-step/sent/").text
        work()

    return begun


@pytest.fixture
def press(client, smtp):
    """Open the newest link about the loss in the browser that asked, and press a button of its page.

    `code` is what is typed in the place of the code that this browser knows.
    """

    def pressed(do="confirm", number=-1, visitor=client, code=None):
        links = [re.findall(r"/second-step/[a-z2-7]{32}/", mail.text) for mail in smtp.to(ADDRESS)]
        opened = visitor.get([found[0] for found in links if found][number])
        page = visitor.get(opened.location).text
        known = re.findall(r'name="code"[^>]* value="(\d*)"', page)
        typed = {"code": known[0] if known and code is None else code or ""}
        return visitor.submit(opened.location, do=do, **typed)

    return pressed


def has_factors(db, account) -> bool:
    with db.read() as session:
        return bool(service.kinds(session, account.id))


def test_after_two_confirmations_a_day_apart_the_factors_are_gone(
    client, begin, press, work, subjects, clock, db, protected, sign_in, browser_at
):
    begin()
    assert subjects() == [FIRST]
    assert "We email you again in 24 hours" in client.get(press().location).text
    clock.advance(timedelta(hours=23, minutes=59))
    work()
    assert subjects() == [FIRST]
    assert has_factors(db, protected)
    clock.advance(timedelta(minutes=1))
    work()
    assert subjects() == [FIRST, SECOND]
    assert has_factors(db, protected)
    done = press()
    assert "Your second step is removed" in client.get(done.location).text
    assert not has_factors(db, protected)
    work()
    assert subjects() == [FIRST, SECOND, REMOVED]
    visitor = browser_at("203.0.113.9")
    assert leads_to(sign_in(visitor=visitor)) == "/account/"
    assert REMOVED in visitor.get("/account/activity/").text


def test_whose_factors_were_removed_by_somebody_else_locks_the_account(
    client, begin, press, work, clock, db, protected, smtp
):
    begin()
    press()
    clock.advance(timedelta(days=1))
    work()
    press()
    work()
    mail = smtp.to(ADDRESS)[-1]
    assert mail.message["Subject"] == REMOVED
    (link,) = set(re.findall(r"http://localhost:8000(/not-me/[a-z2-7]{32}/)", mail.text + mail.html))
    page = client.get(link, follow_redirects=True)
    assert REMOVED in main_of(page.text)
    assert "Your account is locked" in client.get(client.submit("/not-me/", sure="y").location).text
    with db.read() as session:
        account = state.get(session, protected.id)
    assert account is not None
    assert account.must_reset


def test_it_begins_from_a_mailed_reset_link_too(client, protected, worker_parts, smtp, subjects):
    client.submit("/reset/", email=ADDRESS)
    drain(worker_parts)
    mail = [mail for mail in smtp.to(ADDRESS) if mail.message["Subject"] == REQUEST][-1]
    page = client.get(client.get(link_in(mail)).location).location
    lost = re.findall(r'href="(/reset/confirm/lost/\?link=\w+)"', client.get(page).text)[0]
    assert leads_to(client.submit(lost)) == "/second-step/sent/"
    drain(worker_parts)
    assert subjects() == [REQUEST, FIRST]


def shown_code(visitor) -> str:
    """What the browser that asked shows, for somebody to write down."""
    page = visitor.get("/second-step/sent/").text
    (shown,) = re.findall(r'<code class="key shown">(\d{3} \d{3})</code>', page)
    return str(shown)


@pytest.fixture
def code(client, begin) -> str:
    begin()
    return shown_code(client)


def test_on_another_device_the_code_is_typed_both_times(code, press, work, clock, browser_at, db, protected):
    for _press in range(2):
        other = browser_at("203.0.113.9")
        assert press(visitor=other, code="000000").status_code == 400
        assert press(visitor=other, code=code).status_code == 303
        assert has_factors(db, protected) or _press
        clock.advance(timedelta(days=1))
        work()
    assert not has_factors(db, protected)


def test_who_lost_the_code_stops_it_and_asks_again_elsewhere(
    code, press, work, clock, browser_at, sign_in, db, protected
):
    press()
    phone = browser_at("203.0.113.9")
    stopped = press("stop", visitor=phone)
    assert "because you lost the code" in phone.get(stopped.location).text
    page = phone.get(sign_in(visitor=phone).location).text
    phone.submit(re.findall(r'href="(/sign-in/second/lost/\?link=\w+)"', page)[0])
    work()
    for _press in range(2):
        assert press(visitor=phone).status_code == 303
        clock.advance(timedelta(days=1))
        work()
    assert not has_factors(db, protected)


@pytest.mark.parametrize("stage", [1, 2])
def test_a_scanner_that_presses_the_button_confirms_nothing(
    code, press, work, clock, browser_at, db, protected, subjects, stage
):
    """Somebody who knows the password and no inbox asked, and the owner's mail program presses buttons."""
    if stage == 2:
        press()
        clock.advance(timedelta(days=1))
        work()
    scanner = browser_at("203.0.113.9")
    for typed in ("", "1", "123 45", code.replace(code[0], chr(ord(code[0]) ^ 1))):
        assert press(visitor=scanner, code=typed).status_code == 400
    clock.advance(timedelta(days=1))
    work()
    assert has_factors(db, protected)
    assert (SECOND in subjects()) is (stage == 2)
    assert REMOVED not in subjects()


def test_each_browser_that_asked_has_the_code_of_its_own_mail(
    code, press, browser_at, sign_in, work, client, db, protected, smtp
):
    """A thief asks too: neither one's code opens the other's link, nor is it filled in there."""
    thief = browser_at("203.0.113.9")
    page = thief.get(sign_in(visitor=thief).location).text
    thief.submit(re.findall(r'href="(/sign-in/second/lost/\?link=\w+)"', page)[0])
    work()
    links = [re.findall(r"/second-step/[a-z2-7]{32}/", mail.text)[0] for mail in smtp.to(ADDRESS)]
    filled_in = [
        f'value="{code.replace(" ", "")}"' in client.get(link, follow_redirects=True).text for link in links
    ]
    assert filled_in == [True, False]
    assert press(code=code).status_code == 400
    assert press(code=code, number=0).status_code == 303


@pytest.mark.parametrize("days", [0, 1])
def test_the_stop_of_either_mail_ends_it(client, begin, press, work, clock, db, protected, days):
    begin()
    if days:
        press()
        clock.advance(timedelta(days=1))
        work()
    assert "We’ve stopped it" in client.get(press("stop").location).text
    assert has_factors(db, protected)
    with pytest.raises(AssertionError, match="410"):
        press("confirm")
    clock.advance(timedelta(days=1))
    work()
    assert has_factors(db, protected)


def test_the_first_link_stops_it_also_after_it_confirmed(client, begin, press, db, protected):
    begin()
    press()
    assert "We’ve stopped it" in client.get(press("stop", number=0).location).text
    assert has_factors(db, protected)


def test_opening_a_link_changes_nothing_and_the_first_confirms_once(
    code, press, work, subjects, clock, db, protected
):
    assert press().status_code == 303
    clock.advance(timedelta(hours=12))
    assert press(code=code).status_code == 303
    clock.advance(timedelta(hours=12))
    work()
    assert subjects() == [FIRST, SECOND], "a day after the first press"
    press(number=0, code=code)
    assert has_factors(db, protected), "the first link never removes anything"


def test_the_second_link_works_once_for_parallel_presses(client, begin, press, work, clock, db, protected):
    begin()
    press()
    clock.advance(timedelta(days=1))
    work()
    assert press().status_code == 303
    with pytest.raises(AssertionError, match="410"):
        press()


@pytest.mark.parametrize("what", ["code", "password"])
def test_a_factor_that_is_used_or_a_new_password_ends_it(
    client, begin, press, work, clock, db, protected, app_code, sign_in, subjects, what
):
    begin()
    press()
    if what == "code":
        assert client.submit(sign_in().location, code=app_code()).status_code == 303
    else:
        with db.write() as session:
            assert state.changed(session, protected.id, expected_version=1, now=clock.now())
    clock.advance(timedelta(days=1))
    work()
    with pytest.raises(AssertionError, match="410"):
        press()
    assert has_factors(db, protected)
    assert SECOND not in subjects()
    assert (KEPT in subjects()) is (what == "code"), "a thief's own factor may have been used"


def test_asking_again_sends_the_same_three_times_and_begins_no_other(begin, press, subjects, clock, work):
    for _time in range(4):
        begin()
    assert subjects() == [FIRST] * 3
    assert press(number=0).status_code == 303
    begin()
    assert subjects() == [FIRST] * 3


def test_a_link_that_nobody_used_ends_with_its_removal(begin, press, clock, db, work):
    begin()
    clock.advance(timedelta(days=8))
    with pytest.raises(AssertionError, match="410"):
        press()
    work()
    with db.read() as session:
        assert session.scalar(select(FactorRemoval.id)) is None


def test_nobody_begins_it_without_the_password(client, protected, subjects, work):
    assert leads_to(client.get("/sign-in/second/lost/")) == "/sign-in/"
    form = hidden(client.get("/sign-in/").text)
    answer = client.post("/sign-in/second/lost/", data=form, headers=SAME_SITE)
    assert (answer.status_code, leads_to(answer)) == (303, "/sign-in/")
    work()
    assert subjects() == []


def test_a_company_can_switch_it_off(environ, db, clock, web_keys, protected, subjects, work):
    changed = Settings.from_env(environ | {"PORTAL_FACTOR_REMOVAL": "off"})
    app = create_app(changed, db=db, clock=clock, web_keys=web_keys)
    app.test_client_class = Visitor
    client = cast("Visitor", app.test_client())
    second = client.submit("/sign-in/", email=ADDRESS, password=PASSWORD).location
    lost = second.replace("/second/", "/second/lost/")
    page = client.get(lost).text
    assert "Talk to us. We’ll check it’s really you" in page
    assert "email me" not in page
    form = hidden(client.get(second).text)
    assert leads_to(client.post("/sign-in/second/lost/", data=form)) == "/sign-in/second/"
    work()
    assert subjects() == []
