"""What is published at a set time is exactly what was confirmed; promises and failures are seen."""

import json
import logging
import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.incidents import announcing, jobs, service, writing
from portal.incidents.commands.group import time_text
from portal.incidents.commands.show import check_promises
from portal.incidents.times import parse_time
from tests.incidents.conftest import CORRECTED, SLUG, SPANISH, STATEMENT

AT = "2026-11-23 12:00Z"


@pytest.fixture
def command(portal):
    def run(*words, status=0):
        return portal("incidents", *words, status=status).output

    return run


@pytest.fixture
def scheduled(command, draft, write):
    command("statement", SLUG, write(STATEMENT))
    command("update", SLUG, "--phase", "contained", "--title", "Closed", write("We closed the gap."))
    told = command("publish", SLUG, "--at", AT, status=2)
    assert f"--confirm --at '{AT}'" in told
    assert "publishes exactly these drafts at 2026-11-23 12:00 UTC" in command(
        "publish", SLUG, "--confirm", "--at", AT
    )
    return SLUG


def test_the_command_sets_no_time_after_what_it_promises(command, scheduled):
    held = ("--holding", "--more-by", AT)
    assert "--more-by must be after --at" in command("publish", SLUG, "--at", AT, *held, status=2)


def test_the_worker_publishes_at_the_time_and_nothing_that_came_later(
    command, scheduled, write, worker_parts, clock, client, db
):
    assert "scheduled: its drafts at 2026-11-23 12:00 UTC" in command("show", SLUG)
    command("statement", SLUG, write(SPANISH))  # another language, after the confirmation
    news = write("---\nnotify: yes\n---\nWe know more.\n")
    command("update", SLUG, "--phase", "contained", "--title", "Later", news)
    jobs.publish_due(worker_parts)
    assert client.get(f"/incidents/{SLUG}/").status_code == 404
    clock.advance(timedelta(hours=3))
    jobs.publish_due(worker_parts)
    page = client.get(f"/incidents/{SLUG}/").text
    assert "We did not keep your booking safe." in page
    assert "Later" not in page
    shown = command("show", SLUG)
    assert "scheduled" not in shown
    assert "contained  Later  notify  draft" in shown
    with db.read() as session:
        assert announcing.waiting(session, worker_parts.vault) == []
    jobs.publish_due(worker_parts)
    assert "Later" not in client.get(f"/incidents/{SLUG}/").text


def test_an_update_that_was_confirmed_is_mailed_then(command, draft, write, worker_parts, clock, db):
    command("statement", SLUG, write(STATEMENT))
    news = write("---\nnotify: yes\n---\nWe know more.\n")
    command("update", SLUG, "--phase", "contained", "--title", "News", news)
    command("publish", SLUG, "--confirm", "--at", AT)
    with db.read() as session:
        assert announcing.waiting(session, worker_parts.vault) == []
    clock.advance(timedelta(hours=3))
    jobs.publish_due(worker_parts)
    with db.read() as session:
        assert [one.number for one in announcing.waiting(session, worker_parts.vault)] == [1]


def test_what_was_confirmed_changes_only_after_it_was_cancelled(
    command, scheduled, write, worker_parts, clock
):
    again = write(STATEMENT.replace("Call us.", "Write to us."))
    assert "cancel that first" in command("statement", SLUG, again, status=1)
    assert "cancel that first" in command("discard", SLUG, "--version", "1", status=1)
    assert "cancel that first" in command("publish", SLUG, "--confirm", status=1)
    command("publish", SLUG, "--cancel")
    assert "nothing of booking is scheduled" in command("publish", SLUG, "--cancel", status=1).casefold()
    command("statement", SLUG, again)
    clock.advance(timedelta(hours=3))
    jobs.publish_due(worker_parts)
    assert "draft" in command("show", SLUG)


def test_a_schedule_that_was_cancelled_cannot_be_put_back(
    command, scheduled, worker_parts, clock, client, db
):
    with db.read() as session:
        row = session.execute(text("SELECT * FROM incidents_schedules")).mappings().one()
    command("publish", SLUG, "--cancel")
    with db.write() as session:
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        session.execute(text(f"INSERT INTO incidents_schedules ({names}) VALUES ({values})"), dict(row))
    clock.advance(timedelta(hours=3))
    jobs.publish_due(worker_parts)
    assert client.get(f"/incidents/{SLUG}/").status_code == 404
    assert "it was cancelled" in command("list")


