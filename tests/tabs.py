"""What the tests of two tabs share: people with accounts, and the tabs that their links open."""

import pytest

from portal.worker import drain
from tests.browser.house import SLUG, House
from tests.visitor import Visitor, hidden

ANA, BEN, CLEO, DAN = (f"{name}@northwind.example" for name in ("ana", "ben", "cleo", "dan"))
ANAS, BENS = "sunlit-marble-otter-harbour", "quarry-lantern-violin-moss"
GONE = "You may have opened other links in this browser since then. Open the link in your email again."


@pytest.fixture
def house(app, worker_parts, smtp, clock, tmp_path) -> House:
    return House(app, worker_parts, smtp, clock, tmp_path)


@pytest.fixture
def accounts(house) -> None:
    for address in (ANA, BEN, CLEO, DAN):
        house.account(address)


@pytest.fixture
def link_to(house):
    """A mailed link to one person, as a path."""

    def mailed(address: str, page: str = "/reset/", beginning: str = "/reset/") -> str:
        visitor = house.visitor()
        fields = {"email": address} | ({"incident": SLUG} if page == "/subscribe/" else {})
        assert visitor.submit(page, **fields).status_code == 303
        drain(house.worker)
        (mail, *_) = [mail for mail in reversed(house.smtp.to(address)) if beginning in mail.text]
        return house.link_in(mail, beginning).removeprefix(house.url)

    return mailed


def tab(browser: Visitor, link: str) -> str:
    """Open a mailed link in a new tab, and return the address that the tab then has."""
    brought = browser.get(link)
    assert brought.status_code == 303
    return str(brought.location)


def form_of(browser: Visitor, address: str) -> dict[str, str]:
    shown = browser.get(address)
    assert shown.status_code == 200
    return hidden(shown.text)


def assert_gone(answer, *secrets: str) -> None:
    assert answer.status_code == 410
    assert GONE in answer.text
    assert "We didn’t save or change anything" in answer.text
    for secret in secrets:
        assert secret not in answer.text
