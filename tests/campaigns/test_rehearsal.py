"""Before a notice begins: its subject, a preview, a test, and a dry run that composes every mail."""

import re
from datetime import date, timedelta
from email import message_from_bytes, policy

import pytest
from sqlalchemy import text

from portal.incidents import authoring, writing
from portal.incidents import service as incidents
from portal.intake import jobs as intake
from portal.outbox.compose import Composer
from portal.outbox.deliver import Deliverer, Delivery
from portal.outbox.models import OutboxMail
from portal.outbox.smtp import Relay
from portal.worker import drain
from tests.campaigns.conftest import SLUG, STATEMENT
from tests.campaigns.test_words import ANA, ANN, LIST, change, forge_text, notify, one_database, told
from tests.configured import configured

__all__ = ["told"]

CONTACT = "help@northwind.example"


@pytest.fixture
def dry_run(told):
    def run():
        done = told.run("notify", SLUG, "--dry-run")
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def mark_of(said):
    (mark,) = re.findall(r"--text ([0-9a-f]{16})$", said, re.MULTILINE)
    return mark


def test_a_dry_run_composes_every_mail_and_says_in_which_languages(told, dry_run, worker_parts, smtp):
    told.live(f"{LIST}zoë@northwind.example,3,Zoë,es\n")
    said = dry_run()
    assert "The notice would go to 3 addresses. Nothing was sent.\n" in said
    assert (
        "  es: addresses 2, sections 5 of 5, subject: Sus datos y un incidente en Northwind Travel\n" in said
    )
    assert (
        "  en: addresses 1, sections 5 of 5, subject: Your data and an incident at Northwind Travel\n" in said
    )
    assert re.search(r"  composed 3, at most \d{4} bytes each\n  cannot be composed 0\n", said)
    assert "need a relay with SMTPUTF8 1" in said
    drain(worker_parts)
    assert smtp.messages == []


def test_a_dry_run_says_what_cannot_be_composed_and_which_rows_were_tampered_with(told, dry_run, db):
    settings = told.settings
    told.settings = configured(settings, site={"organisation": "Northwind\x0bTravel"})
    assert "  cannot be composed 2\n" in dry_run()
    told.settings = settings
    change(db, "UPDATE exposure_people SET blob = :blob", blob=b"spoilt" * 40)
    said = dry_run()
    assert "tampered rows 2: import the list again" in said
    assert "composed 0" in said


def test_a_dry_run_marks_languages_without_a_statement_and_neutral_notices(operator, db, clock):
    operator.live(LIST)
    neutral = operator.run("notify", SLUG, "--dry-run").stdout
    assert (
        "The notice says only that there is a message: no statement is published. Store one: portal"
        in neutral
    )
    operator.statement(STATEMENT)
    assert (
        "  es: addresses 1, statement in en, sections 5 of 5, subject: Sus datos"
        in operator.run("notify", SLUG, "--dry-run").stdout
    )
    with db.write() as session:
        incidents.set_discreet(session, SLUG, clock.now(), discreet=True)
    discreet = operator.run("notify", SLUG, "--dry-run").stdout
    assert "The notice says only that there is a message: the incident is discreet.\n" in discreet


def test_passwords_on_the_list_count_though_the_incident_does_not_name_them(
    operator, worker_parts, smtp, caplog
):
    """Nobody whose password was taken may read that none were."""
    operator.statement(STATEMENT)
    operator.live("ann@northwind.example,1,Ann,en\n", ("Names", "Passwords"))
    operator.classes(("Names",))
    said = operator.run("notify", SLUG, "--dry-run").stdout
    assert "NOT AMONG THE INCIDENT'S CLASSES, BUT ON THE LIST: Passwords." in said
    operator.run("notify", SLUG, "--confirm", "1")
    drain(worker_parts)
    (mail,) = smtp.messages
    assert "No passwords were taken" not in mail.text
    assert "http://localhost:8000/reset/" in mail.text


def test_a_dry_run_counts_the_mails_of_others_apart(told, dry_run, client, worker_parts):
    client.submit("/check/", email="somebody@northwind.example")
    intake.answer(worker_parts)
    assert "2 mails would be queued, behind 1 that already wait. How long" in dry_run()
    told.settings = configured(told.settings, mail={"rate": "2 per minute"})
    assert "the last of 2, behind 1 that already wait, would leave at 2026-11-23 09:01 UTC.\n" in dry_run()


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ("", "2 mails would be queued. How long that takes is unknown"),
        ("2 per minute", "At 0.03333 mails a second, the last of 2 would leave at 2026-11-23 09:01 UTC.\n"),
    ],
)
@one_database
def test_a_dry_run_says_when_the_last_one_would_leave(told, dry_run, rate, said):
    told.settings = configured(told.settings, mail={"rate": rate})
    assert said in dry_run()


