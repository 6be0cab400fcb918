"""Notices in series: drafted, started, in waves, for some or for all, paused, resumed and stopped."""

import json
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from portal.campaigns import jobs, service
from portal.outbox import jobs as outbox_jobs
from portal.outbox.models import OutboxCount, OutboxMail
from portal.worker import drain
from tests.campaigns.conftest import SLUG, STATEMENT, numbered
from tests.lists import import_and_activate

SEVERE = "email,account_ref,name,locale,data_classes\n"


@pytest.fixture
def go(operator, worker_parts):
    """Let the worker do all that it can do now."""

    def run():
        for _ in range(3):
            jobs.resume(worker_parts)
            outbox_jobs.count_changed(worker_parts)
            drain(worker_parts)
        recounted(operator.db)

    return run


def recounted(db):
    """Compare the kept ledgers with the rows that they stand for."""
    with db.read() as session:
        for campaign in service.campaigns(session):
            rows = Counter(dict(session.execute(
                select(OutboxMail.state, func.count()).where(OutboxMail.batch == campaign.id)
                .group_by(OutboxMail.state)
            ).all()))  # fmt: skip
            moved = select(OutboxCount.state, OutboxCount.number).where(OutboxCount.batch == campaign.id)
            rows.update(dict(session.execute(moved).all()))
            states = service.ledger(session, campaign).states
            assert {state: number for state, number in states.items() if number} == dict(rows)


def draft(operator, *arguments):
    """Draft a notice; return the arguments that start it, as the command printed them."""
    done = operator.run("draft", SLUG, *arguments)
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("To start it: ")]
    return done.output, line.removeprefix("To start it: portal campaigns ").split()


def start(operator, *arguments):
    said, command = draft(operator, *arguments)
    done = operator.run(*command)
    assert done.exit_code == 0, done.output
    return said


def status(operator):
    done = operator.run("status", SLUG, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)["notices"]


def to(smtp):
    return sorted(address.partition("@")[0] for mail in smtp.messages for address in mail.recipients)


def test_a_notice_is_drafted_started_and_seen(operator, smtp, go):
    operator.statement(STATEMENT)
    operator.live(numbered(5))
    said, command = draft(operator)
    assert "notice 1 (first) is a draft. Nothing was sent." in said
    assert "mails 5" in said
    go()
    assert smtp.messages == []
    assert operator.run(*command[:-3], "4", *command[-2:]).exit_code == 1
    assert operator.run(*command[:-1], "0123456789abcdef").exit_code == 1
    assert operator.run(*command).exit_code == 0
    go()
    assert to(smtp) == ["p0", "p1", "p2", "p3", "p4"]
    (notice,) = status(operator)
    assert (notice["number"], notice["state"], notice["states"]["sent"], notice["adds_up"]) == (
        1, "ended", 5, True,
    )  # fmt: skip
    assert notice["waves"][0]["states"]["sent"] == 5
    said = operator.run("status", SLUG).output
    assert "read" not in said
    assert "Not possible: the notice is ended" in operator.run(*command).output


def test_new_facts_are_told_to_the_same_people_again(operator, smtp, go, clock):
    operator.statement(STATEMENT)
    operator.live(numbered(3))
    operator.run("notify", SLUG, "--confirm", "3")
    go()
    clock.advance(timedelta(days=1))
    own = operator.folder / "own.txt"
    own.write_text("We also found **addresses**.\n")
    start(operator, "--kind", "supplementary", "--own", f"en={own}")
    go()
    assert to(smtp) == ["p0", "p0", "p1", "p1", "p2", "p2"]
    mail = smtp.to("p0@northwind.example")[-1]
    assert "We told you about this incident before." in mail.text
    assert "We also found addresses." in mail.text
    assert "<strong>addresses</strong>" in mail.html
    assert mail.message["Subject"] == "New facts about your data and an incident at Northwind Travel"
    assert [(one["number"], one["kind"]) for one in status(operator)] == [(2, "supplementary"), (1, "first")]


