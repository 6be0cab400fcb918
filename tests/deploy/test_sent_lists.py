"""A list goes through nginx, console and worker as an operator runs them, and lies in clear nowhere."""

import json
import time
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path

import pyotp
import pytest
from sqlalchemy import text

from portal.core.clock import SystemClock
from portal.core.settings import Settings
from portal.crypto import keys
from portal.identity.service import hasher_for
from portal.incidents import service as incidents
from portal.staff import members
from portal.staff.roles import Role
from portal.staff.sign_in import credentials
from tests.deploy.conftest import CONSOLE_HOST, HOST, Nginx, unverified
from tests.people_files.workbooks import sheet, write
from tests.processes import serving_console, working
from tests.visitor import hidden

# What SQLite stores can be looked at in its file.
pytestmark = [pytest.mark.sqlite, pytest.mark.deploy]
PASSWORD, SECRET = "copper-lantern-otter-midday-plume", "KRSXG5DBOV2GQ33SMF3WQZLSMVXW4ZJA"
MARKER = "zzmarker"
ROWS = "".join(f"{MARKER}{number}@mail.example,{MARKER} Ruiz\n" for number in range(60_000))
LIST = f"email,name\n{ROWS}".encode()


@dataclass
class Browser:
    """Sends requests over TLS, and keeps the console's cookie."""

    nginx: Nginx
    cookies: dict[str, str] = field(default_factory=dict)

    def open(self, path, method="GET", body=b"", **headers):
        connection = HTTPSConnection("127.0.0.1", self.nginx.console_https, timeout=60, context=unverified())
        self.head(connection, method, path, len(body), headers)
        connection.send(body)
        return self.answer(connection)

    def head(self, connection, method, path, length, headers):
        connection.putrequest(method, path, skip_host=True)
        given = {
            "Host": CONSOLE_HOST,
            "Origin": f"https://{CONSOLE_HOST}",
            "Sec-Fetch-Site": "same-origin",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "Content-Length": str(length),
        }
        for name, value in (given | headers).items():
            connection.putheader(name, value)
        connection.endheaders()

    def answer(self, connection):
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        for cookie in answer.headers.get_all("Set-Cookie", ()):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def token(self, page="/lists/november/"):
        return hidden(self.open(page).text)["csrf_token"]

    def sign_in(self):
        fields = {
            "csrf_token": self.token("/sign-in/"),
            "email": "ana@northwind.example",
            "password": PASSWORD,
            "code": pyotp.TOTP(SECRET).now(),
        }
        body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert self.open("/sign-in/", "POST", body, **form).status == 303

    def begin(self, kind, size):
        body = f"csrf_token={self.token()}&purpose=list&form={kind}&size={size}&name=a".encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return json.loads(self.open("/lists/november/uploads/", "POST", body, **form).text)["content"]


@pytest.fixture
def environ(environ, nginx_of_both, worker_keys, tmp_path):
    file = tmp_path / "keys/console.json"
    keys.write((file, keys.for_console(worker_keys)))
    (tmp_path / "temporary").mkdir()
    return environ | {
        "PORTAL_BASE_URL": f"https://{HOST}",
        "PORTAL_CONSOLE_URL": f"https://{CONSOLE_HOST}",
        "PORTAL_CONSOLE_LISTEN": f"127.0.0.1:{nginx_of_both.console_upstream}",
        "PORTAL_CONSOLE_KEYS_FILE": str(file),
        "TMPDIR": str(tmp_path / "temporary"),
    }


@pytest.fixture
def author(environ, db, worker_vault):
    now = SystemClock().now()
    with db.write() as session:
        member = members.add(
            session, worker_vault, "ana@northwind.example", frozenset({Role.AUTHOR}), "en", now, "Ana"
        )
        encoded = hasher_for(Settings.from_env(environ)).hash(PASSWORD)
        credentials.set_password(session, worker_vault, member.id, encoded, now)
        credentials.set_code(session, worker_vault, member.id, SECRET, 0, now)
        members.activate(session, worker_vault, member, "Ana", "en")
        incidents.create(session, "november", "The incident", ("Names",), now)


