"""Passkeys on a phone: a real browser with an authenticator of its own (CDP's WebAuthn domain)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from portal.identity import state
from tests.browser.conftest import PHONE
from tests.browser.house import PASSWORD, House

ANA = "ana.ruiz@northwind.example"
NEW = "sunlit-marble-otter-harbour"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
ASKS = "form[data-passkey]"
TYPED = "main form:has(#password)"
# A browser that has passkeys, and does not offer them by itself.
NOT_OFFERED = "PublicKeyCredential.isConditionalMediationAvailable = async () => false"


class Authenticator:
    """The authenticator of one page's browser."""

    def __init__(self, page: Page, **options: Any) -> None:
        self.session = page.context.new_cdp_session(page)
        self.session.send("WebAuthn.enable", {"enableUI": False})
        added = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR | options})
        self.id = added["authenticatorId"]

    def set(self, what: str, **values: Any) -> None:
        self.session.send(f"WebAuthn.set{what}", {"authenticatorId": self.id} | values)

    def credentials(self) -> list[dict[str, Any]]:
        found = self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"]
        return list(found)


@pytest.fixture
def ana(house: House) -> bytes:
    return house.account(ANA)


def press(page: Page, button: str, leads_to: str) -> None:
    page.locator(button).click()
    page.wait_for_url(leads_to)


def type_password(page: Page) -> None:
    page.locator("#email").fill(ANA)
    page.locator("#password").fill(PASSWORD)


def sign_in(page: Page, house: House) -> None:
    page.goto(f"{house.url}/sign-in/")
    type_password(page)
    press(page, f"{TYPED} button[type=submit]", "**/account/")


def sign_out(page: Page, house: House) -> None:
    page.goto(f"{house.url}/sign-out/")
    press(page, "main form button", "**/sign-in/")


def add(page: Page, house: House) -> None:
    page.goto(f"{house.url}/account/passkeys/add/")
    page.locator(f"{ASKS} button").click()
    expect(page.locator("ul.codes")).to_be_visible()


@pytest.mark.parametrize("locale", ["en-GB", "es-ES"])
def test_somebody_adds_a_passkey_signs_in_with_it_and_removes_it(
    house: House,
    ana: bytes,
    another_person: Callable[..., BrowserContext],
    accessible: Callable[[Page], None],
    locale: str,
) -> None:
    page = another_person(viewport=PHONE, locale=locale, has_touch=True).new_page()
    page.add_init_script(NOT_OFFERED)
    authenticator = Authenticator(page)
    sign_in(page, house)
    page.goto(f"{house.url}/account/passkeys/")
    page.locator("main a.button").click()
    page.locator("#name").fill("Ana 1")
    accessible(page)
    page.locator(f"{ASKS} button").click()
    expect(page.locator("ul.codes")).to_be_visible()
    page.goto(f"{house.url}/account/passkeys/")
    expect(page.locator("main dt")).to_have_text("Ana 1")
    accessible(page)
    (made,) = authenticator.credentials()
    assert made["isResidentCredential"]
    assert ANA not in str(made)

    sign_out(page, house)
    accessible(page)
    press(page, f"{ASKS} button", "**/account/")
    expect(page.locator("main .address")).to_have_text(ANA)
    assert page.evaluate("document.documentElement.lang") == locale[:2]
    page.goto(f"{house.url}/account/passkeys/")
    page.locator("main dd.way a").click()
    accessible(page)
    page.locator("#name").fill("Ana 2")
    press(page, "main form:first-of-type button", "**/account/passkeys/")
    expect(page.locator("main dt")).to_have_text("Ana 2")
    page.locator("main dd.way a").click()
    page.locator("button[name=remove]").wait_for()
    press(page, "button[name=remove]", "**/account/passkeys/")
    expect(page.locator("main dt")).to_have_count(0)

    sign_out(page, house)
    page.locator(f"{ASKS} button").click()
    expect(page.locator(".error-summary")).to_be_visible()
    accessible(page)
    page.goto(f"{house.url}/account/")
    assert page.url.startswith(f"{house.url}/sign-in/")


