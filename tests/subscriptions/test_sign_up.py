"""Signing up: one form, one mail, one button."""

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import delete, text

from portal.crypto.vault import VaultError
from portal.intake import jobs as intake
from portal.intake import service as intake_service
from portal.subscriptions import service
from portal.subscriptions.models import Subscription
from tests.visitor import leads_to, main_of

ANA = "ana@example.com"
ROBIN = "robin@example.org"


def link_in(mail) -> str:
    (path,) = set(
        re.findall(r"http://localhost:8000(/subscribe/confirm/[a-z2-7]{32}/)", mail.text + mail.html)
    )
    return path


class TestTheForm:
    def test_without_an_incident_there_is_nothing_to_sign_up_for(self, client):
        page = client.get("/subscribe/").text
        assert "no incident to tell you about" in page
        assert "<form method" not in main_of(page)

    def test_one_incident_needs_no_question(self, client, house, incident):
        page = client.get("/subscribe/").text
        assert "Break-in at our booking system" in page
        assert 'type="radio"' not in page
        assert client.submit("/subscribe/", email=ANA).status_code == 303

    def test_several_incidents_are_a_choice(self, client, house, incident):
        house.incident("mail-server", "Theft from our mail server")
        page = client.get("/subscribe/?incident=mail-server").text
        assert page.count('type="radio"') == 2
        assert re.search(r'<input checked[^>]*value="mail-server"', page)
        answer = client.submit("/subscribe/", email=ANA)
        assert answer.status_code == 400
        assert "Choose what you want updates about." in answer.text
        assert client.submit("/subscribe/", email=ANA, incident="mail-server").status_code == 303

    def test_a_draft_is_not_on_offer(self, client, house, incident):
        house.incident("secret-draft", "Not public yet", public=False)
        assert "Not public yet" not in client.get("/subscribe/").text
        answer = client.submit("/subscribe/", email=ANA, incident="secret-draft")
        assert answer.status_code == 400

    @pytest.mark.parametrize(
        "email",
        [
            "",
            "ana",
            "ana@",
            "@example.com",
            "ana@example",
            "ana@example.com, robin@example.com",
            "ana@example.com\r\nBcc: robin@example.com",
            "ana%0a@example.com\nX: y",
            "ana@example.com\0",
            "=?utf-8?q?ana?= <ana@example.com>",
            "ﬁona@example.com",
            "ａna@example.com",
            "x" * 60_000 + "@example.com",
        ],
    )
    def test_what_is_no_address_is_a_form_error_and_asks_nobody(self, client, house, incident, email):
        answer = client.submit("/subscribe/", email=email)
        assert answer.status_code == 400
        assert "<title>Error:" in answer.text
        assert house.rows()["intake_requests"] == []

    def test_a_megabyte_is_too_much(self, client, house, incident):
        answer = client.submit("/subscribe/", email="x" * 1_000_000)
        assert answer.status_code == 413
        assert house.rows()["intake_requests"] == []

    def test_a_form_without_its_token_asks_nobody(self, client, house, incident):
        assert client.post("/subscribe/", data={"email": ANA}).status_code == 400
        assert house.rows()["intake_requests"] == []

    def test_too_many_from_one_network_are_told_when_to_come_back(self, portal_with, incident):
        client = portal_with(limits={"subscribe_ip": "3 per hour"}).test_client()
        for _ in range(3):
            assert client.submit("/subscribe/", email=ANA).status_code == 303
        answer = client.submit("/subscribe/", email=ANA)
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0

    def test_sent_without_having_asked_leads_to_the_form(self, client):
        assert client.get("/subscribe/sent/").location == "/subscribe/"
        assert client.get("/subscribe/confirm/").location == "/subscribe/"
        assert client.post("/subscribe/confirm/").status_code == 400


