"""Sessions: on the server, listed, ended, and over in time."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.accounts import jobs, service
from portal.app import create_app
from portal.core.settings import Settings
from tests.accounts.conftest import ADDRESS, PASSWORD, STORE
from tests.traces import statements
from tests.visitor import Visitor, hidden

FIREFOX = "Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605 Version/17.5 Mobile Safari/604.1"
)


@pytest.fixture
def phone(browser_at):
    return browser_at("203.0.113.7")


@pytest.fixture
def both(client, phone, ana, sign_in):
    """The owner, signed in on two devices."""
    for visitor, agent in ((client, FIREFOX), (phone, SAFARI)):
        visitor.environ_base["HTTP_USER_AGENT"] = agent
        assert sign_in(visitor=visitor).status_code == 303


def rows(page: str) -> list[tuple[str, str]]:
    """Device and session id of each row of the page."""
    devices = [re.sub(r"\s+", " ", name).strip() for name in re.findall(r"<dt>(.*?)</dt>", page, re.DOTALL)]
    return list(zip(devices, re.findall(r'name="end" value="([0-9a-f]{32})"', page), strict=True))


def end(visitor: Visitor, what: str):
    form = hidden(visitor.get("/account/sessions/").text)
    return visitor.post("/account/sessions/", data=form | {"end": what})


@pytest.mark.parametrize("pressed", [False, True])
def test_who_was_signed_out_elsewhere_is_told_so_once(client, both, phone, pressed):
    form = hidden(phone.get("/account/").text)
    end(client, "others")
    answer = phone.post("/account/answer/", data=form) if pressed else phone.get("/account/")
    assert answer.status_code == 303
    page = phone.get(answer.location).text
    assert "You’re signed out. You may have" in page
    assert ("Your last action didn’t go through" in page) is pressed
    assert "You’re signed out. You may have" not in phone.get("/sign-in/").text


def test_who_never_signed_in_is_told_nothing_of_it(client):
    assert "You’re signed out. You may have" not in client.get("/account/", follow_redirects=True).text


def test_every_device_is_listed_this_one_first(client, both):
    assert [name for name, _ in rows(client.get("/account/sessions/").text)] == [
        "Firefox on Android (this device)",
        "Safari on iPhone",
    ]
    assert "Signed in on 2 devices" in client.get("/account/").text


def test_another_device_is_signed_out_from_here(client, phone, both):
    (_, _), (_, other) = rows(client.get("/account/sessions/").text)
    assert end(client, other).status_code == 303
    assert "That device is signed out." in client.get("/account/sessions/").text
    assert "is signed out." not in client.get("/account/sessions/").text, "it is said once"
    assert phone.get("/account/").status_code == 303
    assert client.get("/account/").status_code == 200


def test_every_other_device_is_signed_out_at_once(client, phone, both, add_account, sign_in, browser_at):
    add_account("ben@example.org")
    ben = browser_at("203.0.113.8")
    sign_in(address="ben@example.org", visitor=ben)
    assert end(client, "others").status_code == 303
    assert "Every other device is signed out." in client.get("/account/sessions/").text
    assert phone.get("/account/").status_code == 303
    assert client.get("/account/").status_code == 200
    assert ben.get("/account/").status_code == 200


def test_ending_this_session_signs_out(client, both):
    (_, this), _ = rows(client.get("/account/sessions/").text)
    answer = end(client, this)
    assert answer.location == "/sign-in/"
    assert "Clear-Site-Data" in answer.headers
    assert client.get("/account/").status_code == 303


def test_nobody_ends_somebody_else_s_session(client, phone, both, add_account, sign_in, browser_at):
    add_account("ben@example.org")
    ben = browser_at("203.0.113.8")
    sign_in(address="ben@example.org", visitor=ben)
    (_, this), _ = rows(client.get("/account/sessions/").text)
    for what in (this, "", "zz", "00" * 16, "x" * 5000):
        assert end(ben, what).status_code == 303
        assert "is signed out." not in ben.get("/account/sessions/").text, "nobody was"
    assert end(ben, "others").status_code == 303
    assert client.get("/account/").status_code == 200


def test_a_session_is_over_after_an_hour_without_use(client, both, clock):
    clock.advance(timedelta(minutes=59))
    assert client.get("/account/").status_code == 200
    clock.advance(timedelta(minutes=60, seconds=-1))
    assert client.get("/account/").status_code == 200
    clock.advance(timedelta(hours=1))
    assert client.get("/account/").status_code == 303


def test_a_session_is_over_after_twelve_hours_however_busy(client, both, clock):
    for _ in range(23):
        clock.advance(timedelta(minutes=31))
        assert client.get("/account/").status_code == 200
    clock.advance(timedelta(minutes=7, seconds=-1))
    assert client.get("/account/").status_code == 200
    clock.advance(timedelta(seconds=1))
    assert client.get("/account/").status_code == 303


def test_a_new_password_ends_every_session(client, phone, both, db, ana, clock, web_vault):
    with db.write() as session:
        assert STORE.set_password(
            session,
            web_vault,
            ana.id,
            expected_version=ana.version,
            password_hash=ana.password_hash,
            now=clock.now(),
        )
    assert client.get("/account/").status_code == 303
    assert phone.get("/account/").status_code == 303


def test_all_sessions_can_be_ended_by_the_account(client, phone, both, db, ana):
    with db.write() as session:
        service.end_sessions(session, ana.id)
    assert client.get("/account/").status_code == 303
    assert phone.get("/account/").status_code == 303


def test_what_is_over_is_removed(client, both, db, clock, worker_parts):
    clock.advance(timedelta(minutes=30))
    client.get("/account/")
    clock.advance(timedelta(minutes=31))
    jobs.tidy(worker_parts)
    with db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM account_sessions")) == 1
    assert client.get("/account/").status_code == 200


def test_reading_writes_at_most_once_a_minute(client, both, clock, db):
    client.get("/account/")
    with statements(db) as seen:
        client.get("/account/")
    assert not [statement for statement in seen if statement.startswith(("UPDATE", "INSERT", "DELETE"))]
    clock.advance(timedelta(minutes=1))
    with statements(db) as seen:
        client.get("/account/")
    assert len([statement for statement in seen if statement.startswith("UPDATE")]) == 1


def test_twenty_sessions_live_side_by_side_and_the_oldest_goes(db, ana, web_vault, clock):
    tokens = []
    for _ in range(21):
        clock.advance(timedelta(seconds=1))
        with db.write() as session:
            tokens.append(
                service.create_session(session, web_vault, ana, address=ADDRESS, device="/", now=clock.now())
            )
    with db.read() as session:
        alive = [service.resume(session, "builtin", token, clock.now()) is not None for token in tokens]
    assert alive == [False] + [True] * 20


def test_five_wrong_current_passwords_end_the_session(db, ana, web_vault, clock):
    with db.write() as session:
        token = service.create_session(session, web_vault, ana, address=ADDRESS, device="/", now=clock.now())
        current = service.resume(session, "builtin", token, clock.now())
        assert current is not None
        for _ in range(4):
            assert service.count_password_try(session, current.session_id)
        service.clear_password_tries(session, current.session_id)
        tries = [service.count_password_try(session, current.session_id) for _ in range(6)]
        assert tries == [True] * 5 + [False]
        assert service.resume(session, "builtin", token, clock.now()) is None


def test_a_signed_out_device_stays_known(client, ana, sign_in):
    sign_in()
    device = client.get_cookie("device")
    assert device.http_only
    assert device.max_age == 400 * 24 * 3600, "as long as browsers keep a cookie at most"
    client.submit("/sign-out/")
    assert client.get_cookie("device").value == device.value


def test_in_production_every_cookie_is_bound_to_this_host_and_to_tls(
    environ, db, clock, web_keys, ana, tmp_path
):
    production = environ | {
        "PORTAL_ENVIRONMENT": "production",
        "PORTAL_BASE_URL": "https://incident.northwind.example",
        "PORTAL_MAIL_URL": "smtps://mail.northwind.example",
        "PORTAL_ARGON2": "m=47104,t=1,p=1",
    }
    app = create_app(Settings.from_env(production), db=db, clock=clock, web_keys=web_keys)
    app.test_client_class = Visitor
    visitor = app.test_client()
    here = {"base_url": production["PORTAL_BASE_URL"]}
    page = visitor.get("/sign-in/", **here)
    answer = visitor.post(
        "/sign-in/",
        data=hidden(page.text) | {"email": ADDRESS, "password": PASSWORD},
        headers={"Referer": production["PORTAL_BASE_URL"] + "/sign-in/"},
        **here,
    )
    assert answer.status_code == 303
    cookies = answer.headers.getlist("Set-Cookie")
    assert sorted(cookie.partition("=")[0] for cookie in cookies) == ["__Host-device", "__Host-session"]
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


def test_public_pages_do_not_look_up_who_is_signed_in(client, both, db):
    with statements(db) as seen:
        client.get("/is-it-real/")
    assert seen == []
