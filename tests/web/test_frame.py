"""What every page shares, seen by somebody who means harm."""

import logging
import re
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from flask import abort, request
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from werkzeug.exceptions import TooManyRequests

from portal.app import create_app
from portal.crypto import keys
from portal.web import frame
from tests.visitor import hidden

# The frame of the pages does not depend on the database.
pytestmark = pytest.mark.sqlite

TOKEN = "abcdefghijklmnopqrstuvwxyz234567"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@pytest.fixture
def failing(portal_with):
    """Make a portal with other settings, and pages that fail in it."""

    def make(**changed):
        app = portal_with(**changed)

        @app.get("/fail/<int:code>/")
        def fail(code):
            raise TooManyRequests(retry_after=120) if code == 429 else abort(code)

        @app.get("/raise/<token>/")
        def raise_(token):
            message = f"sam@example.com came with {token}"
            raise RuntimeError(message)

        @app.get("/where/")
        def where():
            return f"{frame.client_network()} {request.host}"

        return app

    return make


@pytest.fixture
def production(failing):
    return failing(environment="production", base_url="https://incident.northwind.example")


@pytest.mark.parametrize("code", [400, 403, 404, 405, 410, 413, 429, 500, 503])
def test_each_error_has_a_page_that_helps_with_every_header(failing, code):
    answer = failing().test_client().get(f"/fail/{code}/")
    assert answer.status_code == code
    assert len(re.findall(r"<h1\b", answer.text)) == 1
    assert "What you can do now" in answer.text
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in answer.headers) == (code == 429)


def test_no_page_that_refuses_tells_its_address_to_the_next(client):
    for answer in (
        client.get(f"/unsubscribe/{TOKEN}/"),
        client.post(f"/check/answer/{TOKEN}/"),
        client.post("/check/"),
    ):
        assert answer.status_code in {400, 405, 410}
        assert answer.headers.getlist("Referrer-Policy") == ["no-referrer"]
    assert client.get("/check/").headers["Referrer-Policy"] == "same-origin"


def test_search_engines_are_kept_from_every_page_that_takes_a_token(app, client):
    closed = re.findall("(?m)^Disallow: (.+)$", client.get("/robots.txt").text)
    with_token = [rule.rule for rule in app.url_map.iter_rules() if "token" in rule.arguments]
    assert len(with_token) >= 5
    assert [rule for rule in with_token if not rule.startswith(tuple(closed))] == []


@pytest.mark.parametrize(
    ("site", "first"),
    [
        ({"contact_phone": "+1 555 0100"}, 'Call us: <a dir="ltr" href="tel:+15550100">'),
        ({"contact_phone": ""}, 'Email us: <a href="mailto:help@northwind.example">'),
    ],
)
def test_who_is_slowed_is_first_told_how_to_reach_a_person(failing, site, first):
    page = failing(site=site).test_client().get("/fail/429/").text
    after_heading = page[page.index("<h1") : page.index("You can try again in")]
    assert first in " ".join(after_heading.split())


def test_each_form_has_a_count_of_its_own_per_network(failing):
    limits = {f"{form}_ip": "1 per hour" for form in ("check", "reset", "is_it_real")}
    visitor = failing(limits=limits).test_client()
    for page, fields, fine in (
        ("/check/", {"email": "sam@example.com"}, 303),
        ("/reset/", {"email": "sam@example.com"}, 303),
        ("/is-it-real/", {"code": "x"}, 400),
    ):
        assert [visitor.submit(page, **fields).status_code for _ in range(2)] == [fine, 429], page


@pytest.mark.parametrize("code", [418, 422, 501])
def test_an_error_without_a_page_of_its_own_keeps_its_status(failing, code):
    assert failing().test_client().get(f"/fail/{code}/").status_code == code


