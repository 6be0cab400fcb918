"""The demonstration's mailbox: for this machine alone, and in the demonstration alone."""

from email.message import EmailMessage

import pytest

from portal.app import create_app
from portal.demo.mailbox import MailboxStore
from tests.configured import configured
from tests.visitor import Visitor

# The demonstration has SQLite, and the mails have a file of their own.
pytestmark = pytest.mark.sqlite

PAGES = ("/dev/mailbox/", "/dev/mailbox/1/", "/dev/mailbox/messages.json")
ANA = "ana@postbox.example"


@pytest.fixture
def mailbox_file(tmp_path):
    store = MailboxStore(tmp_path / "mailbox.db")
    for number, to in enumerate((ANA, "bob@postbox.example", ANA), start=1):
        mail = EmailMessage()
        mail["Subject"], mail["To"], mail["X-Number"] = f"Mail <b>{number}</b>", to, str(number)
        mail.set_content("Hello <script>alert(1)</script>")
        mail.add_alternative('<p style="color:red">Hello</p>', subtype="html")
        store.add([to], bytes(mail))
    return tmp_path / "mailbox.db"


@pytest.fixture
def visitor(settings, db, clock, web_keys, mailbox_file):
    """Make a visitor of a portal in an environment."""

    def make(environment="demo", **changed):
        base_url = "https://incident.northwind.example" if environment == "production" else settings.base_url
        changed = {"environment": environment, "base_url": base_url, "demo_mailbox": mailbox_file, **changed}
        app = create_app(configured(settings, **changed), db=db, clock=clock, web_keys=web_keys)
        app.test_client_class = Visitor
        return app.test_client()

    return make


def test_it_shows_every_mail_newest_first_and_runs_nothing_of_them(visitor):
    page = visitor().get("/dev/mailbox/")
    assert page.status_code == 200
    places = [page.text.index(f"Mail &lt;b&gt;{number}") for number in (3, 2, 1)]
    assert places == sorted(places)
    assert "<script>alert" not in page.text


def test_programs_read_the_same_as_json(visitor):
    client = visitor()
    answer = client.get("/dev/mailbox/messages.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert [mail["headers"]["X-Number"] for mail in answer.json or []] == ["3", "2", "1"]
    assert {"to", "subject", "text", "html", "headers"} <= set((answer.json or [{}])[0])
    own = client.get(f"/dev/mailbox/messages.json?to={ANA}").json or []
    assert [(mail["to"], mail["headers"]["X-Number"]) for mail in own] == [(ANA, "3"), (ANA, "1")]


def test_a_mail_is_shown_as_a_mail_program_does_with_its_styles_and_nothing_else(visitor):
    client = visitor()
    page = client.get("/dev/mailbox/")
    assert 'href="/dev/mailbox/2/"' in page.text
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    shown = client.get("/dev/mailbox/2/")
    assert '<p style="color:red">Hello</p>' in shown.text
    policy = shown.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert "sandbox" in policy
    assert "script" not in policy
    assert client.get("/dev/mailbox/4/").status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_no_other_environment_has_it(visitor, page):
    assert visitor("test").get(page).status_code == 404
    site = "https://incident.northwind.example"
    assert visitor("production").get(page, base_url=site).status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_nobody_from_another_machine_sees_it(visitor, page):
    client = visitor()
    for peer in ("127.0.0.1", "::1"):
        assert client.get(page, environ_overrides={"REMOTE_ADDR": peer}).status_code == 200
    for peer in (
        "203.0.113.9",
        "10.0.0.2",
        "2001:db8::1",
        "::ffff:203.0.113.9",
        "127.0.0.1.evil.example",
        "",
    ):
        answer = client.get(page, environ_overrides={"REMOTE_ADDR": peer})
        assert answer.status_code == 404, peer
        assert ANA not in answer.text


@pytest.mark.parametrize("page", PAGES)
def test_nobody_sees_it_through_a_proxy_whatever_the_proxy_says(visitor, page):
    for proxies in (0, 1):
        client = visitor(trusted_proxies=proxies)
        for said in (
            {"X-Forwarded-For": "127.0.0.1"},
            {"X-Forwarded-For": ""},
            {"Forwarded": "for=127.0.0.1"},
        ):
            assert client.get(page, headers=said).status_code == 404, said
        behind = client.get(
            page, headers={"X-Forwarded-For": "127.0.0.1"}, environ_overrides={"REMOTE_ADDR": "203.0.113.9"}
        )
        assert behind.status_code == 404
