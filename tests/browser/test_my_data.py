"""Somebody takes a copy of their data along on a phone, and then has their account deleted."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.conftest import PHONE
from tests.browser.house import PASSWORD, House

ANA = "ana.ruiz@northwind.example"
BUTTON = "main form button[type=submit]"


@pytest.fixture(params=["en-GB", "es-ES"])
def phone(request: pytest.FixtureRequest, another_person: Callable[..., BrowserContext]) -> Page:
    return another_person(viewport=PHONE, locale=request.param, has_touch=True).new_page()


def test_a_copy_and_then_nothing_is_left(
    house: House, phone: Page, accessible: Callable[[Page], None]
) -> None:
    house.account(ANA)

    def look_and_press(leads_to: str) -> None:
        accessible(phone)
        phone.locator(BUTTON).last.click()
        phone.wait_for_url(leads_to)
        accessible(phone)

    phone.goto(f"{house.url}/sign-in/?next=/account/data/")
    phone.locator("#email").fill(ANA)
    phone.locator("#password").fill(PASSWORD)
    phone.locator("main form:has(#password) button[type=submit]").click()
    phone.wait_for_url("**/account/data/")
    accessible(phone)
    house.work()
    phone.locator("main a[href='/account/data/copy/']").click()
    look_and_press("**/account/data/sent/")
    house.work()
    phone.goto(house.link_in(house.smtp.to(ANA)[-1], "/account/data/open/"))
    accessible(phone)
    with phone.expect_download() as saved:
        phone.locator(BUTTON).last.click()
    assert saved.value.suggested_filename == "my-data.json"
    copy = json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))
    assert copy["account"]["address"] == ANA

    phone.goto(f"{house.url}/account/data/")
    phone.locator("main a[href='/account/data/erase/']").click()
    look_and_press("**/account/data/erase/sent/")
    house.work()
    phone.goto(house.link_in(house.smtp.to(ANA)[-1], "/account/erase/"))
    phone.locator("#sure").check()
    look_and_press("**/account/erase/*")
    house.work()
    assert len(house.smtp.to(ANA)) == 4
    phone.goto(f"{house.url}/account/")
    phone.wait_for_url("**/sign-in/**")
