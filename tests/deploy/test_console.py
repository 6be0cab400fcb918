"""The shipped nginx in front of a real console: its own name and address, and nothing of a list in a file."""

import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from portal.console.application import create_console
from portal.core.settings import Settings
from portal.crypto import keys
from tests.deploy.conftest import CONSOLE_HOST, HOST, unverified
from tests.processes import serving, serving_console

# What is in front of the console does not depend on the database.
pytestmark = [pytest.mark.sqlite, pytest.mark.deploy]
SECRET = b"ann@northwind.example,C-100001"


@pytest.fixture
def environ(environ, nginx_of_both, worker_keys, tmp_path):
    file = tmp_path / "keys/console.json"
    keys.write((file, keys.for_console(worker_keys)))
    return environ | {
        "PORTAL_BASE_URL": f"https://{HOST}",
        "PORTAL_LISTEN": f"127.0.0.1:{nginx_of_both.upstream}",
        "PORTAL_TRUSTED_PROXIES": "1",
        "PORTAL_CONSOLE_URL": f"https://{CONSOLE_HOST}",
        "PORTAL_CONSOLE_LISTEN": f"127.0.0.1:{nginx_of_both.console_upstream}",
        "PORTAL_CONSOLE_KEYS_FILE": str(file),
    }


def paths_of(app):
    """The pages of an application, but for those of a row."""
    return {rule.rule for rule in app.url_map.iter_rules() if not rule.arguments}


def test_staff_get_the_console_at_its_name_and_everybody_else_gets_none_of_it(
    nginx_of_both, environ, app, db, clock, tmp_path
):
    nginx, log = nginx_of_both, tmp_path / "serve.log"
    settings = Settings.from_env(environ)
    console = create_console(settings, db=db, clock=clock)
    with serving(environ, log), serving_console(environ, log):
        signing_in = nginx.console("/sign-in/")
        assert signing_in.status == 200
        assert signing_in.headers["Set-Cookie"].startswith("__Host-console=")
        assert "; Secure; HttpOnly; Path=/; SameSite=" in signing_in.headers["Set-Cookie"]
        assert signing_in.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
        assert signing_in.headers["X-Robots-Tag"] == "noindex"
        assert signing_in.headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self';"
        )
        assert nginx.console("/").headers["Location"] == "/sign-in/?next=/"
        assert nginx.console("/static/css/console.css").status == 200

        staff, public = paths_of(console), paths_of(app)
        assert len(staff - public) >= 8
        assert len(public - staff) >= 20
        assert [path for path in staff - public if nginx.get(path).status != 404] == []
        assert [path for path in public - staff if nginx.console(path).status != 404] == []
        # Where both have a page of a name, each answers with its own.
        for path in staff & public:
            assert "__Host-console" not in str(nginx.get(path).headers)
            assert "__Host-session" not in str(nginx.console(path).headers)
        # Whoever asks at the one's address for the other's name gets neither.
        assert nginx.get("/sign-in/", {"Host": CONSOLE_HOST}).status == 400
        assert nginx.console("/sign-in/", {"Host": HOST}).status == 400
    assert nginx.console("/sign-in/").status == 502


@contextmanager
def upstream(nginx, told):
    """What stands for the console: it reads what comes, piece by piece, and sends a large page."""

    class Reader(BaseHTTPRequestHandler):
        def do_PUT(self):
            for _number in range(4):
                told.append(self.rfile.read(25_000))
            self.close_connection = True

        def do_POST(self):
            length = int(self.headers["Content-Length"])
            told.append(self.rfile.read(length))
            if len(told[-1]) == length:
                told.extend(path.encode() for path in nginx.temporary_files())
            self.send_response(204)
            self.end_headers()

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "20000000")
            self.end_headers()
            self.wfile.write(SECRET + bytes(20_000_000 - len(SECRET)))

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", nginx.console_upstream), Reader) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield
        finally:
            server.shutdown()


@contextmanager
def connected(nginx):
    with (
        socket.create_connection(("127.0.0.1", nginx.console_https), 10) as plain,
        unverified().wrap_socket(plain, server_hostname=CONSOLE_HOST) as secure,
    ):
        yield secure


def test_a_list_of_two_gigabytes_passes_through_and_never_lies_in_a_file(nginx_of_both):
    nginx = nginx_of_both
    told: list[bytes] = []
    with upstream(nginx, told), connected(nginx) as sending:
        head = f"PUT /lists/1/file HTTP/1.1\r\nHost: {CONSOLE_HOST}\r\nContent-Length: 2000000000\r\n\r\n"
        sending.sendall(head.encode() + (SECRET * 4_000)[:100_000])
        end = time.monotonic() + 10
        while len(told) < 4:
            assert time.monotonic() < end, "what was sent did not arrive before the rest of it"
            time.sleep(0.01)
        assert b"".join(told) == (SECRET * 4_000)[:100_000]
        assert nginx.temporary_files() == set()
        assert SECRET not in nginx.everything_kept()
    with connected(nginx) as sending:
        sending.sendall(head.replace("2000000000", "2147483649").encode())
        assert sending.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_long_statement_passes_through_and_never_lies_in_a_file(nginx_of_both):
    nginx = nginx_of_both
    told: list[bytes] = []
    with upstream(nginx, told):
        answer = nginx.console("/incidents/november/statement/", method="POST", body="a" * 1_048_576)
        assert answer.status == 204
        assert nginx.console("/notices/", method="POST", body="a" * 1_048_577).status == 413
    assert [len(each) for each in told] == [1_048_576]


def test_a_download_that_waits_for_its_reader_lies_in_no_file(nginx_of_both):
    nginx = nginx_of_both
    with upstream(nginx, []), connected(nginx) as reading:
        reading.sendall(f"GET /lists/1/rows HTTP/1.1\r\nHost: {CONSOLE_HOST}\r\n\r\n".encode())
        assert SECRET in reading.recv(100_000) + reading.recv(100_000)
        time.sleep(0.5)
        assert nginx.temporary_files() == set()