class TestTheMail:
    def test_one_mail_comes_with_no_word_that_was_typed(self, house, smtp, incident):
        house.sign_up("Casino.Bonus.Now@example.com")
        (mail,) = smtp.messages
        assert mail.recipients == ("Casino.Bonus.Now@example.com",)
        for part in (mail.text, mail.html, mail.message["Subject"]):
            assert "Casino" not in part

    def test_it_holds_no_words_that_somebody_wrote_into_the_database(self, house, smtp, incident, db):
        with db.write() as session:
            session.execute(text("UPDATE incidents SET title = 'Claim your refund at evil.example'"))
        house.sign_up(ANA)
        (mail,) = smtp.messages
        for part in (mail.text, mail.html, mail.message["Subject"]):
            assert "refund" not in part

    def test_signing_up_twice_mails_once(self, house, smtp, incident, clock):
        house.sign_up(ANA)
        house.sign_up(ANA.upper().replace("EXAMPLE.COM", "example.com"))
        clock.advance(timedelta(minutes=10, seconds=-1))
        house.sign_up(ANA)
        assert len(smtp.messages) == 1
        clock.advance(timedelta(seconds=2))  # by then the first mail may be lost
        house.sign_up(ANA)
        assert len(smtp.messages) == 2

    def test_two_incidents_are_two_mails(self, house, smtp, incident):
        house.incident("mail-server", "Theft from our mail server")
        house.sign_up(ANA)
        house.sign_up(ANA, "mail-server")
        assert len(smtp.messages) == 2
        page = house.visitor().get(link_in(smtp.messages[1]), follow_redirects=True)
        assert "Theft from our mail server" in page.text

    def test_three_a_day_are_enough_and_none_of_them_dies(self, house, smtp, incident, clock):
        for _ in range(6):
            house.sign_up(ANA)
            clock.advance(timedelta(minutes=11))
        assert len(smtp.messages) == 3
        for mail in smtp.messages:
            visitor = house.visitor()
            visitor.get(link_in(mail))
            assert visitor.get("/subscribe/confirm/").status_code == 200

    def test_it_speaks_the_language_of_the_request(self, house, smtp, incident):
        house.sign_up(ANA, **{"Accept-Language": "es"})
        assert smtp.messages[0].message["Content-Language"] == "es"

    def test_forged_requests_reach_nobody(self, house, smtp, incident, web_vault, db, clock):
        house.incident("secret-draft", "Not public yet", public=False)
        forged = [
            {"email": "no address", "incident": "booking-system"},
            {"email": ANA, "incident": "secret-draft"},
            {"email": ANA, "incident": "unknown"},
            {"email": ANA},
            {},
        ]
        with db.write() as session:
            for fields in forged:
                intake_service.submit(session, web_vault, "subscribe", fields, clock.now())
        house.work()
        assert smtp.messages == []
        assert house.rows()["intake_requests"] == []


class TestTheButton:
    def test_the_whole_way_makes_one_subscription(self, house, smtp, incident):
        house.sign_up(ANA)
        assert house.subscribed() == 0
        page = house.confirm(smtp.messages[0])
        assert "Your updates are confirmed" in page
        house.work()
        assert house.subscribed() == 1

    def test_the_token_leaves_the_address_at_once(self, house, smtp, incident):
        house.sign_up(ANA)
        visitor = house.visitor()
        answer = visitor.get(link_in(smtp.messages[0]))
        assert (answer.status_code, leads_to(answer)) == (303, "/subscribe/confirm/")
        assert answer.headers["Cache-Control"] == "no-store"

    def test_a_scanner_that_opens_every_link_confirms_nothing_and_spends_nothing(self, house, smtp, incident):
        house.sign_up(ANA)
        scanner = house.visitor()
        for look in (scanner.head, scanner.get):
            look(link_in(smtp.messages[0]), follow_redirects=True)
        house.work()
        assert house.subscribed() == 0
        assert "Your updates are confirmed" in house.confirm(smtp.messages[0])
        house.work()
        assert house.subscribed() == 1

    def test_confirming_twice_is_a_success_and_one_subscription(self, house, smtp, incident):
        house.sign_up(ANA)
        for _ in range(2):
            assert "Your updates are confirmed" in house.confirm(smtp.messages[0])
            house.work()
        assert house.subscribed() == 1

    def test_confirming_in_the_last_minute_counts_though_the_worker_is_late(
        self, house, smtp, incident, clock
    ):
        house.sign_up(ANA)
        clock.advance(timedelta(days=7) - timedelta(minutes=1))
        assert "Your updates are confirmed" in house.confirm(smtp.messages[0])
        clock.advance(timedelta(days=1))
        intake.tidy(house.worker)
        house.work()
        assert house.subscribed() == 1

    def test_a_second_press_in_the_same_browser_is_a_success_too(self, house, smtp, incident):
        house.sign_up(ANA)
        visitor = house.visitor()
        visitor.get(link_in(smtp.messages[0]))
        page = visitor.get("/subscribe/confirm/").text
        token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
        for _ in range(2):
            answer = visitor.post("/subscribe/confirm/", data={"csrf_token": token})
            assert (answer.status_code, leads_to(answer)) == (303, "/subscribe/confirm/")
        assert "Your updates are confirmed" in visitor.get("/subscribe/confirm/").text
        assert len(house.rows()["intake_requests"]) == 1

    def test_the_button_needs_the_forms_token(self, house, smtp, incident):
        house.sign_up(ANA)
        visitor = house.visitor()
        visitor.get(link_in(smtp.messages[0]))
        assert visitor.post("/subscribe/confirm/").status_code == 400

    @pytest.mark.parametrize("token", ["a" * 32, "x", "A" * 32, "%01", "..", "é" * 32, "a" * 3000])
    def test_wrong_links_all_get_one_page(self, house, incident, token):
        visitor = house.visitor()
        visitor.get(f"/subscribe/confirm/{token}/")
        answer = visitor.get("/subscribe/confirm/")
        assert answer.status_code == 410

    def test_an_old_link_and_a_link_of_another_purpose_get_the_same_page(self, house, smtp, incident, clock):
        house.sign_up(ANA)
        path = link_in(smtp.messages[0])
        clock.advance(timedelta(days=7, seconds=-1))
        visitor = house.visitor()
        visitor.get(path)
        assert visitor.get("/subscribe/confirm/").status_code == 200
        clock.advance(timedelta(seconds=1))
        visitor = house.visitor()
        visitor.get(path)
        assert visitor.get("/subscribe/confirm/").status_code == 410
        clock.advance(-timedelta(minutes=1))
        other = house.visitor()
        other.get(path.replace("/subscribe/confirm/", "/reset/"))
        assert other.get("/reset/choose/").status_code == 410

    def test_who_gets_updates_already_is_told_and_may_change_the_language(
        self, house, smtp, incident, worker_vault
    ):
        house.subscribe(ANA)
        house.sign_up(ANA, **{"Accept-Language": "es"})
        assert len(smtp.messages) == 2
        visitor = house.visitor()
        visitor.get(link_in(smtp.messages[1]))
        assert "You already get these updates" in unescape(visitor.get("/subscribe/confirm/").text)
        house.confirm(smtp.messages[1])
        house.work()
        assert house.subscribed() == 1
        with house.worker.db.read() as session:
            (row,) = service.next_batch(session, incident, None, 10)
        assert service.contact_of(worker_vault, row) == service.Contact(ANA, "es")


