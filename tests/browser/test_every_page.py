"""Pages at the end of a flow, on a phone, in light and dark, and in scripts from right to left."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from flask import abort
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect
from werkzeug.exceptions import TooManyRequests

from portal.app import create_app
from portal.core.settings import Settings
from portal.core.settings.link import Link
from portal.demo.mailbox import MailboxStore
from tests.browser.conftest import PHONE, Console, served
from tests.browser.house import PASSWORD, SLUG, House
from tests.configured import configured
from tests.incidents.conftest import CORRECTED, SPANISH

ANA = "ana@northwind.example"
BOB = "bob@northwind.example"
ANA_ROW = f"{ANA},7,Ana Ruiz,en,ES,Passwords;Phone numbers"


@pytest.fixture
def another_portal(db, clock, web_keys, servers: ExitStack) -> Callable[[Settings], str]:
    """Serve another portal with these settings over the same database; return its address."""

    def serve(settings: Settings) -> str:
        app = create_app(settings, db=db, clock=clock, web_keys=web_keys)
        return servers.enter_context(served(app))

    return serve


@pytest.fixture
def reads_well(accessible: Callable[..., None]) -> Callable[[Page], None]:
    """Call it with a page: axe must find nothing by day or by night, and the page must fit a phone."""

    def check(page: Page) -> None:
        page.emulate_media(color_scheme="light")
        accessible(page)
        page.emulate_media(color_scheme="dark")
        accessible(page, colours=True)
        fits(page)

    return check


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        f"{page.url} is wider than the screen"
    )


def press(page: Page) -> None:
    """Press the page's own button, and wait for where it leads."""
    with page.expect_navigation():
        page.locator("main form button[type=submit]").first.click()


def main(page: Page) -> str:
    return page.locator("main").inner_text()


def test_what_was_corrected(house: House, page: Page, reads_well):
    house.incident()
    for path in ("statement/1/", "statement/2/", "updates/1/", ""):
        page.goto(f"{house.url}/incidents/{SLUG}/{path}")
        if path != "":
            assert page.locator("ins, del").count(), f"{path} shows no difference"
        reads_well(page)


def test_what_was_withdrawn_or_promised(house: House, page: Page, reads_well):
    house.incident()
    spanish = SPANISH.replace("role:", "note: Las contraseñas no se copiaron. Nos equivocamos.\nrole:")
    house.command("incidents", "statement", SLUG, house.file("es.md", spanish))
    promise = ("--holding", "--more-by", "2027-01-08 18:00", "--accept", "missing-section")
    house.command("incidents", "publish", SLUG, "--confirm", *promise)
    third = CORRECTED.replace("your password", "your phone number")
    house.command("incidents", "statement", SLUG, house.file("third.md", third))
    house.command("incidents", "publish", SLUG, "--confirm", *promise)
    for what in (("--version", "3"), ("--version", "1"), ("--update", "1")):
        reason = "It said that passwords were copied. They were not."
        house.command("incidents", "withdraw", SLUG, *what, "--reason", reason, "--confirm")
    for path in ("statement/3/", "statement/2/", "updates/1/", ""):
        page.goto(f"{house.url}/incidents/{SLUG}/{path}")
        reads_well(page)
    assert "We’ll say more by" in main(page)
    assert "We withdrew version 3" in main(page)


def test_every_answer(house: House, page: Page, reads_well):
    house.incident()
    waiting = house.ask("/check/", BOB)
    house.live(ANA_ROW, f"{ANA},8,Leo Ruiz,en,ES,Phone numbers")
    affected, unaffected = house.ask("/check/", ANA), house.ask("/check/", "kim@northwind.example")
    shown = []
    for mail in (waiting, affected, unaffected):
        page.goto(house.link_in(mail, "/check/answer/"))
        press(page)
        reads_well(page)
        shown.append(main(page))
    assert "could not check" in shown[0]
    assert "Passwords" in shown[1]
    assert len(set(shown)) == 3


def test_the_answer_behind_a_notice_opens_by_itself(house: House, page: Page, reads_well):
    house.incident()
    house.live(ANA_ROW)
    house.command("campaigns", "notify", SLUG, "--confirm", "1")
    house.work()
    page.goto(house.link_in(house.smtp.messages[-1], "/check/notice/"))
    press(page)
    reads_well(page)
    expect(page.get_by_text("This page will open it for you.")).to_be_visible()
    # As if another tab, whose answer came at the same moment, had the last word on the session's cookie.
    before: list[Any] = [*page.context.cookies()]
    page.expose_function("anotherTab", lambda: page.context.add_cookies(before))
    page.evaluate(
        "() => { const one = window.fetch;"
        " window.fetch = async (...what) => { const come = await one(...what);"
        " if (come.redirected) await window.anotherTab(); return come; }; }"
    )
    house.work()
    page.wait_for_url("**/check/answer/?link=*")
    assert "Passwords" in main(page)


def test_a_printed_answer_leaves_no_page_half_empty(house: House, page: Page):
    house.incident()
    house.live(f"{ANA},7,Ana Ruiz,en,ES,Physical addresses;Phone numbers;Email addresses;Names;Purchases")
    page.goto(house.link_in(house.ask("/check/", ANA), "/check/answer/"))
    press(page)
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4", prefer_css_page_size=True))) == 3


