"""A mail scanner that opens every link and runs scripts changes nothing, and the links still work."""

import re
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from urllib.error import HTTPError

import pytest
from playwright.sync_api import BrowserContext, Page
from sqlalchemy import select, update

from portal.identity.builtin.models import AccountRow
from portal.intake import service as intake
from portal.outbox.models import OutboxMail
from portal.outbox.service import unseal
from tests.browser.house import PASSWORD, SLUG, House
from tests.traces import contents
from tests.visitor import Visitor, leads_to

NEW = "marmalade violin staircase"
ANA, BEN, CLEO, DORA = (f"{name}@northwind.example" for name in ("ana", "ben", "cleo", "dora"))
READER, STRANGER = "reader@northwind.example", "stranger@elsewhere.example"
CHECK, RESET, CONFIRM = "/check/answer/", "/reset/", "/subscribe/confirm/"
LEAVE, OFF, NOT_ME = "/unsubscribe/", "/reminders/off/", "/not-me/"


@pytest.fixture
def full(house: House) -> House:
    """A portal that has just sent a mail of every kind, each with links that nobody has opened yet."""
    house.incident()
    house.live(f"{ANA},,Ana,en,,Names", f"{BEN},,Ben,en,,Passwords")
    ana, _, protected = (house.account(address) for address in (ANA, BEN, CLEO))
    house.remind(ana)
    house.subscribe(READER)
    house.clock.at = house.clock.at.replace(year=2027, month=3)
    for page, address in (
        ("/check/", ANA), ("/reset/", ANA), ("/reset/", STRANGER), ("/subscribe/", STRANGER)
    ):  # fmt: skip
        house.ask(page, address)
    house.command("reset", "require", SLUG)
    house.command("campaigns", "notify", SLUG, "--confirm", "2")
    words = ("--phase", "resolved", "--title", "News")
    news = house.file("news.md", "---\nnotify: yes\n---\nAll is well.")
    house.command("incidents", "update", SLUG, *words, news, "--confirm")
    cleo = house.visitor()
    cleo.submit("/sign-in/", email=CLEO, password=PASSWORD)
    assert cleo.submit("/account/password/", current_password=PASSWORD, password=NEW).status_code == 303
    dora = house.account(DORA)
    with house.worker.db.write() as session:
        session.execute(update(AccountRow).where(AccountRow.id == dora).values(profile=b"spoilt"))
        for purpose, change in (
            ("account-event", {"event": "ab" * 16, "change": "codes-added"}),
            ("passkey-changed", {"passkey": "cd" * 16, "change": "added"}),
            ("second-step-removed", {}),
        ):
            fields = {"account": protected.hex()} | change
            intake.submit(session, house.worker.vault, purpose, fields, house.clock.now())
    house.ask("/reset/", DORA)
    return house


def kinds(house: House) -> set[str]:
    """The names of the mails that were sent."""
    vault = house.worker.vault
    with house.worker.db.read() as session:
        rows = session.execute(select(OutboxMail.id, OutboxMail.payload)).all()
    return {unseal(vault, row.id, row.payload).name for row in rows}


def kept(house: House) -> dict:
    """All that the portal remembers, but for how often a network came by."""
    found = contents(house.worker.db)
    del found["rate_buckets"]
    return found


def by(house: House, address: str, beginning: str) -> Iterator[str]:
    """The links of a person's mails that begin so, and go on with a token."""
    for mail in house.smtp.to(address):
        if any(re.match(rf"{house.url}{beginning}[a-z2-7]{{32}}/", link) for link in house.links_in(mail)):
            yield house.link_in(mail, beginning)


