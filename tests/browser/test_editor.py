"""The statement's editor in a real browser: what is typed is saved by itself, checked, and never lost."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import served
from tests.browser.house import SLUG, House
from tests.colleagues import PASSWORD

EDITOR = f"/incidents/{SLUG}/statement/en/"
TIMELINE = f"/incidents/{SLUG}/timeline/"
SAVED = re.compile(r"Saved \d\d:\d\d\s*$")
APOLOGY = "We are very sorry. We did not keep your booking safe."


@pytest.fixture
def desk(office, servers, another_person, house: House):
    """Signs somebody in; gives the page in front of them."""
    house.incident()
    office.advance(timedelta(minutes=1))
    url = servers.enter_context(served(office.app))

    def sit_down(role: str, **options: object) -> Page:
        colleague = office.add(role)
        code = colleague.code()  # time passes for it, and the page asks the worker something
        page = another_person(base_url=url, **options).new_page()
        page.goto("/sign-in/")
        page.get_by_label("Email address").fill(colleague.address)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Code from your app").fill(code)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Hello")
        return page

    return sit_down


def test_a_statement_is_typed_saved_checked_and_approved(desk, office, accessible, console):
    page = desk("author", viewport={"width": 1280, "height": 900})
    page.goto(EDITOR)
    status, checker = page.locator(".saved"), page.locator(".checks")
    page.get_by_label("Our apology").fill(f"{APOLOGY}\n\nSays [name].")
    expect(status).to_have_text(SAVED)
    expect(checker).to_contain_text("“[name]” is a placeholder")
    checker.get_by_role("link", name="Our apology, line 3").click()
    chosen = "const f = document.activeElement; f.value.slice(f.selectionStart, f.selectionEnd)"
    assert page.evaluate(chosen) == "Says [name]."
    accessible(page)
    preview = page.frame_locator("iframe")
    expect(preview.locator("main")).to_contain_text("We are very sorry.")
    page.get_by_role("button", name="Desktop").click()
    assert "desktop" in (page.locator(".screen").get_attribute("class") or "")

    other = page.context.new_page()  # a second tab
    other.goto(EDITOR)
    page.get_by_label("Our apology").fill(APOLOGY)
    expect(checker).not_to_contain_text("is a placeholder")
    other.get_by_label("First sentence: what happened").fill("Your bookings were copied")
    other.wait_for_url("**/conflict/**")
    accessible(other)
    other.get_by_role("button", name="Save what I chose").click()
    expect(other.get_by_label("Our apology")).to_have_value(APOLOGY)
    expect(other.get_by_label("First sentence: what happened")).to_have_value("Your bookings were copied")

    page.context.set_offline(offline=True)
    other.get_by_role("textbox", name="For more information", exact=True).fill("Write to us.")
    expect(other.locator(".saved")).to_have_text("Not saved: no connection. We keep trying.")
    page.context.set_offline(offline=False)
    console.complaints.clear()  # of the connection
    expect(other.locator(".saved")).to_have_text(SAVED, timeout=15_000)

    other.get_by_label("What this version corrects").fill("You can write to us as well.")
    expect(other.locator(".saved")).to_have_text(SAVED)
    other.goto(f"/incidents/{SLUG}/statement/publish/")
    other.get_by_role("checkbox", name="the incident lists “Passwords”").check()
    accessible(other)
    other.get_by_role("button", name="Ask for approval").click()
    expect(other.get_by_role("status")).to_contain_text("stored the request")
    office.advance(timedelta(seconds=31))
    approver = desk("approver", viewport={"width": 390, "height": 800})
    approver.goto(other.url)
    accessible(approver)
    expect(approver.locator("main")).to_contain_text("Write to us.")


def test_on_a_phone_without_script_it_is_all_there(desk, office):
    page = desk("author", viewport={"width": 360, "height": 740}, java_script_enabled=False)
    page.goto(EDITOR)
    page.get_by_label("Our apology").fill(APOLOGY)
    page.locator(".save-bar").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text(SAVED)
    page.goto(TIMELINE)
    page.get_by_label("Phase").select_option("contained")
    page.get_by_role("button", name="Write an update").click()
    page.get_by_label("When it happened").fill("2026-11-22 08:30")
    page.get_by_label("Text").first.fill("Nobody can get in that way any more.")
    page.locator(".save-bar").get_by_role("button", name="Save").click()
    expect(page.locator("#occurred-echo")).to_have_text("= 2026-11-22 08:30 UTC")
