"""Where the portal has no access to the accounts, no page leads to a page of accounts here."""

import re

import pytest

from portal.core.settings import Settings

pytestmark = pytest.mark.sqlite

URL = "https://www.northwind.example/forgot-password"
# What says where the company's own pages are, from the navigation of every page.
SAID = {"/reset/", "/sign-in/"}
OF_ACCOUNTS = re.compile(r"/(?:reset|sign-in|sign-out|account)/")
PAGES = (
    "/", "/incidents/", "/incidents/november/", "/protect-yourself/", "/check/", "/subscribe/",
    "/is-it-real/", "/reset/", "/sign-in/", "/reminders/", "/reminders/elsewhere/",
    "/nothing/", "/check/answer/1/", "/reminders/open/1/", "/privacy/", "/accessibility/", "/language/",
)  # fmt: skip


@pytest.fixture
def settings(environ) -> Settings:
    return Settings.from_env(environ | {"PORTAL_IDENTITY_STORE": "link", "PORTAL_IDENTITY_LINK_URL": URL})


def led_to(page: str) -> set[str]:
    """The pages of accounts that a page leads to, by a link or a form."""
    targets = re.findall(r'(?:href|action)="([^"#?]*)', page)
    return {target for target in targets if OF_ACCOUNTS.match(target)}


@pytest.mark.parametrize("language", ["en", "es"])
def test_no_page_leads_to_a_page_of_accounts(lists, client, check, read, language):
    client.get("/", headers={"Accept-Language": language})
    lists.live("sam@northwind.example,,,,,Passwords;Auth tokens\n")
    pages = {path: client.get(path, follow_redirects=True).text for path in PAGES}
    pages["answer"] = read(check("sam@northwind.example"))
    client.submit("/is-it-real/", code="ABCDEFG-2345672")
    assert {path: led_to(page) - SAID for path, page in pages.items()} == {path: set() for path in pages}
    for path in ("/", "/incidents/november/", "/protect-yourself/", "answer", "/nothing/"):
        assert f'href="{URL}"' in pages[path], path
        assert "www.northwind.example" in re.sub(r'href="[^"]*"', "", pages[path]), path


def test_only_the_page_s_own_menu_leads_to_where_it_is_said(lists, client):
    page = client.get("/incidents/november/").text
    assert re.findall(r'href="(/(?:reset|sign-in)/)"', page) == ["/reset/", "/sign-in/"]
