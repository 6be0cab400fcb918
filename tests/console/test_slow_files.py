"""Files that come slowly, over real sockets, keep nobody from stopping what must stop."""

import socket
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from urllib.parse import urlencode

import pyotp
import pytest
from sqlalchemy import text
from werkzeug.test import EnvironBuilder

from portal.console.application import _holder, create_console
from portal.core.clock import SystemClock
from portal.core.settings import Settings
from portal.crypto import keys
from portal.identity.service import hasher_for
from portal.staff import members, sessions
from portal.staff.roles import Role
from portal.staff.sign_in import credentials
from portal.web.frame import UncompressedSessions
from tests.processes import free_port, serving_console, working
from tests.visitor import hidden

# Which forms find a ticket does not depend on the database.
pytestmark = pytest.mark.sqlite
PASSWORD, SECRET = "copper-lantern-otter-midday-plume", "KRSXG5DBOV2GQ33SMF3WQZLSMVXW4ZJA"


@pytest.fixture
def environ(environ, worker_keys, tmp_path):
    file, port = tmp_path / "keys/console.json", free_port()
    keys.write((file, keys.for_console(worker_keys)))
    return environ | {
        "PORTAL_CONSOLE_URL": f"http://localhost:{port}",
        "PORTAL_CONSOLE_LISTEN": f"127.0.0.1:{port}",
        "PORTAL_CONSOLE_KEYS_FILE": str(file),
    }


@pytest.fixture
def people(environ, db, worker_vault):
    """Three authors: the recovery code of the first one, and the cookies of the others' sessions."""
    now, settings = SystemClock().now(), Settings.from_env(environ)
    hashed = hasher_for(settings).hash(PASSWORD)
    signer = UncompressedSessions().get_signing_serializer(app := create_console(settings))
    assert signer is not None
    cookies = []
    with db.write() as session:
        for name in ("Ana", "Ben", "Eve"):
            address = f"{name.lower()}@northwind.example"
            member = members.add(session, worker_vault, address, {Role.AUTHOR}, "en", now, name)
            credentials.set_password(session, worker_vault, member.id, hashed, now)
            credentials.set_code(session, worker_vault, member.id, SECRET, 0, now)
            codes = credentials.make_recovery_codes(session, worker_vault, member.id, now)
            member = members.activate(session, worker_vault, member, name, "en")
            token = sessions.begin(session, worker_vault, member, "code", "Firefox", now)
            signed = signer.dumps({"staff": token})
            cookies.append((codes[0], {app.config["SESSION_COOKIE_NAME"]: signed}))
    return [cookies[0][0], cookies[1][1], cookies[2][1]]


class Browser:
    """Sends forms to the console, and keeps its cookies."""

    def __init__(self, port, cookies=()):
        self.port, self.cookies = port, dict(cookies)

    def open(self, method, path, **fields):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        host = f"localhost:{self.port}"
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Host": host, "Origin": f"http://{host}", "Cookie": cookie}
        headers |= {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, urlencode(fields) if fields else None, headers)
        answer = connection.getresponse()
        page = answer.read().decode()
        connection.close()
        for each in answer.headers.get_all("Set-Cookie", ()):
            name, _, value = each.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, page

    def submit(self, page, to="", **fields):
        """Send a form with the token of a page; return the status."""
        return self.open("POST", to or page, **hidden(self.open("GET", page)[1]), **fields)[0]


def slow_file(browser, junk=""):
    """The beginning of a file that never ends, in somebody's browser."""
    sock = socket.create_connection(("127.0.0.1", browser.port))
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    head = (
        "POST /lists/november/send/ HTTP/1.1",
        f"Host: localhost:{browser.port}",
        f"Cookie: junk={junk}; {cookie}",
        "Content-Length: 900000",
        "Content-Type: multipart/form-data; boundary=b",
        "",
        "--b\r\nContent-Disposition: form-data; name=csrf_token\r\n\r\nabc",
    )
    sock.sendall("\r\n".join(head).encode())
    return sock


def test_files_of_three_people_on_their_way_leave_room_to_sign_in_and_to_pause(environ, people, db, tmp_path):
    port = int(environ["PORTAL_CONSOLE_LISTEN"].rpartition(":")[2])
    fields = {"email": "ana@northwind.example", "password": PASSWORD}
    code, *others = people
    with (
        serving_console(environ, tmp_path / "console.log"),
        working(environ, tmp_path / "worker.log"),
        ExitStack() as files,
    ):
        ana, end = Browser(port), time.monotonic() + 40
        while ana.submit("/sign-in/", **fields, code=pyotp.TOTP(SECRET).now()) != 303:
            assert time.monotonic() < end  # the worker is about to live
            time.sleep(0.2)
        ben, eve = Browser(port, others[0]), Browser(port, others[1])
        for junk in range(9):  # cookies of one's own choice are worth nothing
            files.enter_context(slow_file(ana, f"a{junk}"))
        while ana.submit("/mail/", "/mail/resume/") != 503:
            assert time.monotonic() < end
        for _ in range(5):
            assert ben.submit("/mail/", "/mail/resume/") == 403, "a ticket, for who lacks the role"
        for browser in (ben, ben, eve, eve):
            files.enter_context(slow_file(browser))
        while eve.submit("/mail/", "/mail/resume/") != 503:  # any other form finds no ticket
            assert time.monotonic() < end
        again = Browser(port)
        assert again.submit("/sign-in/", **fields, code=code) == 303
        assert again.submit("/mail/", "/mail/resume/") == 503
        assert again.submit("/mail/", "/mail/pause/", reason="a mistake") == 303
        with db.read() as session:
            paused = session.scalar(text("SELECT count(*) FROM audit_entries WHERE action = 'outbox.pause'"))
        assert paused == 1


def test_a_cookie_that_the_console_did_not_sign_is_nobodys(office):
    """Whoever makes cookies up shares the tickets of their network."""
    signed = office.seat(office.add("author")).get_cookie("console").value

    def holder(cookie, network="203.0.113.7"):
        environ = {"HTTP_COOKIE": cookie, "REMOTE_ADDR": network}
        return _holder(office.app, 0, EnvironBuilder(environ_overrides=environ).get_environ())

    assert holder(f"console={signed}; junk=1") == holder(f"junk=2; console={signed}", "203.0.113.8")
    forged = f"{signed[:-9]}{'B' if signed[-9] == 'A' else 'A'}{signed[-8:]}"  # the last one holds spare bits
    assert holder(f"console={signed}") != holder(f"console={forged}")
    assert holder(f"console={forged}") == holder("console=made-up") == holder("")
    assert holder("") != holder("", "203.0.113.8")
