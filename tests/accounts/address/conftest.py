"""Ana at her inboxes: what she asks for, the links that she gets, and what the worker does."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from portal.accounts.activity import service as activity
from portal.identity import state
from portal.worker import drain
from tests.accounts.conftest import ADDRESS
from tests.accounts.factors.conftest import app_code, protected, recovery
from tests.accounts.known import recognise
from tests.visitor import hidden

NEW = "ana@home.example"
KEPT = timedelta(days=180)
PAGE = "/account/address/"
LINK = re.compile(r"http://localhost:8000(/(?:address/(?:confirm|undo)|reset|not-me)/[a-z2-7]{32}/)")


@pytest.fixture
def work(worker_parts) -> Callable:
    return lambda: drain(worker_parts)


@pytest.fixture
def signed_in(client, ana, sign_in, web_vault):
    recognise(client, web_vault, ana)
    assert sign_in().status_code == 303
    return client


@pytest.fixture
def subjects(smtp) -> Callable:
    return lambda address: [mail.message["Subject"] for mail in smtp.to(address)]


@pytest.fixture
def link_to(smtp) -> Callable:
    """The link of a mail to an address, by its number, whatever it leads to."""

    def find(address: str, number: int = -1) -> str:
        mail = smtp.to(address)[number]
        (found,) = set(LINK.findall(mail.text))
        assert found in mail.html
        return str(found)

    return find


@pytest.fixture
def ask(signed_in, work) -> Callable:
    def asked(address: str = NEW, browser=signed_in):
        answer = browser.submit(PAGE, email=address)
        work()
        return answer

    return asked


@pytest.fixture
def press() -> Callable:
    """Open a link and press its page's button; return the answer to that."""

    def pressed(browser, link: str, **fields: str):
        opened = browser.get(link)
        page = browser.get(opened.location)
        if page.status_code != 200:
            return page
        assert "<button" in page.text
        return browser.post(opened.location.split("?")[0], data=hidden(page.text) | {"sure": "y"} | fields)

    return pressed


@pytest.fixture
def moved(signed_in, ask, press, link_to, work, clock) -> None:
    """Ana's account has its new address."""
    ask()
    assert press(signed_in, link_to(NEW)).status_code == 303
    work()


@pytest.fixture
def account_of(db, worker_vault, ana) -> Callable:
    """Ana's account and her address as they are now."""

    def look():
        with db.read() as session:
            account = state.get(session, ana.id)
            assert account is not None
            return account, state.owner(session, worker_vault, ana.id).address

    return look


@pytest.fixture
def events(db, web_vault, ana, clock) -> Callable:
    def look():
        with db.read() as session:
            return [
                one.kind.value for one in activity.events_of(session, web_vault, ana.id, clock.now(), KEPT)
            ]

    return look


__all__ = ["ADDRESS", "NEW", "app_code", "protected", "recovery"]
