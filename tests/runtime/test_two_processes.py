"""In production `portal serve` and `portal worker` share nothing but the database, and every flow works.

Each has its own key file only.
"""

import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from portal.core.clock import SystemClock
from portal.core.settings import Settings
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.service import hasher_for
from portal.incidents import service as incidents
from portal.subscriptions.models import Subscription
from tests.lists import import_and_activate
from tests.mailbox import Delivered, Mailbox
from tests.open_store import OpenStore
from tests.processes import command, free_port, serving, working
from tests.visitor import hidden, leads_to

# Whether the halves fit together does not depend on the database.
pytestmark = pytest.mark.sqlite

SITE = "https://incident.northwind.example"
ANA = "ana@northwind.example"
OLD, NEW = "eleven owls at noon", "marmalade violin staircase"
SLUG = "november"


@dataclass
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def location(self) -> str:
        return urlsplit(self.headers.get("location", "")).path


@dataclass
class Browser:
    """A person's browser behind the operator's proxy, which ends TLS and hands on the site's name."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Answer:
        return self._ask("GET", path)

    def post(self, path: str, fields: dict[str, str]) -> Answer:
        return self._ask("POST", path, fields)

    def submit(self, page: str, **fields: str) -> Answer:
        shown = self.get(page)
        assert shown.status == 200, f"{page} answered {shown.status}"
        return self.post(page, hidden(shown.text) | fields)

    def bring(self, link: str) -> str:
        """Open a link of a mail, and return where it leads."""
        assert link.startswith(SITE)
        answer = self.get(link.removeprefix(SITE))
        assert answer.status == 303
        return leads_to(answer)

    def _ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> Answer:
        headers = {
            "Host": urlsplit(SITE).netloc,
            "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()),
        }
        if fields is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded"} | (
                {"Origin": SITE} if self.cookies else {}
            )
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(
            method, path, body=urlencode(fields or {}) if fields is not None else None, headers=headers
        )
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                assert value.startswith("__Host-"), "a cookie is not tied to the host"
                cookie, _, content = value.partition(";")[0].partition("=")
                self.cookies[cookie] = content
        assert answer.status < 500, f"{method} {path}: {answer.status}"
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)


@pytest.fixture
def halves(environ, tmp_path):
    """The two environments: each with its own keys, and a path where the other's would be and nothing is."""
    kept = environ | {
        "PORTAL_ENVIRONMENT": "production",
        "PORTAL_BASE_URL": SITE,
        "PORTAL_LISTEN": f"127.0.0.1:{free_port()}",
        "PORTAL_ARGON2": "m=19456,t=2,p=1",
        "PORTAL_EMBEDDED": "0",
    }
    web = kept | {"PORTAL_WORKER_KEYS_FILE": str(tmp_path / "nowhere/worker.json")}
    (tmp_path / "worker").mkdir()
    (tmp_path / "keys/worker.json").rename(tmp_path / "worker/worker.json")
    worker = kept | {
        "PORTAL_WEB_KEYS_FILE": str(tmp_path / "nowhere/web.json"),
        "PORTAL_WORKER_KEYS_FILE": str(tmp_path / "worker/worker.json"),
    }
    return web, worker


@pytest.fixture
def ana_everywhere(db, worker_vault, database_url, halves, tmp_path):
    """An incident, its list, and Ana, who is on it and has an account."""
    now = datetime.now(UTC)
    with db.write() as session:
        incident = incidents.create(session, SLUG, "The incident", ("Names",), now)
    with db.write() as session:
        incidents.publish(session, SLUG, now)
    (tmp_path / "list.csv").write_text(f"email,data_classes\n{ANA},Passwords\n")
    import_and_activate(db, worker_vault, SystemClock(), incident.id, tmp_path / "list.csv")
    account = NewAccount(Profile(ANA, "Ana Ruiz"), hasher_for(Settings.from_env(halves[0])).hash(OLD))
    with db.write() as session:
        OpenStore().add(session, worker_vault, [account], now)


def link_in(mail: Delivered) -> str:
    (link,) = set(re.findall(rf"{SITE}/(?:check/answer|reset|subscribe/confirm)/[a-z2-7]{{32}}/", mail.text))
    return str(link)


def code_in(mail: Delivered, size: int = 4) -> str:
    (code,) = re.findall(rf": ([A-Z2-7]{{{size}}}-[A-Z2-7]{{{size}}})$", mail.text, re.MULTILINE)
    return str(code)


