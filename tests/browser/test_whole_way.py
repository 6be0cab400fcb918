"""The whole way of one worried person on a phone, in a real browser, with real mail over SMTP."""

import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import select

from portal.accounts.commands import accounts
from portal.core.db import Database
from portal.core.settings import Settings
from portal.demo import example
from portal.exposure.commands import exposure
from portal.incidents.commands import incidents
from portal.incidents.models import Update
from portal.outbox import service as outbox
from portal.runtime.context import Context
from tests.browser.conftest import Portal
from tests.mailbox import Delivered

ADDRESS = "nora.lind@postbox.example"
PASSWORD = "marmalade violin staircase"
SLUG = "order-archive"
LIST = f"""email,name,locale,data_classes
{ADDRESS},Nora Lind,en,Passwords;Email addresses;Names
family@postbox.example,Paula,es,Names
"""
LINK = re.compile(r"http://localhost:\d+/(?:check/answer|reset|subscribe/confirm|unsubscribe)/[a-z2-7]{32}/")
OTHER_PAGES = (
    "/incidents/",
    f"/incidents/{SLUG}/statement/1/",
    "/protect-yourself/",
    "/is-it-real/",
    "/language/",
    "/privacy/",
    "/imprint/",
    "/accessibility/",
    "/nowhere/",
    "/check/answer/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/",
    "/reminders/elsewhere/",
)
Check = Callable[[Page], None]


@pytest.fixture
def breached(running_portal: Portal, tmp_path: Path) -> Portal:
    """A portal with a published incident, an active list and one customer's account."""
    affected, customers = tmp_path / "affected.csv", tmp_path / "customers.csv"
    affected.write_text(LIST, encoding="utf-8")
    password_hash = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43
    customers.write_text(
        f'email,password_hash,name\n{ADDRESS},"{password_hash}",Nora Lind\n', encoding="utf-8"
    )
    # In this process: a command of its own for each would take a second each.
    context = Context(Settings.from_env(running_portal.environ))
    title = ("--title", "Theft of our order archive")
    for group, arguments in (
        (incidents, ("create", SLUG, *title, "--classes", "Names;Passwords;Email addresses")),
        (incidents, ("statement", SLUG, str(example.CONTENT / "statement-1.md"))),
        (incidents, ("publish", SLUG, "--confirm", "--accept", "class-mismatch")),
        (exposure, ("import", SLUG, str(affected), "--activate")),
        (accounts, ("import", str(customers))),
    ):
        group.main(arguments, standalone_mode=False, obj=context)
    context.db.dispose()
    return running_portal


def submit(page: Page) -> None:
    """Press the page's own button, and wait for where it leads."""
    with page.expect_navigation():
        page.locator("main form button[type=submit]").first.click()


def link_in(mail: Delivered) -> str:
    found = LINK.search(mail.text)
    assert found is not None, "the mail has no link"
    return found[0]


def mail_to(portal: Portal, count: int) -> Delivered:
    """The newest of `count` mails, which have come."""
    return portal.mailbox.wait_for(count)[count - 1]