def test_the_facts_of_a_scheduled_incident_change_only_after_it_was_cancelled(command, scheduled):
    assert "cancel that first" in command("title", SLUG, "Other", "--language", "en", status=1)
    assert "cancel that first" in command("classes", SLUG, "Passwords", status=1)


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (
            "UPDATE incidents_statements SET apology = 'Give us your password.'",
            "are not those that were confirmed",
        ),
        ("UPDATE incidents_updates SET phase = 'resolved'", "are not those that were confirmed"),
        ("UPDATE incidents_updates SET occurred_on = '2026-01-01'", "are not those that were confirmed"),
        ("UPDATE incidents SET title = 'All is well'", "are not those that were confirmed"),
        ("UPDATE incidents_schedules SET content = '{}'", "altered without the worker's keys"),
    ],
)
def test_what_was_altered_meanwhile_is_not_published(
    command, scheduled, worker_parts, clock, client, db, caplog, tamper, why
):
    with db.write() as session:
        session.execute(text(tamper))
    clock.advance(timedelta(hours=3))
    with caplog.at_level(logging.ERROR):
        jobs.publish_due(worker_parts)
    assert why in caplog.text
    assert client.get(f"/incidents/{SLUG}/").status_code == 404
    assert f"NOT PUBLISHED: {why}" in command("list") or why in command("list")
    assert why in json.loads(command("show", SLUG, "--json"))["schedule_fault"]
    (told,) = check_promises(db)
    assert told[0] == "scheduled publication"
    assert why in (told[1] or "")


def test_what_stops_by_then_stops_it(command, published, write, worker_parts, clock, db, client):
    """It links to an update that is gone by then."""
    with db.write() as session:
        words = writing.UpdateText("en", "contained", "Old", "Old.", clock.now(), writing.Notify.NO)
        writing.add_update(session, SLUG, words, clock.now())
        session.execute(text("UPDATE incidents_updates SET published_at = NULL"))
    file = write(CORRECTED.replace("Call us.", f"[More](/incidents/{SLUG}/updates/1/)"))
    command("statement", SLUG, file)
    command("publish", SLUG, "--confirm", "--at", AT)
    with db.write() as session:
        session.execute(text("DELETE FROM incidents_wordings"))
        session.execute(text("DELETE FROM incidents_updates"))
        row = service.schedule_of(session, service.by_slug(session, SLUG))
        assert row is not None
    clock.advance(timedelta(hours=3))
    jobs.publish_due(worker_parts)
    assert "We had missed them" not in client.get(f"/incidents/{SLUG}/").text
    assert "NOT PUBLISHED" in command("list")


def test_a_time_that_has_passed_or_is_none_is_refused(command, draft, write):
    command("statement", SLUG, write(STATEMENT))
    assert "has passed" in command("publish", SLUG, "--confirm", "--at", "2026-11-22 12:00", status=2)
    assert "--at" in command("publish", SLUG, "--confirm", "--at", "tomorrow", status=2)
    assert "has passed" in command(
        "publish", SLUG, "--confirm", "--holding", "--more-by", "2026-11-22", status=2
    )


def test_a_time_of_the_organisations_zone_is_told_in_utc():
    at = parse_time("2026-11-28 20:00", "Europe/Berlin").at
    assert time_text(at) == "2026-11-28 19:00 UTC"
    assert time_text(parse_time("2026-11-28T20:00-05:00", "Europe/Berlin").at) == "2026-11-29 01:00 UTC"
    assert time_text(parse_time("2026-11-28", "Europe/Berlin").at) == "2026-11-27 23:00 UTC"


HOLDING = """\
---
title: Somebody broke into our booking system
signed_by: Ana Ruiz
role: Managing director
---
We are sorry. We did not keep your booking safe.

## What happened

Someone broke in on 3 November 2026.

## What you can do

Do not open links in emails about your booking.
"""