def test_the_present_rate_is_what_left_in_the_last_minutes(told, dry_run, db, clock):
    with db.write() as session:
        for number in range(101):
            at = clock.now() - timedelta(seconds=number)
            session.add(
                OutboxMail(
                    purpose="notice", priority=2, state="sent", created_at=at, finished_at=at, payload=b""
                )
            )
    assert "At 1 mail a second, the last of 2 would leave at 2026-11-23 09:00 UTC.\n" in dry_run()


def test_only_the_text_of_the_dry_run_is_sent(told, dry_run, db, worker_parts, smtp):
    mark = mark_of(dry_run())
    change(db, "UPDATE incidents_statements SET title = 'forged'")
    refused = told.run("notify", SLUG, "--confirm", "2", "--text", mark)
    assert refused.exit_code == 1
    assert "The text of the notice has changed since the dry run. Nothing was sent." in refused.output
    drain(worker_parts)
    assert smtp.messages == []
    done = told.run("notify", SLUG, "--confirm", "2", "--text", mark_of(dry_run()))
    assert done.exit_code == 0, done.output


def test_altered_words_are_frozen_again_only_with_the_mark_of_what_they_are_now(
    told, dry_run, db, worker_parts, smtp
):
    notify(told)
    forge_text(db)
    drain(worker_parts)
    refused = told.run("notify", SLUG, "--confirm", "2")
    assert refused.exit_code == 1
    assert "The frozen text of this notice was altered in the database. Nothing was sent." in refused.output
    said = dry_run()
    assert "ITS FROZEN TEXT WAS ALTERED" in said
    again = told.run("notify", SLUG, "--confirm", "2", "--text", mark_of(said))
    assert "To send what had failed: portal outbox retry --reason not-composed" in again.output
    with db.write() as session:
        session.execute(text("UPDATE outbox_mails SET state = 'queued', due_at = created_at, attempts = 0"))
    drain(worker_parts)
    assert "a thief copied" in smtp.to(ANN)[0].text


def test_a_worker_that_runs_sends_the_words_that_were_frozen_again(
    told, dry_run, db, worker_parts, smtp, clock
):
    told.live(f"{ANN},1,Ann,en\nben@northwind.example,2,Ben,en\n")
    smtp.answer_recipient = lambda address: "250 OK" if address == ANN else "451 later"
    notify(told)
    words = {name: find(worker_parts) for name, find in worker_parts.words.items()}
    composer = Composer(told.settings, worker_parts.vault, worker_parts.composers, words)
    delivery = Delivery(worker_parts, composer)
    worker = Deliverer(delivery, Relay(told.settings.mail.server, told.settings.mail.sender))
    while worker.run():
        pass
    smtp.answer_recipient = lambda _address: "250 OK"
    forge_text(db)
    told.statement(
        STATEMENT.replace("role:", "note: x\nrole:").replace("a thief copied", "two thieves copied")
    )
    again = told.run("notify", SLUG, "--confirm", "2", "--text", mark_of(dry_run()))
    assert "Its text is frozen again" in again.output
    clock.advance(timedelta(hours=1))
    while worker.run():
        pass
    worker.relay.close()
    assert "a thief copied" in smtp.to(ANN)[0].text
    assert "two thieves copied" in smtp.to("ben@northwind.example")[0].text


def test_a_notice_that_began_is_shown_as_it_was_frozen(told, dry_run):
    before = mark_of(dry_run())
    notify(told)
    told.statement(STATEMENT.replace("role:", "note: x\nrole:").replace("a thief", "nobody"))
    said = dry_run()
    assert "It started on 2026-11-23 09:00 UTC; 0 are not yet queued.\n" in said
    assert mark_of(said) == before


def test_the_subject_names_the_day_or_is_what_the_operator_set(told, worker_parts, smtp, db, clock):
    with db.write() as session:
        incidents.set_happened(session, SLUG, date(2026, 10, 28), clock.now())
    done = told.run("subject", SLUG, "--language", "es", " Robaron sus datos ")
    assert done.output.startswith("november (es): Robaron sus datos\n")
    notify(told)
    drain(worker_parts)
    assert smtp.to(ANN)[0].message["Subject"] == "Your data and our incident of 28 October"
    assert smtp.to(ANA)[0].message["Subject"] == "Robaron sus datos"


@pytest.mark.parametrize(
    ("day", "said"), [("2026-10-28", "28 de octubre"), ("2025-12-30", "30 de diciembre de 2025")]
)
@one_database
def test_the_day_is_in_the_reader_s_words(told, day, said, db, clock, dry_run):
    with db.write() as session:
        incidents.set_happened(session, SLUG, date.fromisoformat(day), clock.now())
    assert f"subject: Sus datos y nuestro incidente del {said}\n" in dry_run()


