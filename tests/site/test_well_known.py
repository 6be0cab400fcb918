"""The URLs that programs know: security.txt, change-password, health."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from portal.core.service_urls import MailServer
from portal.exposure.emails import CheckAnswer
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.service import hasher_for
from portal.outbox import service as outbox
from portal.worker import drain
from tests.configured import configured
from tests.open_store import OpenStore

# These addresses are the same on either database; what a failed one does is tested beside this.
pytestmark = pytest.mark.sqlite

PASSWORD = "eleven owls at noon"
PROBE = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


class TestSecurityText:
    @pytest.fixture
    def fields(self, client):
        """The file's fields, as RFC 9116 has them: names in any case, several of one name in their order."""
        answer = client.get("/.well-known/security.txt")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        found: dict[str, list[str]] = {}
        for line in answer.text.splitlines():
            if line and not line.startswith("#"):
                name, colon, value = line.partition(": ")
                assert colon, line
                found.setdefault(name.lower(), []).append(value)
        return found

    def test_it_says_whom_to_tell(self, fields):
        assert fields["contact"]
        for contact in fields["contact"]:
            assert urlsplit(contact).scheme in ("mailto", "https", "tel")
        assert "mailto:help@northwind.example" in fields["contact"]

    def test_it_ends_once_in_the_future_and_within_a_year(self, fields, clock):
        (said,) = fields["expires"]
        expires = datetime.fromisoformat(said)
        assert expires.utcoffset() == timedelta(0)
        assert expires == datetime(2027, 5, 22, tzinfo=UTC), "180 days from now, at the beginning of the day"
        assert clock.now() < expires < clock.now() + timedelta(days=365)

    def test_it_is_as_fresh_on_every_later_day(self, client, clock):
        clock.at = datetime(2031, 2, 28, 23, 59, 59, tzinfo=UTC)
        (line,) = [
            line for line in client.get("/.well-known/security.txt").text.splitlines() if "Expires" in line
        ]
        expires = datetime.fromisoformat(line.removeprefix("Expires: "))
        assert clock.now() < expires < clock.now() + timedelta(days=365)

    def test_it_names_its_own_address_and_the_languages(self, fields):
        assert fields["canonical"] == ["http://localhost:8000/.well-known/security.txt"]
        assert fields["preferred-languages"] == ["en, es"]

    def test_behind_https_every_address_in_it_is_https(self, portal_with):
        site = "https://incident.northwind.example"
        text = (
            portal_with(environment="production", base_url=site)
            .test_client()
            .get("/.well-known/security.txt", base_url=site)
            .text
        )
        assert f"Canonical: {site}/.well-known/security.txt" in text.splitlines()
        assert "http://" not in text


class TestChangePassword:
    ADDRESS = "/.well-known/change-password"

    @pytest.fixture
    def customer(self, db, clock, worker_vault, settings):
        account = NewAccount(Profile("ana@northwind.example", "Ana"), hasher_for(settings).hash(PASSWORD))
        with db.write() as session:
            OpenStore().add(session, worker_vault, [account], clock.now())

    def test_it_leads_who_is_signed_in_to_the_form(self, client, customer):
        client.submit("/sign-in/", email="ana@northwind.example", password=PASSWORD)
        answer = client.get(self.ADDRESS)
        assert answer.status_code == 302
        shown = client.get(self.ADDRESS, follow_redirects=True)
        assert (shown.status_code, shown.request.path) == (200, "/account/password/")
        assert 'autocomplete="new-password"' in shown.text

    def test_it_leads_who_is_not_to_the_sign_in_and_from_there_to_the_form(self, client, customer):
        assert client.get(self.ADDRESS).status_code == 302
        shown = client.get(self.ADDRESS, follow_redirects=True)
        assert (shown.status_code, shown.request.path) == (200, "/sign-in/")
        page = f"{shown.request.path}?{shown.request.query_string.decode()}"
        entered = client.submit(page, email="ana@northwind.example", password=PASSWORD)
        assert (entered.status_code, urlsplit(entered.headers["Location"]).path) == (
            303,
            "/account/password/",
        )

    def test_password_managers_can_tell_that_it_is_meant(self, client):
        """They ask first for an address that no honest server answers with success (W3C)."""
        assert client.get(PROBE).status_code == 404


def test_robots_may_read_the_apology_and_nothing_that_is_personal(client):
    answer = client.get("/robots.txt")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    lines = answer.text.splitlines()
    assert lines[0] == "User-agent: *"
    closed = {line.removeprefix("Disallow: ") for line in lines[1:] if line.startswith("Disallow: ")}
    # The longer rule wins (RFC 9309, 2.2.2), and `$` ends a path.
    assert lines[1 + len(closed) :] == ["Allow: /check/$", "Allow: /reset/$"]
    assert closed >= {
        "/account/", "/check/", "/reset/", "/sign-in/", "/subscribe/", "/unsubscribe/", "/is-it-real/"
    }  # fmt: skip
    for public in (
        "/",
        "/incidents/november/",
        "/protect-yourself/",
        "/feed.atom",
        "/.well-known/security.txt",
    ):
        assert not any(public.startswith(path) for path in closed)


