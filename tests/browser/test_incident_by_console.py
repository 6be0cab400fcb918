"""A whole incident by the staff's console: two people with passkeys, in two browsers, and no shell.

The portal, the worker and the console are processes of their own, as an operator runs them.
"""

import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from portal.crypto import keys
from tests import processes
from tests.browser.conftest import PHONE, Portal
from tests.browser.test_passkeys import Authenticator
from tests.mailbox import Mailbox

SLUG = "theft-of-our-bookings"
DESKTOP = {"width": 1280, "height": 900}
PARTS = {
    "title": "On 3 November 2026 a thief copied the bookings of our customers",
    "apology": "We are sorry. You trusted us with your bookings, and we did not keep them safe.",
    "section1": "Someone signed in with a stolen password and copied our bookings on 3 November 2026.",
    "section2": "- your name\n- your email address\n- your password, scrambled",
    "section3": "We closed the gap the thief used. We told the data protection authority on 4 November 2026.",
    "section4": "- [Check](/check/) which of your data was taken.\n- [Choose a new password](/reset/).",
    "section5": "Write to help@northwind.example or call +1 555 0100.",
}
LIST = "E-Mail;Kundennummer;Name;Daten\n" + "".join(
    f"person{number}@northwind.example;C-{number};Person {number};{classes}\n"
    for number, classes in enumerate(["Names", "Passwords", "Names", "Passwords", "Email addresses"])
)
COLUMNS = {"E-Mail": "email", "Kundennummer": "account_ref", "Name": "name", "Daten": "data_classes"}


@dataclass
class Staff:
    """A person in front of the console, with an authenticator."""

    page: Page
    url: str

    @property
    def path(self) -> str:
        """Where the page is, within the console."""
        return self.page.url.removeprefix(self.url)

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.url}{path}")
        return self.page

    def press(self, words: str, within: str = "main") -> None:
        """Press a button, and wait for the page that it leads to."""
        button = self.page.locator(within).get_by_role("button", name=words, exact=True).first
        with self.page.expect_navigation():
            button.click()
        self.confirm()

    def confirm(self) -> None:
        """Confirm with the passkey where the console asks who is there."""
        if "/confirm/" in self.page.url:
            with self.page.expect_navigation(url=lambda url: "/confirm/" not in url):
                self.page.get_by_role("button", name="Use your passkey").click()

    def approve(self, path: str) -> None:
        self.open(path)
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Approve with your passkey").click()
        expect(self.page.locator(".notice").first).to_have_text("Approved and done.")


def notified(smtp: Mailbox) -> list[str]:
    """Who got a notice so far."""
    return [mail.recipients[0] for mail in smtp.messages if mail.recipients[0].startswith("person")]


