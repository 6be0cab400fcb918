"""A new password on a phone: mail, link, a suggestion taken with one press, the reminder."""

import re
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Page, expect

ADDRESS = "ana@northwind.example"
OLD = "correct-horse-battery-old"


@pytest.fixture
def account(running_portal, tmp_path: Path) -> None:
    """Somebody with an account, who must choose a new password."""
    file = tmp_path / "accounts.csv"
    password_hash = PasswordHasher(1, 64, 1).hash(OLD)
    file.write_text(
        f'email,password_hash,account_ref,name,locale\n{ADDRESS},"{password_hash}",C-1,Ana Ruiz,en\n'
    )
    running_portal.command("accounts", "import", file)
    running_portal.command("reset", "require", "--everyone")
    running_portal.mailbox.wait_for(1)


def test_from_the_mail_to_the_reminder(running_portal, account, page: Page, accessible):
    page.goto(f"{running_portal.url}/reset/")
    accessible(page)
    page.get_by_label("Email address").fill("nonsense")
    page.get_by_role("button", name="Email me a link").click()
    accessible(page)
    page.get_by_label("Email address").fill(ADDRESS)
    page.get_by_role("button", name="Email me a link").click()
    page.wait_for_url(f"{running_portal.url}/reset/sent/")
    accessible(page)
    running_portal.mailbox.wait_for(2)
    link = re.findall(r"http://\S+/reset/[a-z2-7]{32}/", running_portal.mailbox.messages[-1].text)[0]
    page.goto(link)
    expect(page).to_have_url(re.compile(r"/reset/choose/\?link=[0-9a-f]{32}$"))
    accessible(page)
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Save my new password").click()
    expect(page).to_have_title(re.compile("^Error:"))
    accessible(page)
    page.get_by_role("button", name="Use this one").first.click()
    expect(page.get_by_text("centuries")).to_be_visible()
    taken = page.get_by_label("New password").input_value()
    page.get_by_role("button", name="Save my new password").click()
    page.wait_for_url(f"{running_portal.url}/reset/done/?link=*")
    accessible(page)
    page.get_by_label("Every 6 months").check()
    page.get_by_role("button", name="Save my choice").click()
    expect(page.get_by_role("status")).to_contain_text("We’ll email you a reminder")
    accessible(page)
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_contain_text("link")
    accessible(page)
    page.goto(f"{running_portal.url}/account/password/")
    another = "quarry-lantern-violin-moss-tiger"
    page.get_by_label("Email address").fill(ADDRESS)
    page.get_by_label("Password", exact=True).fill(taken)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{running_portal.url}/account/password/")
    accessible(page)
    page.get_by_label("Current password").fill(taken)
    page.get_by_label("New password").fill(another)
    page.get_by_role("button", name="Save my new password").click()
    page.wait_for_url(f"{running_portal.url}/reset/done/?link=*")
    expect(page.get_by_text("Every other device is signed out")).to_be_visible()
