"""A whole reset through the store `sql`: Django's own table, which Django itself then accepts."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import PHONE, Portal
from tests.processes import ROOT

ANA = "ana@example.com"
Check = Callable[[Page], None]
OLD, NEW = "the tide rises at nine", "quarry-lantern-violin-moss"


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """A database that Django made, with its own accounts."""
    file = tmp_path / "product.db"
    django(file, "new")
    return file


@pytest.fixture
def environ(environ: dict[str, str], product: Path) -> dict[str, str]:
    return environ | {
        "PORTAL_IDENTITY_STORE": "sql",
        "PORTAL_IDENTITY_SQL_URL": f"sqlite:///{product}",
        "PORTAL_IDENTITY_SQL_TABLE": "auth_user",
        "PORTAL_IDENTITY_SQL_FORMAT": "django-pbkdf2-sha256",
        "PORTAL_IDENTITY_SQL_NAME": "first_name",
        "PORTAL_IDENTITY_SQL_ACTIVE": "is_active",
        "PORTAL_IDENTITY_SQL_CHANGE_ENDS_SESSIONS": "yes",
    }


def django(file: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "tests.identity.django_product", str(file), *words]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return json.loads(printed) if printed else None


def link_by_mail(portal: Portal, page: Page) -> str:
    before = len(portal.mailbox.messages)
    page.goto(f"{portal.url}/reset/")
    page.get_by_label("Email address").fill(ANA)
    page.get_by_role("button", name="Email me a link").click()
    page.wait_for_url(f"{portal.url}/reset/sent/")
    portal.mailbox.wait_for(before + 1)
    found: list[str] = re.findall(r"http://\S+/reset/[a-z2-7]{32}/", portal.mailbox.messages[-1].text)
    return found[0]


def sign_in(portal: Portal, page: Page, password: str) -> None:
    page.goto(f"{portal.url}/sign-in/")
    page.get_by_label("Email address").fill(ANA)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


@pytest.mark.parametrize("script", [True, False])
def test_django_accepts_the_password_that_was_chosen_here(
    running_portal: Portal, product: Path, another_person: Any, accessible: Check, script: bool
):
    context: BrowserContext = another_person(viewport=PHONE, java_script_enabled=script)
    page = context.new_page()
    link = link_by_mail(running_portal, page)
    sign_in(running_portal, page, OLD)
    page.wait_for_url(f"{running_portal.url}/account/")
    page.goto(link)
    page.get_by_label("New password").fill(OLD)
    page.get_by_role("button", name="Save my new password").click()
    expect(page.get_by_text("This is your current password.").first).to_be_visible()
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Save my new password").click()
    page.wait_for_url(f"{running_portal.url}/reset/done/?link=*")
    if script:
        accessible(page)
    old, new = django(product, "try", ANA, OLD, ANA, NEW)
    assert (old["signs in"], new["signs in"]) == (False, True)
    page.goto(f"{running_portal.url}/account/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    sign_in(running_portal, page, OLD)
    expect(page.get_by_text("We couldn’t sign you in").first).to_be_visible()
    sign_in(running_portal, page, NEW)
    page.wait_for_url(f"{running_portal.url}/account/")
    if script:
        accessible(page)
