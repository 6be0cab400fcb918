"""The store `link`: the portal has no access to the accounts, and every page and mail says where they are."""

import re
from datetime import timedelta
from typing import cast

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select

from portal.app import create_app
from portal.core.settings import Settings
from portal.core.settings.link import Link
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.store import BuiltinStore
from portal.identity.models import AccountState
from portal.intake import service as intake
from portal.intake.models import IntakeRequest
from portal.rotation import jobs
from portal.rotation.models import ReminderChoice
from portal.worker import drain
from tests.commands import context, portal, portal_with
from tests.configured import configured
from tests.traces import contents
from tests.visitor import Visitor, leads_to, main_of

__all__ = ["context", "portal", "portal_with"]

URL, SIGN_IN_URL = "https://www.northwind.example/forgot-password", "https://id.northwind.example/sign-in"
PAGES_OF_ACCOUNTS = (
    "/reset/sent/", "/reset/choose/", "/reset/done/", "/reset/1/", "/account/password/", "/reset/wait/",
    "/account/password/wait/",
)  # fmt: skip


@pytest.fixture
def settings(environ) -> Settings:
    chosen = {"STORE": "link", "LINK_URL": URL, "LINK_SIGN_IN_URL": SIGN_IN_URL}
    return Settings.from_env(environ | {f"PORTAL_IDENTITY_{name}": value for name, value in chosen.items()})


def link_in(mail) -> str:
    (path,) = re.findall(r"http://localhost:8000(/reminders/open/\S+)", mail.text)
    return str(path)


def count(db, table) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_session_of_a_store_used_before_signs_nobody_in(client, portal_with, db, clock, worker_vault):
    browser = cast("Visitor", portal_with(identity={"store": "builtin"}).test_client())
    hashed = PasswordHasher(1, 64, 1).hash("a lantern for eleven owls")
    with db.write() as session:
        account = NewAccount(Profile("sam@northwind.example"), hashed)
        BuiltinStore().add(session, worker_vault, [account], clock.now())
    browser.submit("/sign-in/", email="sam@northwind.example", password="a lantern for eleven owls")
    assert browser.get("/account/").status_code == 200
    cookie = browser.get_cookie("session")
    assert cookie is not None
    client.set_cookie("session", cookie.value)
    answer = client.submit("/reminders/", to="/account/answer/")
    assert (answer.status_code, leads_to(answer)) == (303, "/sign-in/")
    assert count(db, IntakeRequest) == 1, "the sign-in's alone"


@pytest.mark.sqlite
class TestPages:
    @pytest.mark.parametrize(
        ("language", "said"),
        [("en", "You can’t do that here. Use this page on our website:"), ("es", "Aquí no puede hacerlo.")],
    )
    def test_the_page_for_a_new_password_names_the_companys_own(self, client, language, said):
        page = client.get("/reset/", headers={"Accept-Language": language}).text
        assert said in page
        assert f'<a href="{URL}">' in page
        assert f'<span dir="ltr">{URL}</span>' in page
        assert '<b dir="ltr">www.northwind.example</b>' in page
        assert "<form" not in main_of(page)

    def test_the_page_to_sign_in_names_the_companys_own(self, client):
        page = client.get("/sign-in/").text
        assert f'<a href="{SIGN_IN_URL}">' in page
        assert '<b dir="ltr">id.northwind.example</b>' in page
        assert (
            page.index('<ul class="ways">') < page.index(SIGN_IN_URL) < page.index('<ul class="ways plain">')
        )
        assert f'<a href="{URL}">' in page
        assert "<form" not in main_of(page)

    def test_without_a_page_to_sign_in_it_says_where_people_always_do(self, settings, db, clock, web_keys):
        link = configured(settings, identity={"link": Link(URL)})
        page = create_app(link, db=db, clock=clock, web_keys=web_keys).test_client().get("/sign-in/").text
        assert "Sign in where you always do." in page
        assert "ways plain" not in page  # the only way is the one to take
        assert SIGN_IN_URL not in page

    @pytest.mark.parametrize("path", PAGES_OF_ACCOUNTS)
    def test_the_other_pages_of_a_new_password_lead_to_that_one(self, client, path):
        assert leads_to(client.get(path)) == "/reset/"

    @pytest.mark.parametrize("path", ["/account/", "/account/sessions/", "/sign-out/"])
    def test_the_pages_of_an_account_lead_to_the_one_that_says_where_it_is(self, client, path):
        assert leads_to(client.get(path)) == "/sign-in/"

    def test_account_reminders_lead_to_those_by_mail(self, client):
        for path in ("/account/reminders/", "/account/reminders/calendar.ics"):
            assert leads_to(client.get(path)) == "/reminders/"

    @pytest.mark.parametrize(
        ("path", "fields"),
        [
            ("/reset/", {"email": "sam@northwind.example"}),
            ("/reset/choose/", {"password": "sunlit-marble-otter-harbour"}),
            ("/reset/sent/", {"code": "ABCDEFGH"}),
            ("/sign-in/", {"email": "sam@northwind.example", "password": "sunlit-marble-otter"}),
            ("/account/password/", {"current_password": "a", "password": "sunlit-marble-otter-harbour"}),
        ],
    )
    def test_a_form_of_before_changes_nothing(self, client, db, path, fields):
        answer = client.submit("/reminders/", to=path, **fields)
        assert answer.status_code == 303
        assert leads_to(answer) in ("/reset/", "/sign-in/")
        assert count(db, IntakeRequest) == 0

    def test_password_managers_are_sent_to_the_companys_page(self, client):
        answer = client.get("/.well-known/change-password")
        assert (answer.status_code, answer.location) == (302, URL)

    def test_links_of_the_company_are_named_where_fakes_are_told(self, client):
        page = client.get("/is-it-real/").text
        assert "Links for a new password lead to www.northwind.example" in page
        assert "always start with" not in page


