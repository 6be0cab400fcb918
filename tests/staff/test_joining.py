"""Joining by an invitation: once, in time, with a password and an app; and the commands that invite."""

import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from tests.colleagues import ENVIRON, PASSWORD
from tests.visitor import hidden

KEY = re.compile(r'<code class="key">([A-Z2-7 ]+)</code>')


@pytest.fixture
def invited(run, office):
    """The path of an invitation that a command printed."""
    result = run("staff", "invite", "admin", "Ann@northwind.example", **ENVIRON)
    assert result.exit_code == 0, result.output
    office.clock.at = datetime.now(UTC)  # commands know no other
    office.advance(timedelta())
    return result.output.strip().removeprefix("http://localhost:8001")


def join(office, path, **changed):
    browser = office.browser()
    assert browser.get(path).location == "/join/"
    page = browser.get("/join/").text
    secret = KEY.findall(page)[0].replace(" ", "")
    office.advance(timedelta(seconds=31))
    fields = {"name": "Ann Lee", "password": PASSWORD, "code": pyotp.TOTP(secret).at(office.clock.at)}
    answer = browser.post(
        "/join/",
        data=hidden(page) | fields | changed | {"passkey": ""},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    return browser, answer, secret


def test_a_command_invites_and_the_link_lets_in_once(run, office, invited):
    browser, answer, secret = join(office, invited)
    assert answer.status_code == 200
    codes = re.findall(r"<li><code>([A-Z2-7-]{19})</code>", answer.text)
    assert len(codes) == 10
    assert "Hello, Ann Lee" in browser.get("/").text
    again = office.browser()
    again.get(invited)
    assert again.get("/join/").status_code == 410
    listed = run("staff", "list", **ENVIRON)
    assert listed.output == "active  Ann@northwind.example  admin  Ann Lee\n"
    office.advance(timedelta(seconds=31))
    code = pyotp.TOTP(secret).at(office.clock.at)
    fresh = office.browser()
    signed_in = fresh.submit("/sign-in/", email="ann@northwind.example", password=PASSWORD, code=code)
    assert signed_in.status_code == 303
    by_recovery = {"email": "ann@northwind.example", "password": PASSWORD, "code": codes[0]}
    assert office.browser().submit("/sign-in/", **by_recovery).status_code == 303
    assert office.browser().submit("/sign-in/", **by_recovery).status_code == 422


def test_the_next_invitation_in_the_same_browser_has_another_secret(run, office, invited):
    browser = office.browser()
    browser.get(invited)
    seen = KEY.findall(browser.get("/join/").text)
    result = run("staff", "invite", "author", "ben@northwind.example", **ENVIRON)
    browser.get(result.output.strip().removeprefix("http://localhost:8001"))
    page = browser.get("/join/").text
    assert "ben@northwind.example" in page
    assert KEY.findall(page) != seen
    assert KEY.findall(browser.get("/join/").text) == KEY.findall(page)


def test_an_invitation_ends_after_three_days(office, invited):
    office.advance(timedelta(days=2, hours=23))
    browser = office.browser()
    browser.get(invited)
    assert browser.get("/join/").status_code == 200
    office.advance(timedelta(hours=1, seconds=1))
    browser = office.browser()
    browser.get(invited)
    assert browser.get("/join/").status_code == 410


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "short"}, "shorter than 15 characters"),
        ({"password": "ann@northwind.example"}, "your own details"),
        ({"code": "000000"}, "That code is wrong"),
        ({"name": ""}, "Type your name"),
        ({"name": "\u202ennA"}, "Type your name in one line, without invisible characters."),
    ],
)
def test_what_is_wrong_is_said_and_the_link_still_works(office, invited, changed, said):
    _browser, answer, _secret = join(office, invited, **changed)
    assert answer.status_code == 422
    assert said in answer.text
    assert join(office, invited)[1].status_code == 200


def test_a_recovered_member_loses_what_they_signed_in_with(run, office):
    ann = office.add("admin", name="Ann")
    before = office.sign_in(ann)
    result = run("staff", "recover", ann.address, **ENVIRON)
    path = result.output.strip().removeprefix("http://localhost:8001")
    assert before.get("/").status_code == 200
    assert join(office, path)[1].status_code == 200
    assert before.get("/").status_code == 303
    old = office.browser().submit("/sign-in/", email=ann.address, password=PASSWORD, code=ann.code())
    assert old.status_code == 422


def test_a_refused_answer_takes_nothing_from_who_is_recovered(run, office):
    ann = office.add("admin", name="Ann")
    result = run("staff", "recover", ann.address, **ENVIRON)
    path = result.output.strip().removeprefix("http://localhost:8001")
    assert join(office, path, name="\u202ennA")[1].status_code == 422
    signed_in = office.browser().submit("/sign-in/", email=ann.address, password=PASSWORD, code=ann.code())
    assert signed_in.status_code == 303


def test_nobody_is_invited_twice(run, office, invited):
    result = run("staff", "invite", "author", "ann@northwind.example", **ENVIRON)
    assert result.exit_code == 1
    assert "portal staff recover ADDRESS" in result.output


def test_an_unknown_link_is_gone(office):
    browser = office.browser()
    assert browser.get("/invitation/" + "a" * 32 + "/").status_code == 303
    assert browser.get("/join/").status_code == 410
    assert office.browser().get("/invitation/x/").status_code == 410
