"""Everyone on the list gets one neutral notice, once, whatever is repeated or killed; the ledger adds up."""

import os
import subprocess
import time
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from portal.campaigns import jobs, service
from portal.campaigns.models import Campaign
from portal.core.db import Database
from portal.crypto.hashing import dummy_hash
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.models import AccountRow
from portal.incidents import service as incidents
from portal.worker import drain
from tests.campaigns.conftest import SLUG, STORE, numbered
from tests.databases import written_meanwhile
from tests.processes import PORTAL, ROOT


def test_each_stored_address_gets_one_mail_in_its_language(operator, worker_parts, smtp):
    family = "home@northwind.example,901,Ann,es\nhome@northwind.example,902,Bob,es\n"
    operator.live(numbered(20) + family)
    done = operator.run("notify", SLUG, "--confirm", "21")
    assert done.exit_code == 0, done.output
    drain(worker_parts)
    assert Counter(address for mail in smtp.messages for address in mail.recipients) == {
        **{f"p{i}@northwind.example": 1 for i in range(20)},
        "home@northwind.example": 1,
    }
    assert smtp.to("p1@northwind.example")[0].message["Content-Language"] == "es"
    assert smtp.to("p2@northwind.example")[0].message["Content-Language"] == "en"
    ledger = operator.ledger()
    assert ledger.adds_up
    assert ledger.states["sent"] == 21


def test_who_chose_a_language_here_is_written_to_in_it(operator, worker_parts, smtp):
    nobodys = dummy_hash("m=64,t=1,p=1")
    operator.live(
        "ana@northwind.example,1,Ana,en\nAna@northwind.example,2,Ana,en\nben@northwind.example,3,Ben,es\n"
        "eve@northwind.example,4,Eve,en\n"
    )
    with operator.db.write() as session:
        new = [
            NewAccount(Profile(f"{name}@northwind.example", locale="en"), nobodys)
            for name in ("ana", "ben", "eve")
        ]
        STORE.add(session, operator.vault, new, operator.clock.now())
        for name in ("ana", "eve"):
            account = STORE.find(session, operator.vault, f"{name}@northwind.example")
            assert account is not None
            STORE.choose_language(session, operator.vault, account.id, "es")
            if name == "eve":
                session.execute(update(AccountRow).where(AccountRow.id == account.id).values(profile=b""))
    operator.run("notify", SLUG, "--confirm", "4")
    drain(worker_parts)
    languages = {mail.recipients[0]: mail.message["Content-Language"] for mail in smtp.messages}
    assert languages == {
        "ana@northwind.example": "es",
        "Ana@northwind.example": "es",
        "ben@northwind.example": "es",
        "eve@northwind.example": "en",
    }


def test_the_notice_says_where_to_read_and_nothing_of_what(operator, worker_parts, smtp):
    operator.live(numbered(1))
    operator.run("notify", SLUG, "--confirm", "1")
    drain(worker_parts)
    (mail,) = smtp.messages
    said = f"{mail.message['Subject']} {mail.text} {mail.html}"
    for word in (
        "breach",
        "incident",
        "affected",
        "exposed",
        "stolen",
        "Person 0",
        "November",
        SLUG,
        "urgent",
    ):
        assert word not in said
    assert "http://localhost:8000/" in mail.text
    assert mail.message["Subject"] == "A message about your account at Northwind Travel"
    assert "List-Unsubscribe" not in mail.message


def test_a_dry_run_says_how_many_and_sends_nothing(operator, smtp, worker_parts):
    operator.live(numbered(7))
    done = operator.run("notify", SLUG, "--dry-run")
    assert "--confirm 7" in done.output
    drain(worker_parts)
    assert smtp.messages == []


@pytest.mark.parametrize("arguments", [("--confirm", "6"), ("--confirm", "8"), ()])
def test_a_wrong_count_sends_nothing_and_does_not_tell_the_right_one(operator, smtp, worker_parts, arguments):
    operator.live(numbered(7))
    done = operator.run("notify", SLUG, *arguments)
    assert done.exit_code != 0
    assert "7" not in done.output
    drain(worker_parts)
    assert smtp.messages == []


