"""The owner sees what happened to the account; a stolen database does not say what or when."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.accounts import jobs
from portal.accounts.activity import service
from portal.accounts.activity.models import AccountEvent
from portal.accounts.activity.service import Kind
from tests.accounts.conftest import PASSWORD
from tests.visitor import main_of

DAY = timedelta(days=1)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def happened(db, web_vault, clock, ana):
    def record(kind=Kind.CHANGED_PASSWORD, device="Firefox/Android"):
        with db.write() as session:
            return service.record(session, web_vault, ana.id, kind, clock.now(), device=device)

    return record


def events(db, vault, account, clock):
    with db.read() as session:
        return service.events_of(session, vault, account.id, clock.now(), timedelta(days=180))


def count(db):
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(AccountEvent))


def test_the_page_says_what_happened_when_and_in_which_browser_newest_first(happened, clock, sign_in, client):
    happened()
    clock.advance(DAY)
    happened(Kind.REPORTED, "")
    sign_in()
    page = main_of(client.get("/account/activity/").text)
    assert page.index("so we locked your password") < page.index("Your password was changed")
    assert "23 November 2026, 09:00" in page
    assert "Firefox on Android" in page


def test_a_changed_password_is_recorded_with_its_browser(ana, sign_in, client, db, web_vault, clock):
    sign_in()
    client.environ_base["HTTP_USER_AGENT"] = FIREFOX
    new = "sunlit-marble-otter-harbour"
    client.submit("/account/password/", current_password=PASSWORD, password=new)
    event, _sign_in = sorted(events(db, web_vault, ana, clock), key=lambda one: one.kind.value)
    assert (event.kind, event.device, event.at) == (Kind.CHANGED_PASSWORD, "Firefox/Linux", clock.now())


def test_another_person_does_not_see_it(happened, add_account, sign_in, client):
    happened()
    add_account("ben@example.com")
    sign_in(address="ben@example.com")
    page = main_of(client.get("/account/activity/").text)
    assert "Sign-in from a new browser" in page
    assert "Your password was changed" not in page


def test_the_rows_say_the_day_alone_and_have_one_length(happened, db, clock):
    happened(Kind.REPORTED, "")
    happened(Kind.CHANGED_PASSWORD, "Samsung Internet/Windows")
    with db.read() as session:
        rows = session.execute(select(AccountEvent.day, AccountEvent.sealed)).all()
    assert {row.day for row in rows} == {clock.now().replace(hour=0, minute=0, second=0, microsecond=0)}
    assert len({len(row.sealed) for row in rows}) == 1


def test_a_moved_row_is_left_out(happened, add_account, db, web_vault, clock, ana):
    happened()
    other = add_account("ben@example.com")
    with db.write() as session:
        first = service.record(session, web_vault, other.id, Kind.REPORTED, clock.now())
        stolen = session.scalar(select(AccountEvent.sealed).where(AccountEvent.id == first))
        row = session.scalars(select(AccountEvent).where(AccountEvent.account_id == ana.id)).one()
        row.sealed = stolen
    assert events(db, web_vault, ana, clock) == []


def test_a_hundred_are_kept_for_180_days(happened, clock, db, web_vault, ana, worker_parts):
    happened(Kind.REPORTED)
    clock.advance(DAY)
    for _ in range(100):
        happened()
    assert {event.kind for event in events(db, web_vault, ana, clock)} == {Kind.CHANGED_PASSWORD}
    assert count(db) == 100
    clock.advance(179 * DAY)
    jobs.tidy(worker_parts)
    assert count(db) == 100
    clock.advance(DAY)
    jobs.tidy(worker_parts)
    assert count(db) == 0