def until_a_worker_lives(db):
    end = time.monotonic() + 20
    while True:
        with db.read() as session:
            if session.scalar(text("SELECT count(*) FROM worker_keys")):
                return
        assert time.monotonic() < end
        time.sleep(0.05)


def family(pid):
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def lies_in_a_file(nginx, tmp_path, *processes):
    """Where the marker lies in clear: in files, and in those that a process holds open without a name."""
    marker = MARKER.encode()
    files = [path for path in (*tmp_path.rglob("*"), *nginx.folder.rglob("*")) if path.is_file()]
    # nginx removes the name of such a file at once, and goes on writing into it.
    running = [int((nginx.folder / "nginx.pid").read_text()), *(process.pid for process in processes)]
    for main in running:
        for pid in family(main):
            for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
                try:
                    target = str(descriptor.readlink())
                except OSError:
                    continue
                if target.startswith("/") and not target.startswith(("/dev/", "/proc/", "/memfd:")):
                    files.append(descriptor)
    found = []
    for path in files:
        try:
            found += [str(path)] if path.is_file() and marker in path.read_bytes() else []
        except OSError:
            continue
    return found


def test_a_list_lies_in_clear_in_no_file_while_it_comes_and_afterwards(
    nginx_of_both, environ, author, db, tmp_path, tmp_path_factory
):
    workbook = write(
        tmp_path_factory.mktemp("elsewhere") / "a.xlsx",
        {"People": sheet(("email",), *((f"{MARKER}{number}@mail.example",) for number in range(20_000)))},
    ).read_bytes()
    log, nginx = tmp_path / "log", nginx_of_both
    with serving_console(environ, log) as console, working(environ, log) as worker:
        browser = Browser(nginx)
        until_a_worker_lives(db)
        browser.sign_in()

        def send(method, path, body, **headers):
            """Send a body in two halves, and look for it in between."""
            connection = HTTPSConnection("127.0.0.1", nginx.console_https, timeout=60, context=unverified())
            browser.head(connection, method, path, len(body), headers)
            connection.send(body[: len(body) // 2])
            time.sleep(0.4)
            assert lies_in_a_file(nginx, tmp_path, console, worker) == []
            connection.send(body[len(body) // 2 :])
            return browser.answer(connection)

        token = browser.token()
        piece = {"X-CSRFToken": token, "Upload-Name": "a", "Content-Type": "application/octet-stream"}
        content = browser.begin("text", len(LIST))
        assert send("PUT", content, LIST, **piece, **{"Upload-Offset": "0"}).status == 200
        assert send("PUT", browser.begin("sheet", len(workbook)), workbook, **piece).status == 200
        parts = (
            f'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n'
            '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        ).encode()
        form = parts + LIST + b"\r\n--b--\r\n"
        multipart = {"Content-Type": "multipart/form-data; boundary=b"}
        assert send("POST", "/lists/november/send/", form, **multipart).status == 303
        proof = parts.replace(b"a.csv", b"a.pdf") + b"%PDF-1.7\n" + LIST + b"\r\n--b--\r\n"
        assert send("POST", "/checklist/november/it/files/", proof, **multipart).status == 303
        end = time.monotonic() + 60
        page = content.removesuffix("content")
        while json.loads(browser.open(f"{page}progress").text)["state"] != "read":
            assert time.monotonic() < end, log.read_text()
            assert lies_in_a_file(nginx, tmp_path, console, worker) == []
            time.sleep(0.2)
        assert f"{MARKER[0]}…@m….example" in browser.open(page).text
        assert lies_in_a_file(nginx, tmp_path, console, worker) == []


def test_the_search_would_find_it(nginx_of_both, tmp_path):
    (nginx_of_both.folder / "client_body/1").write_bytes(LIST)
    found = lies_in_a_file(nginx_of_both, tmp_path)
    assert found == [f"{nginx_of_both.folder}/client_body/1"]
