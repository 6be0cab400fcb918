"""A statement that is withdrawn while a notice with its words is being sent."""

from datetime import timedelta

from click.testing import CliRunner
from sqlalchemy import text

from portal.campaigns import service
from portal.cli import load, main
from portal.runtime.context import Context
from tests.campaigns.conftest import SLUG, numbered
from tests.incidents.conftest import STATEMENT


def test_a_draft_with_words_that_are_destroyed_is_discarded_with_them(operator, db):
    operator.statement(STATEMENT)
    operator.live(numbered(2))
    assert operator.run("draft", SLUG).exit_code == 0
    operator.clock.advance(timedelta(hours=1))
    context = Context(
        operator.settings, operator.clock, uses=lambda: load("portal.console.uses:INCIDENT_USES")
    )
    context.db = db
    given = ["incidents", "withdraw", SLUG, "--version", "1", "--reason", "It names a person."]
    done = CliRunner().invoke(main, [*given, "--erase", "--confirm"], obj=context)
    assert done.exit_code == 0, done.output
    with db.read() as session:
        assert session.scalars(text("SELECT content FROM campaigns_words")).all() == []
    started = operator.run("start", SLUG, "--number", "1", "--confirm", "2")
    assert started.exit_code == 1
    assert "stopped" in started.output


def test_a_notice_under_way_is_told_and_loses_what_is_destroyed(operator, db):
    operator.statement(STATEMENT)
    operator.live(numbered(2))
    operator.clock.advance(timedelta(hours=1))
    assert operator.run("notify", SLUG, "--confirm", "2").exit_code == 0
    context = Context(
        operator.settings, operator.clock, uses=lambda: load("portal.console.uses:INCIDENT_USES")
    )
    context.db = db

    def withdraw(*words, status):
        given = ["incidents", "withdraw", SLUG, "--version", "1", "--reason", "It names a person.", *words]
        done = CliRunner().invoke(main, given, obj=context)
        assert done.exit_code == status, done.output
        return done.output

    assert "is still being sent, with the words that were frozen then" in withdraw(status=2)
    assert "its frozen text is destroyed too" in withdraw("--erase", "--confirm", status=0)
    with db.read() as session:
        assert session.scalars(text("SELECT content FROM campaigns_words")).all() == []
        (campaign,) = service.campaigns(session)
        assert campaign.begun_at is not None
        assert service.unsent(session, campaign.incident_id, campaign.begun_at + timedelta(hours=1)) == []
