"""Without the worker's keys, rows written into the tables mail nobody, and stolen ones name nobody."""

from dataclasses import replace

import pytest
from sqlalchemy import select, text

from portal.incidents import announcing
from portal.incidents.models import Update
from portal.outbox import service as outbox
from portal.subscriptions import jobs
from portal.subscriptions.models import FrozenUpdate
from tests.subscriptions.test_updates import ANA, ROBIN, add

EVE = "eve@example.es"
# The row MACs are the same on both.
one_database = pytest.mark.sqlite


class TestAnUpdate:
    def test_that_is_a_draft_is_mailed_to_nobody_by_whoever_writes_the_database(
        self, house, smtp, incident, caplog
    ):
        add(house, incident, ANA)
        house.incident("second", "Theft at the company that we are about to buy", public=False)
        house.update("Not public before the stock exchange closes", slug="second")
        with house.worker.db.write() as session:
            session.execute(text("UPDATE incidents_updates SET published_at = written_at"))
            session.execute(text("UPDATE incidents SET state = 'published', published_at = created_at"))
        add(house, house.id_of("second"), ROBIN)
        house.work()
        assert smtp.messages == []
        assert "nobody is mailed" in caplog.text

    def test_that_an_earlier_version_signed_names_no_discreet_incident(self, house, smtp, db):
        """Its MAC does not cover whether the incident is discreet, so who can write there could say no."""
        add(house, house.incident(discreet=True), ANA)
        house.update("Passwords stored anew")
        with db.write() as session:
            row = session.scalars(select(Update)).one()
            found = announcing.signed(session, house.worker.vault, row)
            assert found is not None
            row.row_mac = replace(found, bodies=None).row_mac(house.worker.vault)
        change(db, "UPDATE incidents SET discreet = false")
        house.work()
        (mail,) = house.updates_to(ANA)
        said = mail.content.decode() + mail.text + mail.html
        assert "There’s news for you" in said
        assert not any(word in said for word in ("Passwords", "Break-in", "booking"))

    def test_whose_day_was_changed_is_mailed_to_nobody(self, house, smtp, incident, db, caplog):
        add(house, incident, ANA)
        house.update("Passwords stored anew")
        change(db, "UPDATE incidents_updates SET occurred_on = '2026-11-20'")
        house.work()
        assert smtp.messages == []
        assert "nobody is mailed" in caplog.text

    def test_of_another_incident_goes_to_no_subscriber_whose_row_was_moved_there(
        self, house, smtp, incident, caplog
    ):
        add(house, incident, ANA)
        other = house.incident("second", "Another")
        house.update("What ANA never asked for", slug="second")
        with house.worker.db.write() as session:
            session.execute(text("UPDATE subscriptions SET incident_id = :other"), {"other": other})
        house.work()
        assert smtp.messages == []
        assert "altered or moved" in caplog.text

    def test_that_was_a_draft_is_mailed_once_it_is_published_with_the_workers_keys(self, house, smtp):
        add(house, house.incident("second", "Another", public=False), ANA)
        house.update("Passwords stored anew", slug="second")
        house.work()
        assert smtp.messages == []
        house.publish("second")
        house.work()
        assert len(house.updates_to(ANA)) == 1


def change(db, *statements):
    with db.write() as session:
        for statement in statements:
            assert session.execute(text(statement)).rowcount


FIRST = "(SELECT id FROM incidents_updates WHERE number = 1)"
FORGED_WORDS = {
    "altered": ["UPDATE subscriptions_words SET content = replace(content, 'What we', 'Pay us')"],
    "one language altered": [
        "UPDATE subscriptions_words SET content = replace(content, 'What we', 'Pay us') WHERE language = 'es'"
    ],
    "languages swapped": [
        f"UPDATE subscriptions_words SET language = '{new}' WHERE language = '{old}'"
        for old, new in (("en", "x"), ("es", "en"), ("x", "es"))
    ],
    "one removed": ["DELETE FROM subscriptions_words WHERE language = 'es'"],
    "all removed": ["DELETE FROM subscriptions_words"],
    "those of another update": [
        f"DELETE FROM subscriptions_words WHERE update_id = {FIRST}",
        f"UPDATE subscriptions_words SET update_id = {FIRST}",
    ],
}


class TestTheWordsOfAnUpdate:
    @pytest.fixture
    def queued(self, house, incident):
        add(house, incident, ANA)
        add(house, incident, EVE, language="es")
        for title in ("Passwords stored anew", "Another one"):
            house.update(title)
        jobs.announce(house.worker)
        return house

    @one_database
    @pytest.mark.parametrize("statements", FORGED_WORDS.values(), ids=FORGED_WORDS)
    def test_that_were_forged_or_moved_after_it_was_queued_mail_nobody(
        self, queued, smtp, db, caplog, statements
    ):
        change(db, *statements)
        queued.work()
        left = [mail for mail in smtp.messages if "Passwords stored anew" in mail.text]
        assert left == []
        assert "was altered or removed without the worker's keys" in caplog.text
        with db.read() as session:
            assert outbox.failures(session)["not-composed"] >= 2

    def test_that_were_planted_before_it_was_queued_are_replaced(self, house, smtp, incident, db, clock):
        add(house, incident, ANA)
        house.update("Passwords stored anew")
        with db.write() as session:
            update_id = session.execute(text("SELECT id FROM incidents_updates")).scalar_one()
            row = FrozenUpdate(update_id=update_id, language="en", content="{}", row_mac=b"x" * 32)
            session.add(row)
        house.work()
        (mail,) = house.updates_to(ANA)
        assert "What we know." in mail.text

    def test_may_change_while_none_is_queued_even_if_a_worker_had_begun(self, house, smtp, incident):
        add(house, incident, ANA)
        house.update("Passwords stored anew")
        jobs.announce(replace(house.worker, stopping=lambda: True))
        house.update("Passwords stored anew", number=1, body="Corrected.")
        house.work()
        (mail,) = house.updates_to(ANA)
        assert "Corrected." in mail.text

    def test_stay_as_they_were_when_the_first_was_queued(self, queued, house, smtp, db):
        """So a correction in between makes no two versions; it is on the page, to which the mail leads."""
        house.update("Passwords stored anew", number=1, body="Corrected.")
        queued.work()
        assert all("What we know." in mail.text for mail in smtp.messages)
        assert len(smtp.messages) == 4


def test_a_thief_with_the_database_and_every_address_finds_no_subscriber(
    house, smtp, incident, web_vault, db
):
    add(house, incident, ANA)
    everything = repr(house.rows()).encode()
    assert ANA.encode() not in everything
    guesses = (web_vault.account_index(ANA), web_vault.bucket(ANA), web_vault.bucket("subscription", ANA))
    for guess in guesses:
        assert repr(guess).encode() not in everything