def test_a_supplementary_notice_goes_to_who_is_new(operator, smtp, go):
    operator.live(numbered(3))
    operator.run("notify", SLUG, "--confirm", "3")
    go()
    operator.live(numbered(5).replace("p0@", "P0@"))
    start(operator, "--kind", "supplementary", "--to", "new")
    go()
    assert Counter(to(smtp)) == {"p0": 1, "p1": 1, "p2": 1, "p3": 1, "p4": 1}
    notice = status(operator)[0]
    assert (notice["outside"], notice["states"]["sent"], notice["adds_up"]) == (3, 2, True)


def test_a_notice_goes_to_whom_another_did_not_reach(operator, smtp, go):
    smtp.answer_recipient = lambda address: "550 5.1.1 no" if address[:2] in ("p1", "p3") else "250 OK"
    operator.live(numbered(5))
    operator.run("notify", SLUG, "--confirm", "5")
    go()
    smtp.answer_recipient = lambda _address: "250 OK"
    said = start(operator, "--kind", "correction", "--to", "not-reached", "--since", "1")
    assert "not in the audience 3" in said
    go()
    assert Counter(to(smtp)) == {f"p{number}": 1 for number in range(5)}


def test_a_notice_goes_to_some_classes_or_one_language(operator, smtp, go):
    rows = "a@x.example,1,A,es,Names\nb@x.example,2,B,en,Names;Passwords\nc@x.example,3,C,es,Passwords\n"
    severe(operator, rows)
    start(operator, "--class", "passwords")
    go()
    assert to(smtp) == ["b", "c"]
    start(operator, "--kind", "supplementary", "--language", "es")
    go()
    assert to(smtp) == ["a", "b", "c", "c"]


def severe(operator, rows):
    """Activate a list whose rows name their own classes."""
    file = operator.folder / "severe.csv"
    file.write_text(SEVERE + rows)
    incident_id = operator.classes(("Names", "Passwords", "Email addresses"))
    import_and_activate(operator.db, operator.vault, operator.clock, incident_id, file)


def test_the_worst_affected_come_first_and_no_column_says_who_they_are(
    operator, smtp, go, clock, worker_parts
):
    rows = "".join(
        f"p{number}@x.example,{number},P,en,{'Passwords' if number % 4 == 0 else 'Names'}\n"
        for number in range(12)
    )
    severe(operator, rows)
    at = (clock.now() + timedelta(hours=1)).isoformat()
    said = start(operator, "--worst-first", "--wave", "3", "--wave", f"rest@{at}")
    assert "wave 1: 3 mails, severity 5" in said
    assert "not before" in said
    go()
    assert to(smtp) == ["p0", "p4", "p8"]
    notice = status(operator)[0]
    assert [(wave["state"], wave["written"]) for wave in notice["waves"]] == [("done", 3), ("waiting", 0)]
    assert notice["state"] == "running"
    clock.advance(timedelta(hours=1))
    go()
    assert len(to(smtp)) == len(set(to(smtp))) == 12
    notice = status(operator)[0]
    assert [wave["states"]["sent"] for wave in notice["waves"]] == [3, 9]
    with operator.db.read() as session:
        columns = session.execute(text("SELECT * FROM outbox_mails")).keys()
        assert "wave" not in columns
        assert len(session.execute(text("SELECT DISTINCT batch, priority FROM outbox_mails")).all()) == 1


def test_waves_by_size_take_everyone_once(operator, smtp, go):
    operator.live(numbered(25))
    start(operator, "--wave", "4", "--wave", "10")
    go()
    assert len(to(smtp)) == len(set(to(smtp))) == 25
    notice = status(operator)[0]
    assert [wave["states"]["sent"] for wave in notice["waves"]] == [4, 10, 11]
    assert (notice["earlier"], notice["adds_up"]) == (0, True), "each address is looked at by one wave"


def test_a_throttle_queues_no_more_than_it_may(operator, smtp, go, clock):
    operator.live(numbered(30))
    start(operator, "--per-hour", "3600")
    for _ in range(4):
        go()
        clock.advance(timedelta(seconds=5))
    assert 10 < len(to(smtp)) <= 30
    before = len(to(smtp))
    assert before < 30
    for _ in range(6):
        clock.advance(timedelta(seconds=10))
        go()
    assert len(to(smtp)) == len(set(to(smtp))) == 30
