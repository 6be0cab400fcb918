"""Requests that no browser's user makes get an ordinary answer, and none says that the database failed."""

from datetime import timedelta

import pytest

from portal.exposure.uploads.models import Upload
from portal.incidents import service as incidents
from portal.incidents.drafts.models import Draft
from portal.site.saved.models import SiteContent
from portal.staff.orders import within_day
from tests.visitor import SAME_SITE, hidden

BIG = "9" * 25


@pytest.mark.parametrize(
    "path",
    [
        f"/notices/november/{BIG}/",
        f"/notices/november/{BIG}/unreached/",
        f"/notices/november/{BIG}/text/en/",
        f"/incidents/november/statement/en/conflict/{BIG}/",
        f"/incidents/november/timeline/0123456789abcdef/conflict/{BIG}/",
        f"/incidents/november/withdraw/version/{BIG}/",
    ],
)
def test_a_number_that_no_database_takes_is_no_page(office, path):
    assert office.as_role("author", "privacy").get(path).status_code == 404


@pytest.mark.parametrize("base", [BIG, "-1", "²", "x"])
def test_a_number_in_a_form_that_no_database_takes_is_none(office, base):
    author = office.as_role("author")
    with office.db.write() as session:
        incidents.create(session, "november", "Theft of bookings", ("Names",), office.clock.now())
    editor = "/incidents/november/statement/en/"
    token = hidden(author.get(editor).text)
    answer = author.post(editor, data=token | {"title": "Theft", "base": base}, headers=SAME_SITE)
    assert answer.status_code in (303, 409)
    assert "Theft" in author.get(editor).text or answer.status_code == 409


def test_a_broken_referer_leads_to_the_confirmation(office):
    browser = office.as_role("admin")
    token = hidden(browser.get("/mail/").text)
    office.advance(timedelta(minutes=6))
    answer = browser.open(
        "/mail/retry/", method="HEAD", data=token, headers=SAME_SITE | {"Referer": "http://["}
    )
    assert (answer.status_code, answer.location) == (303, "/confirm/?next=/")


@pytest.fixture
def busy(office, worker_vault):
    """Somebody who stored as much today as they may; returns their browser and their session's token."""
    colleague = office.add("author", "admin")
    browser, now = office.sign_in(colleague), office.clock.now()
    with office.db.write() as session:
        incidents.create(session, "november", "Theft of bookings", ("Names",), now)
        for vault in (worker_vault, office.app.extensions["portal"].vault):  # each counts what it stores
            for _ in range(200):
                assert within_day(session, vault, colleague.id, now)
    with browser.session_transaction() as cookie:
        return browser, cookie["staff"]


@pytest.mark.parametrize(
    "name", ["add", "ask", "checklist-file-keep", "incident-create", "notice-draft", "reset-count"]
)
def test_the_worker_takes_no_more_orders_a_day_than_anybody_gives(office, busy, name):
    answer = office.parts.sealed[f"staff.{name}"](b"", {"session": busy[1]}, office.parts)
    assert answer == {"outcome": "refused", "reason": "many-today", "values": {}}


def test_the_console_stores_no_more_a_day_than_anybody_writes(office, busy, db):
    browser, _token = busy
    file = {"purpose": "list", "form": "text", "size": "9", "name": "a.csv"}
    timeline, lists = "/incidents/november/timeline/", "/lists/november/"
    token = hidden(browser.get(timeline).text)

    def send(path, **fields):
        answer = browser.post(path, data=token | fields, headers=SAME_SITE)
        return browser.get(answer.location).text if answer.location else answer.text

    for said in (
        send(f"{timeline}new/", phase="contained"),
        send("/settings/privacy.en/", act="save", value="# Privacy", base="0"),
        send(f"{lists}uploads/", **file),
    ):
        assert "Go on tomorrow." in said
    with db.read() as session:
        assert [session.query(table).count() for table in (Draft, SiteContent, Upload)] == [0, 0, 0]
    office.advance(timedelta(days=1))
    with db.write() as session:
        assert within_day(session, office.parts.vault, office.people["Author0"].id, office.clock.now())
