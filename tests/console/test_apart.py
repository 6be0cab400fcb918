"""The console and the public site are two applications: neither takes what the other gave."""

from typing import cast

import pytest
from flask import Blueprint, Flask

from portal.console.application import create_console
from portal.core.settings import Settings
from portal.crypto import keys
from portal.staff import pages
from tests.colleagues import ENVIRON
from tests.visitor import SAME_SITE, Visitor

pytestmark = pytest.mark.sqlite

STAFF = ("/staff/", "/approvals/", "/me/", "/confirm/", "/join/", "/staff/new/")
PUBLIC = ("/check/", "/account/", "/reset/", "/subscribe/", "/is-it-real/")


def test_the_public_site_has_no_staff_page(client):
    assert {path: client.get(path).status_code for path in STAFF} == dict.fromkeys(STAFF, 404)


def test_the_console_has_no_public_page(office):
    browser = office.as_role("admin")
    assert {path: browser.get(path).status_code for path in PUBLIC} == dict.fromkeys(PUBLIC, 404)


def test_the_consoles_cookie_is_nothing_to_the_public_site_and_back(office, app, client):
    """Browsers send the cookies of localhost to every port."""
    staff = office.as_role("admin")
    client.get("/sign-in/")
    theirs = {cookie.key: cookie.value for cookie in staff._cookies.values()}
    public = {cookie.key: cookie.value for cookie in client._cookies.values()}
    assert set(theirs) == {"console", "console-browser"}
    assert set(public) == {"session"}
    client.set_cookie("console", theirs["console"])
    client.set_cookie("session", theirs["console"])
    client.set_cookie("console-browser", theirs["console-browser"])
    assert client.get("/account/").status_code == 303
    stranger = office.browser()
    stranger.set_cookie("session", theirs["console"])
    stranger.set_cookie("console", public["session"])
    assert stranger.get("/").location == "/sign-in/?next=/"


def test_over_tls_its_cookie_belongs_to_its_host_alone(environ, db, clock, worker_keys):

    https = {"PORTAL_CONSOLE_URL": "https://console.internal.example"}
    settings = Settings.from_env(environ | https)
    app = create_console(settings, db=db, clock=clock, console_keys=keys.for_console(worker_keys))
    app.test_client_class = Visitor
    answer = app.test_client().get("/sign-in/", base_url="https://console.internal.example")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-console=")
    assert "Secure; HttpOnly; Path=/; SameSite=Lax" in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert app.test_client().get("/sign-in/", base_url="https://evil.example").status_code == 400


@pytest.mark.parametrize("url", ["http://console.example.com", "https://console.example.com/path", "ftp://x"])
def test_the_consoles_address_is_https_or_this_machine(environ, url):
    with pytest.raises(Exception, match="PORTAL_CONSOLE_URL"):
        Settings.from_env(environ | {"PORTAL_CONSOLE_URL": url})


def test_the_consoles_address_is_its_own(environ):
    with pytest.raises(Exception, match="must be an address of its own"):
        Settings.from_env(environ | {"PORTAL_CONSOLE_URL": environ["PORTAL_BASE_URL"]})


def test_a_form_without_a_token_or_from_another_site_is_refused(office):
    browser = office.as_role("admin")
    assert browser.post("/sign-out/", headers=SAME_SITE).status_code == 400
    assert browser.get("/").status_code == 200


def test_without_a_worker_nothing_is_done_and_that_is_said(environ, db, clock, worker_keys):

    settings = Settings.from_env(environ | ENVIRON)
    app = create_console(settings, db=db, clock=clock, console_keys=keys.for_console(worker_keys))
    app.test_client_class = Visitor
    answer = cast("Visitor", app.test_client()).submit(
        "/sign-in/", email="ann@northwind.example", password="x" * 20, code="123456"
    )
    assert answer.status_code == 503
    assert "The portal isn’t answering" in answer.text


def test_the_worker_without_a_console_takes_no_orders(worker_parts):
    assert not any(kind.startswith("staff.") for kind in worker_parts.sealed)


def test_every_view_must_name_roles_or_nothing_starts():
    app = Flask("forgetful")
    bp = Blueprint("forgetful", "forgetful")
    bp.add_url_rule("/open/", "open", lambda: "")
    app.register_blueprint(bp)
    with pytest.raises(RuntimeError, match=r"forgetful\.open names no roles"):
        pages.install(app)
