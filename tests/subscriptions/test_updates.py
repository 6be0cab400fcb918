"""Updates: mailed once, to those who want them, in their language; and left with one press."""

import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal.audit.models import AuditEntry
from portal.outbox import service as outbox
from portal.subscriptions import emails, jobs, service
from portal.subscriptions.service import Contact
from tests.configured import configured
from tests.databases import written_meanwhile
from tests.traces import statements

ANA = "ana@example.com"
ROBIN = "robin@example.org"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def add(house, incident: bytes, *addresses: str, language: str = "en") -> None:
    """Subscribe many at once, as their confirmations do."""
    with house.worker.db.write() as session:
        for address in addresses:
            service.confirm(session, house.worker.vault, incident, Contact(address, language))


def unsubscribe_path(mail) -> str:
    return mail.message["List-Unsubscribe"].strip("<>").removeprefix("http://localhost:8000")


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


class TestLeaving:
    @pytest.fixture
    def update_mail(self, house, smtp, incident):
        house.subscribe(ANA)
        house.update("Passwords stored anew")
        house.work()
        (mail,) = house.updates_to(ANA)
        return mail

    def test_the_headers_offer_one_press(self, update_mail):
        assert update_mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert re.fullmatch(
            r"<http://localhost:8000/unsubscribe/[a-z2-7]{32}/>", update_mail.message["List-Unsubscribe"]
        )

    def test_the_first_mail_offers_none_since_there_is_nothing_to_leave(self, smtp, update_mail):
        assert smtp.messages[0].message["List-Unsubscribe"] is None

    def test_a_post_without_cookies_form_or_redirect_is_enough(self, house, update_mail):
        answer = house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
        assert house.subscribed() == 0

    def test_a_mail_programs_multipart_form_is_enough_too(self, house, update_mail):
        answer = house.visitor().post(
            unsubscribe_path(update_mail), data=ONE_CLICK, content_type="multipart/form-data"
        )
        assert answer.status_code == 200
        assert house.subscribed() == 0

    def test_opening_the_link_shows_a_button_and_changes_nothing(self, house, update_mail):
        visitor = house.visitor()
        assert visitor.head(unsubscribe_path(update_mail)).status_code == 200
        answer = visitor.get(unsubscribe_path(update_mail))
        assert answer.status_code == 200
        assert "<button" in answer.text
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert house.subscribed() == 1
        assert visitor.post(unsubscribe_path(update_mail)).status_code == 200
        assert house.subscribed() == 0

    def test_every_post_is_answered_alike(self, house, update_mail):
        path = unsubscribe_path(update_mail)
        pages = [
            house.visitor().post(address, data=ONE_CLICK)
            for address in (
                path,
                path,
                f"/unsubscribe/{'a' * 32}/",
                "/unsubscribe/x/",
                f"/unsubscribe/{'é' * 900}/",
            )
        ]
        assert {page.status_code for page in pages} == {200}
        assert len({page.data for page in pages}) == 1

    def test_a_wrong_or_used_link_shows_no_button(self, house, update_mail):
        assert house.visitor().get(f"/unsubscribe/{'a' * 32}/").status_code == 410
        house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        answer = house.visitor().get(unsubscribe_path(update_mail))
        assert answer.status_code == 410
        assert "If you unsubscribed, you won’t get any more updates." in answer.text
        assert "<form" not in answer.text.split("<main")[1]
        unknown = house.visitor().get(f"/unsubscribe/{'a' * 32}/").text
        assert unknown.replace("a" * 32, "") == answer.text.replace(
            unsubscribe_path(update_mail).split("/")[2], ""
        )

    def test_no_update_comes_afterwards(self, house, update_mail):
        house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        house.update("More news")
        house.work()
        assert len(house.updates_to(ANA)) == 1

    def test_a_mail_that_waits_for_the_relay_is_withdrawn(self, house, smtp, update_mail):
        house.update("More news")
        jobs.announce(house.worker)
        house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        house.work()
        assert len(house.updates_to(ANA)) == 1

    def test_one_that_may_have_left_is_not_sent_again(self, house, smtp, update_mail, db):
        house.update("More news")
        jobs.announce(house.worker)
        with db.write() as session:
            session.execute(text("UPDATE outbox_mails SET state = 'uncertain' WHERE state = 'queued'"))
        house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        house.work()
        assert len(house.updates_to(ANA)) == 1
        with db.read() as session:
            assert outbox.counts(session)["uncertain"] == 1

    def test_nothing_stays_but_a_suppression(self, house, update_mail):
        with_ana = house.rows()
        contact = with_ana["subscriptions"][0]
        house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        after = house.rows()
        assert after["subscriptions"] == []
        assert len(after["subscription_suppressions"]) == 1
        (kept,) = after["subscription_suppressions"][0]
        assert len(kept) == 16
        elsewhere = {table: rows for table, rows in after.items() if table != "subscription_suppressions"}
        assert bytes(kept) not in repr(elsewhere).encode()
        assert repr(contact[4]) not in repr(after)

    def test_leaving_one_incident_keeps_the_other(self, house, smtp, update_mail):
        other = house.incident("mail-server", "Theft from our mail server")
        add(house, other, ANA)
        house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        house.update("Mail server cleaned", slug="mail-server")
        house.work()
        assert any("Mail server cleaned" in update.text for update in house.updates_to(ANA))

    def test_a_confirmed_new_subscription_lifts_the_suppression(self, house, smtp, update_mail):
        house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        house.sign_up(ANA)
        assert len(house.rows()["subscription_suppressions"]) == 1  # asking is not confirming
        house.confirm(smtp.to(ANA)[-1])
        house.work()
        assert house.rows()["subscription_suppressions"] == []
        house.update("More news")
        house.work()
        assert any("More news" in update.text for update in house.updates_to(ANA))

    def test_the_old_link_does_not_end_the_new_subscription(self, house, smtp, update_mail):
        house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        house.subscribe(ANA)
        house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        assert house.subscribed() == 1

    def test_a_used_confirmation_does_not_bring_anybody_back(self, house, smtp, update_mail):
        house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        house.confirm(smtp.messages[0])
        house.work()
        assert house.subscribed() == 0

    def test_other_streams_go_on(self, house, smtp, update_mail):
        house.visitor().post(unsubscribe_path(update_mail), data=ONE_CLICK)
        visitor = house.visitor()
        visitor.submit("/reset/", email=ANA)
        house.work()
        assert smtp.to(ANA)[-1].message["Subject"] == "Your request for a new password"


def test_a_suppressed_index_gets_no_update_even_if_a_backup_brings_the_subscription_back(
    house, smtp, incident, db
):
    add(house, incident, ANA)
    suppress = 'INSERT INTO subscription_suppressions ("index") SELECT suppression FROM subscriptions'
    with db.write() as session:
        session.execute(text(suppress))
    house.update("Passwords stored anew")
    house.work()
    assert smtp.messages == []


@pytest.mark.parametrize(
    ("words", "size", "clipped"),
    [("short", 20, "short"), ("two\nlines  here", 20, "two lines here"), ("x" * 30, 10, "x" * 7 + "…")],
)
def test_words_are_clipped_to_a_size_in_bytes(words, size, clipped):
    assert emails.clip(words, size) == clipped