def test_another_method_is_told_which_are_right(client):
    answer = client.delete("/check/")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_nothing_personal_is_in_the_log_when_a_page_fails(failing, caplog):
    with caplog.at_level(logging.DEBUG):
        answer = failing().test_client().get(f"/raise/{TOKEN}/?email=sam@example.com")
    assert answer.status_code == 500
    assert "What you can do now" in answer.text
    logged = caplog.text
    assert "RuntimeError" in logged
    assert "/raise/<token>/" in logged
    assert TOKEN not in logged
    assert "sam@" not in logged
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evil.example:8000", "", "a b", "localhost@evil.example"],
)
def test_a_forged_host_gets_a_plain_400(failing, production, host):
    for app in (failing(), production):
        answer = app.test_client().get("/healthz", headers={"Host": host})
        assert answer.status_code == 400
        assert "evil" not in answer.text
        assert answer.headers["Content-Security-Policy"]


def test_in_production_not_even_localhost_is_our_name(production):
    client = production.test_client()
    assert client.get("/healthz", headers={"Host": "localhost"}).status_code == 400
    assert client.get("/healthz", headers={"Host": "incident.northwind.example"}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["INCIDENT.Northwind.example", "incident.northwind.example:443", "Incident.northwind.Example:8443"],
)
def test_our_name_in_capitals_or_with_a_port_is_ours(production, host):
    assert production.test_client().get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["[2001:db8::1]:8443", "[2001:DB8::1]"])
def test_an_ipv6_address_may_be_our_name(failing, host):
    client = failing(environment="production", base_url="https://[2001:db8::1]:8443").test_client()
    assert client.get("/check/", headers={"Host": host}).status_code == 200
    assert client.get("/check/", headers={"Host": "[2001:db8::2]"}).status_code == 400


def test_forwarded_hosts_and_prefixes_move_nothing(failing):
    forged = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Port": "1",
        "Forwarded": "host=evil.example",
    }
    for proxies in (0, 1):
        client = failing(trusted_proxies=proxies).test_client()
        assert client.get("/where/", headers=forged).text.endswith("localhost")
        assert "evil" not in client.get("/check/", headers=forged).text
        assert "evil" not in client.get("/check/sent/", headers=forged).headers["Location"]


