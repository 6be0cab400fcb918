"""The console's pages that no other test opens in a browser: on a phone and a computer, in both languages."""

import re
from datetime import timedelta
from functools import partial

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from portal.campaigns.tasks import drafting
from portal.console.mail import jobs as mail_jobs
from portal.reset.runs.work import Runs
from portal.runtime.doctor.names import Names
from tests.browser.conftest import served
from tests.browser.house import SLUG, House
from tests.browser.test_every_page import fits
from tests.colleagues import PASSWORD, Colleague, press
from tests.names import serving_names

# The narrowest phone that many people still have.
PHONE = ViewportSize(width=360, height=740)
DESKTOP = ViewportSize(width=1280, height=900)
NOTICE = f"/notices/{SLUG}/1/"
ROW = "ana@northwind.example,7,Ana Ruiz,en,ES,Names"


TIMELINE = f"/incidents/{SLUG}/timeline/"
UPDATE = {
    "phase": "contained",
    "occurred": "2026-11-22 08:30",
    "zone": "UTC",
    "title:en": "We closed the gap",
}


@pytest.fixture
def eve(house: House, office) -> Colleague:
    """An incident with a list, a notice that went out and a draft of the next; gives who sees all of it."""
    house.incident()
    house.live(ROW)
    house.command("campaigns", "notify", SLUG, "--confirm", "1")
    house.work()
    house.command("campaigns", "draft", SLUG, "--kind", "supplementary")
    office.advance(timedelta(minutes=1))
    return office.add("author", "approver", "privacy", "admin", name="Eve")


@pytest.fixture
def waiting(eve, office) -> list[str]:
    """What somebody else left: a draft, an update posted alone, a request, and a count."""
    ann = office.seat(office.add("author", "admin", name="Ann"))
    draft, alone = (press(ann, TIMELINE, f"{TIMELINE}new/", phase="contained").location for _ in range(2))
    for entry in (draft, alone):
        ann.submit(entry, **UPDATE, **{"body:en": "Nobody can get in that way any more."})
    ann.submit(f"{alone}post/", how="alone", reason="Nobody answers at 2 a.m.")
    asked = ann.submit("/staff/new/", email="kim@northwind.example", roles=["author"]).location
    counted = press(ann, "/resets/", "/resets/", subject=SLUG).location
    Runs(office.parts).step()
    (look,) = re.findall(rf'href="({TIMELINE}alone/\w+/)"', office.seat(eve).get(TIMELINE).text)
    return [draft, f"{draft}post/", look, asked, counted]


def paths(member_id: bytes) -> list[str]:
    return [
        "/",
        "/today/",
        "/approvals/",
        "/mail/",
        "/mail/retry/",
        "/notices/",
        NOTICE,
        f"{NOTICE}text/en/",
        f"{NOTICE}unreached/",
        f"/notices/{SLUG}/2/edit/",
        "/checklist/",
        f"/checklist/{SLUG}/discovered/",
        f"/checklist/{SLUG}/it/",
        f"/checklist/{SLUG}/it/files/",
        "/incidents/",
        TIMELINE,
        f"/incidents/{SLUG}/facts/",
        f"/incidents/{SLUG}/statement/en/history/",
        f"/incidents/{SLUG}/statement/publish/",
        "/lists/",
        f"/lists/{SLUG}/kinds/",
        f"/lists/{SLUG}/left-out/",
        "/resets/",
        "/settings/",
        "/settings/brand_colour/",
        "/settings/privacy.es/",
        "/audit/",
        "/me/",
        "/staff/",
        f"/staff/{member_id.hex()}/",
    ]


def test_they_read_well(eve, waiting, office, house, servers, another_person, accessible, monkeypatch):
    url, code = servers.enter_context(served(office.app)), eve.code()
    page: Page = another_person(base_url=url, viewport=PHONE, locale="en").new_page()

    def read(path: str, at: str = "") -> None:
        answer = page.goto(path)
        assert answer is not None
        assert (answer.status, page.url) == (200, url + (at or path))
        accessible(page)
        fits(page)

    read("/sign-in/")
    for field, typed in (("email", eve.address), ("password", PASSWORD), ("code", code)):
        page.locator(f"[name={field}]").fill(typed)
    page.locator("[name=code]").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Hello")

    for path in (*paths(eve.id), *waiting):
        read(path)
    host, _colon, port = servers.enter_context(serving_names()).address.rpartition(":")
    monkeypatch.setattr(mail_jobs, "Names", partial(Names, (host, int(port))))
    for path, button, heading in (
        ("/mail/", "Check the domain", "The sender’s domain"),
        ("/me/", "Make recovery codes", "Save your recovery codes"),
    ):
        page.goto(path)
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        accessible(page)
        fits(page)
    monkeypatch.setattr(drafting, "FEW", -1)  # so that the worker counts in its own time
    page.goto(f"/notices/{SLUG}/new/")
    page.get_by_role("button", name="Make the draft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Counting who gets it")
    counting = page.url.removeprefix(url)
    read(counting)

    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Español").click()
    for path in (*paths(eve.id)[::6], counting):  # axe takes a second of each
        read(path)
    office.advance(timedelta(minutes=6))
    withdraw = f"/incidents/{SLUG}/withdraw/update/1/"
    read(withdraw, at=f"/confirm/?next={withdraw}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirme que es usted")
    page.locator("[name=confirm-code]").fill(eve.code())
    page.locator("[name=confirm-code]").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Retirar la novedad 1")
    accessible(page)