@pytest.mark.parametrize("wrong", ["", "x" * 201, "two\nlines", "a\x1fb"])
@one_database
def test_a_subject_is_one_short_line(told, wrong):
    done = told.run("subject", SLUG, "--language", "en", wrong)
    assert done.exit_code == 1
    assert "one line of at most 200 characters" in done.output


@pytest.mark.parametrize("forged", ["subject = 'You won'", "language = 'en'"])
def test_a_forged_subject_mails_nobody(told, forged, db, worker_parts, smtp):
    told.run("subject", SLUG, "--language", "es", "Robaron sus datos")
    change(db, f"UPDATE campaigns_subjects SET {forged}")
    done = told.run("notify", SLUG, "--confirm", "2")
    assert done.exit_code == 1
    assert "A subject was stored without the worker's keys. Nothing was sent." in done.output
    drain(worker_parts)
    assert smtp.messages == []


@pytest.mark.parametrize(
    ("name", "starts"), [("a.html", b"<!doctype html>"), ("a.txt", b"Northwind Travel"), ("a.eml", b"From: ")]
)
@one_database
def test_a_preview_is_what_would_be_sent(told, tmp_path, name, starts, smtp, worker_parts):
    done = told.run("preview", SLUG, "--language", "es", "--output", str(tmp_path / name))
    assert done.exit_code == 0, done.output
    assert done.output.endswith(": Sus datos y un incidente en Northwind Travel\nNothing was sent.\n")
    content = (tmp_path / name).read_bytes()
    assert content.startswith(starts)
    if name.endswith(".eml"):
        parts = message_from_bytes(content, policy=policy.default).iter_parts()
        content = next(parts).get_content().encode()
    assert "El 28 de octubre copiaron los nombres de nuestros clientes" in content.decode()
    drain(worker_parts)
    assert smtp.messages == []


def test_a_preview_shows_drafts_and_says_why_it_is_neutral(operator, tmp_path, db, clock):
    operator.live(LIST)
    file = str(tmp_path / "a.txt")
    assert "message: no statement is published" in operator.run("preview", SLUG, "--output", file).output
    with db.write() as session:
        read = authoring.read_statement(STATEMENT.encode(), ("en", "es"))
        writing.add_statement(session, SLUG, read.text, clock.now())
    assert "message" not in operator.run("preview", SLUG, "--output", file).output
    assert "a thief copied" in (tmp_path / "a.txt").read_text()
    assert "no statement is published" in operator.run("notify", SLUG, "--dry-run").output


@one_database
def test_a_preview_that_cannot_be_written_says_why(told, tmp_path):
    done = told.run("preview", SLUG, "--output", str(tmp_path / "no" / "where.html"))
    assert "where.html cannot be written (No such file or directory)." in done.output
    assert "must be one of en, es" in told.run("preview", SLUG, "--output", "x", "--language", "de").output


def test_a_test_goes_to_a_test_recipient_alone_also_in_a_pause(told, worker_parts, smtp, db, clock):
    for wrong in (ANN, "HELP@northwind.example", ""):
        refused = told.run("test", SLUG, "--to", wrong)
        assert refused.exit_code == 1
        assert "not among the test recipients" in refused.output
    with db.write() as session:
        session.execute(
            text("INSERT INTO mail_pauses (name, reason, paused_at) VALUES ('bulk', 'x', :now)"),
            {"now": clock.now()},
        )
    for language in ("en", "es"):
        done = told.run("test", SLUG, "--to", CONTACT, "--language", language)
        assert done.exit_code == 0, done.output
    drain(worker_parts)
    assert [mail.recipients for mail in smtp.messages] == [(CONTACT,)] * 2
    titles = ("a thief copied our customers’ names", "El 28 de octubre copiaron los nombres")
    assert all(any(title in mail.text for mail in smtp.messages) for title in titles)
    with db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM campaigns_words")) == 2


def test_twenty_tests_a_day(told, clock, db):
    for number in range(20):
        assert f"Tests left for today: {19 - number}\n" in told.run("test", SLUG, "--to", CONTACT).output
    refused = told.run("test", SLUG, "--to", CONTACT)
    assert refused.exit_code == 1
    assert "20 tests were sent within 24 hours. Nothing was sent." in refused.output
    clock.advance(timedelta(days=1, seconds=1))
    assert told.run("test", SLUG, "--to", CONTACT).exit_code == 0


def test_a_test_of_a_discreet_incident_is_neutral(told, worker_parts, smtp, db, clock):
    with db.write() as session:
        incidents.set_discreet(session, SLUG, clock.now(), discreet=True)
    assert told.run("test", SLUG, "--to", CONTACT).exit_code == 0
    drain(worker_parts)
    assert "thief" not in smtp.to(CONTACT)[0].text
