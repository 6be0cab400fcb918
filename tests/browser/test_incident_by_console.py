"""A whole incident by the staff's console: two people with passkeys, in two browsers, and no shell.

The portal, the worker and the console are processes of their own, as an operator runs them.
"""

import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from portal.crypto import keys
from tests import processes
from tests.browser.conftest import PHONE, Portal
from tests.browser.staff import Staff, join
from tests.mailbox import Mailbox
from tests.people_files.workbooks import sheet, write

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
# Those of the list, two more, and what goes wrong in workbooks: no address, two in one cell, a kind unknown.
WORKBOOK = [
    ("E-Mail", "Kundennummer", "Name", "Daten", "Telefon"),
    *((*line.split(";"), "555 0199") for line in LIST.splitlines()[1:]),
    ("person5@northwind.example", "C-5", "Person 5", "Names", "555 0199"),
    ("person6@northwind.example", "C-6", "Person 6", "Passwords", "555 0199"),
    ("", "C-7", "Person 7", "Names", ""),
    ("not an address", "C-8", "Person 8", "Names", ""),
    ("person9@northwind.example", "C-9", "Person 9", "Shoe sizes", ""),
]
COLUMNS = {"E-Mail": "email", "Kundennummer": "account_ref", "Name": "name", "Daten": "data_classes"}


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
    """Somebody whom an operator invites, and who joins with a passkey."""

    def invited(name: str, *roles: str, **options: Any) -> Staff:
        also = [part for role in roles[1:] for part in ("--also", role)]
        link = running_portal.command("staff", "invite", roles[0], f"{name}@northwind.example", *also)
        page = another_person(**({"viewport": DESKTOP} | options)).new_page()
        return join(page, link.strip(), name.capitalize(), staffed)

    return invited


def test_two_people_do_a_whole_incident_in_a_browser(
    joined: Callable[..., Staff],
    another_person: Callable[..., BrowserContext],
    accessible: Callable[..., None],
    running_portal: Portal,
    smtp: Mailbox,
    tmp_path: Path,
) -> None:
    author = joined("iris", "author", "admin")
    approver = joined("tomas", "approver", "admin", viewport=PHONE, has_touch=True)
    invite(author, approver, another_person().new_page(), accessible, smtp)
    write_statement(author, accessible)
    tick_the_checklist(author, accessible)
    publish(author, approver, accessible)
    public = author.page.context.new_page()
    public.goto(f"{running_portal.url}/incidents/{SLUG}/")
    expect(public.locator("main")).to_contain_text("we did not keep them safe")

    file = tmp_path / "people.csv"
    file.write_text(LIST, encoding="utf-8")
    send_list(author, file, accessible)
    store_and_activate(author, approver, 1, accessible)
    notify_in_two_waves(author, approver, accessible, smtp)

    write(tmp_path / "people.xlsx", {"Notes": sheet(("Nothing", "here")), "Customers": sheet(*WORKBOOK)})
    send_workbook(author, tmp_path / "people.xlsx", accessible)
    store_and_activate(author, approver, 2, accessible)
    notify_the_new_ones(author, approver, accessible, smtp)

    withdraw_an_update(author, approver, public, accessible)


def invite(admin: Staff, second: Staff, page: Page, accessible: Callable[..., None], smtp: Mailbox) -> None:
    """Two admins invite a colleague, who joins by the mail and sees what is theirs alone."""
    admin.open("/staff/new/")
    admin.page.locator("#email").fill("vera@northwind.example")
    admin.page.get_by_label("Privacy: lists, exports and the log").check()
    accessible(admin.page)
    admin.press("Ask for approval")
    second.approve(admin.path)
    wait_for(lambda: bool(smtp.to("vera@northwind.example")))
    vera = join(
        page,
        next(re.finditer(r"http://\S+/invitation/\S+", smtp.to("vera@northwind.example")[0].text)).group(),
        "Vera",
        admin.url,
    )
    vera.open("/")
    accessible(vera.page)
    expect(vera.open("/staff/new/").locator("h1")).to_have_text("Your role doesn’t allow this")


def tick_the_checklist(author: Staff, accessible: Callable[..., None]) -> None:
    """The insurer was told: the list has the proof, and offers the entry of the timeline."""
    page = author.open(f"/checklist/{SLUG}/")
    accessible(page)
    insurer = page.locator("#insurer")
    insurer.get_by_role("link", name="Change").click()
    page.get_by_label("Owner").select_option("Iris")
    page.get_by_label("It’s done").check()
    page.get_by_label("Note").fill("They send a lawyer tomorrow")
    page.get_by_label("Proof", exact=True).fill("Case 4711")
    accessible(page)
    author.press("Save")
    expect(insurer).to_contain_text("Done")
    expect(insurer).to_contain_text("Case 4711")
    with page.expect_navigation():
        insurer.get_by_role("button", name="Write the timeline entry").click()
    assert page.locator("#phase").input_value() == "insurer-informed"
    author.press("Delete this draft")


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
    page.get_by_label("When the rest may go").fill(f"{second_wave:%Y-%m-%d %H:%M:%SZ}")
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
    wait_for(lambda: len(notified(smtp)) == 5)
    assert sorted(notified(smtp)) == [f"person{number}@northwind.example" for number in range(5)]