def visit(link: str, method: str) -> int:
    """Open a link, follow redirects and keep cookies, as a program does; return the last status."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    try:
        with opener.open(urllib.request.Request(link, method=method), timeout=20) as answer:
            answer.read()
            return int(answer.status)
    except HTTPError as error:
        return error.code


def look(page: Page, link: str) -> None:
    """Open a link in a browser, let its scripts run, move about, and press nothing."""
    page.goto(link)
    page.wait_for_load_state("networkidle")
    page.mouse.move(100, 300)
    page.mouse.wheel(0, 2000)
    page.keyboard.press("Tab")


def test_opening_every_link_of_every_mail_changes_nothing(
    full: House, another_person: Callable[..., BrowserContext]
):
    # Where accounts are elsewhere a reminder is chosen by mail: tests/identity/test_link.py opens that link.
    # What answers a press on a page of such a link, or of somebody signed in, is in tests/reset/not_me,
    # tests/accounts/factors, tests/accounts/address, tests/mydata and tests/cases.
    after_a_press = {"reported-locked", "second-step-lost", "my-data", "erase-confirm", "erased"}
    after_a_press |= {"case-notice", "case-reset", "case-verify"}
    # To staff: their links lead to the console, where an invitation only shows a form (tests/staff).
    after_a_press |= {
        "approval-needed",
        "checklist-reminder",
        "posted-alone",
        "sent-back",
        "setting-changed",
        "sign-in-changed",
    }
    after_a_press |= {"passkey-invitation", "passkey-invited", "staff-invitation"}
    after_a_press |= {name for name in full.worker.composers if "address" in name}
    assert kinds(full) == set(full.worker.composers) - {"reminder-link"} - after_a_press
    links = {link for mail in full.smtp.messages for link in full.links_in(mail)}
    for beginning in (CHECK, RESET, CONFIRM, LEAVE, OFF, NOT_ME):
        assert any(link.startswith(full.url + beginning) for link in links), beginning
    before, came = kept(full), len(full.smtp.messages)
    for link in sorted(links):
        for method in ("HEAD", "GET", "GET"):
            assert visit(link, method) == 200, f"{method} {link}"
            assert kept(full) == before, f"{method} {link}"
    scanner = another_person().new_page()
    for link in sorted(links):
        look(scanner, link)
        assert kept(full) == before, link
    full.work()
    assert len(full.smtp.messages) == came

    the_people_come(full)


def the_people_come(full: House) -> None:
    """After the scanner: each person opens the link of their own mail, and it does what it is for."""
    (answer,) = by(full, ANA, CHECK)
    assert "Names" in opened(full, answer).submit("/check/answer/").text
    for person in (ANA, BEN):
        (reset,) = by(full, person, RESET)
        chosen = opened(full, reset).submit("/reset/choose/", password=NEW)
        assert (chosen.status_code, leads_to(chosen)) == (303, "/reset/done/")
        entered = full.visitor().submit("/sign-in/", email=person, password=NEW)
        assert entered.status_code == 303
    subscribers = len(kept(full)["subscriptions"])
    (confirm,) = by(full, STRANGER, CONFIRM)
    assert opened(full, confirm).submit("/subscribe/confirm/").status_code == 303
    full.work()
    assert len(kept(full)["subscriptions"]) == subscribers + 1
    (leave,) = by(full, READER, LEAVE)
    assert full.visitor().submit(path(full, leave)).status_code == 200
    assert len(kept(full)["subscriptions"]) == subscribers
    (off,) = by(full, ANA, OFF)
    ana = full.visitor()
    ana.submit("/sign-in/", email=ANA, password=NEW)
    assert 'value="3"' in chosen_interval(ana)
    assert full.visitor().submit(path(full, off)).status_code == 200
    assert 'value="off"' in chosen_interval(ana)


def chosen_interval(visitor: Visitor) -> str:
    """The radio button that is pressed on the page of reminders."""
    page = visitor.get("/account/reminders/").text
    (pressed,) = (field for field in page.split("<input")[1:] if "checked" in field.split(">")[0])
    return pressed.split(">")[0]


def path(house: House, link: str) -> str:
    return link.removeprefix(house.url)


def opened(house: House, link: str) -> Visitor:
    """Somebody's browser in which a link was opened."""
    visitor = house.visitor()
    assert visitor.get(path(house, link)).status_code == 303
    return visitor
