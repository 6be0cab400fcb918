"""Updates are left with one press, and what is left stays left."""

import re

import pytest
from sqlalchemy import text

from portal.outbox import service as outbox
from portal.subscriptions import jobs
from tests.subscriptions.test_updates import ANA, add

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def unsubscribe_path(mail) -> str:
    return mail.message["List-Unsubscribe"].strip("<>").removeprefix("http://localhost:8000")


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