def send_list(author: Staff, file: Path, accessible: Callable[..., None]) -> None:
    """Send a file, say what its columns are, and wait until it is read."""
    page = author.open(f"/lists/{SLUG}/")
    author.confirm()
    accessible(page)
    page.locator("#file-list").set_input_files(file)
    page.get_by_role("button", name="Upload the list").click()
    expect(page.get_by_role("heading", name="Columns")).to_be_visible(timeout=30_000)
    accessible(page)
    for header, column in COLUMNS.items():
        page.get_by_label(header, exact=True).select_option(column)
    page.get_by_role("button", name="Read the file like this").click()
    expect(page.get_by_role("button", name="Store the list")).to_be_visible(timeout=30_000)
    accessible(page)


def store_and_activate(author: Staff, approver: Staff, number: int, accessible: Callable[..., None]) -> None:
    author.press("Store the list")
    expect(author.page.get_by_text(f"This is version {number}.")).to_be_visible(timeout=30_000)
    author.open(f"/lists/{SLUG}/")
    accessible(author.page)
    author.press(f"Ask to activate version {number}")
    accessible(author.page)
    approver.approve(author.path)


def send_workbook(author: Staff, file: Path, accessible: Callable[..., None]) -> None:
    """Send a workbook of two sheets with faults: the sheet is asked for, each fault told with its line."""
    page = author.open(f"/lists/{SLUG}/")
    page.locator("#file-list").set_input_files(file)
    page.get_by_role("button", name="Upload the list").click()
    page.locator("select#sheet-list").select_option("Customers")
    page.get_by_role("button", name="Upload the list").click()
    expect(page.get_by_role("heading", name="Columns")).to_be_visible(timeout=30_000)
    for header, column in (COLUMNS | {"Telefon": "-"}).items():
        page.get_by_label(header, exact=True).select_option(column)
    page.get_by_role("button", name="Read the file like this").click()
    expect(page.get_by_role("heading", name="Rejected rows")).to_be_visible(timeout=30_000)
    expect(page.locator("main")).to_contain_text("2 new, 0 gone, 0 changed")
    accessible(page)
    told = page.locator("td", has_text="Lines of the file").all_text_contents()
    lines = set(re.findall(r"\d+", " ".join(told)))
    assert {"9", "10", "11"} <= lines


def notify_the_new_ones(
    author: Staff, approver: Staff, accessible: Callable[..., None], smtp: Mailbox
) -> None:
    """More facts, to the two people whom the second list brought; the others are not told again."""
    page = author.open(f"/notices/{SLUG}/new/")
    page.get_by_label("More facts: to people we told before").check()
    page.get_by_label("Only people who are new since an earlier notice").check()
    page.get_by_label("Number of the earlier notice").fill("1")
    author.press("Make the draft")
    accessible(page)
    author.press("Ask for approval")
    approver.approve(author.path)
    wait_for(lambda: len(notified(smtp)) == 7)
    assert sorted(notified(smtp)) == [f"person{number}@northwind.example" for number in range(7)]


def withdraw_an_update(author: Staff, approver: Staff, public: Page, accessible: Callable[..., None]) -> None:
    """An update is posted with a second person, and withdrawn without one; its page says so."""
    page = author.open(f"/incidents/{SLUG}/timeline/")
    page.locator("#phase").select_option("contained")
    author.press("Write an update")
    page.locator("#title-en").fill("We closed the gap")
    page.locator("#body-en").fill("Nobody can sign in with the stolen password since 4 November 2026.")
    page.get_by_label("Only show it on the page and in the feeds").check()
    author.press("Save")
    page.get_by_role("link", name="Review and post").click()
    accessible(page)
    author.press("Ask for approval")
    approver.approve(author.path)
    public.reload()
    expect(public.locator("main")).to_contain_text("We closed the gap")
    author.open(f"/incidents/{SLUG}/timeline/")
    accessible(page)
    page.get_by_role("link", name="Withdraw update 1").click()
    page.locator("#reason").fill("The date was wrong.")
    accessible(page)
    author.press("Withdraw it")
    public.reload()
    expect(public.locator("main")).not_to_contain_text("Nobody can sign in")
    expect(public.locator("main")).to_contain_text("The date was wrong.")
