"""A company's own accounts: a table with the hashes of several systems, a server; a worker, and a browser."""

import http.client
import os
import re
import socket
import sqlite3
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from bench.servers import ROOT
from portal.crypto.formats import registry

PASSWORD = b"eleven owls at noon"
# As the libraries that write them make them today, so that one takes many times as long as another.
FORMATS = ("argon2id", "bcrypt-2b", "django-pbkdf2-sha256", "werkzeug-scrypt", "phpass")
# The shipped example, with other people: number, port.
_SERVE = """
import sys
sys.path.insert(0, "examples")
import identity_store as store
encoded = store.generate_password_hash("eleven owls at noon")
for each in (store.ACCOUNTS, store.HASHES):
    each.clear()
for number in range(int(sys.argv[1])):
    key = str(number)
    store.ACCOUNTS[key] = {"id": key, "address": f"customer{number}@postbox.example", "name": "Ada"}
    store.HASHES[key] = encoded
store.app.run(port=int(sys.argv[2]), threaded=True)
"""
_FIELD = re.compile(r'<input\b[^>]*type="hidden"[^>]*>')
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


def environ_of(folder: Path) -> dict[str, str]:
    """Return the settings that lead a portal to the table that `fill` makes in this folder."""
    return {
        "PORTAL_IDENTITY_STORE": "sql",
        "PORTAL_IDENTITY_SQL_URL": f"sqlite:///{folder / 'company.db'}",
        "PORTAL_IDENTITY_SQL_TABLE": "customers",
        "PORTAL_IDENTITY_SQL_NAME": "name",
    }


def fill(folder: Path, people: int) -> list[str]:
    """Make the company's table; return the addresses, whose hashes take turns with the formats."""
    hashes = [registry.make(name, PASSWORD) for name in FORMATS]
    addresses = [f"customer{number}@postbox.example" for number in range(people)]
    rows = [(each, hashes[n % len(hashes)], "Ada") for n, each in enumerate(addresses)]
    with closing(sqlite3.connect(folder / "company.db")) as shop, shop:
        shop.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, password TEXT, name TEXT)")
        shop.execute("CREATE INDEX customers_email ON customers (lower(email))")
        shop.executemany("INSERT INTO customers (email, password, name) VALUES (?, ?, ?)", rows)
    return addresses


@contextmanager
def serving(people: int) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Serve accounts behind HTTP; yield the settings that lead a portal there, and the addresses."""
    secret = f"whsec_{b64encode(os.urandom(32)).decode()}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(people), str(port)],
        env={**os.environ, "SECRET": secret},
        cwd=ROOT,
        stdout=nowhere,
        stderr=nowhere,
    )
    try:
        yield (
            {
                "PORTAL_IDENTITY_STORE": "http",
                "PORTAL_IDENTITY_HTTP_URL": f"http://127.0.0.1:{port}",
                "PORTAL_IDENTITY_HTTP_SECRET": secret,
                "PORTAL_IDENTITY_HTTP_CAPABILITIES": "verify,set-password,end-sessions",
            },
            [f"customer{number}@postbox.example" for number in range(people)],
        )
    finally:
        process.terminate()
        process.wait()


@contextmanager
def worker(environ: dict[str, str]) -> Iterator[None]:
    """Run `portal worker` until the block ends."""
    command = [str(Path(sys.executable).with_name("portal")), "worker"]
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        command, env={**os.environ, **environ}, cwd=ROOT, stdout=nowhere, stderr=nowhere
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


class Browser:
    """Keeps cookies on one connection, and sends the forms that pages show."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._cookies: dict[str, str] = {}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get(self, path: str) -> str:
        """Return a page, after redirects."""
        status, location, page = self.ask("GET", path)
        return self.get(location) if status in (302, 303) else page

    def ask(self, method: str, path: str, **fields: str) -> tuple[int, str, str]:
        """Return the status, where a redirect leads, and the page."""
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Host": "localhost", "Cookie": cookies, "Sec-Fetch-Site": "same-origin"}
        if fields:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, urlencode(fields, quote_via=quote), headers)
        answer = self._connection.getresponse()
        page = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self._cookies[key] = rest.partition(";")[0]
        return answer.status, answer.headers.get("Location", "").removeprefix("http://localhost:8000"), page


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of a page's forms, the CSRF token among them."""
    fields = (dict(_ATTRIBUTE.findall(field)) for field in _FIELD.findall(page))
    return {each["name"]: each.get("value", "") for each in fields if "name" in each}