def test_a_reminder_is_chosen_through_a_mailed_link_and_comes(client, db, worker_parts, clock, smtp):
    assert leads_to(client.submit("/reminders/", email="Sam@northwind.example")) == "/reminders/sent/"
    drain(worker_parts)
    (asked,) = smtp.messages
    assert asked.recipients == ("Sam@northwind.example",)
    assert (count(db, AccountState), count(db, ReminderChoice)) == (0, 0)  # whoever asks is not known by it
    path = link_in(asked)
    assert leads_to(client.get(path)) == "/reminders/choose/"
    chosen = client.submit("/reminders/choose/", interval="6")
    assert leads_to(chosen) == "/reminders/choose/"
    assert "Saved. We’ll email you a reminder." in client.get(chosen.location).text
    drain(worker_parts)
    clock.advance(timedelta(days=182))
    assert jobs.remind(worker_parts) == 1
    drain(worker_parts)
    reminder = smtp.messages[-1]
    assert "open our website www.northwind.example as you always do." in reminder.text
    assert URL not in reminder.text  # no link to follow, so none to fake
    assert "for your account" not in reminder.text


def test_a_scanner_that_opens_the_mailed_link_chooses_nothing(client, db, worker_parts, smtp):
    client.submit("/reminders/", email="sam@northwind.example")
    drain(worker_parts)
    before = contents(db)
    opened = client.get(link_in(smtp.messages[0]), follow_redirects=True)
    assert (opened.status_code, contents(db)) == (200, before)


def test_a_choice_may_be_changed_and_ended_and_leaves_nothing(client, db, worker_parts, smtp):
    client.submit("/reminders/", email="sam@northwind.example")
    drain(worker_parts)
    path = link_in(smtp.messages[0])
    for interval, rows in (("off", 0), ("3", 1), ("12", 1), ("off", 1), ("6", 1), ("off", 1)):
        client.get(path)
        client.submit("/reminders/choose/", interval=interval)
        drain(worker_parts)
        assert (count(db, AccountState), count(db, ReminderChoice)) == (rows, rows)
    with db.read() as session:
        assert [choice.months for choice in session.scalars(select(ReminderChoice))] == [0]
    jobs.forget(worker_parts)
    assert (count(db, AccountState), count(db, ReminderChoice)) == (0, 0)


def test_whoever_still_wants_reminders_is_not_forgotten(client, db, worker_parts, smtp):
    for address, interval in (("sam@northwind.example", "off"), ("robin@northwind.example", "3")):
        client.submit("/reminders/", email=address)
        drain(worker_parts)
        page = client.get(link_in(smtp.to(address)[0])).location
        for chosen in ("12", interval):
            client.submit(page, interval=chosen)
            drain(worker_parts)
    jobs.forget(worker_parts)
    with db.read() as session:
        assert [choice.months for choice in session.scalars(select(ReminderChoice))] == [3]
    assert count(db, AccountState) == 1


def test_a_forged_choice_is_dropped(client, db, worker_parts, web_vault, clock):
    with db.write() as session:
        fields = {"token": "A" * 32, "interval": "3"}
        intake.submit(session, web_vault, "reminder-chosen", fields, clock.now())
    drain(worker_parts)
    assert count(db, ReminderChoice) == 0


def test_nothing_is_locked_and_the_operator_is_told_what_to_do(portal):
    for words in (["november"], ["--everyone"], ["--everyone", "--dry-run"]):
        result = portal("reset", "require", *words, status=1)
        assert "PORTAL_IDENTITY_STORE=link cannot lock passwords: nothing was changed" in result.output
        assert f"the notice, which names {URL}: portal campaigns notify SLUG --dry-run" in result.output


def test_accounts_are_not_imported_where_they_would_be_of_no_use(portal, tmp_path):
    file = tmp_path / "accounts.csv"
    file.write_text("email,password_hash\nsam@northwind.example,\n")
    said = portal("accounts", "import", file, status=1).output
    assert "Nothing was stored." in said
    assert "PORTAL_IDENTITY_STORE=link names another one" in said
