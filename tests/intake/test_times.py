"""Whoever saw when a person came finds no row by that time that says more than that somebody came."""

from datetime import UTC, datetime

import pytest

from portal.core.clock import FixedClock
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.service import hasher_for
from portal.incidents import service as incidents
from portal.worker import drain
from tests import traces
from tests.open_store import OpenStore

ANA, PASSWORD, NEW = "ana@northwind.example", "a lantern for eleven owls", "sunlit marble otter harbour"
# A live session, prepared answers and mails need the time, and say nothing that differs between people. The
# pace is one row, about the last request.
WITH_TIMES = {"account_sessions", "intake_pace", "intake_replies", "outbox_mails"}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 23, 9, 47, 53, 123_456, tzinfo=UTC))


@pytest.fixture
def visited(app, db, worker_parts, worker_vault, settings, smtp):
    """Ana checks, subscribes, signs in, wants reminders, and chooses a new password, by the link as well."""
    early = datetime(2026, 11, 1, tzinfo=UTC)
    account = NewAccount(Profile(ANA), hasher_for(settings).hash(PASSWORD))
    with db.write() as session:
        incidents.create(session, "november", "The incident", ("Names",), early)
        incidents.publish(session, "november", early)
        OpenStore().add(session, worker_vault, [account], early)
    browser = app.test_client()
    browser.submit("/check/", email=ANA)
    browser.submit("/subscribe/", email=ANA, incident="november")
    browser.submit("/reset/", email=ANA)
    drain(worker_parts)
    mails = {mail.message["Subject"]: mail.text for mail in smtp.to(ANA)}
    paths = [word for text in mails.values() for word in text.split() if word.startswith("http://")]
    (confirm,) = [path for path in paths if "/subscribe/confirm/" in path]
    browser.get(confirm.removeprefix("http://localhost:8000"))
    assert browser.submit("/subscribe/confirm/").status_code == 303
    assert app.test_client().submit("/sign-in/", email=ANA, password="a wrong one").status_code == 400
    assert browser.submit("/sign-in/", email=ANA, password=PASSWORD).status_code == 303
    assert browser.submit("/account/reminders/", interval="3").status_code == 303
    changed = browser.submit("/account/password/", current_password=PASSWORD, password=NEW)
    assert changed.status_code == 303
    browser.submit("/reset/", email=ANA)
    drain(worker_parts)
    link = next(
        path
        for path in reversed([word for mail in smtp.to(ANA) for word in mail.text.split()])
        if path.startswith("http://localhost:8000/reset/") and len(path) > 50
    )
    browser = app.test_client()
    browser.get(link.removeprefix("http://localhost:8000"))
    assert browser.submit("/reset/choose/", password=f"{NEW} again").status_code == 303
    drain(worker_parts)


def test_a_time_is_in_no_row_that_leads_to_a_person(visited, db):
    everything = traces.contents(db)
    assert everything["rotation_choices"]
    assert everything["subscriptions"]
    assert everything["intake_caps"]
    assert [row for row in everything["intake_requests"] if "held" in row], "the check waits for a list"
    found = {
        table
        for table, rows in everything.items()
        if not table.startswith(("audit", "incidents", "scheduled", "campaigns"))
        for row in rows
        if any(":47:53" in str(value) for value in row)
    }
    waits = {"sign_in_waits"} & found  # until the wait is over
    assert found - waits <= WITH_TIMES