def test_a_holding_statement_says_when_more_follows(command, draft, write, client, clock, db):
    command("statement", SLUG, write(HOLDING))
    assert "--accept missing-section" in command("publish", SLUG, "--confirm", status=2)
    assert "--more-by" in command("publish", SLUG, "--confirm", "--holding", status=2)
    words = ("publish", SLUG, "--holding", "--more-by", AT)
    assert "Readers see: more by 2026-11-23 12:00 UTC" in command(*words, status=2)
    assert "published: more by 2026-11-23 12:00 UTC" in command(*words, "--confirm")
    assert "We’ll say more by" in client.get(f"/incidents/{SLUG}/").text
    assert "promised: more by 2026-11-23 12:00 UTC\n" in command("list")
    clock.advance(timedelta(hours=4))
    assert "THAT HAS PASSED" in command("show", SLUG)
    assert json.loads(command("list", "--json"))[0]["more_overdue"] is True
    whole = write(STATEMENT.replace("role:", "note: We know more now, and say it here.\nrole:"))
    command("statement", SLUG, whole)
    command("publish", SLUG, "--confirm")
    assert "We’ll say more by" not in client.get(f"/incidents/{SLUG}/").text
    assert "promised" not in command("show", SLUG)


def test_times_in_another_zone_are_printed_in_utc_before_they_are_stored(command, draft, write):
    command("statement", SLUG, write(HOLDING))
    words = ("publish", SLUG, "--holding", "--more-by", "2026-11-23T14:00+02:00")
    assert "Readers see: more by 2026-11-23 12:00 UTC" in command(*words, status=2)
    assert "published: more by 2026-11-23 12:00 UTC" in command(*words, "--confirm")


def test_a_holding_statement_without_its_parts_is_stopped(command, draft, write):
    command("statement", SLUG, write(HOLDING.partition("## What you can do")[0]))
    told = command("publish", SLUG, "--confirm", "--holding", "--more-by", AT, status=1)
    assert "[holding-part]" in told
    assert "What you can do" in told


def test_drafts_are_discarded_and_what_is_public_is_not(command, published, write):
    command("statement", SLUG, write(CORRECTED))
    command("classes", SLUG, "Names;Passwords")
    assert "discarded the draft of version 2 (en)" in command("discard", SLUG, "--version", "2")
    assert "discarded the data classes" in command("discard", SLUG, "--classes")
    assert "there is no draft to publish" in command("publish", SLUG)
    assert "is no draft" in command("discard", SLUG, "--version", "1", status=1)
    assert "is public" in command("discard", SLUG, "--confirm", status=1)
    command("update", SLUG, "--phase", "contained", "--title", "Closed", write("Closed."))
    assert "is public" in command("discard", SLUG, "--update", "1", status=1)
    assert "one of" in command("discard", SLUG, "--update", "1", "--classes", status=2)


def test_a_whole_incident_that_nobody_saw_is_discarded(command, draft, write, db):
    command("statement", SLUG, write(STATEMENT))
    command("update", SLUG, "--phase", "contained", "--title", "Closed", write("Closed."))
    assert "discarded the draft of update 1" in command("discard", SLUG, "--update", "1")
    assert "add --confirm" in command("discard", SLUG, status=2)
    assert "version 1" in command("show", SLUG)
    command("discard", SLUG, "--confirm")
    assert "There is no incident" in command("list")
    with db.read() as session:
        assert session.scalars(text("SELECT id FROM incidents_statements")).all() == []


def test_a_newcomers_template_is_stored_once_it_is_filled_in(command, draft, write, tmp_path):
    file = tmp_path / "statement.md"
    command("new", file)
    assert "exists" in command("new", file, status=1)
    assert "placeholder" in command("statement", SLUG, file, status=1)
    filled = re.sub(r"\[[^\]]*\]", "We are sorry. Call us on 020 7946 0000.", file.read_text())
    file.write_text(filled)
    assert "is a draft" in command("statement", SLUG, file)
    spanish = tmp_path / "es.md"
    command("new", spanish, "--language", "es")
    assert "## Qué ha pasado" in spanish.read_text()