def test_a_person_can_do_everything(halves, ana_everywhere, smtp: Mailbox, db, tmp_path):
    web, worker = halves
    port = int(web["PORTAL_LISTEN"].rpartition(":")[2])
    with serving(web, tmp_path / "serve.log"), working(worker, tmp_path / "worker.log"):
        read_what_happened(Browser(port))
        check(Browser(port), smtp)
        get_a_new_password(Browser(port), smtp)
        sign_in(Browser(port), smtp)
        (tmp_path / "news.md").write_text("---\nnotify: yes\n---\nWe know more.\n")
        follow_the_news(Browser(port), smtp, db, worker, tmp_path / "news.md")
        assert Browser(port).get("/readyz").text == "database: ok\nworker: ok\nqueue: ok\nmail: ok\n"
    for log in ("serve.log", "worker.log"):
        said = (tmp_path / log).read_text()
        assert "Traceback" not in said
        assert "northwind.example/" not in said.replace(f"{SITE}/", ""), "something of a link is in the log"


def read_what_happened(browser: Browser) -> None:
    front = browser.get("/")
    assert front.status == 200
    assert "The incident" in front.text
    assert front.headers["strict-transport-security"]
    atom, feed = browser.get("/feed.atom"), browser.get("/feed.json")
    assert (atom.status, feed.status) == (200, 200)
    assert atom.headers["content-type"].startswith("application/atom+xml")
    assert json.loads(feed.text)["version"].startswith("https://jsonfeed.org/")
    assert SITE in atom.text
    assert browser.get("/protect-yourself/").status == 200
    assert browser.get("/.well-known/security.txt").status == 200


def check(browser: Browser, smtp: Mailbox) -> None:
    asked = browser.submit("/check/", email=ANA)
    assert (asked.status, asked.location) == (303, "/check/sent/")
    mail = smtp.wait_for(1)[0]
    assert mail.recipients == (ANA,)
    assert browser.submit("/check/sent/", code="AAAA-AAAA").status == 400
    typed = browser.submit("/check/sent/", code=code_in(mail))
    assert (typed.status, leads_to(typed)) == (303, "/check/answer/")
    assert "Passwords" in browser.submit("/check/answer/").text
    elsewhere = Browser(browser.port)
    assert elsewhere.bring(link_in(mail)) == "/check/answer/"
    assert "Passwords" in elsewhere.submit("/check/answer/").text
    real = elsewhere.submit("/is-it-real/", code=code_in(mail, 7))
    assert real.status == 200
    assert str(mail.message["Subject"]) in real.text
    assert "We don’t know this code" in elsewhere.submit("/is-it-real/", code="AAAAAAA-AAAAAAA").text


def get_a_new_password(browser: Browser, smtp: Mailbox) -> None:
    assert browser.submit("/reset/", email=ANA).location == "/reset/sent/"
    mail = smtp.wait_for(2)[1]
    assert browser.bring(link_in(mail)) == "/reset/choose/"
    assert browser.submit("/reset/choose/", password="short").status == 400
    chosen = browser.submit("/reset/choose/", password=NEW)
    assert (chosen.status, leads_to(chosen)) == (303, "/reset/done/")
    assert browser.submit("/reset/done/", interval="6").status == 303
    assert smtp.wait_for(3)[2].recipients == (ANA,), "nobody was told of the new password"
    again = Browser(browser.port)
    again.bring(link_in(mail))
    assert again.get("/reset/choose/").status == 410


def sign_in(browser: Browser, smtp: Mailbox) -> None:
    assert browser.submit("/sign-in/", email=ANA, password=OLD).status == 400
    entered = browser.submit("/sign-in/", email=ANA, password=NEW)
    assert (entered.status, entered.location) == (303, "/account/")
    assert smtp.wait_for(4)[3].recipients == (ANA,), "nobody was told of the new browser"
    assert ANA in browser.get("/account/").text.replace("<wbr>", "")
    for path in (
        "/account/password/",
        "/account/reminders/",
        "/account/sessions/",
        "/account/reminders/calendar.ics",
    ):
        assert browser.get(path).status == 200
    assert browser.submit("/sign-out/").status == 303
    assert browser.get("/account/").status == 303


def follow_the_news(browser: Browser, smtp: Mailbox, db, author: dict[str, str], file: Path) -> None:
    assert browser.submit("/subscribe/", email=ANA, incident=SLUG).location == "/subscribe/sent/"
    mail = smtp.wait_for(5)[4]
    assert browser.bring(link_in(mail)) == "/subscribe/confirm/"
    assert browser.submit("/subscribe/confirm/").status == 303
    end = time.monotonic() + 20
    while not subscriptions(db) and time.monotonic() < end:
        time.sleep(0.05)
    assert subscriptions(db) == 1
    words = ("--phase", "contained", "--title", "News")
    command(author, "incidents", "update", SLUG, *words, file, "--confirm")
    news = smtp.wait_for(6, seconds=40)[5]
    assert news.recipients == (ANA,)
    leave = str(news.message["List-Unsubscribe"]).strip("<>").removeprefix(SITE)
    assert Browser(browser.port).get(leave).status == 200
    # As a mail program does it: no cookie, no form (RFC 8058).
    assert Browser(browser.port).post(leave, {"List-Unsubscribe": "One-Click"}).status == 200
    assert subscriptions(db) == 0


def subscriptions(db) -> int:
    with db.read() as session:
        return int(session.query(Subscription).count())