@pytest.mark.parametrize("host", ["INCIDENT.northwind.example:8443", "incident.northwind.example"])
def test_a_missing_slash_leads_to_our_own_url_whatever_the_request_says(production, host):
    said = {"Host": host, "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}
    for path, query, target in (
        ("/check", "", "/check/"),
        ("/check", "a=b%2F", "/check/?a=b%2F"),
        ("//check//", "", "/check/"),
        ("//incidents//evil.example", "", "/incidents/evil.example/"),
    ):
        asked = {"PATH_INFO": path, "QUERY_STRING": query}
        answer = production.test_client().get("/", headers=said, environ_overrides=asked)
        assert answer.status_code == 308
        assert answer.headers["Location"] == f"https://incident.northwind.example{target}"
        assert ":8443" not in answer.text


def test_one_network_is_slowed_whatever_it_claims_and_another_is_not(failing):
    visitor = failing(limits={"is_it_real_ip": "2 per hour"}, trusted_proxies=1).test_client()
    answers = []
    for number, sender in enumerate(["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db9::1"]):
        fields = hidden(visitor.get("/is-it-real/").text) | {"code": "x"}
        headers = {"X-Forwarded-For": f"198.51.100.{number}, {sender}"}
        answers.append(visitor.post("/is-it-real/", data=fields, headers=headers))
    assert [answer.status_code for answer in answers] == [400, 400, 429, 400]
    assert int(answers[2].headers["Retry-After"]) > 0


class TestForms:
    def test_a_form_without_its_token_is_refused_plainly(self, client):
        answer = client.post("/check/", data={"email": "sam@example.com"})
        assert answer.status_code == 400
        assert "We didn’t save or change anything" in answer.text
        assert "sam@example.com" not in answer.text

    def test_a_token_of_another_browser_is_refused(self, app, client):
        stolen = hidden(app.test_client().get("/check/").text)
        client.get("/check/")
        assert client.post("/check/", data=stolen | {"email": "sam@example.com"}).status_code == 400

    def test_a_form_that_was_open_for_days_is_refused_and_says_so(self, app, client):
        client.get("/check/")
        with client.session_transaction() as session:
            value = session["csrf_token"]

        class Yesterday(TimestampSigner):
            def get_timestamp(self):
                return super().get_timestamp() - 13 * 3600

        old = URLSafeTimedSerializer(app.secret_key, salt="wtf-csrf-token", signer=Yesterday).dumps(value)
        answer = client.post("/check/", data={"csrf_token": old, "email": "sam@example.com"})
        assert answer.status_code == 400
        assert "This page is out of date" in answer.text

    def test_over_https_a_form_from_another_site_is_refused(self, production):
        site = "https://incident.northwind.example"
        visitor = production.test_client()
        fields = hidden(visitor.get("/is-it-real/", base_url=site).text) | {"code": "aaaaaaaaaaaaaa"}

        def post(**headers):
            return visitor.post("/is-it-real/", data=fields, base_url=site, headers=headers)

        for foreign in (
            {"Referer": "https://evil.example/"},
            {"Origin": "https://evil.example"},
            {"Referer": f"{site}.evil.example/"},
            {"Referer": "http://incident.northwind.example/"},
        ):
            assert "This page is out of date" in post(**foreign).text
        for own in ({}, {"Referer": f"{site}/is-it-real/"}, {"Origin": site}, {"Origin": "null"}):
            assert "We don’t know this code" in post(**own).text

    @pytest.mark.parametrize("page", [f"/unsubscribe/{TOKEN}/", f"/reminders/off/{TOKEN}/"])
    @pytest.mark.parametrize("header", ["Origin", "Referer"])
    def test_over_https_one_click_unsubscribing_comes_from_any_site(self, production, page, header):
        answer = production.test_client().post(
            page,
            data={"List-Unsubscribe": "One-Click"},
            base_url="https://incident.northwind.example",
            headers={header: "https://mail.example"},
        )
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "page", ["/check/", "/reset/", "/subscribe/", "/is-it-real/", "/sign-in/", "/language/"]
    )
    def test_a_megabyte_is_too_much_for_any_form(self, client, page):
        answer = client.submit(page, email="a" * 1_000_000, password="p" * 1_000_000)
        assert answer.status_code == 413
        assert "What you can do now" in answer.text

    def test_a_thousand_small_parts_are_too_many(self, client):
        fields = {f"part{number}": "x" for number in range(1000)}
        answer = client.post("/check/", data=fields, content_type="multipart/form-data")
        assert answer.status_code in {400, 413}

    def test_what_is_announced_too_big_is_not_even_read(self, client):
        length = {"CONTENT_LENGTH": str(64 * 1024 + 1)}
        form = "application/x-www-form-urlencoded"
        answer = client.post("/check/", environ_overrides=length, content_type=form)
        assert answer.status_code == 413

    def test_64_kilobytes_are_read_and_not_a_byte_more(self, client):
        body = urlencode(hidden(client.get("/check/").text) | {"email": "sam@example.com", "more": ""})
        for size, status in ((64 * 1024, 303), (64 * 1024 + 1, 413)):
            answer = client.post(
                "/check/", data=body.ljust(size, "x"), content_type="application/x-www-form-urlencoded"
            )
            assert answer.status_code == status


