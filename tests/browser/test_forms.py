"""What the forms do for who mistypes, presses twice or shares a device, with script and without."""

import re
from collections.abc import Callable
from threading import Event

import pytest
from flask import request
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from tests.browser.conftest import PHONE
from tests.browser.house import House

ANA = "ana.ruiz.with.a.very.long.name@northwind-travel.example"
Check = Callable[[Page], None]


def press(page: Page, name: str) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


def top_of(field: Locator) -> float:
    box = field.bounding_box()
    assert box is not None
    return box["y"]


def ask(page: Page, house: House, address: str = ANA) -> None:
    page.goto(f"{house.url}/check/")
    page.get_by_label("address").fill(address)
    press(page, "Send me my answer")


def test_an_error_goes_when_it_is_mended_and_nothing_moves(house: House, page: Page, accessible: Check):
    ask(page, house, "nonsense")
    field = page.get_by_label("address")
    expect(page).to_have_title(re.compile("^Error: "))
    top = top_of(field)
    field.fill("ana@northwind")
    expect(page.get_by_role("alert")).to_be_visible()
    field.fill(ANA)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page).to_have_title(re.compile("^Check if you are affected"))
    expect(page.get_by_role("status").filter(has_text="Thanks, that looks right")).to_be_visible()
    assert field.get_attribute("aria-invalid") is None
    assert field.get_attribute("aria-describedby") == "email-hint"
    assert top_of(field) == pytest.approx(top, abs=1)
    accessible(page)


def test_the_faults_of_a_new_password_go_together_when_the_meter_finds_none(
    house: House, page: Page, accessible: Check
):
    house.account(ANA)
    page.goto(house.link_in(house.ask("/reset/", ANA), "/reset/"))
    page.get_by_label("New password").fill("ana.ruiz")
    press(page, "Save my new password")
    summary = page.get_by_role("alert")
    expect(summary.get_by_role("link")).to_have_count(2)
    accessible(page)
    field = page.get_by_label("New password")
    field.fill("password12345678")
    page.get_by_text("would guess this. We won’t accept it").wait_for()
    expect(summary).to_have_count(1)
    field.scroll_into_view_if_needed()
    top = top_of(field)
    assert page.evaluate("scrollY") > 300
    field.fill("violet meadow paper thunder")
    expect(summary).to_have_count(0)
    assert top_of(field) == pytest.approx(top, abs=1)
    assert page.locator(".error").evaluate("one => one.offsetHeight") == 0
    page.get_by_label("New password").fill("ana.ruiz")
    press(page, "Save my new password")
    page.get_by_role("button", name="Use this one").last.click()
    expect(summary).to_have_count(0)
    for shown in (field, page.get_by_role("button", name="Save my new password")):
        expect(shown).to_be_in_viewport(ratio=1)
    accessible(page)


PRESSES = """async () => {
  const button = document.querySelector("main form button[type=submit]");
  const press = async () => {
    button.click();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return button.getAttribute("aria-disabled");
  };
  const marks = [await press(), await press(), await press()];
  dispatchEvent(new PageTransitionEvent("pageshow"));
  return [...marks, button.getAttribute("aria-disabled"), await press()];
}"""


def test_a_second_press_sends_nothing_and_a_page_that_comes_back_can_be_sent(house: House, page: Page):
    posts, answered = [], Event()

    @house.app.before_request
    def _wait() -> None:
        if request.method == "POST":
            posts.append(request.path)
            answered.wait(10)

    page.goto(f"{house.url}/check/")
    page.get_by_label("address").fill(ANA)
    try:
        assert page.evaluate(PRESSES) == ["true", "true", "true", None, "true"]
    finally:
        answered.set()
    page.wait_for_url("**/check/sent/")
    assert posts == ["/check/"] * 2, "three presses, and one after the page came back"


def test_only_the_page_that_follows_shows_the_address_and_nothing_keeps_it(
    house: House, page: Page, accessible: Check
):
    ask(page, house)
    shown = page.locator("[data-typed]")
    expect(shown).to_contain_text(ANA)
    accessible(page)
    for width in (320, 390):
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("[sessionStorage.length, localStorage.length, history.state]") == [0, 0, None]
    page.get_by_label("Code from the email").fill("AAAA-AAAA")
    press(page, "Open my answer")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(shown).to_contain_text(ANA)
    page.get_by_role("link", name="Not yours? Correct it").click()
    expect(page.get_by_label("address")).to_have_value(ANA)
    press(page, "Send me my answer")
    expect(shown).to_contain_text(ANA)
    page.goto(f"{house.url}/protect-yourself/")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")
    expect(shown).to_be_hidden()
    assert ANA not in page.content()
    ask(page, house)
    expect(shown).to_be_visible()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    expect(shown).to_be_hidden()
    assert ANA not in page.content(), "a browser that keeps the page would show it to the next person"
    ask(page, house)
    expect(shown).to_be_visible()
    page.reload()
    expect(shown).to_be_hidden()


@pytest.mark.parametrize("script", [True, False])
def test_a_mistyped_provider_is_asked_back(
    house: House, another_person: Callable[..., BrowserContext], accessible: Check, script: bool
):
    page = another_person(viewport=PHONE, java_script_enabled=script).new_page()
    page.goto(f"{house.url}/check/")
    field = page.get_by_label("address")
    field.fill("ana.ruiz@Gmial.com")
    if script:
        expect(page.get_by_role("status").filter(has_text="Did you mean ana.ruiz@gmail.com?")).to_be_visible()
        accessible(page)
        page.get_by_role("button", name="Yes, use this address").click()
        expect(field).to_have_value("ana.ruiz@gmail.com")
        expect(field).to_be_focused()
        expect(page.get_by_text("Did you mean")).to_have_count(0)
        field.fill("ana.ruiz@Gmial.com")
    press(page, "Send me my answer")
    expect(page.get_by_role("heading", level=1)).to_have_text("Did you mean ana.ruiz@gmail.com?")
    if script:
        accessible(page)
    press(page, "Yes, use ana.ruiz@gmail.com")
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")
    assert ("ana.ruiz@gmail.com" in page.locator("main").inner_text()) == script
    house.work()
    assert [mail.recipients for mail in house.smtp.messages] == [("ana.ruiz@gmail.com",)]


def test_who_types_before_the_script_has_come_is_asked_back_too(house: House, page: Page):
    field = page.get_by_label("address")

    def type_first(route: Route) -> None:
        field.fill("ana.ruiz@Gmial.com")
        route.continue_()

    page.route("**/static/js/address.js", type_first)
    page.goto(f"{house.url}/check/")
    expect(page.get_by_role("status").filter(has_text="Did you mean ana.ruiz@gmail.com?")).to_be_visible()


def test_a_form_that_was_open_overnight_is_sent_with_one_press(house: House, page: Page, accessible: Check):
    page.goto(f"{house.url}/reset/")
    page.evaluate("document.querySelector('main [name=csrf_token]').value = 'ended'")
    page.get_by_label("address").fill(ANA)
    press(page, "Email me a link")
    expect(page.get_by_role("alert")).to_contain_text("This page is out of date")
    expect(page.get_by_role("alert")).to_be_focused()
    accessible(page)
    press(page, "Email me a link")
    assert page.url == f"{house.url}/reset/sent/"
