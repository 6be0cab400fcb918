"""The whole way of a case on a phone, with what staff do at their terminal in between."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from portal.audit.staff import Operator
from portal.cases import jobs
from tests.browser.conftest import PHONE
from tests.browser.house import House
from tests.browser.test_second_step import send

ANA, OTHER = "ana.ruiz@northwind.example", "ana@other.example"
NEW = "sunlit-marble-otter-harbour"

Check = Callable[[Page], None]


@pytest.fixture(params=["en-GB", "es-ES"])
def phone(request: pytest.FixtureRequest, another_person: Callable[..., BrowserContext]) -> Page:
    return another_person(viewport=PHONE, locale=request.param, has_touch=True).new_page()


@pytest.fixture
def sits(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Say who sits at the terminal."""

    def at_the_terminal(user: str) -> None:
        monkeypatch.setattr("portal.cases.commands.operator", lambda: Operator(user, "portal-worker"))

    return at_the_terminal


def waits(house: House, hours: int) -> None:
    for _ in range(hours):
        house.clock.advance(timedelta(hours=1, minutes=20))
        jobs.look(house.worker)
    house.work()


def mailed(house: House, address: str, beginning: str) -> str:
    (link,) = (
        house.link_in(mail, beginning)
        for mail in house.smtp.to(address)
        if re.search(rf"{beginning}[a-z2-7]{{32}}/", mail.text)
    )
    return link


def open_case(house: House, phone: Page, accessible: Check) -> list[str]:
    """Open a case from the page where somebody is stuck; return its number and code as they are shown."""
    phone.goto(f"{house.url}/reset/")
    accessible(phone)
    phone.locator("main a[href='/cases/new/']").click()
    phone.wait_for_url("**/cases/new/")
    accessible(phone)
    send(phone, "**/cases/new/", contact=" ")
    accessible(phone)
    phone.locator("#contact").fill("+34 600 123 456")
    phone.locator("main form button").click()
    expect(phone.locator("main form[action='/cases/new/text/']")).to_be_visible()
    accessible(phone)
    shown = [text.strip() for text in phone.locator("main code").all_text_contents()]
    with phone.expect_download() as saved:
        phone.locator("main form button").click()
    kept = Path(saved.value.path()).read_text(encoding="utf-8")
    assert all(text in kept for text in shown)
    return shown


def confirm(house: House, number: str) -> None:
    """Read the proof and confirm it."""
    read = json.loads(house.command("cases", "show", number, "--reason", "t", "--json"))
    house.command("cases", "confirm", number, "--proof", read["case"]["proof"])


def test_somebody_without_their_inbox_gets_back_in(
    house: House, phone: Page, accessible: Check, sits: Callable[[str], None]
) -> None:
    house.account(ANA)
    number, code = open_case(house, phone, accessible)

    def see(steps: int) -> None:
        phone.goto(f"{house.url}/cases/")
        send(phone, "**/cases/", number=number, code=code)
        expect(phone.locator("main li.reached")).to_have_count(steps)
        accessible(phone)

    see(1)
    phone.goto(f"{house.url}/cases/")
    accessible(phone)
    send(phone, "**/cases/", number=number, code="wrong")
    accessible(phone)
    sits("sam")
    house.command("cases", "prove", number, "--address", ANA, "--new-address", OTHER, "--how", "passport")
    see(2)
    sits("kim")
    confirm(house, number)
    house.work()
    see(3)
    phone.goto(mailed(house, ANA, "/cases/stop/"))
    phone.wait_for_url("**/cases/stop/*")
    accessible(phone)  # looked at, and not pressed
    phone.goto(mailed(house, OTHER, "/cases/verify/"))
    phone.wait_for_url("**/cases/verify/*")
    accessible(phone)
    phone.locator("main form button").click()
    expect(phone.locator("main a[href='/cases/']")).to_be_visible()
    accessible(phone)
    house.work()
    see(4)
    waits(house, 58)
    see(5)
    phone.goto(mailed(house, ANA, "/cases/stop/"))
    expect(phone.locator("main a[href='/reset/']")).to_be_visible()  # 410
    phone.goto(mailed(house, OTHER, "/reset/"))
    phone.wait_for_url("**/reset/choose/*")
    send(phone, "**/reset/done/*", password=NEW)
    house.command("cases", "close", number, "--reason", "done")
    see(5)


def test_an_old_address_stops_it(
    house: House, phone: Page, accessible: Check, sits: Callable[[str], None]
) -> None:
    house.account(ANA)
    phone.goto(f"{house.url}/cases/new/")
    phone.locator("#contact").fill("by phone")
    phone.locator("main form button").click()
    number = phone.locator("main input[name=number]").input_value()
    sits("sam")
    house.command("cases", "prove", number, "--address", ANA, "--new-address", OTHER, "--how", "passport")
    sits("kim")
    confirm(house, number)
    house.work()
    phone.goto(mailed(house, ANA, "/cases/stop/"))
    phone.locator("main form button").click()
    accessible(phone)  # it asks for the tick
    phone.locator("#sure").check()
    phone.locator("main form button").click()
    expect(phone.locator("main a[href='/reset/']")).to_be_visible()
    accessible(phone)
    house.work()
    assert "stopped" in house.command("cases", "list")
