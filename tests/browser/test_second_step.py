"""The second step on a phone: an app's codes, recovery codes, a forced reset, and the loss of them all."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from portal.crypto.vault import WebVault
from portal.identity import state
from portal.identity.account import Account
from tests.authenticator import App
from tests.browser.conftest import PHONE
from tests.browser.house import PASSWORD, House

ANA = "ana.ruiz@northwind.example"
NEW = "sunlit-marble-otter-harbour"
MAIN = "main form:has(#{}) button[type=submit]"

Check = Callable[[Page], None]


@pytest.fixture(params=["en-GB", "es-ES"])
def phone(request: pytest.FixtureRequest, another_person: Callable[..., BrowserContext]) -> Page:
    return another_person(viewport=PHONE, locale=request.param, has_touch=True).new_page()


@pytest.fixture
def ana(house: House) -> bytes:
    return house.account(ANA)


def send(page: Page, leads_to: str, **fields: str) -> None:
    """Fill in the form that has these fields, and send it."""
    for name, value in fields.items():
        page.locator(f"#{name}").fill(value)
    page.locator(MAIN.format(next(iter(fields)))).click()
    page.wait_for_url(leads_to)


def sign_in(page: Page, house: House, leads_to: str, password: str = PASSWORD) -> None:
    page.goto(f"{house.url}/sign-in/")
    send(page, leads_to, email=ANA, password=password)


def sign_out(page: Page, house: House) -> None:
    page.goto(f"{house.url}/sign-out/")
    page.locator("main form button").click()
    page.wait_for_url("**/sign-in/")


def test_somebody_sets_up_an_app_and_signs_in_with_it_and_with_a_recovery_code(
    house: House, ana: bytes, phone: Page, accessible: Check
) -> None:
    sign_in(phone, house, "**/account/")
    accessible(phone)
    phone.goto(f"{house.url}/account/factors/")
    accessible(phone)
    phone.locator("a[href='/account/factors/codes/']").click()
    expect(phone.locator("img.qr")).to_have_js_property("complete", value=True)
    assert phone.locator("img.qr").evaluate("picture => picture.naturalWidth") > 0
    accessible(phone)
    key = (phone.locator("code.key").text_content() or "").replace(" ", "")
    app = pyotp.TOTP(key)
    send(phone, "**/account/factors/codes/", code="000000")
    accessible(phone)
    phone.locator("#code").fill(app.at(house.clock.at))
    phone.locator(MAIN.format("code")).click()
    expect(phone.locator("ul.codes li")).to_have_count(10)
    accessible(phone)
    codes = phone.locator("ul.codes li").all_text_contents()
    with phone.expect_download() as saved:
        phone.locator("form[action='/account/factors/recovery/text/'] button").click()
    assert codes[9].strip() in Path(saved.value.path()).read_text(encoding="utf-8")

    sign_out(phone, house)
    house.clock.advance(timedelta(minutes=1))
    sign_in(phone, house, "**/sign-in/second/*")
    accessible(phone)
    send(phone, "**/account/", code=app.at(house.clock.at))
    sign_out(phone, house)
    sign_in(phone, house, "**/sign-in/second/*")
    phone.locator("main a[href*='use=recovery']").click()
    phone.wait_for_url("**use=recovery")
    accessible(phone)
    send(phone, "**/account/", code=codes[0].strip())

    house.clock.advance(timedelta(minutes=11))
    phone.goto(f"{house.url}/account/factors/codes/remove/")
    phone.wait_for_url("**/account/confirm/**")
    accessible(phone)
    send(phone, "**/account/confirm/second/*", password=PASSWORD)
    accessible(phone)
    send(phone, "**/account/factors/codes/remove/", code=app.at(house.clock.at))
    accessible(phone)
    phone.locator("main form button").click()
    phone.wait_for_url("**/account/factors/")
    accessible(phone)


@pytest.fixture
def own_app(house: House, ana: bytes, web_vault: WebVault) -> App:
    """Ana's account has an app; the test clock shows its codes."""
    app = App(house.clock)
    app.protect(house.worker.db, web_vault, Account(ana, "builtin"))
    return app


def test_a_forced_reset_asks_for_the_app_and_who_lost_it_gets_back_in_after_a_day(
    house: House, ana: bytes, phone: Page, own_app: App, accessible: Check
) -> None:
    with house.worker.db.write() as session:
        assert state.require(session, [ana], "exposed", house.clock.now()) == [ana]
    phone.goto(house.link_in(house.ask("/reset/", ANA), "/reset/"))
    phone.wait_for_url("**/reset/confirm/*")
    accessible(phone)
    send(phone, "**/reset/choose/*", code=own_app.code())
    send(phone, "**/reset/done/*", password=NEW)

    sign_in(phone, house, "**/sign-in/second/*", NEW)
    phone.locator("main a[href*='/second/lost/']").click()
    phone.wait_for_url("**/sign-in/second/lost/*")
    accessible(phone)
    phone.locator("main form button").click()
    phone.wait_for_url("**/second-step/sent/")
    accessible(phone)
    for pressed in range(2):
        house.work()
        phone.goto(house.link_in(house.smtp.to(ANA)[-1], "/second-step/"))
        phone.wait_for_url("**/second-step/decide/*")
        accessible(phone)
        phone.locator("button[value=confirm]").click()
        expect(phone.locator("button[value=stop]")).to_have_count(0)
        accessible(phone)
        if not pressed:
            house.clock.advance(timedelta(hours=24))
    assert phone.locator("main a.button").get_attribute("href") == "/sign-in/?next=/account/factors/"
    sign_in(phone, house, "**/account/", NEW)
