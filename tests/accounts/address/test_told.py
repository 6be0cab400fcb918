"""For seven days the old address hears of everything that happens, and can get its link again."""

import re
from datetime import timedelta

import pytest

from portal.accounts.activity.service import Kind
from portal.accounts.address.emails import FormerAddress
from tests.accounts.address.conftest import NEW, PAGE
from tests.accounts.conftest import ADDRESS, PASSWORD
from tests.accounts.passkeys.pages import add
from tests.traces import lengths
from tests.visitor import hidden, leads_to

THIEF = "thief@elsewhere.example"
HERS = "violet-anchor-mosaic-thimble"
MADE = "The email address of your account was changed"
NEWS_SUBJECT = "News about an account that used this address"
RESET = re.compile(r"/reset/[a-z2-7]{32}/")
CONFIRM = re.compile(r"/address/confirm/[a-z2-7]{32}/")
UNDO = re.compile(r"/address/undo/[a-z2-7]{32}/")


@pytest.fixture
def news(smtp, work):
    """What the old address was told since the last look; each mail can undo, and none leads to a password."""
    seen = len(smtp.to(ADDRESS))

    def told():
        nonlocal seen
        work()
        mails, seen = smtp.to(ADDRESS)[seen:], len(smtp.to(ADDRESS))
        for mail in mails:
            assert mail.message["Subject"] == NEWS_SUBJECT
            assert UNDO.search(mail.text)
            assert not re.search("/(reset|not-me)/[a-z2-7]{32}/", mail.text)
        return [mail.text.split("this address\n\n")[1].split("\n")[0] for mail in mails]

    return told


@pytest.fixture
def at_new(moved, sign_in, client, news):
    """Ana is signed in with her new address."""
    assert leads_to(sign_in(address=NEW)) == "/account/"
    news()
    return client


def test_the_old_address_hears_of_factors_and_passwords_for_a_week(at_new, news, clock, smtp, sign_in):
    assert "recovery code" in add(at_new)[1].text
    assert news() == ["A passkey was added to your account."]
    at_new.submit("/account/factors/recovery/")
    assert news() == ["New recovery codes were made."]
    at_new.submit("/account/password/", current_password=PASSWORD, password=HERS)
    assert news() == ["Your password was changed."]
    not_me = re.search(r"/not-me/[a-z2-7]{32}/", smtp.to(NEW)[-1].text)
    assert not_me
    page = at_new.get(not_me[0], follow_redirects=True)
    assert at_new.post("/not-me/", data=hidden(page.text) | {"sure": "y"}).status_code == 303
    assert news() == ["You told us something wasn’t you, so we locked your password."]
    clock.advance(timedelta(days=9))
    at_new.submit("/reset/", email=NEW)
    assert news() == []


def test_every_mail_to_an_old_address_says_what_happened():
    """A kind of event that is new must have its words there, or the mail has none."""
    said = {vars(mail)["news"] for mail in FormerAddress.sample().alternatives()}
    assert {kind.value for kind in Kind} - {"address-undone"} <= said


def test_who_lost_the_mail_gets_the_undo_again_by_asking_for_a_password_at_the_old_address(
    moved, browser_at, press, news, smtp, link_to, work, account_of
):
    """A thief at the old inbox has deleted the mails of the change."""
    owner = browser_at("198.51.100.7")
    owner.submit("/reset/", email=ADDRESS)
    work()
    first, second = smtp.to(ADDRESS)[-2:]
    assert {first.message["Subject"], second.message["Subject"]} == {
        "Your request for a new password",
        NEWS_SUBJECT,
    }
    for mail in (first, second):
        assert not RESET.search(mail.text), "a past address leads to no password"
    (again,) = {found for mail in (first, second) for found in UNDO.findall(mail.text)}
    assert press(owner, again).status_code == 303
    work()
    assert account_of()[1] == ADDRESS


