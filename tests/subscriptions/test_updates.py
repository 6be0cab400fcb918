"""Updates: mailed once, with their text, to those who want them, in their language."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from portal.audit.models import AuditEntry
from portal.incidents import announcing
from portal.incidents.models import Update
from portal.incidents.publishing import withdrawing
from portal.outbox import service as outbox
from portal.runtime.turns import Turns
from portal.subscriptions import emails, jobs, service
from portal.subscriptions.service import Contact
from portal.worker import drain
from tests.configured import configured
from tests.databases import written_meanwhile
from tests.subscriptions.conftest import SLUG
from tests.traces import statements

ANA = "ana@example.com"
ROBIN = "robin@example.org"
# What a mail says has nothing to do with the database.
one_database = pytest.mark.sqlite


def add(house, incident: bytes, *addresses: str, language: str = "en") -> None:
    """Subscribe many at once, as their confirmations do."""
    with house.worker.db.write() as session:
        for address in addresses:
            service.confirm(session, house.worker.vault, incident, Contact(address, language))


class TestAnUpdate:
    def test_goes_once_to_whoever_confirmed(self, house, smtp, incident):
        house.subscribe(ANA)
        house.sign_up(ROBIN)  # never pressed the button
        house.update("Passwords stored anew")
        for _ in range(3):
            house.work()
        assert len(house.updates_to(ANA)) == 1
        assert house.updates_to(ROBIN) == []
        (mail,) = house.updates_to(ANA)
        for part in (mail.text, mail.html):
            assert "Passwords stored anew" in part
            assert "Break-in at our booking system" in part
            assert "http://localhost:8000/incidents/booking-system/updates/1/" in part
        assert mail.message["Subject"] == "Passwords stored anew – Break-in at our booking system"
        assert mail.message["List-Id"] == "<booking-system.updates.localhost>"
        assert "What we know." in mail.text
        assert "<p>What we <strong>know</strong>.</p>" in mail.html

    def test_of_a_day_says_the_day_and_its_links_are_whole(self, house, smtp, incident, db):
        house.subscribe(ANA)
        house.update("Seen", body="See [the first](../1/) and https://www.lanternfold.example/x.")
        with db.write() as session:
            row = session.scalars(select(Update)).one()
            row.occurred_on = date(2026, 11, 20)
            announcing.sign(session, house.worker.vault, row)
        house.work()
        (mail,) = house.updates_to(ANA)
        first = "http://localhost:8000/incidents/booking-system/updates/1/"
        assert f"See the first ({first}) and https://www.lanternfold.example/x." in mail.text
        assert f'<a href="{first}"' in mail.html
        for part in (mail.text, mail.html):
            assert "Contained · 20 November 2026\n" in part or "Contained · 20 November 2026<" in part

    @pytest.mark.parametrize("when", ["created", "later"])
    def test_about_a_discreet_incident_says_only_that_there_is_news(self, house, smtp, when, clock):
        """The same holds for the mail that confirms: others may see the inbox."""
        house.incident("clinic", "Break-in at our clinic", discreet=when == "created")
        if when == "later":
            house.update("Records were copied", slug="clinic")
            with house.worker.db.write() as session:
                vault = house.worker.vault
                announcing.set_discreet(session, vault, "clinic", clock.now(), discreet=True)
        house.subscribe(ANA, "clinic")
        if when == "created":
            house.update("Records were copied", slug="clinic")
        house.work()
        assert [mail.message["List-Id"] for mail in smtp.messages] == [None, "<updates.localhost>"]
        for mail in smtp.messages:
            said = f"{mail.message['Subject']} {mail.message['List-Id']} {mail.text} {mail.html}"
            assert not [
                word for word in ("clinic", "Break-in", "Records", "know", "Contained") if word in said
            ]
        assert "http://localhost:8000/" in smtp.messages[1].text

    def test_that_the_previous_version_queued_says_only_that_there_is_news(
        self, house, smtp, worker_vault, clock
    ):
        """Its row held the words; the frozen ones are missing."""
        former = {
            "subscription": "00" * 16,
            "incident": "Break-in, at our booking system",
            "title": "Passwords stored anew",
            "path": "/incidents/booking-system/updates/1/",
        }
        content = {"to": ANA, "locale": "en", "name": "status-update", "fields": former}
        with house.worker.db.write() as session:
            mail = emails.StatusUpdate("00" * 16)
            row_id = outbox.enqueue(session, worker_vault, mail, address=ANA, locale="en", now=clock.now())
            assert row_id is not None
            packed = json.dumps(content).encode()
            payload = worker_vault.encrypt(outbox.payload_cell(row_id), packed, sizes=(1024,))
            statement = text("UPDATE outbox_mails SET payload = :payload WHERE id = :id")
            session.execute(statement, {"payload": payload, "id": row_id})
        house.work()
        (mail,) = smtp.messages
        assert mail.message["List-Id"] == "<updates.localhost>"
        assert "There’s news for you" in mail.text

    @pytest.mark.parametrize("discreet", [False, True])
    def test_that_was_withdrawn_leaves_no_more(self, house, smtp, clock, discreet):
        add(house, house.incident("clinic", discreet=discreet), ANA)
        house.update("Call Ana on 600 123 123", slug="clinic")
        jobs.announce(house.worker)
        with house.worker.db.write() as session:
            withdrawing.withdraw_update(session, "clinic", 1, "It names a person.", clock.now(), erase=True)
        drain(house.worker)
        assert smtp.messages == []
        with house.worker.db.read() as session:
            assert session.scalars(text("SELECT reason FROM outbox_mails")).all() == ["outdated"]

    def test_that_is_withdrawn_while_its_mails_are_queued_queues_no_more(self, house, smtp, incident, clock):
        add(house, incident, ANA)
        house.update("Call Ana on 600 123 123")
        with house.worker.db.read() as session:
            (found,) = announcing.waiting(session, house.worker.vault)
        with house.worker.db.write() as session:
            withdrawing.withdraw_update(session, SLUG, 1, "It names a person.", clock.now())
        assert not jobs._batch(house.worker, found, Turns(house.worker.db))
        drain(house.worker)
        assert smtp.messages == []

    @one_database
    def test_that_is_too_long_for_a_mail_is_a_title_and_a_link(self, house, smtp, incident):
        add(house, incident, ANA)
        house.update("Passwords stored anew", body="We know more. " * 500)
        house.work()
        (mail,) = house.updates_to(ANA)
        assert "We know more." not in mail.text + mail.html
        assert "http://localhost:8000/incidents/booking-system/updates/1/" in mail.text

    @one_database
    def test_has_one_size_for_everyone_who_reads_a_language(self, house, smtp, incident):
        people = ["a@b.example", "zoë@northwind.example", f"{'b' * 64}@{'.'.join(['c' * 58] * 3)}.example"]
        add(house, incident, *people)
        house.update("Passwords stored anew")
        house.work()
        assert len(smtp.messages) == 3
        assert len({len(mail.content) for mail in smtp.messages}) == 1

    @one_database
    def test_links_to_our_own_pages_lead_there_from_a_mail(self, house, smtp, incident):
        add(house, incident, ANA)
        house.update(
            "Passwords stored anew", body="[Check](/check/) it. ![a picture](https://evil.example/x)"
        )
        house.work()
        (mail,) = house.updates_to(ANA)
        assert "Check (http://localhost:8000/check/) it." in mail.text
        assert 'href="http://localhost:8000/check/"' in mail.html
        assert "evil.example" not in mail.html

    def test_goes_to_nobody_unless_its_author_says_so(self, house, smtp, incident):
        house.subscribe(ANA)
        house.update("Nothing to write home about", notify=False)
        house.work()
        assert house.updates_to(ANA) == []

    def test_signed_up_twice_means_one_mail(self, house, smtp, incident, clock):
        house.sign_up(ANA)
        clock.advance(timedelta(minutes=11))
        house.sign_up("Ana@example.com")
        for mail in list(smtp.messages):
            house.confirm(mail)
        house.work()
        house.update("Passwords stored anew")
        house.work()
        assert sum(len(house.updates_to(address)) for address in (ANA, "Ana@example.com")) == 1

    def test_goes_to_those_of_its_own_incident(self, house, smtp, incident):
        other = house.incident("mail-server", "Theft from our mail server")
        add(house, incident, ANA)
        add(house, other, ROBIN)
        house.update("Mail server cleaned", slug="mail-server")
        house.work()
        assert house.updates_to(ANA) == []
        assert len(house.updates_to(ROBIN)) == 1

    def test_waits_until_the_incident_is_public(self, house, smtp):
        draft = house.incident("draft", "A draft", public=False)
        add(house, draft, ANA)
        house.update("Too early", slug="draft")
        house.work()
        assert smtp.messages == []

    def test_an_edit_is_not_mailed_again(self, house, smtp, incident):
        add(house, incident, ANA)
        number = house.update("Passwords stored anew")
        house.work()
        house.update("Passwords stored anew, corrected", number=number)
        house.work()
        assert len(house.updates_to(ANA)) == 1

    def test_comes_in_the_readers_language_and_says_where_it_is_not_translated(self, house, smtp, incident):
        add(house, incident, ANA)
        add(house, incident, "eva@example.es", language="es")
        number = house.update("Passwords stored anew")
        house.update("Contraseñas nuevas", language="es", number=number)
        house.update("In English only")
        house.work()
        english, spanish = house.updates_to(ANA), house.updates_to("eva@example.es")
        assert [mail.message["Content-Language"] for mail in english + spanish] == ["en", "en", "es", "es"]
        translated, untranslated = sorted(spanish, key=lambda mail: "In English only" in mail.text)
        assert "Contraseñas nuevas" in translated.text
        assert "inglés" not in translated.text
        assert "In English only" in untranslated.text
        assert "inglés" in untranslated.text
        assert 'lang="en"' in untranslated.html

    def test_says_when_in_utc_and_in_the_organisations_zone(self, house, smtp, incident, clock):
        far = replace(
            house.worker, settings=configured(house.worker.settings, site={"timezone": "Asia/Tokyo"})
        )
        add(house, incident, ANA)
        clock.advance(timedelta(hours=8))
        house.update("Passwords stored anew")
        jobs.announce(far)
        house.work()
        (mail,) = house.updates_to(ANA)
        assert "23 November 2026, 17:00 UTC (24 November 2026, 02:00" in mail.text

    def test_html_in_a_title_stays_text(self, house, smtp, incident):
        add(house, incident, ANA)
        house.update("<b>Bold</b> & {{ organisation }}")
        house.work()
        (mail,) = house.updates_to(ANA)
        assert "<b>Bold</b> & {{ organisation }}" in mail.text
        assert "&lt;b&gt;Bold&lt;/b&gt; &amp; {{ organisation }}" in mail.html

    def test_the_longest_words_fit(self, house, smtp):
        address = "a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".exa"
        assert len(address) == 254
        longest = house.incident("i" * 60, '"' * 200)
        add(house, longest, address, language="es")
        house.update("例" * 200, slug="i" * 60)
        house.sign_up(address, "i" * 60)
        house.work()
        assert len(smtp.to(address)) == 2

    def test_is_in_the_log_with_its_count_and_nobodys_name(self, house, incident, db):
        add(house, incident, ANA, ROBIN)
        house.update("Passwords stored anew")
        house.work()
        with db.read() as session:
            (entry,) = session.query(AuditEntry).where(AuditEntry.action == "subscriptions.announce")
        assert entry.subject == "booking-system"
        assert entry.details == '{"mails":2,"update":1}'

    def test_many_go_in_batches_in_the_order_of_their_index(self, house, incident, db):
        people = [f"person{number}@example.com" for number in range(107)]
        add(house, incident, *people)
        house.update("Passwords stored anew")
        with statements(house.worker.db) as seen:
            jobs.announce(house.worker)
        assert sum(statement.startswith("SELECT subscriptions.") for statement in seen) > 1
        with db.read() as session:
            assert outbox.counts(session)["queued"] == len(people)
        assert house.rows()["subscription_announcements"] == []

    def test_others_can_write_meanwhile(self, house, incident, db):
        add(house, incident, *(f"person{number}@example.com" for number in range(1500)))
        house.update("Passwords stored anew")
        with ThreadPoolExecutor(1) as pool:
            announcing = pool.submit(jobs.announce, house.worker)
            seen = written_meanwhile(
                db, lambda session: outbox.counts(session)["queued"], running=lambda: not announcing.done()
            )
            announcing.result()
        assert len(seen - {0, 1500}) >= 3  # without room for others none of them comes in between


DIE_WHILE_ANNOUNCING = """
import os, signal, sys
from sqlalchemy import event
from portal.app import worker_parts
from portal.core.clock import SystemClock
from portal.core.db import Database
from portal.crypto.keys import read_worker
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.subscriptions import jobs

