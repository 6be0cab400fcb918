"""A notice on a long list is counted by the worker's long work; the page follows it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from portal.campaigns.models import Campaign
from portal.campaigns.series import writing
from portal.campaigns.tasks import drafting
from portal.campaigns.tasks import jobs as task_jobs
from portal.campaigns.tasks.models import NoticeTask
from portal.campaigns.tasks.work import Tasks
from tests.campaigns.conftest import SLUG, STATEMENT, numbered
from tests.colleagues import press

NEW = f"/notices/{SLUG}/new/"


@pytest.fixture
def long(operator, monkeypatch):
    """A list that is long: nobody waits for its counting."""
    operator.statement(STATEMENT)
    operator.live(numbered(9))
    monkeypatch.setattr(drafting, "FEW", 5)
    return operator


def ask(browser):
    answer = browser.submit(NEW, kind="first", base="all", languages="es")
    assert answer.status_code == 303, answer.text
    assert answer.location.startswith(f"/notices/{SLUG}/drafts/")
    return answer.location


def number_of(db, table):
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_the_page_follows_the_count_and_leads_to_the_draft(long, office, db):
    author = office.as_role("author")
    place = ask(author)
    shown = author.get(place).text
    assert f'data-live="{place}progress" data-state="waiting"' in shown
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in shown
    with db.write() as session:
        session.execute(text("UPDATE notice_tasks SET done = 4, total = 9"))
    told = author.get(f"{place}progress")
    assert told.headers["Cache-Control"] == "no-store"
    assert told.json == {"state": "waiting", "percent": 44, "words": "4 of 9 people read."}
    assert Tasks(office.parts).step() == 1
    assert author.get(place).location == f"/notices/{SLUG}/1/"
    with db.read() as session:
        campaign = session.scalars(select(Campaign)).one()
        assert (campaign.expected, json.loads(campaign.audience)["languages"]) == (3, ["es"])
    assert Tasks(office.parts).step() == 0
    office.advance(timedelta(days=8))
    task_jobs.tidy(office.parts)
    assert number_of(db, NoticeTask) == 0
    assert number_of(db, Campaign) == 1


def test_the_whole_list_is_counted_at_once_however_long_it_is(long, office):
    answer = office.as_role("author").submit(NEW, kind="first", base="all")
    assert answer.location == f"/notices/{SLUG}/1/"


def test_a_worker_that_dies_leaves_one_draft_and_one_that_stops_gives_the_count_back(
    long, office, db, monkeypatch
):
    author = office.as_role("author")
    place = ask(author)
    store = writing.store

    class Killed(BaseException):
        pass

    def dies(*arguments):
        store(*arguments)
        raise Killed

    monkeypatch.setattr(writing, "store", dies)
    with pytest.raises(Killed):
        Tasks(office.parts).step()
    monkeypatch.setattr(writing, "store", store)
    assert number_of(db, Campaign) == 0
    assert Tasks(office.parts).step() == 0, "its lease holds"
    office.advance(timedelta(minutes=3))
    assert Tasks(replace(office.parts, stopping=lambda: True)).step() == 1
    assert number_of(db, Campaign) == 0
    assert Tasks(office.parts).step() == 1, "given back at once"
    assert number_of(db, Campaign) == 1
    assert author.get(place).location == f"/notices/{SLUG}/1/"


@pytest.mark.sqlite  # what is said is no matter of the database
def test_what_cannot_be_counted_is_said_and_what_was_altered_is_not_done(long, office, db):
    author = office.as_role("author")
    place = ask(author)
    with db.write() as session:
        session.execute(text("UPDATE exposure_lists SET data_key = NULL"))
    assert Tasks(office.parts).step() == 1
    assert "No list of affected people is active." in author.get(place).text
    with db.write() as session:
        session.execute(text("UPDATE notice_tasks SET state = 'waiting', fault = ''"))
    assert Tasks(office.parts).step() == 0
    assert "Somebody changed this in the database." in author.get(place).text
    assert number_of(db, Campaign) == 0
    for wrong in ("00" * 16, "xyz"):
        assert author.get(f"/notices/{SLUG}/drafts/{wrong}/").status_code == 404
    assert press(office.as_role("support"), "/", place).status_code in (403, 405)