def wait_for(is_so: Callable[[], bool], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def environ(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    port = processes.free_port()
    worker = keys.read_worker(Path(environ["PORTAL_WORKER_KEYS_FILE"]))
    file = tmp_path / "console-keys" / "console.json"
    keys.write((file, keys.for_console(worker)))
    return environ | {
        "PORTAL_CONSOLE_URL": f"http://localhost:{port}",
        "PORTAL_CONSOLE_LISTEN": f"127.0.0.1:{port}",
        "PORTAL_CONSOLE_KEYS_FILE": str(file),
        "PORTAL_LANGUAGES": "en",
    }


@pytest.fixture
def staffed(running_portal: Portal, environ: dict[str, str], servers: ExitStack, tmp_path: Path) -> str:
    """The console beside the portal, as a process of its own; its address."""
    servers.enter_context(processes.serving_console(environ, tmp_path / "console.log"))
    return environ["PORTAL_CONSOLE_URL"]


@pytest.fixture
def joined(
    running_portal: Portal, staffed: str, another_person: Callable[..., BrowserContext]
) -> Callable[..., Staff]:
    """Somebody who joins by an invitation, with a passkey."""

    def join(name: str, *roles: str, **options: Any) -> Staff:
        also = [part for role in roles[1:] for part in ("--also", role)]
        link = running_portal.command("staff", "invite", roles[0], f"{name}@northwind.example", *also)
        page = another_person(**({"viewport": DESKTOP} | options)).new_page()
        Authenticator(page)
        page.goto(link.strip())
        page.locator("#passkey-name").fill(name.capitalize())
        with page.expect_navigation():
            page.get_by_role("button", name="Join with a passkey").click()
        expect(page.locator("h1")).to_have_text("Save your recovery codes")
        return Staff(page, staffed)

    return join


def test_two_people_do_a_whole_incident_in_a_browser(
    joined: Callable[..., Staff],
    accessible: Callable[..., None],
    running_portal: Portal,
    smtp: Mailbox,
    tmp_path: Path,
) -> None:
    author = joined("iris", "author")
    approver = joined("tomas", "approver", viewport=PHONE, has_touch=True)
    write_statement(author, accessible)
    publish(author, approver, accessible)
    public = author.page.context.new_page()
    public.goto(f"{running_portal.url}/incidents/{SLUG}/")
    expect(public.locator("main")).to_contain_text("we did not keep them safe")

    file = tmp_path / "people.csv"
    file.write_text(LIST, encoding="utf-8")
    send_list(author, file, accessible)
    author.press("Store the list")
    expect(author.page.get_by_text("This is version 1.")).to_be_visible(timeout=30_000)
    author.open(f"/lists/{SLUG}/")
    accessible(author.page)
    author.press("Ask to activate version 1")
    accessible(author.page)
    approver.approve(author.path)

    notify_in_two_waves(author, approver, accessible, smtp)


def write_statement(author: Staff, accessible: Callable[..., None]) -> None:
    """Begin an incident, and write its statement while the page saves it."""
    page = author.open("/incidents/new/")
    accessible(page)
    page.locator("#title").fill("Theft of our bookings")
    for group, kind in (
        ("Signing in", "Passwords"),
        ("Contact details", "Email addresses"),
        ("About you", "Names"),
    ):
        page.locator("summary", has_text=group).click()
        page.get_by_label(kind, exact=True).check()
    author.press("Begin")
    assert author.path == f"/incidents/{SLUG}/statement/en/"
    for name, text in PARTS.items():
        page.locator(f"main [name={name}]").fill(text)
    page.locator("[name=signed_by]").fill("Ana Ruiz")
    page.locator("[name=role]").fill("Managing director")
    expect(page.get_by_role("status").filter(has_text=re.compile("^Saved"))).to_be_visible()
    accessible(page)
    author.press("Save")


def publish(author: Staff, approver: Staff, accessible: Callable[..., None]) -> None:
    """Ask for the publication on a desktop, and approve it on a phone."""
    page = author.open(f"/incidents/{SLUG}/statement/publish/")
    author.confirm()
    for box in page.locator("[name=accept]").all():
        box.check()
    accessible(page)
    author.press("Ask for approval")
    assert author.path.startswith("/approvals/")
    accessible(page)
    accessible(approver.open(author.path))
    approver.approve(author.path)


def notify_in_two_waves(
    author: Staff, approver: Staff, accessible: Callable[..., None], smtp: Mailbox
) -> None:
    """A pause between the waves holds, and nobody is missed or told twice."""
    page = author.open(f"/notices/{SLUG}/new/")
    accessible(page)
    page.get_by_label("Size of the first wave").fill("2")
    second_wave = datetime.now(UTC) + timedelta(seconds=30)
    page.get_by_label("When the rest may go, in UTC").fill(f"{second_wave:%Y-%m-%d %H:%M:%S}")
    author.press("Make the draft")
    accessible(page)
    notice = author.path
    author.press("Ask for approval")
    accessible(page)
    approver.approve(author.path)
    wait_for(lambda: len(notified(smtp)) == 2)
    author.open(notice)
    page.get_by_label("Why?").fill("Support is closed")
    author.press("Pause")
    accessible(page)
    wait_for(lambda: datetime.now(UTC) > second_wave + timedelta(seconds=5), seconds=60)
    assert len(notified(smtp)) == 2
    approver.open(notice)
    approver.press("Resume")
    if approver.page.get_by_role("button", name="Resume").is_visible():  # it asked for the passkey first
        approver.press("Resume")
    wait_for(lambda: len(notified(smtp)) == 5)
    assert sorted(notified(smtp)) == [f"person{number}@northwind.example" for number in range(5)]


def send_list(author: Staff, file: Path, accessible: Callable[..., None]) -> None:
    """Send a file, say what its columns are, and wait until it is read."""
    page = author.open(f"/lists/{SLUG}/")
    author.confirm()
    accessible(page)
    page.locator("#file-list").set_input_files(file)
    page.get_by_role("button", name="Send the list").click()
    expect(page.get_by_role("heading", name="Columns")).to_be_visible(timeout=30_000)
    accessible(page)
    for header, column in COLUMNS.items():
        page.get_by_label(header, exact=True).select_option(column)
    page.get_by_role("button", name="Read the file like this").click()
    expect(page.get_by_role("button", name="Store the list")).to_be_visible(timeout=30_000)
    accessible(page)
