"""The shipped nginx in front of a real portal."""

import re
import resource
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.deploy.conftest import HOST, unverified
from tests.incidents.conftest import context, draft, portal, published, write
from tests.processes import serving

__all__ = ["context", "draft", "portal", "published", "write"]

# What is in front of the portal does not depend on the database.
pytestmark = [pytest.mark.sqlite, pytest.mark.deploy]
TOKEN = "b7xQ-the-token-of-a-link"
ADDRESS = "sam@example.com"
SLOW_CLIENTS = 1_800
# Parts of an address that everyone may know. Any other part is a secret until somebody says here that it is
# none.
OPEN_PARTS = {"filename", "months", "number", "slug"}


@pytest.fixture
def environ(environ, nginx):
    return environ | {
        "PORTAL_BASE_URL": f"https://{HOST}",
        "PORTAL_LISTEN": f"127.0.0.1:{nginx.upstream}",
        "PORTAL_TRUSTED_PROXIES": "1",
    }


def test_public_pages_stay_up_while_the_portal_is_away(nginx, environ, published, tmp_path):
    wishes = {
        "en-GB,en;q=0.9": "en",
        "es-MX,es;q=0.9,en;q=0.8": "es",
    }
    with serving(environ, tmp_path / "serve.log"):
        for wish, language in wishes.items():
            answer = nginx.get("/", {"Accept-Language": wish})
            assert (answer.status, answer.headers["Content-Language"]) == (200, language)
        (style, *_) = re.findall(r'href="(/static/[^"]*\.css\?v=[^"]*)"', answer.text)
        assert nginx.get(style).status == 200
        assert nginx.get("/check/").status == 200
        assert nginx.get(f"/check/answer/{TOKEN}/").status == 303
        for each in ("/ en", "/ es", f"{style} -"):
            until_kept(nginx, f"KEY: {each}\n".encode())
    wishes |= {"fr,es;q=0.7": "es", "de": "en", "*": "en", "": "en", "fr;q=0.9, en-US;q=0.8, es": "en"}
    for wish, language in wishes.items():
        answer = nginx.get("/", {"Accept-Language": wish})
        assert (answer.status, answer.headers["Content-Language"]) == (200, language), wish
        assert "Your booking was copied" in answer.text
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    chosen = nginx.get("/", {"Accept-Language": "en", "Cookie": "a=b; __Host-language=es; c=d"})
    assert chosen.headers["Content-Language"] == "es"
    assert nginx.get(style, {"Accept-Language": "fr"}).status == 200
    for private in ("/check/", "/account/", f"/reset/{TOKEN}/", "/?email=a%40example.com"):
        answer = nginx.get(private)
        assert (answer.status, answer.headers["Retry-After"]) == (502, "10")
        assert "Please try again in a few minutes" in answer.text
        assert "Your booking" not in answer.text


def until_kept(nginx, words):
    """A copy is fetched beside the answer that a visitor gets."""
    end = time.monotonic() + 10
    while words not in nginx.everything_kept():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_no_log_and_no_copy_holds_a_token_or_an_address(nginx, app, environ, published, tmp_path):
    rules = [rule for rule in app.url_map.iter_rules() if rule.arguments - OPEN_PARTS]
    assert len(rules) >= 5
    paths = [re.sub(r"<[^>]*>", TOKEN, rule.rule) for rule in rules]
    paths += [
        f"/?email={ADDRESS}",
        f"/incidents/?token={TOKEN}",
        f"/static/nothing.css?v={TOKEN}",
        f"/incidents/{TOKEN}/",
    ]
    with serving(environ, tmp_path / "serve.log"):
        for path in paths:
            nginx.get(path, {"Referer": f"https://{HOST}/reset/{TOKEN}/"})
            nginx.post(path, f"email={ADDRESS}&token={TOKEN}")
        assert nginx.get("/").status == 200
        until_kept(nginx, b"Your booking was copied")
    for path in paths:
        nginx.get(path)
    kept = nginx.everything_kept()
    assert kept.count(b" GET ") > 10
    assert TOKEN.encode() not in kept
    assert ADDRESS.encode() not in kept
    assert b"set-cookie" not in kept.lower()


