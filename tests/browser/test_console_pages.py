"""The console's pages that no other test opens in a browser: on a phone and a computer, in both languages."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from portal.campaigns.tasks import drafting
from tests.browser.conftest import PHONE, served
from tests.browser.house import SLUG, House
from tests.browser.test_every_page import fits
from tests.colleagues import PASSWORD

DESKTOP = ViewportSize(width=1280, height=900)
NOTICE = f"/notices/{SLUG}/1/"
ROW = "ana@northwind.example,7,Ana Ruiz,en,ES,Names"


@pytest.fixture
def everything(house: House, office):
    """An incident with a list, a notice that went out and a draft of the next; gives who sees all of it."""
    house.incident()
    house.live(ROW)
    house.command("campaigns", "notify", SLUG, "--confirm", "1")
    house.work()
    house.command("campaigns", "draft", SLUG, "--kind", "supplementary")
    office.advance(timedelta(minutes=1))
    return office.add("author", "approver", "privacy", "admin", name="Eve")


def paths(member_id: bytes) -> list[str]:
    return [
        "/",
        "/today/",
        NOTICE,
        f"{NOTICE}text/en/",
        f"{NOTICE}unreached/",
        f"/notices/{SLUG}/2/edit/",
        f"/checklist/{SLUG}/it/",
        f"/checklist/{SLUG}/it/files/",
        f"/incidents/{SLUG}/statement/publish/",
        f"/lists/{SLUG}/kinds/",
        "/resets/",
        "/settings/",
        "/settings/brand_colour/",
        "/settings/privacy.es/",
        "/audit/",
        "/me/",
        f"/staff/{member_id.hex()}/",
    ]


def test_they_read_well(everything, office, house, servers, another_person, accessible, monkeypatch):
    url, code = servers.enter_context(served(office.app)), everything.code()
    page: Page = another_person(base_url=url, viewport=PHONE, locale="en").new_page()
    page.goto("/sign-in/")
    for field, typed in (("email", everything.address), ("password", PASSWORD), ("code", code)):
        page.locator(f"[name={field}]").fill(typed)
    page.locator("[name=code]").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Hello")

    def read(path: str) -> None:
        page.goto(path)
        accessible(page)
        fits(page)

    for path in paths(everything.id):
        read(path)
    monkeypatch.setattr(drafting, "FEW", -1)  # so that the worker counts in its own time
    page.goto(f"/notices/{SLUG}/new/")
    page.get_by_role("button", name="Make the draft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Counting who gets it")
    counting = page.url.removeprefix(url)
    read(counting)

    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Español").click()
    for path in (*paths(everything.id)[::4], counting):  # axe takes a second of each
        read(path)
    office.advance(timedelta(minutes=6))
    read(f"/incidents/{SLUG}/withdraw/update/1/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirme que es usted")
    page.locator("[name=confirm-code]").fill(everything.code())
    page.locator("[name=confirm-code]").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Retirar la novedad 1")
    accessible(page)
