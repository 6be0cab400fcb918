"""Two people, one inbox, one browser: in a real one, whatever is sent from a tab is about that tab's link."""

from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from portal.accounts import lockout
from portal.accounts.models import FailureCount
from portal.rotation.service import chosen
from tests.browser.house import PASSWORD, SLUG, House
from tests.reset.journey import code_in

ANA, BEN = "ana@northwind.example", "ben@northwind.example"
ANAS, BENS = "sunlit marble otter harbour", "quarry lantern violin moss"
GONE = "You may have opened other links in this browser since then. Open the link in your email again."


@pytest.fixture
def ids(house: House) -> list[bytes]:
    return [house.account(address) for address in (ANA, BEN)]


def tabs(handset: BrowserContext, *links: str) -> list[Page]:
    opened = [handset.new_page() for _ in links]
    for page, link in zip(opened, links, strict=True):
        page.goto(link)
    return opened


def press(page: Page, name: str) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


def choose(page: Page, password: str) -> None:
    page.get_by_label("New password").fill(password)
    press(page, "Save my new password")
    expect(page).to_have_title("Your new password is set – Northwind Travel")


def signs_in(house: House, address: str, password: str) -> bool:
    return house.visitor().submit("/sign-in/", email=address, password=password).status_code == 303


def test_new_passwords_and_reminders(house: House, ids, handset: BrowserContext):
    links = [house.link_in(house.ask("/reset/", address), "/reset/") for address in (ANA, BEN)]
    anas, bens = tabs(handset, *links)
    choose(anas, ANAS)
    assert signs_in(house, BEN, PASSWORD)
    choose(bens, BENS)
    for page, months in ((anas, 3), (bens, 12)):
        page.get_by_label(f"Every {months} months").check()
        press(page, "Save my choice")
        expect(page.get_by_role("status")).to_contain_text("We’ll email you a reminder")
    assert signs_in(house, ANA, ANAS)
    assert signs_in(house, BEN, BENS)
    with house.worker.db.read() as session:
        assert [chosen(session, each).interval for each in ids] == ["3", "12"]


def test_codes(house: House, ids, handset: BrowserContext):
    waiting = tabs(handset, f"{house.url}/reset/", f"{house.url}/reset/")
    for page, address in zip(waiting, (ANA, BEN), strict=True):
        page.get_by_label("Email address").fill(address)
        press(page, "Email me a link")
    house.work()
    for page, address in zip(waiting, (ANA, BEN), strict=True):
        page.get_by_label("Code from the email").fill(code_in(house.smtp.to(address)[-1]))
        press(page, "Continue")
        expect(page.locator("main")).to_contain_text(address)
    choose(waiting[0], ANAS)
    choose(waiting[1], BENS)
    assert signs_in(house, ANA, ANAS)
    assert signs_in(house, BEN, BENS)


def test_answers_and_their_reload(house: House, handset: BrowserContext):
    house.incident()
    house.live(f"{ANA},7,Ana,en,,Passwords", f"{BEN},8,Ben,en,,Phone numbers")
    links = [house.link_in(house.ask("/check/", address), "/check/answer/") for address in (ANA, BEN)]
    anas, bens = tabs(handset, *links)
    for page, address in ((anas, ANA), (bens, BEN)):
        press(page, "Show my answer")
        expect(page.locator("main")).to_contain_text(address)
    anas.locator("input[data-tick]").first.check()
    for page, address in ((anas, ANA), (bens, BEN)):
        page.goto(page.url)
        expect(page.locator("main")).to_contain_text(address)
    press(anas, "Close this answer")
    bens.locator("input[data-tick]").first.check()
    assert len(bens.evaluate("JSON.parse(localStorage.ticks)")) == 1, "a closed answer's ticks came back"
    bens.goto(bens.url)
    expect(bens.locator("main")).to_contain_text(BEN)


def test_confirming_and_leaving(house: House, handset: BrowserContext):
    house.incident()
    links = [
        house.link_in(house.ask("/subscribe/", address), "/subscribe/confirm/") for address in (ANA, BEN)
    ]
    anas, bens = tabs(handset, *links)
    press(anas, "Yes, send me the updates")
    house.work()
    assert news(house, "First") == {ANA}
    press(bens, "Yes, send me the updates")
    house.work()
    assert news(house, "Second") == {ANA, BEN}
    leaving = [house.link_in(house.smtp.to(address)[-1], "/unsubscribe/") for address in (ANA, BEN)]
    anas, _bens = tabs(handset, *leaving)
    press(anas, "Unsubscribe")
    assert news(house, "Third") == {BEN}


def news(house: House, title: str) -> set[str]:
    """Publish an update, and return who got it."""
    before = len(house.smtp.messages)
    file = house.file("news.md", "---\nnotify: yes\n---\nWe know more.\n")
    house.command("incidents", "update", SLUG, "--phase", "contained", "--title", title, file, "--confirm")
    house.clock.advance(timedelta(minutes=10))
    house.work()
    return {address for mail in house.smtp.messages[before:] for address in mail.recipients}


def test_accounts(house: House, ids, handset: BrowserContext):
    anas, bens = tabs(handset, f"{house.url}/account/password/", f"{house.url}/account/")
    sign_in(anas, ANA)
    (answers,) = tabs(handset, f"{house.url}/account/")
    bens.goto(f"{house.url}/sign-out/")
    press(bens, "Sign out")
    sign_in(bens, BEN)
    anas.get_by_label("Current password").fill(PASSWORD)
    anas.get_by_label("New password").fill(ANAS)
    press(anas, "Save my new password")
    press(answers, "Send me my answer")
    for page in (anas, answers):
        expect(page.get_by_role("heading", level=1)).to_have_text("This page is out of date")
    house.work()
    told = {str(mail.message["Subject"]) for mail in house.smtp.messages}
    assert told == {"Sign-in from a new browser"}, "of the two who signed in, and nothing else"
    assert signs_in(house, ANA, PASSWORD)
    assert signs_in(house, BEN, PASSWORD)


def sign_in(page: Page, address: str) -> None:
    page.get_by_label("Email address").fill(address)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_link_that_three_others_pushed_out(house: House, ids, handset: BrowserContext, accessible):
    first = house.link_in(house.ask("/reset/", ANA), "/reset/")
    others = [house.link_in(house.ask("/reset/", BEN), "/reset/") for _ in range(3)]
    anas, *_rest = tabs(handset, first, *others)
    anas.get_by_label("New password").fill(ANAS)
    press(anas, "Save my new password")
    expect(anas.locator("main")).to_contain_text(GONE)
    accessible(anas)
    assert signs_in(house, ANA, PASSWORD)
    assert signs_in(house, BEN, PASSWORD)


def test_who_was_closed_out_keeps_the_password(house: House, ids, page: Page, accessible):
    vault, now = house.worker.vault, house.clock.now()
    counts = lockout.lockout_of(vault, vault.account_index(ANA), 1)
    with house.worker.db.write() as session:
        for _ in range(59):
            lockout.count(session, vault, counts, FailureCount.strangers, now)
    assert not signs_in(house, ANA, "a guess that closes")
    house.work()
    page.goto(house.link_in(house.smtp.to(ANA)[-1], "/reset/"))
    accessible(page)
    press(page, "Keep my password")
    expect(page.locator("main")).to_contain_text("Now sign in with it in this browser.")
    accessible(page)
    sign_in(page, ANA)
    expect(page.locator("main")).to_contain_text(ANA)
    assert not signs_in(house, ANA, PASSWORD), "strangers stay out"