settings = Settings.from_env(os.environ)
database = Database(settings.database_url)
parts = worker_parts(settings, database, SystemClock(), WorkerVault(read_worker(settings.keys.worker_file)))
moment, left = sys.argv[1], int(sys.argv[2])

def die(_connection, _cursor, statement, *_rest):
    global left
    left -= statement.startswith(moment)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(database.engine, "after_cursor_execute", die)
jobs.announce(parts)
"""


@pytest.mark.parametrize(
    ("moment", "time"),
    [
        ("INSERT INTO outbox_mails", 10),
        ("INSERT INTO outbox_mails", 120),
        ("UPDATE subscription_announcements", 1),
        ("UPDATE incidents_updates", 1),
    ],
)
def test_a_worker_killed_while_announcing_loses_nobody_and_mails_nobody_twice(
    house, incident, environ, db, moment, time
):
    people = [f"person{number}@example.com" for number in range(150)]
    add(house, incident, *people)
    house.update("Passwords stored anew")
    program = [sys.executable, "-c", DIE_WHILE_ANNOUNCING, moment, str(time)]
    ended = subprocess.run(program, env=os.environ | environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    for _ in range(2):
        jobs.announce(house.worker)
    with db.read() as session:
        assert outbox.counts(session)["queued"] == len(people)


def test_two_workers_announce_each_mail_once(house, incident, db):
    people = [f"person{number}@example.com" for number in range(150)]
    add(house, incident, *people)
    house.update("Passwords stored anew")
    workers = [threading.Thread(target=jobs.announce, args=(house.worker,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with db.read() as session:
        assert outbox.counts(session)["queued"] == len(people)
