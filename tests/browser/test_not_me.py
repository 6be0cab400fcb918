"""On a phone: somebody sees a sign-in that was not theirs, locks the account, and takes it back."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from portal.crypto.vault import WebVault
from portal.identity.account import Account
from tests.authenticator import App
from tests.browser.conftest import PHONE
from tests.browser.house import PASSWORD, House

ANA = "ana.ruiz@northwind.example"
NEW = "sunlit-marble-otter-harbour"
MAIN = "main form:has(#{}) button[type=submit]"


def send(page: Page, leads_to: str, **fields: str) -> None:
    """Fill in the form that has these fields, and send it."""
    for name, value in fields.items():
        page.locator(f"#{name}").fill(value)
    page.locator(MAIN.format(next(iter(fields)))).click()
    page.wait_for_url(leads_to)


def sign_in(page: Page, house: House, app: App, password: str) -> None:
    page.goto(f"{house.url}/sign-in/")
    send(page, "**/sign-in/second/*", email=ANA, password=password)
    send(page, "**/account/", code=app.code())


@pytest.mark.parametrize(
    ("language", "subject"),
    [("en-GB", "Sign-in from a new browser"), ("es-ES", "Inicio de sesión con un navegador nuevo")],
)
def test_a_sign_in_that_was_not_theirs(
    house: House,
    web_vault: WebVault,
    another_person: Callable[..., BrowserContext],
    accessible: Callable[[Page], None],
    language: str,
    subject: str,
) -> None:
    app, ana = App(house.clock), house.account(ANA)
    codes = app.protect(house.worker.db, web_vault, Account(ana, "builtin"))
    thief = another_person().new_page()
    sign_in(thief, house, app, PASSWORD)
    house.clock.advance(timedelta(minutes=1))
    house.work()
    told = house.smtp.to(ANA)[-1]
    assert told.message["Subject"] == "Sign-in from a new browser"  # the owner's language, not the browser's

    phone = another_person(viewport=PHONE, locale=language, has_touch=True).new_page()
    sign_in(phone, house, app, PASSWORD)
    phone.locator("main a[href='/account/activity/']").click()
    phone.wait_for_url("**/account/activity/")
    expect(phone.locator("main").get_by_text(subject)).to_have_count(2)
    accessible(phone)

    phone.goto(house.link_in(told, "/not-me/"))
    phone.wait_for_url("**/not-me/?*")
    accessible(phone)
    phone.locator(MAIN.format("sure")).click()
    expect(phone.locator(".error-summary")).to_be_visible()
    accessible(phone)
    phone.locator("label[for=sure]").click()
    phone.locator(MAIN.format("sure")).click()
    expect(phone.locator("#sure")).to_have_count(0)
    accessible(phone)
    thief.goto(f"{house.url}/account/")
    thief.wait_for_url("**/sign-in/**")

    house.work()
    phone.goto(house.link_in(house.smtp.to(ANA)[-1], "/reset/"))
    phone.wait_for_url("**/reset/confirm/*")
    house.clock.advance(timedelta(minutes=1))
    send(phone, "**/reset/factors/*", code=app.code())
    accessible(phone)
    phone.locator("label[for=remove-recovery]").click()
    phone.locator("main form button[type=submit]").click()
    phone.wait_for_url("**/reset/choose/*")
    send(phone, "**/reset/done/*", password=NEW)

    thief.goto(f"{house.url}/sign-in/")
    send(thief, "**/sign-in/second/*", email=ANA, password=NEW)
    expect(thief.locator("main a[href*='use=recovery']")).to_have_count(0)
    thief.goto(thief.url + "&use=recovery")
    thief.locator("main input[name=code]").fill(codes[0])
    thief.locator(MAIN.format("code")).click()
    expect(thief.locator(".error-summary")).to_be_visible()
