"""`portal demo` as somebody runs it who has just met the portal, installed from a wheel."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pyotp
import pytest

from tests import wheel
from tests.processes import PORTAL, ROOT, free_port
from tests.visitor import hidden

PROMISED = ("portal", "mailbox", "example", "staff")
LISTENING = "0A"
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture
def program(built: Path, tmp_path: Path) -> Path:
    """A folder with a wheel's files in `site`; the demonstration's data gets into `data/portal-demo`."""
    wheel.unpack(built, tmp_path / "site")
    return tmp_path


def surroundings(copy: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    return kept | {"PYTHONPATH": str(copy / "site"), "XDG_DATA_HOME": str(copy / "data")} | settings


@contextmanager
def demonstration(copy: Path, port: int) -> Iterator[tuple["subprocess.Popen[str]", dict[str, str]]]:
    """Run it until the block ends, then press Ctrl-C; yield the process and its lines `name: value`.

    The values of a name that stands at several lines are lines, too.
    """
    with (
        (copy / "demo.log").open("ab") as log,
        subprocess.Popen(
            [PORTAL, "demo", "--port", str(port)], env=surroundings(copy), cwd=copy, text=True,
            stdout=subprocess.PIPE, stderr=log,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        said: dict[str, str] = {}
        try:
            for line in process.stdout:
                name, _, value = line.strip().partition(": ")
                said[name] = f"{said[name]}\n{value}" if name in said else value
                if "Ctrl-C" in line:
                    break
            assert process.poll() is None, (copy / "demo.log").read_text()
            yield process, said
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


class Browser:
    """Keeps cookies, and nothing more."""

    def __init__(self) -> None:
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, address: str, fields: dict[str, str] | None = None) -> str:
        data = None if fields is None else urlencode(fields).encode()
        with self._opener.open(address, data, timeout=20) as answer:
            return str(answer.read().decode())


def sign_in(said: dict[str, str]) -> None:
    """Sign into the console as the first of the staff that a demonstration names: one of each role."""
    (address,) = said["console"].splitlines()
    assert re.fullmatch(r"http://localhost:\d+/", address)
    staff = [line.split(" ") for line in said["staff"].splitlines()]
    assert [role for role, *_ in staff] == ["author", "approver", "admin"]
    for _role, email, password, secret in staff:
        assert re.fullmatch(r"\S+@\S+\.example", email)
        assert len(password) >= 12
        assert re.fullmatch(r"[A-Z2-7]{32}", secret)
    browser = Browser()
    form = hidden(browser.get(f"{address}sign-in/"))
    _role, email, password, secret = staff[0]
    typed = {"email": email, "password": password, "code": pyotp.TOTP(secret).now()}
    assert "<h1>Hello" in browser.get(f"{address}sign-in/", form | typed)


def answers(said: dict[str, str], link: re.Pattern[str]) -> list[dict[str, Any]]:
    """The mails to the example's address that carry an answer; others may have come before."""
    return [mail for mail in mails(said["mailbox"], said["example"]) if link.search(mail["text"])]


def mails(mailbox: str, to: str = "") -> list[dict]:
    address = f"{mailbox}messages.json" + (f"?to={to}" if to else "")
    return list(json.loads(Browser().get(address)))


def listens_at(process: "subprocess.Popen[str]") -> set[str]:
    """The addresses at which a process and its children listen."""
    family = {process.pid}
    parents = {int(path.name): path for path in Path("/proc").iterdir() if path.name.isdigit()}
    for _ in range(4):
        for pid, path in parents.items():
            try:
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent in family:
                family.add(pid)
    inodes = set()
    for pid in family:
        for descriptor in (Path("/proc") / str(pid) / "fd").iterdir():
            try:
                found = re.match(r"socket:\[(\d+)\]", str(descriptor.readlink()))
            except OSError:
                continue
            inodes |= {found[1]} if found else set()
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()
    ]
    return {line[1] for line in lines if line[3] == LISTENING and line[9] in inodes}


