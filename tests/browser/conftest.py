"""A real Chromium, and a portal that runs as an operator runs it."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import axe_playwright_python
import pytest
from flask import Flask
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)
from werkzeug.serving import make_server
from werkzeug.wsgi import ClosingIterator

from portal.core.clock import FixedClock
from portal.runtime.parts import WorkerParts
from tests import processes
from tests.browser.house import House
from tests.mailbox import Mailbox

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# As long for what a page shows as for what it does: some servers hash for seconds on a busy machine.
WAIT_MILLISECONDS = 30_000
expect.set_options(timeout=WAIT_MILLISECONDS)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = ViewportSize(width=390, height=844)
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
COLOURS = ["color-contrast-enhanced", "link-in-text-block"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What vnu finds and axe does not: names that two things have or none has, and attributes out of their place.
MARKUP = """() => {
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  const faults = ids.filter((id, place) => ids.indexOf(id) !== place).map((id) => `two have the name ${id}`);
  for (const name of ["for", "aria-labelledby", "aria-describedby", "aria-controls"])
    for (const one of document.querySelectorAll(`[${name}]`))
      for (const id of one.getAttribute(name).split(/\\s+/))
        if (!ids.includes(id)) faults.push(`${name} leads to ${id}, which is not there`);
  for (const one of document.querySelectorAll("a[href^='#']"))
    if (!ids.includes(one.hash.slice(1))) faults.push(`a link leads to ${one.hash}, which is not there`);
  for (const wrong of [
    "[type=checkbox][autocomplete], [type=radio][autocomplete]",
    "pre[aria-label]:not([role]), pre[aria-labelledby]:not([role])", "p :is(p, ul, div, h1, h2, h3, form)",
    "span :is(p, ul, div, h1, h2, h3, form)", "ul > :not(li), ol > :not(li)", "a a, a button, button a",
  ])
    for (const one of document.querySelectorAll(wrong)) faults.push(one.outerHTML.slice(0, 120));
  return faults;
}"""
# Chromium reports every answer of 400 and above; the tests look at those pages themselves.
EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of 4")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """In the browser SQLite is enough: both databases are tested below it."""
    metafunc.definition.add_marker(pytest.mark.sqlite)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class Portal:
    """A running portal: its address, its mails, and its command line."""

    url: str
    environ: dict[str, str]
    mailbox: Mailbox

    def command(self, *arguments: str | Path) -> str:
        return processes.command(self.environ, *arguments)


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """Every portal here has a port of its own, so that the links in its mails lead to it."""
    port = processes.free_port()
    return environ | {"PORTAL_BASE_URL": f"http://localhost:{port}", "PORTAL_LISTEN": f"127.0.0.1:{port}"}


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """The server of the pages. It stops after every browser: a page still loading needs it."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def running_portal(environ: dict[str, str], smtp: Mailbox, servers: ExitStack, tmp_path: Path) -> Portal:
    """`portal serve` and `portal worker` as processes of their own, on a free port."""
    servers.enter_context(processes.serving(environ, tmp_path / "serve.log"))
    servers.enter_context(processes.working(environ, tmp_path / "worker.log"))
    return Portal(environ["PORTAL_BASE_URL"], environ, smtp)


def _runs(name: str) -> bool:
    """Whether this is a browser, not a stub that only names a snap; without any, Playwright's own is used."""
    return (
        bool(shutil.which(name))
        and not subprocess.run([name, "--version"], capture_output=True, check=False).returncode
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = next(filter(_runs, ("chromium", "chromium-browser", "google-chrome")), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable and shutil.which(executable), args=FLAGS
        )
        yield browser
        browser.close()


@dataclass
class Console:
    """What pages complained about; a test that expects a complaint takes it out."""

    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not EXPECTED.match(message.text):
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def listen_to(self, page: Page) -> None:
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest.fixture
def console() -> Iterator[Console]:
    """At the end of the test no page may have complained: no script error, no CSP violation."""
    console = Console()
    yield console
    assert console.complaints == []


@pytest.fixture
def another_person(
    browser: Browser, console: Console, servers: ExitStack
) -> Iterator[Callable[..., BrowserContext]]:
    """Make one more person with a browser of their own; whatever their pages complain about is heard too.

    The servers are asked for so that they outlive the browsers.
    """
    contexts: list[BrowserContext] = []

    def another(**options: Any) -> BrowserContext:
        context = browser.new_context(**options)
        context.on("page", console.listen_to)
        context.set_default_timeout(WAIT_MILLISECONDS)
        contexts.append(context)
        return context

    yield another
    for context in contexts:
        context.close()


@pytest.fixture
def handset(another_person: Callable[..., BrowserContext]) -> BrowserContext:
    """A person with a phone."""
    return another_person(viewport=PHONE, locale="en-GB", timezone_id="Europe/Madrid", has_touch=True)


@pytest.fixture
def page(handset: BrowserContext) -> Page:
    return handset.new_page()


@pytest.fixture
def house(
    app: Flask,
    worker_parts: WorkerParts,
    smtp: Mailbox,
    clock: FixedClock,
    servers: ExitStack,
    tmp_path: Path,
) -> House:
    """A portal in this process: its clock is the test's, and its worker works when the test says so."""
    servers.enter_context(served(app, int(worker_parts.settings.listen.rpartition(":")[2])))
    return House(app, worker_parts, smtp, clock, tmp_path)


@pytest.fixture
def accessible() -> Callable[..., None]:
    """Call it with a page: axe must find nothing on it, with text at 7:1, and its parts must fit together.

    With `colours` alone of a page that was looked at before, and is now shown by night.
    """

    def check(page: Page, *, colours: bool = False) -> None:
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE)
        found = page.evaluate(
            "only => axe.run({runOnly: only,"
            " rules: {'color-contrast': {enabled: false}, 'color-contrast-enhanced': {enabled: true}}})",
            {"type": "rule", "values": COLOURS} if colours else {"type": "tag", "values": RULES},
        )
        faults = [
            f"{page.url}: {fault['id']}: {fault['help']}: {[node['html'] for node in fault['nodes']]}"
            for fault in found["violations"]
        ]
        assert faults == []
        assert page.evaluate(MARKUP) == [], page.url

    return check


@contextmanager
def served(app: Flask, port: int = 0) -> Iterator[str]:
    """Serve an application from a thread until the block ends; yield its address."""

    def read_first(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        """Answer with a closed file: Werkzeug's server leaves it open where the browser has gone away."""
        with closing(ClosingIterator(app(environ, start_response))) as answer:
            return list(answer)

    server = make_server("127.0.0.1", port, read_first, threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://localhost:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