@pytest.mark.parametrize("locale", ["en-GB", "es-ES"])
def test_a_passkey_is_the_second_step_confirms_a_change_and_goes_with_a_mailed_link(
    house: House,
    ana: bytes,
    another_person: Callable[..., BrowserContext],
    accessible: Callable[[Page], None],
    locale: str,
) -> None:
    page = another_person(viewport=PHONE, locale=locale, has_touch=True).new_page()
    page.add_init_script(NOT_OFFERED)
    Authenticator(page)
    sign_in(page, house)
    add(page, house)
    sign_out(page, house)
    type_password(page)
    press(page, f"{TYPED} button[type=submit]", "**/sign-in/second/**")
    accessible(page)
    press(page, f"{ASKS} button", "**/account/")
    house.clock.advance(timedelta(minutes=11))
    page.goto(f"{house.url}/account/passkeys/add/")
    accessible(page)
    press(page, f"{ASKS} button", "**/account/passkeys/add/")
    expect(page.locator("#name")).to_be_visible()
    house.work()
    page.goto(house.link_in(house.ask("/reset/", ANA), "/reset/"))
    page.wait_for_url("**/reset/confirm/**")
    accessible(page)
    press(page, f"{ASKS} button", "**/reset/choose/**")
    expect(page.locator("#password")).to_be_visible()


def test_a_browser_offers_the_passkey_in_the_field_for_the_address(
    house: House, ana: bytes, page: Page
) -> None:
    authenticator = Authenticator(page)
    sign_in(page, house)
    add(page, house)
    authenticator.set("AutomaticPresenceSimulation", enabled=False)
    sign_out(page, house)
    assert page.locator("#email").get_attribute("autocomplete") == "username webauthn"
    expect(page.locator(f"{ASKS} button")).to_be_visible()
    authenticator.set("AutomaticPresenceSimulation", enabled=True)
    page.goto(f"{house.url}/sign-in/?next=/account/passkeys/")
    page.wait_for_url("**/account/passkeys/")
    expect(page.locator("main dt")).to_have_count(1)


def test_a_passkey_leads_to_the_new_password_that_is_required(house: House, ana: bytes, page: Page) -> None:
    page.add_init_script(NOT_OFFERED)
    Authenticator(page)
    sign_in(page, house)
    add(page, house)
    with house.worker.db.write() as session:
        state.require(session, [ana], "everyone", house.clock.now())
    page.goto(f"{house.url}/sign-in/")
    press(page, f"{ASKS} button", "**/reset/choose/**")
    page.locator("#password").fill(NEW)
    press(page, "main form:has(#password) button[type=submit]", "**/reset/done/**")


def test_who_is_not_verified_is_told_and_may_try_again(house: House, ana: bytes, page: Page) -> None:
    page.add_init_script(NOT_OFFERED)
    authenticator = Authenticator(page)
    sign_in(page, house)
    page.goto(f"{house.url}/account/passkeys/add/")
    authenticator.set("UserVerified", isUserVerified=False)
    page.locator(f"{ASKS} button").click()
    expect(page.locator("[data-fault=stopped]")).to_be_visible()
    assert authenticator.credentials() == []
    authenticator.set("UserVerified", isUserVerified=True)
    page.locator(f"{ASKS} button").click()
    expect(page.locator("ul.codes")).to_be_visible()
    page.goto(f"{house.url}/account/passkeys/add/")
    page.locator(f"{ASKS} button").click()
    expect(page.locator("[data-fault=already]")).to_be_visible()
    assert len(authenticator.credentials()) == 1


def test_a_browser_without_passkeys_shows_nothing_of_them(house: House, ana: bytes, page: Page) -> None:
    page.add_init_script("delete window.PublicKeyCredential")
    sign_in(page, house)
    page.goto(f"{house.url}/account/passkeys/add/")
    expect(page.locator("[data-without-passkeys]")).to_be_visible()
    expect(page.locator(ASKS)).to_be_hidden()
    sign_out(page, house)
    expect(page.locator(ASKS)).to_be_hidden()
