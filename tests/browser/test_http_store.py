"""A whole reset through the store `http`, also where the company's server does not say what it did."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from unittest.mock import patch

import pytest
from playwright.sync_api import Page, expect

from tests.identity.company import EVERYTHING, SECRET, example, fronted

ADDRESS = "ann@example.com"
FIRST, SECOND, THIRD = "quarry-lantern-violin-moss", "copper-kettles-sing-nightly", "eleven-owls-at-the-noon"


@dataclass
class Company:
    url: str
    moods: dict[str, list[str]]
    module: ModuleType

    def refuse(self, **_asked: str) -> None:
        """Answer by the company's own rules for passwords."""
        self.module.check(False, 422, "password-refused")

    def accepts(self, password: str) -> bool:
        return self.module.verify("1001", password, "current") == {"verdict": "fits"}


@pytest.fixture
def company() -> Iterator[Company]:
    module = example()
    with fronted(module) as (url, moods):
        yield Company(url, moods, module)


@pytest.fixture
def environ(environ: dict[str, str], company: Company) -> dict[str, str]:
    return environ | {
        "PORTAL_IDENTITY_STORE": "http",
        "PORTAL_IDENTITY_HTTP_URL": company.url,
        "PORTAL_IDENTITY_HTTP_SECRET": SECRET,
        "PORTAL_IDENTITY_HTTP_CAPABILITIES": ",".join(EVERYTHING),
    }


def link_by_mail(running_portal, page: Page) -> str:
    before = len(running_portal.mailbox.messages)
    page.goto(f"{running_portal.url}/reset/")
    page.get_by_label("Email address").fill(ADDRESS)
    page.get_by_role("button", name="Email me a link").click()
    page.wait_for_url(f"{running_portal.url}/reset/sent/")
    running_portal.mailbox.wait_for(before + 1)
    return re.findall(r"http://\S+/reset/[a-z2-7]{32}/", running_portal.mailbox.messages[-1].text)[0]


def choose(page: Page, link: str, password: str) -> None:
    page.goto(link)
    page.get_by_label("New password").fill(password)
    page.get_by_role("button", name="Save my new password").click()


def test_a_whole_reset_and_what_was_done_but_not_said(
    running_portal, company, page: Page, accessible, console
):
    link = link_by_mail(running_portal, page)
    with patch.dict(company.module.VERBS, password=company.refuse):
        choose(page, link, FIRST)
        expect(page.get_by_text("Our sign-in system doesn’t accept this password.").first).to_be_visible()
        accessible(page)
    company.moods["password"] = ["500"]
    choose(page, link, FIRST)
    page.wait_for_url(f"{running_portal.url}/reset/done/?link=*")
    accessible(page)
    assert company.accepts(FIRST)
    assert company.module.SESSIONS == {"1001": [], "1002": ["a browser"]}
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_contain_text("link")
    page.goto(f"{running_portal.url}/account/")
    page.get_by_label("Email address").fill(ADDRESS)
    page.get_by_label("Password", exact=True).fill(FIRST)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{running_portal.url}/account/")
    accessible(page)

    link = link_by_mail(running_portal, page)
    company.moods["password"] = ["late"]
    choose(page, link, SECOND)
    page.wait_for_url(f"{running_portal.url}/reset/done/?link=*")
    assert company.accepts(SECOND)

    link = link_by_mail(running_portal, page)
    company.moods |= {"password": ["500"], "verify": ["", "500"]}
    choose(page, link, THIRD)
    unsure = page.get_by_role("heading", name="We don’t know if your new password was saved")
    expect(unsure).to_be_visible()
    accessible(page)
    assert ["503" in complaint for complaint in console.complaints] == [True]
    console.complaints.clear()
    choose(page, link, THIRD)
    page.wait_for_url(f"{running_portal.url}/reset/done/?link=*")
    assert company.accepts(THIRD)