class TestWhatTheWorkerTrusts:
    def test_a_copy_of_a_confirmation_brings_nobody_back(self, house, smtp, incident, db, web_vault, clock):
        house.subscribe(ANA)
        token = link_in(smtp.to(ANA)[-1]).split("/")[-2]
        with db.write() as session:
            session.execute(delete(Subscription))
            intake_service.submit(session, web_vault, "subscribe-confirmed", {"token": token}, clock.now())
        house.work()
        assert house.subscribed() == 0

    def test_a_stolen_web_server_cannot_subscribe_anybody(self, house, web_vault, db, clock, incident):
        house.sign_up(ANA)
        inventions = [
            {"token": "a" * 32},
            {"token": ""},
            {},
            {"token": "a" * 32, "to": ROBIN, "incident": incident.hex()},
        ]
        with db.write() as session:
            for fields in inventions:
                intake_service.submit(session, web_vault, "subscribe-confirmed", fields, clock.now())
        house.work()
        assert house.subscribed() == 0

    def test_a_cell_that_was_swapped_with_another_rows_subscribes_nobody(self, house, smtp, db, incident):
        house.sign_up(ANA)
        house.sign_up(ROBIN)
        with db.engine.begin() as connection:
            kept = connection.exec_driver_sql("SELECT id, kept FROM intake_replies").all()
            for (row_id, _), (_, other) in zip(kept, reversed(kept), strict=True):
                connection.exec_driver_sql(*_set_kept(connection, other, row_id))
        house.confirm(smtp.messages[0])
        house.work()
        assert house.subscribed() == 0

    def test_a_contact_that_was_swapped_with_another_rows_does_not_open(
        self, house, smtp, db, incident, worker_vault
    ):
        house.subscribe(ANA)
        house.subscribe(ROBIN)
        with db.read() as session:
            first, second = service.next_batch(session, incident, None, 10)
            first.contact, second.contact = second.contact, first.contact
            for row in (first, second):
                with pytest.raises(VaultError):
                    service.contact_of(worker_vault, row)


def _set_kept(connection, kept: bytes, row_id: bytes):
    marker = "?" if connection.dialect.name == "sqlite" else "%s"
    return f"UPDATE intake_replies SET kept = {marker} WHERE id = {marker}", (kept, row_id)