def test_long_after_the_change_the_old_address_is_any_other(moved, browser_at, clock, db, work, add_account):
    clock.advance(timedelta(days=9))
    visitor, seen = browser_at("198.51.100.7"), {}
    visitor.submit("/reset/", email="tim@example.com")
    work()  # so that every counter is there
    for address in (ADDRESS, "nobody@example.com"):
        before = lengths(db)
        visitor.submit("/reset/", email=address)
        work()
        after = lengths(db)
        seen[address] = {name: after[name] - before[name] for name in after}
    assert seen[ADDRESS] == seen["nobody@example.com"]


def test_a_thief_who_moves_the_account_to_his_address_and_back_can_not_fetch_it_later(
    ask, signed_in, press, link_to, work, sign_in, browser_at, smtp, account_of, clock, subjects
):
    """He has a session for an hour, and reads Ana's inbox for that hour."""
    ask(THIEF)
    assert press(signed_in, link_to(THIEF)).status_code == 303
    work()
    thief = browser_at("203.0.113.66")
    sign_in(address=THIEF, visitor=thief)
    ask(ADDRESS, thief)
    (stop,) = (link for mail in smtp.to(THIEF) for link in UNDO.findall(mail.text))
    (confirm,) = {found for mail in smtp.to(ADDRESS) for found in CONFIRM.findall(mail.text)}
    opened = thief.get(confirm).location
    assert thief.post("/address/confirm/", data=hidden(thief.get(opened).text)).status_code == 303
    work()
    assert account_of()[1] == ADDRESS
    assert "Your email address is changed" in thief.get(opened).text
    assert "can undo" not in thief.get(opened).text
    mail = smtp.to(THIEF)[-1]
    assert "So this address can’t undo the change." in mail.text
    assert not UNDO.search(mail.text)
    assert press(thief, stop).status_code == 410, "the mail about the question stops nothing any more"
    (hers,) = (UNDO.findall(mail.text)[0] for mail in smtp.to(ADDRESS) if MADE in mail.text)
    clock.advance(timedelta(days=6))
    assert press(browser_at("198.51.100.7"), hers).status_code == 303, "hers undoes it all"
    work()
    account, address = account_of()
    assert (address, account.must_reset) == (ADDRESS, True)


def test_a_scanner_that_presses_the_button_undoes_nothing(
    moved, browser_at, press, link_to, account_of, work
):
    pressed = press(browser_at("192.0.2.1"), link_to(ADDRESS), sure="")
    assert pressed.status_code == 400
    assert "If you want this, tick the box first." in pressed.text
    work()
    account, address = account_of()
    assert (address, account.must_reset) == (NEW, False)


def test_a_question_is_stopped_in_one_tab_and_confirmed_in_another(
    ask, signed_in, press, link_to, work, account_of
):
    """Both in one browser: the page of the other tab says what became of it."""
    ask()
    confirm = signed_in.get(link_to(NEW)).location
    form = hidden(signed_in.get(confirm).text)
    assert signed_in.post("/address/confirm/", data=form).status_code == 303
    assert "We’re changing your email address" in signed_in.get(confirm).text
    undo = signed_in.get(link_to(ADDRESS)).location
    data = hidden(signed_in.get(undo).text) | {"sure": "y"}
    assert signed_in.post("/address/undo/", data=data).status_code == 303
    for _ in range(2):
        page = signed_in.get(confirm)
        assert page.status_code == 200
        assert "Your email address wasn’t changed" in page.text
        work()
    assert "Your account is locked" in signed_in.get(undo).text
    assert account_of()[1] == ADDRESS


def test_two_questions_in_two_tabs_one_is_confirmed_and_the_other_is_gone(
    ask, signed_in, press, link_to, work, account_of, sign_in
):
    ask()
    first = signed_in.get(link_to(NEW)).location
    ask("ana@third.example")
    second = signed_in.get(link_to("ana@third.example")).location
    forms = [hidden(signed_in.get(page).text) for page in (first, second)]
    assert signed_in.post("/address/confirm/", data=forms[1]).status_code == 303
    work()
    assert account_of()[1] == "ana@third.example"
    assert signed_in.post("/address/confirm/", data=forms[0]).status_code == 410
    assert "Your email address is changed" in signed_in.get(second).text
    sign_in(address="ana@third.example")
    assert signed_in.submit(PAGE, email=NEW).status_code == 303