@pytest.mark.parametrize(
    ("cookie", "language"),
    [
        ('__Host-language="es"', "es"),
        ("__Host-language =es", "es"),
        (";\t__Host-language=es", "es"),
        ("__Host-language=es.", "en"),
        ("__Host-language=en; __Host-language=es", "en"),
        ('a="; __Host-language=es; b"', "en"),
    ],
)
def test_an_odd_cookie_leaves_no_page_for_others(nginx, environ, published, tmp_path, cookie, language):
    plain = {"Accept-Language": "en-US,en;q=0.9"}
    with serving(environ, tmp_path / "serve.log"):
        for _ in range(2):
            nginx.get("/", {**plain, "Cookie": cookie})
            assert nginx.get("/", plain).headers["Content-Language"] == "en"
            chosen = nginx.get("/", {**plain, "Cookie": "__Host-language=es"})
            assert chosen.headers["Content-Language"] == "es"
            time.sleep(1.1)


def test_an_update_reaches_the_copies(nginx, environ, published, portal, write, tmp_path):
    with serving(environ, tmp_path / "serve.log"):
        assert "We found the way in" not in nginx.get("/").text
        title = ("--title", "We found the way in")
        portal("incidents", "update", published, "--phase", "contained", *title, write("Words.\n"))
        end = time.monotonic() + 10
        while "We found the way in" not in nginx.get("/").text:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_slow_headers_leave_the_pages_up(nginx, environ, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4_096)), hard))
    slow: list[socket.socket] = []
    try:
        with serving(environ, tmp_path / "serve.log"):
            for number in range(SLOW_CLIENTS):
                each = socket.create_connection(("127.0.0.1", nginx.http if number % 2 else nginx.https), 10)
                # The start of a request, and of a handshake, that never ends.
                each.sendall(b"GET / HTTP/1.1\r\nHost: incident.exam" if number % 2 else b"\x16\x03\x01\x02")
                slow.append(each)
            assert nginx.get("/check/").status == 200
            assert nginx.get_http("/").status == 301
            assert nginx.get("/incidents/").status == 200
    finally:
        for each in slow:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_rest_of_the_shipped_configuration(nginx, environ, tmp_path):
    challenge = nginx.folder / "acme/.well-known/acme-challenge/proof"
    challenge.write_text("proof of the name")
    challenge.chmod(0o644)
    assert nginx.get_http("/.well-known/acme-challenge/proof").text == "proof of the name"
    moved = nginx.get_http("/check/?a=b")
    assert (moved.status, moved.headers["Location"]) == (301, f"https://{HOST}/check/?a=b")
    context = unverified()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", nginx.https), 10) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = unverified()
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(("127.0.0.1", nginx.https), 10) as plain:
            context.wrap_socket(plain).close()
    with serving(environ, tmp_path / "serve.log"):
        assert nginx.get("/healthz").text == "alive\n"
        assert nginx.get("/readyz").status == 404
        assert nginx.post("/check/", "a" * 65_537).status == 413
        # What is the same for everyone is compressed; a page with a secret of its visitor never is (BREACH).
        for path, encoding in (("/incidents/", "gzip"), ("/check/", None), ("/sign-in/", None)):
            assert nginx.get(path, {"Accept-Encoding": "gzip"}).headers.get("Content-Encoding") == encoding


def test_the_portal_is_told_who_asks_for_what(nginx):
    told = []

    class Upstream(BaseHTTPRequestHandler):
        def do_GET(self):
            told.extend(self.headers.items())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", nginx.upstream), Upstream) as upstream:
        threading.Thread(target=upstream.handle_request).start()
        forged = {"X_Forwarded_For": "192.0.2.66", "X-Forwarded-Proto": "http"}
        assert nginx.get("/check/", {**forged, "X-Forwarded-For": "203.0.113.7"}).status == 204
    assert [value for name, value in told if name.lower().replace("_", "-") == "x-forwarded-for"] == [
        "203.0.113.7, 127.0.0.1"
    ]
    assert [value for name, value in told if name.lower() == "x-forwarded-proto"] == ["https"]
    assert [value for name, value in told if name.lower() == "host"] == [HOST]