def test_the_account_in_longer_words_fits_a_narrow_phone(
    house: House, another_person: Callable[..., BrowserContext], reads_well
):
    house.account(ANA)
    page = another_person(locale="es", viewport={"width": 320, "height": 640}).new_page()
    page.goto(f"{house.url}/sign-in/")
    page.locator("[name=email]").fill(ANA)
    page.locator("[name=password]").fill(PASSWORD)
    press(page)
    reads_well(page)
    for words in page.locator(".lines dt, .lines .state").all():
        lines = "one => one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight)"
        assert words.evaluate(lines) < 2.5, words.inner_text()
    for size, links in (
        (PHONE, ".top nav a"),
        (ViewportSize(width=1280, height=800), ".top nav a, .tongues button:visible"),
    ):
        page.set_viewport_size(size)
        tops = {link.evaluate("one => one.getBoundingClientRect().top") for link in page.locator(links).all()}
        assert len(tops) == 1, "the header takes one line more"


def test_a_required_link_that_is_too_old(
    house: House, another_person: Callable[..., BrowserContext], reads_well
):
    """Without script too: the button mails another link, whose page has the form."""
    house.account(ANA)
    house.command("reset", "require", "--everyone")
    house.work()
    house.clock.advance(timedelta(days=2))
    link = house.link_in(house.smtp.to(ANA)[0], "/reset/")
    for script in (True, False):
        page = another_person(viewport=PHONE, java_script_enabled=script).new_page()
        page.goto(link)
        expect(page.locator("main input:visible")).to_have_count(0)
        if script:  # axe is one
            reads_well(page)
        press(page)
        assert "your account’s address" in main(page)
        house.work()
        page.goto(house.link_in(house.smtp.to(ANA)[-1], "/reset/"))
        expect(page.get_by_label("New password")).to_be_visible()


def test_a_mail_that_is_real(house: House, page: Page, reads_well):
    house.incident()
    mail = house.ask("/check/", ANA)
    (code,) = re.findall(r"\b[A-Z2-7]{7}-[A-Z2-7]{7}\b", mail.text)
    for typed in ("AAAAAAA-AAAAAAA", code):
        page.goto(f"{house.url}/is-it-real/")
        page.locator("[name=code]").fill(typed)
        press(page)
        reads_well(page)
    assert mail.message["Subject"] in main(page)


def test_every_way_to_leave(house: House, page: Page, reads_well):
    house.incident()
    house.remind(house.account(ANA))
    house.clock.at = house.clock.at.replace(year=2027, month=3)
    house.work()
    (reminder,) = house.smtp.to(ANA)
    house.subscribe(BOB)
    words = ("--phase", "resolved", "--title", "News")
    house.command(
        "incidents",
        "update",
        SLUG,
        *words,
        house.file("news.md", "---\nnotify: yes\n---\nAll is well."),
        "--confirm",
    )
    house.work()
    news = house.smtp.to(BOB)[-1]

    page.goto(house.link_in(house.ask("/subscribe/", "kim@northwind.example"), "/subscribe/confirm/"))
    press(page)
    expect(page.locator("main form")).to_have_count(0)
    reads_well(page)
    for mail, beginning in ((news, "/unsubscribe/"), (reminder, "/reminders/off/")):
        page.goto(house.link_in(mail, beginning))
        reads_well(page)
        press(page)
        expect(page.get_by_role("status")).to_be_visible()
        reads_well(page)

    page.goto(f"{house.url}/sign-in/")
    page.locator("[name=email]").fill(ANA)
    page.locator("[name=password]").fill(PASSWORD)
    press(page)
    page.goto(f"{house.url}/sign-out/")
    reads_well(page)
    press(page)
    assert page.url == f"{house.url}/sign-in/"
    reads_well(page)


def test_every_error(house: House, page: Page, console: Console, reads_well):
    @house.app.get("/fail/<int:code>/")
    def _fail(code: int) -> str:
        raise TooManyRequests(retry_after=120) if code == 429 else abort(code)

    for code in (400, 403, 404, 405, 410, 413, 429, 500, 503):
        answer = page.goto(f"{house.url}/fail/{code}/")
        assert answer is not None
        assert answer.status == code
        reads_well(page)
    expected = re.compile(r"Failed to load resource: the server responded with a status of 50[03]")
    console.complaints[:] = [heard for heard in console.complaints if not expected.match(heard)]


def test_the_mailbox_of_the_demonstration(settings, another_portal, page: Page, reads_well, tmp_path: Path):
    store = MailboxStore(tmp_path / "mailbox.db")
    mail = EmailMessage()
    mail["Subject"], mail["To"], mail["X-Long"] = "Your request", ANA, "long" * 100
    mail.set_content(f"Open this: {settings.base_url}/check/answer/{'a' * 32}/?{'long' * 50}\n")
    mail.add_alternative("<p>Open this</p>", subtype="html")
    for _ in range(2):
        store.add([ANA], bytes(mail))
    demo = replace(settings, environment="demo", demo_mailbox=store.file)
    site = another_portal(demo)
    for query in ("", "?to=nobody@northwind.example"):
        page.goto(f"{site}/dev/mailbox/{query}")
        for headers in page.locator("summary").all():
            headers.click()
        reads_well(page)


def test_where_the_accounts_are_the_companys_alone(house: House, page: Page, another_portal, reads_well):
    link = Link("https://www.northwind.example/account/forgotten", "https://id.northwind.example/sign-in")
    site = another_portal(configured(house.worker.settings, identity={"store": "link", "link": link}))
    for path in ("/reset/", "/sign-in/", "/reminders/"):
        page.goto(f"{site}{path}")
        reads_well(page)