class TestLogo:
    @pytest.mark.parametrize(
        ("name", "content", "kind"),
        [("logo.png", PIXEL, "image/png"), ("logo.svg", DRAWING, "image/svg+xml")],
        ids=["picture", "drawing"],
    )
    def test_it_is_served_as_what_it_is_and_shown_on_every_page(
        self, portal_with, tmp_path, name, content, kind
    ):
        (tmp_path / name).write_bytes(content)
        visitor = portal_with(site={"logo_file": tmp_path / name}).test_client()
        answer = visitor.get("/logo", buffered=True)
        assert (answer.status_code, answer.mimetype, answer.data) == (200, kind, content)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "max-age" in answer.headers["Cache-Control"]
        # A drawing may hold a script: opened by itself it must not run.
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert '<img src="/logo" alt="Northwind Travel"' in visitor.get("/check/").text

    def test_a_dark_screen_gets_another_where_there_is_one(self, portal_with, tmp_path):
        for name, content in (("light.png", PIXEL), ("dark.svg", DRAWING)):
            (tmp_path / name).write_bytes(content)
        light, dark = tmp_path / "light.png", tmp_path / "dark.svg"
        visitor = portal_with(site={"logo_file": light, "logo_dark_file": dark}).test_client()
        answer = visitor.get("/logo-dark", buffered=True)
        assert (answer.status_code, answer.mimetype, answer.data) == (200, "image/svg+xml", DRAWING)
        header = visitor.get("/check/").text.partition("<main")[0]
        assert '<source srcset="/logo-dark" media="(prefers-color-scheme: dark)">' in header
        assert '<img src="/logo" alt="Northwind Travel">' in header

    def test_without_one_there_is_none_and_the_name_stands_in_its_place(self, client):
        assert client.get("/logo").status_code == 404
        assert client.get("/logo-dark").status_code == 404
        page = client.get("/check/").text
        assert "/logo" not in page
        assert "Northwind Travel" in page.partition("<main")[0]


class TestHealth:
    def test_alive_is_said_without_asking_anything_else(self, client):
        answer = client.get("/healthz")
        assert (answer.status_code, answer.mimetype) == (200, "text/plain")
        assert answer.text == "alive\n"

    def test_mail_that_has_not_left_for_long_shows_and_turns_nobody_away(
        self, client, clock, db, worker_vault, worker_parts, smtp
    ):
        with db.write() as session:
            outbox.enqueue(
                session,
                worker_vault,
                CheckAnswer(),
                address="ana@northwind.example",
                locale="en",
                now=clock.now(),
            )
        clock.advance(timedelta(minutes=10, seconds=-1))
        assert client.get("/readyz").text == "database: ok\nworker: degraded\nqueue: ok\nmail: ok\n"
        clock.advance(timedelta(seconds=1))
        late = client.get("/readyz")
        assert (late.status_code, late.text) == (
            200,
            "database: ok\nworker: degraded\nqueue: ok\nmail: degraded\n",
        )
        drain(worker_parts)
        assert len(smtp.messages) == 1
        assert client.get("/readyz").text == "database: ok\nworker: degraded\nqueue: ok\nmail: ok\n"

    def test_a_relay_that_takes_nothing_shows_while_the_worker_tries(
        self, client, clock, db, worker_vault, worker_parts, refusing_port
    ):
        nowhere = MailServer("127.0.0.1", refusing_port, tls="none")
        away = replace(worker_parts, settings=configured(worker_parts.settings, mail={"server": nowhere}))
        with db.write() as session:
            outbox.enqueue(
                session,
                worker_vault,
                CheckAnswer(),
                address="ana@northwind.example",
                locale="en",
                now=clock.now(),
            )
        for _ in range(10):
            drain(away)
            assert client.get("/readyz").text.endswith("mail: ok\n")
            clock.advance(timedelta(minutes=1))
        drain(away)
        assert client.get("/readyz").text.endswith("mail: degraded\n")

    def test_one_mailbox_that_is_full_is_no_trouble_of_the_portal(
        self, client, clock, db, worker_vault, worker_parts, smtp
    ):
        smtp.answer_recipient = lambda _: "452 4.2.2 mailbox full"
        with db.write() as session:
            outbox.enqueue(
                session,
                worker_vault,
                CheckAnswer(),
                address="ana@northwind.example",
                locale="en",
                now=clock.now(),
            )
        for _ in range(20):
            drain(worker_parts)
            clock.advance(timedelta(minutes=1))
        assert client.get("/readyz").text.endswith("mail: ok\n")

    @pytest.mark.parametrize("page", ["/healthz", "/readyz"])
    @pytest.mark.parametrize("address", ["10.0.0.7:8000", "[fd00::7]:8000"])
    def test_they_are_asked_by_address_too(self, client, page, address):
        assert client.get(page, headers={"Host": address}).status_code == 200
        assert client.get("/check/", headers={"Host": address}).status_code == 400

    def test_without_its_tables_the_portal_is_not_ready(self, client, db):
        with db.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE intake_requests")
        answer = client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "database: failed\n")
        assert int(answer.headers["Retry-After"]) > 0
        assert client.get("/healthz").status_code == 200