class TestCookies:
    def test_in_production_every_cookie_is_tied_to_the_host(self, production):
        site = "https://incident.northwind.example"
        visitor = production.test_client()
        fields = hidden(visitor.get("/language/", base_url=site).text)
        answer = visitor.post(
            "/language/",
            data=fields | {"language": "es"},
            base_url=site,
            headers={"Origin": site},
        )
        cookies = [
            *visitor.get("/check/", base_url=site).headers.getlist("Set-Cookie"),
            *answer.headers.getlist("Set-Cookie"),
        ]
        shown = production.test_client().get("/check/", base_url=site)
        cookies += shown.headers.getlist("Set-Cookie")
        assert {cookie.partition("=")[0] for cookie in cookies} >= {"__Host-session", "__Host-language"}
        for cookie in cookies:
            assert cookie.startswith("__Host-")
            assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
            assert "Domain" not in cookie
        assert shown.headers["Strict-Transport-Security"].startswith("max-age=63072000")

    def test_without_tls_no_browser_is_told_to_insist_on_it(self, client):
        assert "Strict-Transport-Security" not in client.get("/check/").headers

    def test_a_session_signed_with_another_key_is_empty(self, app, client):
        app.secret_key, ours = "another secret of more than enough length", app.secret_key
        with client.session_transaction() as session:
            session["flow check"] = ["00" * 16]
        app.secret_key = ours
        assert client.get("/check/sent/").headers["Location"] == "/check/"

    def test_a_session_of_the_secret_before_is_still_read(
        self, app, client, failing, settings, db, clock, web_keys
    ):
        with client.session_transaction() as session:
            session["flow check"] = ["00" * 16]
        old = client.get_cookie("session")
        fresh = replace(keys.generate()[0], session_fallbacks=(web_keys.session_secret,))
        later = create_app(settings, db=db, clock=clock, web_keys=fresh)
        reader = SecureCookieSessionInterface().get_signing_serializer(later)
        assert reader is not None
        assert reader.loads(old.value)["flow check"] == ["00" * 16]


class TestLanguage:
    def test_a_choice_is_kept_and_leads_back(self, client):
        answer = client.submit("/language/?back=/check/", language="es", back="/check/")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/check/")
        assert client.get("/check/").headers["Content-Language"] == "es"

    @pytest.mark.parametrize(
        "target",
        [
            "https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example",
            "/\t/evil.example", "javascript:alert(1)", "evil.example", "///evil.example",
            "/\r\nLocation: https://evil.example", "/\u2028", "", "//[", "/\\[evil.example",
        ],
    )  # fmt: skip
    def test_it_never_leads_to_another_site(self, client, target):
        answer = client.submit("/language/", language="es", back=target)
        assert answer.headers["Location"] == "/"
        assert "evil" not in client.get("/language/", query_string={"back": target}).text

    @pytest.mark.parametrize("choice", ["", "xx", "../en", "es\r\nSet-Cookie: a=b", "en,es"])
    def test_a_language_that_is_not_offered_is_refused(self, client, choice):
        answer = client.submit("/language/", language=choice)
        assert answer.status_code == 400
        assert "Set-Cookie" not in answer.headers or "language=" not in answer.headers["Set-Cookie"]

    def test_a_forged_cookie_is_no_language(self, client):
        client.set_cookie("language", "../../etc")
        assert client.get("/check/").headers["Content-Language"] == "en"

    def test_a_language_with_script_and_region_is_spoken(self, portal_with):
        client = portal_with(site={"languages": ("en", "es-MX", "zh-Hant-TW")}).test_client()
        mexican = client.get("/check/", headers={"Accept-Language": "es"})
        assert 'lang="es-MX" dir="ltr"' in mexican.text
        assert "Comprobar" in mexican.text
        chinese = client.get("/check/", headers={"Accept-Language": "zh-TW"})
        assert '<html lang="zh-Hant-TW" dir="ltr">' in chinese.text

    @pytest.mark.parametrize(
        ("asked", "given"),
        [
            ("es-MX,es;q=0.9", "es"),
            ("fr", "en"),
            ("*", "en"),
            (";;q=x", "en"),
            ("fr,es-419;q=0.2", "es"),
            ("es;q=0,fr", "en"),
            ("en;q=0.3,es;q=0.8", "es"),
        ],
    )
    def test_a_browser_gets_what_it_asks_for_where_we_speak_it(self, client, asked, given):
        assert client.get("/check/", headers={"Accept-Language": asked}).headers["Content-Language"] == given
