"""A person's way through the stores that the portal ships: sign in, a new password by link, sign in again."""

from contextlib import ExitStack

import pytest

from portal.core.settings import Settings
from portal.worker import drain
from tests.identity import company
from tests.identity.contract import Customer
from tests.identity.sealed.shop import Worker, told
from tests.identity.shops import Table, cheap_hash
from tests.reset.journey import REQUEST, link_in
from tests.visitor import leads_to

# What the portal's own database takes is tried on both kinds in this folder's other files.
pytestmark = pytest.mark.sqlite
ANN = "ann@example.com"
NEW = "sunlit-marble-otter-harbour"


def sql(tmp_path, _servers):
    """A table of Django's, in a database of its own."""
    table = Table(
        f"sqlite:///{tmp_path / 'company.db'}", "django", lambda plain: f"argon2{cheap_hash(plain)}"
    )
    table.create()
    table.add([Customer(ANN, company.PASSWORD)])
    return {
        "SQL_URL": table.url,
        "SQL_TABLE": "auth_user",
        "SQL_NAME": "first_name",
        "SQL_ACTIVE": "is_active",
        "SQL_CHANGE_ENDS_SESSIONS": "1",
    }


def http(_tmp_path, servers):
    """The example that is shipped, on loopback."""
    url = servers.enter_context(company.running(company.example()))
    return {"HTTP_URL": url, "HTTP_SECRET": company.SECRET, "HTTP_CAPABILITIES": ",".join(company.EVERYTHING)}


@pytest.fixture(params=[sql, http], ids=["sql", "http"])
def settings(request, environ, tmp_path):
    with ExitStack() as servers:
        own = request.param(tmp_path, servers) | {"STORE": request.param.__name__}
        yield Settings.from_env(environ | {f"PORTAL_IDENTITY_{name}": value for name, value in own.items()})


def test_a_password_that_is_chosen_here_is_the_one_in_the_companys_own_store(
    client, db, worker_parts, smtp, app
):
    worker = Worker(db, worker_parts)

    def send(form, browser=client, **fields):
        with worker.working():
            waiting = browser.submit(form, **fields)
            assert waiting.status_code == 303
        return told(browser, waiting, worker)

    assert send("/sign-in/", email=ANN, password="wrong").status_code == 400
    assert send("/sign-in/", email="nobody@example.com", password=NEW).status_code == 400
    assert send("/sign-in/", email=ANN, password=company.PASSWORD).location == "/account/"
    phone = app.test_client()
    phone.submit("/reset/", email=ANN)
    drain(worker_parts)
    (mail,) = [mail for mail in smtp.to(ANN) if mail.message["Subject"] == REQUEST]
    form = phone.get(link_in(mail)).location
    assert (
        "This is your current password."
        in phone.get(send(form, phone, password=company.PASSWORD).location).text
    )
    done = send(form, phone, password=NEW)
    assert leads_to(done) == "/reset/done/"
    assert "Every device is signed out of your account" in phone.get(done.location).text
    assert leads_to(client.get("/account/")).startswith("/sign-in/")
    assert send("/sign-in/", email=ANN, password=company.PASSWORD).status_code == 400
    assert send("/sign-in/", email=ANN, password=NEW).location == "/account/"
    again = send("/account/password/", current_password=NEW, password="copper-kettle-violet-stairs")
    assert leads_to(again) == "/reset/done/"
    assert client.get("/account/").status_code == 200
