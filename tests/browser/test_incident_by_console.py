"""A whole incident by the staff's console: two people with passkeys, in two browsers, and no shell.

The portal, the worker and the console are processes of their own, as an operator runs them.
"""

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
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

    # Begin, write, check.
    page = author.open("/incidents/new/")
    accessible(page)
    page.locator("#title").fill("Theft of our bookings")
    page.locator("summary", has_text="Signing in").click()
    page.get_by_label("Passwords", exact=True).check()
    page.locator("summary", has_text="Contact details").click()
    page.get_by_label("Email addresses", exact=True).check()
    page.locator("summary", has_text="About you").click()
    page.get_by_label("Names", exact=True).check()
    author.press("Begin")
    assert page.url.endswith(f"/incidents/{SLUG}/statement/en/")
    for name, text in PARTS.items():
        page.locator(f"main [name={name}]").fill(text)
    page.locator("[name=signed_by]").fill("Ana Ruiz")
    page.locator("[name=role]").fill("Managing director")
    expect(page.get_by_role("status").filter(has_text=re.compile("^Saved"))).to_be_visible()
    accessible(page)
    author.press("Save")

    # Publish: one asks, another approves on a phone.
    author.open(f"/incidents/{SLUG}/statement/publish/")
    author.confirm()
    for box in page.locator("[name=accept]").all():
        box.check()
    accessible(page)
    author.press("Ask for approval")
    asked = page.url.removeprefix(author.url)
    assert asked.startswith("/approvals/")
    accessible(page)
    approver.open(asked)
    accessible(approver.page)
    approver.approve(asked)
    public = author.page.context.new_page()
    public.goto(f"{running_portal.url}/incidents/{SLUG}/")
    expect(public.locator("main")).to_contain_text("we did not keep them safe")

    # A semicolon file with headers of its own becomes the active list.
    file = tmp_path / "people.csv"
    file.write_text(LIST, encoding="utf-8")
    send_list(author, file, accessible)
    expect(page.locator("main")).to_contain_text("People")
    author.press("Store the list")
    expect(page.get_by_text("This is version 1.")).to_be_visible(timeout=30_000)
    author.open(f"/lists/{SLUG}/")
    accessible(page)
    author.press("Ask to activate version 1")
    asked = page.url.removeprefix(author.url)
    accessible(page)
    approver.approve(asked)


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
