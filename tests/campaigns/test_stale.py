"""Public facts that change while a notice has them: told where they change, and on the notice's page."""

from datetime import date, timedelta

import pytest

from portal.incidents import service as incidents
from portal.incidents.publishing import withdrawing
from tests.campaigns.conftest import SLUG, STATEMENT, numbered
from tests.campaigns.test_console import ONE, led_to, text_of
from tests.colleagues import press

FACTS = f"/incidents/{SLUG}/facts/"
PUBLISH = f"/incidents/{SLUG}/statement/publish/"
WITHDRAW = f"/incidents/{SLUG}/withdraw/version/1/"
TOLD = f'<a href="{ONE}">Notice 1</a>: '
NEWER = STATEMENT.replace("---\nWe are", "note: The day was wrong.\n---\nWe are")


@pytest.fixture
def dated(operator):
    """An incident with its day and a statement, of which a notice is drafted."""
    operator.statement(STATEMENT)
    with operator.db.write() as session:
        incidents.set_happened(session, SLUG, date(2026, 10, 28), operator.clock.now())
    operator.live(numbered(2))
    assert operator.run("draft", SLUG).exit_code == 0
    operator.clock.advance(timedelta(minutes=5))
    return operator


@pytest.mark.parametrize("place", [FACTS, PUBLISH, WITHDRAW])
def test_where_a_fact_changes_the_notices_that_have_it_are_named(dated, office, place):
    author = office.as_role("author")
    assert f"{TOLD}a draft. After a change, edit it and save it." in text_of(author, place)
    assert dated.run("start", SLUG, "--number", "1", "--confirm", "2").exit_code == 0
    assert f"{TOLD}going out. Pause it now if that’s wrong." in text_of(author, place)
    assert dated.run("stop", SLUG, "--reason", "The day is wrong.").exit_code == 0
    assert "A change here doesn’t reach" not in text_of(author, place)


def set_day(session, now):
    incidents.set_happened(session, SLUG, date(2026, 10, 27), now)


def set_discreet(session, now):
    incidents.set_discreet(session, SLUG, now, discreet=True)


def take_back(session, now):
    withdrawing.withdraw_version(session, SLUG, 1, "It named a person.", now)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_day, "The day it happened has changed. The subject still has the old one."),
        (set_discreet, "Notices say only that there’s a message now. This one says what happened."),
        (take_back, "Another text of the statement is public now. This notice has the earlier one."),
    ],
)
def test_a_notice_says_what_changed_since_it_was_drafted(dated, office, change, said):
    approver = office.as_role("approver")
    assert "Facts changed since this was drafted" not in text_of(approver, ONE)
    with dated.db.write() as session:
        change(session, dated.clock.now())
    page = text_of(approver, ONE)
    assert said in page
    others = ("The day it happened", "This one says", "Another text of the statement")
    assert sum(page.count(one) for one in others) == 1
    assert "Edit this draft and save it: it then takes what’s right now." in page
    assert f'<a href="{ONE}edit/">Edit this draft</a></p>\n</div>' not in page
    assert f'<a href="{ONE}edit/">Edit this draft</a></p>' in text_of(office.as_role("author"), ONE)


@pytest.mark.sqlite  # what a page shows is no matter of the database
def test_who_approves_is_told_what_changed_until_it_is_decided(dated, office):
    asked = led_to(press(office.as_role("author"), ONE, f"{ONE}ask/"))
    approver = office.as_role("approver")
    assert "Facts changed since this was drafted" not in text_of(approver, asked)
    with dated.db.write() as session:
        set_day(session, dated.clock.now())
    page = text_of(approver, asked)
    warned = page.partition("<h3>Facts changed since this was drafted</h3>")[2].partition("</div>")[0]
    assert "<p>The day it happened has changed. The subject still has the old one.</p>" in warned
    assert "<p>If that matters, send it back.</p>" in warned
    press(approver, asked, f"{asked}send-back/", comment="The day is wrong.")
    assert "Facts changed" not in text_of(approver, asked)


def test_a_newer_text_and_passwords_are_told_too_and_an_own_subject_names_no_day(dated, office):
    assert dated.run("subject", SLUG, "--language", "en", "Your data").exit_code == 0
    assert dated.run("subject", SLUG, "--language", "es", "Sus datos").exit_code == 0
    assert dated.run("draft", SLUG, "--number", "1").exit_code == 0
    dated.clock.advance(timedelta(minutes=5))
    dated.statement(NEWER)
    dated.classes(("Names", "Passwords"))
    with dated.db.write() as session:
        set_day(session, dated.clock.now())
    page = text_of(office.as_role("author"), ONE)
    assert "Another text of the statement is public now." in page
    assert "Passwords were taken, too." in page
    assert "The day it happened" not in page
    assert dated.run("draft", SLUG, "--number", "1").exit_code == 0
    assert "Facts changed" not in text_of(office.as_role("author"), ONE)


def test_a_notice_that_says_nothing_may_say_more_now(operator, office):
    operator.live(numbered(2))
    assert operator.run("draft", SLUG).exit_code == 0
    operator.clock.advance(timedelta(minutes=5))
    author = office.as_role("author")
    assert "Facts changed" not in text_of(author, ONE)
    operator.statement(STATEMENT)
    assert "Notices may say what happened now. This one says only that there’s a message." in text_of(
        author, ONE
    )
