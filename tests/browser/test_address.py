"""Somebody changes their address on a phone, and the old address takes it back; with and without script."""

from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import PHONE
from tests.browser.house import PASSWORD, House
from tests.browser.test_second_step import send

ANA, NEW = "ana.ruiz@northwind.example", "ana@home.example"
CHOSEN = "sunlit-marble-otter-harbour"
BUTTON = "main form button[type=submit]"
PAGE = "/account/address/"
ASK = {"en": "Change your email address", "es": "Cambie su dirección de correo"}


@pytest.fixture(params=[("en-GB", True), ("es-ES", True), ("es-ES", False)], ids=["en", "es", "no script"])
def phone(request: pytest.FixtureRequest, another_person: Callable[..., BrowserContext]) -> Page:
    language, script = request.param
    person = another_person(viewport=PHONE, locale=language, java_script_enabled=script, has_touch=True)
    return person.new_page()


@pytest.fixture
def look(
    request: pytest.FixtureRequest, phone: Page, accessible: Callable[[Page], None]
) -> Callable[[str], None]:
    """The phone leads to a page, which axe finds nothing on, in its language, and which fits the screen."""
    language, script = request.node.callspec.params["phone"]

    def looked(path: str) -> None:
        phone.wait_for_url(path)
        assert phone.locator("html").get_attribute("lang") == language[:2]
        if script:
            accessible(phone)
            assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    return looked


def sign_in(house: House, page: Page, address: str, password: str = PASSWORD) -> None:
    page.goto(f"{house.url}/sign-in/")
    send(page, "**/account/", email=address, password=password)


def set_up_an_app(house: House, page: Page) -> None:
    page.goto(f"{house.url}/account/factors/codes/")
    key = (page.locator("code.key").text_content() or "").replace(" ", "")
    page.locator("#code").fill(pyotp.TOTP(key).at(house.clock.at))
    page.locator("main form:has(#code) button[type=submit]").click()
    expect(page.locator("ul.codes li")).to_have_count(10)


def test_a_new_address_and_back(
    house: House,
    phone: Page,
    look: Callable[[str], None],
    another_person: Callable[..., BrowserContext],
) -> None:
    house.account(ANA)

    def press(path: str) -> None:
        """Press the page's button, which leads to the same address without one."""
        phone.locator(BUTTON).click()
        expect(phone.locator(BUTTON)).to_have_count(0)
        look(path)

    def fill_in(path: str, **fields: str) -> None:
        send(phone, path, **fields)
        look(path)

    sign_in(house, phone, ANA)
    house.clock.advance(timedelta(minutes=11))
    phone.goto(f"{house.url}{PAGE}")
    look("**/account/confirm/?next=/account/address/")
    fill_in(f"**{PAGE}", password=PASSWORD)
    expect(phone.locator("h1")).to_have_text(ASK[phone.locator("html").get_attribute("lang") or ""])
    send(phone, f"**{PAGE}", email="nobody")
    expect(phone.locator("[aria-invalid=true]")).to_be_visible()
    look(f"**{PAGE}")
    fill_in(f"**{PAGE}sent/", email=NEW)
    house.work()

    link = house.link_in(house.smtp.to(NEW)[-1], "/address/confirm/")
    stranger = another_person(viewport=PHONE).new_page()
    stranger.goto(link)
    expect(stranger.locator("main a[href='/sign-in/']")).to_be_visible()
    assert stranger.locator(BUTTON).count() == 0
    phone.goto(link)
    look("**/address/confirm/*")
    press("**/address/confirm/*")
    house.work()
    phone.locator("main a[href^='/address/confirm/']").click()
    look("**/address/confirm/*")
    expect(phone.locator("main a[href='/sign-in/']")).to_be_visible()

    sign_in(house, phone, NEW)
    set_up_an_app(house, phone)

    phone.goto(house.link_in(house.smtp.to(ANA)[-1], "/address/undo/"))
    look("**/address/undo/*")
    phone.locator(BUTTON).click()
    expect(phone.locator("[aria-invalid=true]")).to_be_visible()
    look("**/address/undo/*")
    phone.locator("#sure").check()
    press("**/address/undo/*")
    house.work()
    phone.goto(f"{house.url}/account/")
    look("**/sign-in/**")
    phone.goto(house.link_in(house.smtp.to(ANA)[-1], "/reset/"))
    look("**/reset/choose/*")  # no code is asked for: the app was added since
    send(phone, "**/reset/done/*", password=CHOSEN)
    sign_in(house, phone, ANA, CHOSEN)
    expect(phone.locator("main")).to_contain_text("ana.ruiz")
