"""A company's store that fails at one account alone: its owner hears so within a minute, not after a day."""

from datetime import timedelta

import pytest

from portal.core.settings import Settings
from portal.worker import drain
from tests import traces
from tests.identity import company

pytestmark = pytest.mark.sqlite  # what is stored is what every request stores
ANN, BOB, NOBODY = "ann@example.com", "bob@example.com", "nobody@example.com"


@pytest.fixture
def shop():
    """The example's server, with a row of Ann's that is no account of the document."""
    module = company.example()
    module.ACCOUNTS["1001"]["name"] = 5
    return module


@pytest.fixture
def settings(environ, shop):
    with company.running(shop) as url:
        own = {"STORE": "http", "HTTP_URL": url, "HTTP_SECRET": company.SECRET}
        own |= {"HTTP_CAPABILITIES": ",".join(company.EVERYTHING)}
        yield Settings.from_env(environ | {f"PORTAL_IDENTITY_{name}": value for name, value in own.items()})


@pytest.fixture
def wait(worker_parts, clock):
    """Let the worker do what is due, then let so many seconds pass."""

    def waited(*seconds):
        for each in seconds:
            drain(worker_parts)
            clock.advance(timedelta(seconds=each))
        drain(worker_parts)

    return waited


def test_its_owner_is_told_to_write_and_the_operator_what_to_mend(app, smtp, wait, caplog):
    assert app.test_client().submit("/reset/", email=ANN).status_code == 303
    wait(16)
    assert smtp.messages == []
    wait(31)
    (mail,) = smtp.to(ANN)
    assert "couldn’t prepare your link" in mail.text
    assert "help@northwind.example" in mail.text
    assert "http://localhost:8000/reset/" not in mail.text
    assert "the store fails at one account and answers about others" in caplog.text
    assert ANN not in caplog.text


def test_once_it_is_mended_they_get_a_link(app, shop, smtp, wait):
    assert app.test_client().submit("/reset/", email=ANN).status_code == 303
    wait(16)
    shop.ACCOUNTS["1001"]["name"] = "Ann"
    wait(31)
    (mail,) = smtp.to(ANN)
    assert "http://localhost:8000/reset/" in mail.text


def test_it_leaves_the_rows_that_any_request_leaves(app, db, smtp, wait):
    seen = []
    for address in (BOB, ANN, NOBODY):
        assert app.test_client().submit("/reset/", email=address).status_code == 303
        before = traces.lengths(db)
        wait(16, 31)
        seen.append(traces.change(before, traces.lengths(db)))
    assert seen[0] == seen[1] == seen[2]


def test_a_store_that_fails_at_all_accounts_puts_the_mail_off(app, shop, smtp, wait):
    """A mail that says to write would go to all who ask, and they would."""
    shop.VERBS["find"] = lambda **_asked: {"accounts": [{"id": 7}]}
    assert app.test_client().submit("/reset/", email=ANN).status_code == 303
    wait(16, 31, 61, 121)
    assert smtp.messages == []
    shop.VERBS["find"] = shop.find
    shop.ACCOUNTS["1001"]["name"] = "Ann"
    wait(3600)
    assert "http://localhost:8000/reset/" in smtp.to(ANN)[0].text