def test_from_the_apology_to_the_last_update(  # noqa: PLR0915 - one way, one story
    breached: Portal, page: Page, accessible: Check, tmp_path: Path, db: Database
) -> None:
    page.goto(breached.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Theft of our order archive")
    for name in ("Check if you are affected", "Choose a new password", "Get updates"):
        way = page.get_by_role("link", name=name, exact=True).first
        expect(way).to_be_in_viewport()
    accessible(page)

    page.get_by_role("link", name="Check if you are affected").first.click()
    accessible(page)
    page.get_by_label("address").first.fill(ADDRESS)
    submit(page)
    assert page.url == f"{breached.url}/check/sent/"
    accessible(page)
    page.goto(link_in(mail_to(breached, 1)))
    assert page.url.startswith(f"{breached.url}/check/answer/?link="), "the token stays in the address"
    accessible(page)
    submit(page)
    expect(page.locator("main")).to_contain_text("Passwords")
    expect(page.locator("main")).to_contain_text(ADDRESS)
    expect(page.locator("main")).not_to_contain_text("Paula")
    accessible(page)

    page.goto(f"{breached.url}/reset/")
    accessible(page)
    page.get_by_label("address").first.fill(ADDRESS)
    submit(page)
    accessible(page)
    page.goto(link_in(mail_to(breached, 2)))
    assert page.url.startswith(f"{breached.url}/reset/choose/?link=")
    accessible(page)
    page.locator("[name=password]").fill("short")
    submit(page)
    expect(page).to_have_title(re.compile("^Error:"))
    expect(page.locator(".error-summary")).to_be_focused()
    accessible(page)
    page.locator("[name=password]").fill(PASSWORD)
    submit(page)
    assert page.url.startswith(f"{breached.url}/reset/done/?link=")
    accessible(page)
    page.locator("[name=interval][value='6']").check()
    submit(page)
    assert "changed" in mail_to(breached, 3).message["Subject"]

    page.goto(f"{breached.url}/sign-in/")
    accessible(page)
    page.locator("[name=email]").fill(ADDRESS)
    page.locator("[name=password]").fill(PASSWORD)
    submit(page)
    assert page.url == f"{breached.url}/account/"
    expect(page.locator("main")).to_contain_text("Next one:")
    accessible(page)
    for path in ("/account/reminders/", "/account/sessions/", "/account/password/"):
        page.goto(breached.url + path)
        accessible(page)

    page.goto(f"{breached.url}/subscribe/")
    accessible(page)
    page.get_by_label("address").first.fill(ADDRESS)
    submit(page)
    accessible(page)
    page.goto(link_in(mail_to(breached, 4)))
    accessible(page)
    submit(page)
    accessible(page)
    update = example.CONTENT / "updates" / "11-resolved.md"
    title = "The investigation is finished, and we’re still here to help"
    breached.command(
        "incidents", "update", SLUG, "--phase", "resolved", "--title", title, update, "--confirm"
    )
    told = breached.mailbox.wait_for(5, seconds=90)[4]
    assert "List-Unsubscribe" in told.message
    page.goto(str(told.message["List-Unsubscribe"]).strip("<>"))
    accessible(page)
    submit(page)
    expect(page.get_by_role("status")).to_be_visible()
    expect(page.locator("main form")).to_have_count(0)
    accessible(page)

    more = tmp_path / "more.md"
    more.write_text(update.read_text(encoding="utf-8").replace(title, "One word more"), encoding="utf-8")
    breached.command(
        "incidents", "update", SLUG, "--phase", "resolved", "--title", "One word more", more, "--confirm"
    )
    end = time.monotonic() + 60
    with db.read() as session:
        while session.scalar(select(Update.id).where(Update.notify, Update.announced_at.is_(None))):
            assert time.monotonic() < end, "the worker did not look at the second update"
            session.rollback()
            time.sleep(0.1)
        assert sum(outbox.counts(session).values()) == 5
    assert len(breached.mailbox.messages) == 5


def test_every_other_page_is_accessible_in_both_schemes(
    breached: Portal, page: Page, accessible: Check
) -> None:
    for path in OTHER_PAGES:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.goto(breached.url + path)
            accessible(page)


def test_a_mail_scanner_changes_nothing_and_the_person_can_still_use_the_link(
    breached: Portal, another_person: Callable[..., BrowserContext], page: Page
) -> None:
    page.goto(f"{breached.url}/reset/")
    page.get_by_label("address").first.fill(ADDRESS)
    submit(page)
    link = link_in(mail_to(breached, 1))

    for method in ("HEAD", "GET", "GET"):
        assert _scan(link, method) == 200
    visit = another_person().new_page()
    visit.goto(link)
    visit.wait_for_timeout(500)

    page.goto(link)
    page.locator("[name=password]").fill(PASSWORD)
    submit(page)
    assert page.url.startswith(f"{breached.url}/reset/done/?link=")
    page.goto(link)
    expect(page.locator("main")).to_contain_text("link")
    assert "/reset/done/" not in page.url


def test_the_way_works_without_script(
    breached: Portal, another_person: Callable[..., BrowserContext]
) -> None:
    page = another_person(java_script_enabled=False).new_page()
    page.goto(f"{breached.url}/check/")
    page.get_by_label("address").first.fill("family@postbox.example")
    submit(page)
    page.goto(link_in(mail_to(breached, 1)))
    submit(page)
    expect(page.locator("main")).to_contain_text("Names")


def test_the_way_works_by_keyboard_alone(breached: Portal, page: Page) -> None:
    page.goto(breached.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Check if you are affected").first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/check/")
    page.get_by_label("address").first.focus()
    page.keyboard.type(ADDRESS)
    page.keyboard.press("Enter")
    page.wait_for_url("**/check/sent/")
    assert mail_to(breached, 1).recipients == (ADDRESS,)


def _scan(link: str, method: str) -> int:
    """Visit a link as a scanner does, without keeping cookies; return the status it ends with."""
    try:
        with urllib.request.urlopen(urllib.request.Request(link, method=method)) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
