"""A new address: asked for behind a proof, confirmed at the new inbox, told at the old one."""

from datetime import timedelta

from portal.accounts.address.models import AddressChange
from portal.intake import service as intake
from portal.worker import drain
from tests.accounts.address.conftest import NEW, PAGE
from tests.accounts.conftest import ADDRESS, PASSWORD, STORE
from tests.accounts.known import recognise
from tests.traces import lengths, response
from tests.visitor import leads_to, main_of

ASKED, MADE = "Someone asked to change your email address", "The email address of your account was changed"
CONFIRM, DONE = "Confirm your new email address", "Your new email address is in use"


def test_the_whole_way(
    ask, signed_in, press, link_to, work, subjects, account_of, events, sign_in, browser_at
):
    assert leads_to(ask()) == "/account/address/sent/"
    assert "The link works for 24 hours" in signed_in.get("/account/address/sent/").text
    assert (subjects(NEW), subjects(ADDRESS)) == ([CONFIRM], [ASKED])
    assert account_of()[1] == ADDRESS
    opened = signed_in.get(link_to(NEW))
    page = signed_in.get(opened.location)
    assert "Use this address" in main_of(page.text)
    work()
    assert account_of()[1] == ADDRESS, "a GET never changes anything"
    assert press(signed_in, link_to(NEW)).status_code == 303
    assert "We’re changing your email address" in signed_in.get(opened.location).text
    work()
    account, address = account_of()
    assert (address, account.version, account.must_reset) == (NEW, 2, False)
    assert (subjects(NEW), subjects(ADDRESS)) == ([CONFIRM, DONE], [ASKED, MADE])
    assert "Your email address is changed" in signed_in.get(opened.location).text
    assert signed_in.get("/account/").status_code == 303, "every session ends"
    other = browser_at("203.0.113.9")
    assert sign_in(visitor=other).status_code == 400, "the old address signs nobody in"
    assert leads_to(sign_in(address=NEW, visitor=other)) == "/account/"
    assert NEW in other.get("/account/").text.replace("<wbr>", "")
    assert sorted(events()) == ["address-asked", "address-changed", "signed-in"]


def test_it_takes_a_fresh_proof(ask, signed_in, clock):
    clock.advance(timedelta(minutes=11))
    assert signed_in.get(PAGE).location.startswith("/account/confirm/")


def test_a_stranger_who_gets_the_link_by_a_mistyped_address_cannot_use_it(
    ask, link_to, browser_at, work, account_of
):
    ask()
    stranger = browser_at("203.0.113.9")
    opened = stranger.get(link_to(NEW))
    page = stranger.get(opened.location)
    assert "Sign in to your account in this browser first" in page.text
    assert '<form method="post">' not in main_of(page.text)
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0] if "csrf_token" in page.text else ""
    link = opened.location.split("=")[1]
    stranger.post("/address/confirm/", data={"link": link, "csrf_token": token})
    work()
    assert account_of()[1] == ADDRESS


def test_a_taken_address_leaves_the_same_rows_and_the_same_page(ask, db, add_account, smtp, subjects):
    add_account("sam@example.com")
    ask("tim@example.com")  # so that every counter is there
    seen = {}
    for address in ("sam@example.com", "kim@example.com"):
        before = lengths(db)
        answer = ask(address)
        after = lengths(db)
        seen[address] = response(answer)[:1], {name: after[name] - before[name] for name in after}
        assert subjects(address) == [CONFIRM]
    assert seen["sam@example.com"] == seen["kim@example.com"]
    assert sum(seen["kim@example.com"][1]["address_changes"].values()) == 1
    assert "/address/confirm/" in smtp.to("kim@example.com")[-1].text
    assert "It has an account with us already" in smtp.to("sam@example.com")[-1].text
    assert "/address/" not in smtp.to("sam@example.com")[-1].text


def test_the_present_address_is_refused(signed_in):
    answer = signed_in.submit(PAGE, email=ADDRESS)
    assert answer.status_code == 400
    assert "This is your address already." in answer.text


def test_a_session_that_ended_asks_for_nothing(
    signed_in, ana, sign_in, web_vault, work, subjects, browser_at
):
    signed_in.submit(PAGE, email=NEW)
    other = browser_at("203.0.113.9")
    recognise(other, web_vault, ana)
    sign_in(visitor=other)
    other.submit("/account/sessions/", end="others")
    work()
    assert subjects(NEW) == subjects(ADDRESS) == []


def test_an_account_asks_three_times_a_day(ask, subjects):
    for number in range(5):
        ask(f"ana{number}@home.example")
    assert [len(subjects(f"ana{number}@home.example")) for number in range(5)] == [1, 1, 1, 0, 0]
    assert subjects(ADDRESS) == [ASKED] * 3


def test_a_link_of_before_another_change_or_after_a_day_is_gone(
    ask, signed_in, press, link_to, clock, sign_in, work, account_of
):
    ask()
    clock.advance(timedelta(hours=25))
    sign_in()
    assert press(signed_in, link_to(NEW)).status_code == 410
    ask()
    signed_in.submit("/account/password/", current_password=PASSWORD, password="violet-anchor-mosaic-thimble")
    assert press(signed_in, link_to(NEW)).status_code == 410
    assert account_of()[1] == ADDRESS


def test_a_link_acts_once(ask, signed_in, press, link_to, browser_at, work):
    ask()
    assert press(signed_in, link_to(NEW)).status_code == 303
    assert press(signed_in, link_to(NEW)).status_code == 410


def test_who_was_faster_keeps_an_address_that_two_want(
    ask, signed_in, press, link_to, add_account, sign_in, browser_at, db, worker_parts, worker_vault
):
    sam, browser = add_account("sam@example.com"), browser_at("203.0.113.9")
    sign_in(address="sam@example.com", visitor=browser)
    ask()
    mine = link_to(NEW)
    browser.submit(PAGE, email=NEW)
    drain(worker_parts)
    assert press(browser, link_to(NEW)).status_code == 303
    assert press(signed_in, mine).status_code == 303
    drain(worker_parts)
    with db.read() as session:
        found = STORE.find(session, worker_vault, NEW)
    assert found is not None
    assert found.id == sam.id


def test_the_web_process_cannot_make_up_a_confirmation(ask, db, web_vault, clock, work, account_of):
    ask()
    with db.write() as session:
        for token in ("a" * 32, ""):
            intake.submit(session, web_vault, "address-confirm", {"token": token}, clock.now())
    work()
    assert account_of()[1] == ADDRESS
    with db.read() as session:
        assert [row.state for row in session.query(AddressChange)] == ["asked"]