def test_nothing_is_sent_for_a_draft_an_unknown_incident_or_without_a_list(operator):
    assert "No list is active" in operator.run("notify", SLUG, "--confirm", "0").output
    assert "no incident" in operator.run("notify", "elsewhere", "--confirm", "0").output
    with operator.db.write() as session:
        incidents.create(session, "draft", "A draft", ("Names",), operator.clock.now())
    assert "Publish" in operator.run("notify", "draft", "--confirm", "0").output


def test_sending_twice_sends_once(operator, worker_parts, smtp):
    operator.live(numbered(30))
    for _ in range(2):
        assert operator.run("notify", SLUG, "--confirm", "30").exit_code == 0
    drain(worker_parts)
    assert len(smtp.messages) == 30


def test_a_newer_list_notifies_only_who_is_new(operator, worker_parts, smtp):
    operator.live(numbered(10))
    operator.run("notify", SLUG, "--confirm", "10")
    drain(worker_parts)
    operator.clock.at = operator.clock.at.replace(hour=12)
    operator.live(numbered(13))
    operator.run("notify", SLUG, "--confirm", "13")
    drain(worker_parts)
    assert len(smtp.messages) == 13
    ledger = operator.ledger()
    assert (ledger.addresses, ledger.earlier, ledger.states["sent"], ledger.adds_up) == (13, 10, 3, True)


def test_a_notice_that_stopped_halfway_is_finished_by_the_worker(operator, worker_parts, smtp):
    operator.live(numbered(25))
    with operator.db.write() as session:
        incident_id = incidents.by_slug(session, SLUG).id
        campaign = service.start(session, operator.vault, incident_id, SLUG, 25, operator.clock.now())
    for _ in range(2):
        with operator.db.write() as session:
            service.advance(session, operator.vault, {}, campaign.id, operator.clock.now(), limit=4)
    ledger = operator.ledger()
    assert (ledger.waiting, ledger.states["queued"], ledger.adds_up) == (17, 8, True)
    jobs.resume(worker_parts)
    drain(worker_parts)
    assert len({mail.recipients for mail in smtp.messages}) == len(smtp.messages) == 25
    assert operator.ledger().adds_up


def test_a_batch_that_fails_halfway_leaves_nothing_of_itself(operator):
    operator.live(numbered(25))
    with operator.db.write() as session:
        incident_id = incidents.by_slug(session, SLUG).id
        campaign = service.start(session, operator.vault, incident_id, SLUG, 25, operator.clock.now())

    def fails() -> None:
        with operator.db.write() as session:
            service.advance(session, operator.vault, {}, campaign.id, operator.clock.now(), limit=10)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fails()
    ledger = operator.ledger()
    assert (ledger.waiting, ledger.states["queued"]) == (25, 0)


def test_refused_addresses_are_counted_and_the_sum_is_right(operator, worker_parts, smtp):
    smtp.answer_recipient = lambda address: "550 no" if address.startswith("p3@") else "250 OK"
    operator.live(numbered(6))
    operator.run("notify", SLUG, "--confirm", "6")
    drain(worker_parts)
    said = operator.run().output
    assert "sent 5" in said
    assert "failed 1" in said
    assert "The counts add up." in said


def test_people_of_one_address_on_both_sides_of_a_page_get_one_mail(operator, worker_parts, smtp):
    operator.live("".join(f"home@northwind.example,{i},P{i},en\n" for i in range(11)))
    with operator.db.write() as session:
        incident_id = incidents.by_slug(session, SLUG).id
        campaign = service.start(session, operator.vault, incident_id, SLUG, 1, operator.clock.now())
    seen = 1
    while seen:
        with operator.db.write() as session:
            seen = service.advance(session, operator.vault, {}, campaign.id, operator.clock.now(), limit=3)
    drain(worker_parts)
    assert len(smtp.messages) == 1
    ledger = operator.ledger()
    assert (ledger.earlier, ledger.waiting, ledger.adds_up) == (0, 0, True)