def test_from_the_first_start_to_the_second(program):
    port = free_port()
    site = f"http://localhost:{port}/"
    with demonstration(program, port) as (process, said):
        assert said["portal"] == site
        assert said["mailbox"] == f"{site}dev/mailbox/"
        assert re.fullmatch(r"\S+@\S+\.example", said["example"])
        assert any(line.startswith("Loading") for line in said)
        assert any(line.endswith("To start over") for line in said)
        listening = {tuple(place.split(":")) for place in listens_at(process)}
        assert {int(number, 16) for _, number in listening} >= {port}
        assert len(listening) >= 2, "the mail server was not found among what listens"
        assert {host for host, _ in listening} <= LOOPBACK

        second = subprocess.run(
            [PORTAL, "demo", "--fresh", "--port", str(free_port())], env=surroundings(program), cwd=program,
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert second.returncode != 0
        assert "Traceback" not in second.stderr
        (told,) = second.stderr.splitlines()
        assert f"already running at {site}." in told
        assert "portal: " not in second.stdout

        sign_in(said)
        visitor = Browser()
        front = visitor.get(site)
        assert "We are sorry" in front
        form = visitor.get(f"{site}check/")
        visitor.get(f"{site}check/", hidden(form) | {"email": said["example"]})
        end = time.monotonic() + 30
        answered = re.compile(rf"{site}check/answer/[a-z2-7]{{32}}/")
        while not (came := answers(said, answered)) and time.monotonic() < end:
            time.sleep(0.1)
        (mail,) = came
        assert {"to", "subject", "text", "html", "headers"} <= set(mail)
        assert mail["to"] == said["example"]
        assert mail["headers"]["Subject"] == mail["subject"]
        assert mails(said["mailbox"], "nobody@postbox.example") == []
        (link,) = set(answered.findall(mail["text"]))
        assert "</form>" in visitor.get(link)
        shown = visitor.get(said["mailbox"])
        assert mail["subject"] in shown
        assert said["example"] in shown
    assert process.returncode == 0
    assert "Traceback" not in (program / "demo.log").read_text()

    with demonstration(program, port) as (_, again):
        assert {name: again[name] for name in PROMISED} == {name: said[name] for name in PROMISED}
        assert not any(line.startswith("Loading") for line in again)
        assert mails(again["mailbox"], again["example"]) == [mail]
        assert "</form>" in Browser().get(link), "the link of the first time is forgotten"


@pytest.mark.parametrize("environment", ["production", "test"])
def test_beside_a_real_portal_it_does_not_start_and_makes_nothing(program, environment):
    finished = subprocess.run(
        [PORTAL, "demo", "--port", str(free_port())],
        env=surroundings(program, PORTAL_ENVIRONMENT=environment), cwd=program, capture_output=True,
        text=True, check=False, timeout=30,
    )  # fmt: skip
    assert finished.returncode != 0
    assert "PORTAL_ENVIRONMENT" in finished.stderr
    assert "portal: " not in finished.stdout
    assert not (program / "data").exists()


WITHOUT_MAIL_SERVER = """
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "aiosmtpd" else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
from portal.cli import main
main(["demo"])
"""


def test_without_the_extra_it_says_what_to_install_and_makes_nothing(program):
    finished = subprocess.run(
        [sys.executable, "-c", WITHOUT_MAIL_SERVER], env=surroundings(program), cwd=program,
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert finished.returncode == 1
    assert finished.stderr == (
        "Error: This needs aiosmtpd for its mailbox, and that is not installed. "
        f"Run: {sys.executable} -m pip install aiosmtpd\n"
    )
    assert not (program / "data").exists()


def test_a_developers_own_is_in_the_repository():
    program = "from portal.demo.commands import _folder; print(_folder())"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == f"{ROOT / 'var'}\n"