def test_a_command_that_is_killed_goes_on_where_it_stopped(operator, environ):
    operator.live(numbered(3000))
    arguments = [str(PORTAL), "campaigns", "notify", SLUG, "--confirm", "3000"]
    surroundings = {**os.environ, **environ}
    with subprocess.Popen(
        arguments, env=surroundings, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        written = 0
        end = time.monotonic() + 30
        while not written and process.poll() is None and time.monotonic() < end:
            with operator.db.read() as session:
                begun = service.campaigns(session)
            written = begun[0].written if begun else 0
        process.kill()
    assert 0 < written < 3000
    assert operator.ledger().adds_up
    finished = subprocess.run(
        arguments, env=surroundings, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    ledger = operator.ledger()
    assert (ledger.waiting, ledger.states["queued"], ledger.adds_up) == (0, 3000, True)


def test_others_can_write_while_a_notice_is_written(operator, environ):
    operator.live(numbered(3000))
    with subprocess.Popen(
        [str(PORTAL), "campaigns", "notify", SLUG, "--confirm", "3000"],
        env={**os.environ, **environ}, cwd=ROOT, stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        seen = written_meanwhile(
            operator.db,
            lambda session: session.scalar(select(Campaign.written)),
            running=lambda: process.poll() is None,
        )
    assert process.returncode == 0
    assert len(seen - {None, 0, 3000}) >= 3  # without room for others none of them comes in between


def swap_two_cells(db: Database) -> None:
    """Do what somebody with the database could: put one person's cell in another's place."""
    with db.write() as session:
        rows = session.execute(
            text("SELECT person_key, blob FROM exposure_people ORDER BY fold_index LIMIT 2")
        ).all()
        session.execute(
            text("UPDATE exposure_people SET blob = :blob WHERE person_key = :key"),
            {"blob": rows[0].blob, "key": rows[1].person_key},
        )


def test_a_row_that_was_tampered_with_keeps_nobody_else_from_the_notice(operator, db, worker_parts, smtp):
    operator.live(numbered(30))
    swap_two_cells(db)
    done = operator.run("notify", SLUG, "--confirm", "30")
    assert done.exit_code == 0, done.output
    drain(worker_parts)
    assert len({mail.recipients for mail in smtp.messages}) == len(smtp.messages) == 29
    assert (operator.ledger().waiting, operator.ledger().states["sent"]) == (1, 29)
    assert "not yet queued 1" in done.output


def test_a_list_that_cannot_be_read_keeps_no_other_notice_waiting(operator, db, clock, worker_parts, smtp):
    operator.live("a@northwind.example,1,,\n")
    with db.read() as session:
        incident_id = incidents.by_slug(session, SLUG).id
    with db.write() as session:
        service.start(session, operator.vault, incident_id, SLUG, 1, clock.now())
    with db.write() as session:
        session.execute(text("UPDATE exposure_lists SET data_key = NULL"))
    operator.live("b@northwind.example,2,,\n")
    with db.write() as session:
        service.start(session, operator.vault, incident_id, SLUG, 1, clock.now())
    jobs.resume(worker_parts)
    drain(worker_parts)
    assert [mail.recipients for mail in smtp.messages] == [("b@northwind.example",)]


def test_who_could_not_be_reached_gets_the_notice_with_the_next_list(operator, db, clock, worker_parts, smtp):
    smtp.answer_recipient = lambda address: "550 5.1.1 unknown" if address.startswith("a@") else "250 OK"
    operator.live("a@northwind.example,1,,\nb@northwind.example,2,,\n")
    operator.run("notify", SLUG, "--confirm", "2")
    drain(worker_parts)
    assert operator.ledger().states["failed"] == 1
    smtp.answer_recipient = lambda address: "250 OK"
    clock.advance(timedelta(days=1))
    operator.live("a@northwind.example,1,,\nb@northwind.example,2,,\nc@northwind.example,3,,\n")
    operator.run("notify", SLUG, "--confirm", "3")
    drain(worker_parts)
    assert sorted(mail.recipients[0][0] for mail in smtp.messages) == ["a", "b", "c"]
    with db.read() as session:
        assert all(service.ledger(session, one).adds_up for one in service.campaigns(session))
