"""A person chooses a new password, by link or code, and nobody else does."""

import logging
import re
from datetime import timedelta

import pytest

from portal.intake import replies
from portal.intake.jobs import tidy
from portal.intake.models import IntakeReply
from portal.rotation.service import choose, chosen
from portal.worker import drain
from tests.reset.journey import ANA, NEW, OLD, STRANGER, code_in, link_in
from tests.traces import contents
from tests.visitor import hidden, leads_to

CHOOSE = "/reset/choose/"


@pytest.fixture
def second_browser(app):
    """A second browser."""
    return app.test_client()


def test_the_link_leads_to_a_new_password(client, ask, ana, people):
    mail = ask(ana)
    brought = client.get(link_in(mail))
    assert (brought.status_code, leads_to(brought)) == (303, CHOOSE)
    done = client.submit(CHOOSE, password=NEW)
    assert (done.status_code, leads_to(done)) == (303, "/reset/done/")
    assert people.signs_in_with(ana, NEW)
    assert not people.signs_in_with(ana, OLD)
    assert "Your new password is set" in client.get("/reset/done/").text


def test_success_uses_the_link_up_and_leaves_nothing_of_it_in_the_browser(client, ask, ana, db):
    client.get(link_in(ask(ana)))
    client.submit(CHOOSE, password=NEW)
    with db.read() as session:
        assert session.query(IntakeReply.spent_at).scalar() is not None
    assert client.get(CHOOSE).location == "/reset/"
    assert client.get("/reset/sent/").location == "/reset/"


def test_the_mailed_code_does_as_well_as_the_link(client, ask, ana, people):
    mail = ask(ana)
    brought = client.submit("/reset/sent/", code=code_in(mail).lower().replace("-", " "))
    assert (brought.status_code, leads_to(brought)) == (303, CHOOSE)
    page = client.get(CHOOSE).text
    assert "You opened our email, so we know it’s you" in page
    assert "if you forgot the old one" in page
    assert "You brought a link" not in page
    assert client.submit(CHOOSE, password=NEW).status_code == 303
    assert people.signs_in_with(ana, NEW)
    assert client.get(link_in(mail), follow_redirects=True).status_code == 410


def test_a_code_typed_in_another_browser_fails(client, ask, ana, second_browser):
    mail = ask(ana)
    ask(STRANGER, second_browser)
    refused = second_browser.submit("/reset/sent/", code=code_in(mail))
    assert refused.status_code == 400
    assert "This code is wrong" in refused.text
    assert "<title>Error:" in refused.text
    assert client.submit("/reset/sent/", code=code_in(mail)).status_code == 303


def test_a_browser_that_asked_nothing_is_led_to_the_start(second_browser):
    for page in ("/reset/sent/", CHOOSE, "/reset/done/"):
        answer = second_browser.get(page)
        assert (answer.status_code, answer.location) == (303, "/reset/")


def test_after_five_wrong_codes_the_code_is_dead_and_the_link_alive(client, ask, ana, people):
    mail = ask(ana)
    for _ in range(5):
        assert client.submit("/reset/sent/", code="aaaa-aaaa").status_code == 400
    assert client.submit("/reset/sent/", code=code_in(mail)).status_code == 400
    client.get(link_in(mail))
    client.submit(CHOOSE, password=NEW)
    assert people.signs_in_with(ana, NEW)


def test_a_code_works_for_half_an_hour_and_the_link_for_a_day(client, ask, ana, clock):
    mail = ask(ana)
    clock.advance(timedelta(minutes=30))
    assert client.submit("/reset/sent/", code=code_in(mail)).status_code == 400
    clock.advance(timedelta(hours=23, minutes=29))
    assert client.get(link_in(mail), follow_redirects=True).status_code == 200
    clock.advance(timedelta(minutes=1))
    assert client.get(link_in(mail), follow_redirects=True).status_code == 410


def test_a_scanner_that_opens_everything_changes_nothing(client, ask, ana, second_browser, db, smtp, people):
    mail = ask(ana)
    before, sent = contents(db), len(smtp.messages)
    for _ in range(2):
        for page in (link_in(mail), CHOOSE, "/reset/", "/reset/sent/", "/reset/done/", "/account/password/"):
            second_browser.head(page)
            second_browser.get(page, follow_redirects=True)
    assert contents(db) == before
    assert len(smtp.messages) == sent
    client.get(link_in(mail))
    assert client.submit(CHOOSE, password=NEW).status_code == 303
    assert people.signs_in_with(ana, NEW)


def test_whatever_is_wrong_with_a_link_the_page_is_the_same(
    client, ask, ana, second_browser, clock, worker_vault, db
):
    used, old = link_in(ask(ana)), link_in(ask(ana))
    client.get(used)
    client.submit(CHOOSE, password=NEW)
    foreign = worker_vault.token("check", bytes(16))
    pages = [
        second_browser.get(path, follow_redirects=True)
        for path in (
            used,
            old,
            f"/reset/{foreign}/",
            "/reset/nonsense/",
            "/reset/%01%0a/",
            f"/reset/{'a' * 500}/",
        )
    ]
    assert {page.status_code for page in pages} == {410}
    assert len({page.data for page in pages}) == 1
    assert 'href="/reset/"' in pages[0].text


def test_a_live_link_of_another_purpose_opens_nothing(client, worker_vault, db, clock, ana, people):
    row_id = b"\1" * 16
    account = people.account(ana)
    data = {"account": account.id.hex(), "version": account.version, "address": ana, "words": []}
    with db.write() as session:
        token = replies.prepare(
            session, worker_vault, "check", row_id, data=data, now=clock.now(), lifetime=timedelta(days=1)
        )
    assert client.get(f"/reset/{token}/", follow_redirects=True).status_code == 410


def test_an_expired_link_does_not_revive_when_the_clock_jumps_back(client, ask, ana, clock, worker_parts):
    mail = ask(ana)
    clock.advance(timedelta(days=2))
    tidy(worker_parts)
    clock.advance(timedelta(days=-2))
    assert client.get(link_in(mail), follow_redirects=True).status_code == 410


def test_a_link_opened_twice_is_used_once(client, ask, ana, second_browser, people):
    mail = ask(ana)
    client.get(link_in(mail))
    second_browser.get(link_in(mail))
    form = hidden(second_browser.get(CHOOSE).text)
    assert client.submit(CHOOSE, password=NEW).status_code == 303
    late = second_browser.post(CHOOSE, data=form | {"password": "quarry-lantern-violin-moss"})
    assert late.status_code == 410
    assert people.signs_in_with(ana, NEW)


def test_strangers_who_ask_again_do_not_kill_the_owners_link(client, ask, ana, second_browser, clock, smtp):
    mail = ask(ana)
    for _ in range(6):
        second_browser.submit("/reset/", email=ana.upper())
        clock.advance(timedelta(minutes=1))
    assert client.get(link_in(mail), follow_redirects=True).status_code == 200


def test_one_address_gets_three_mails_a_day_whatever_its_case(client, people, worker_parts, clock, smtp):
    people.add("ana@northwind.example")
    for address in (
        "ana@northwind.example",
        "ANA@northwind.example",
        "Ana@northwind.example",
        "ana@northwind.example",
    ):
        client.submit("/reset/", email=address)
        drain(worker_parts)
    assert len(smtp.messages) == 3
    clock.advance(timedelta(days=1))
    client.submit("/reset/", email="ana@northwind.example")
    drain(worker_parts)
    assert len(smtp.messages) == 4


def test_other_spellings_of_the_mailbox_use_up_the_same_three_mails_until_tomorrow(
    client, people, worker_parts, smtp, clock
):
    people.add("ana@gmail.com")
    for number in range(5):
        client.submit("/reset/", email=f"ana+{number}@gmail.com")
    drain(worker_parts)
    assert len(smtp.messages) == 3
    clock.advance(timedelta(days=1))
    client.submit("/reset/", email="ana@gmail.com")
    drain(worker_parts)
    (mail,) = smtp.to("ana@gmail.com")
    assert link_in(mail)


def test_the_mail_goes_to_the_stored_address_and_to_nobody_else(client, ana, worker_parts, smtp):
    client.submit("/reset/", email=ana.replace("ana", "ANA"))
    drain(worker_parts)
    assert [mail.recipients for mail in smtp.messages] == [(ana,)]


def test_who_has_no_account_is_told_so_by_mail(ask):
    mail = ask(STRANGER)
    assert "no account here for this address" in mail.text
    assert "/reset/" in mail.text
    assert mail.message["Subject"] == "Your request for a new password"


def test_success_kills_every_other_link_and_session(client, ask, ana, second_browser, app):
    other_link = link_in(ask(ana))
    third = app.test_client()
    assert third.submit("/sign-in/", email=ana, password=OLD).location == "/account/"
    client.get(link_in(ask(ana)))
    client.submit(CHOOSE, password=NEW)
    assert second_browser.get(other_link, follow_redirects=True).status_code == 410
    assert third.get("/account/").status_code == 303


def test_it_works_signed_in_and_leaves_one_signed_out(client, ask, ana):
    client.submit("/sign-in/", email=ana, password=OLD)
    assert client.get("/account/").status_code == 200
    client.get(link_in(ask(ana)))
    client.submit(CHOOSE, password=NEW)
    assert client.get("/account/").status_code == 303
    assert client.submit("/sign-in/", email=ana, password=NEW).location == "/account/"


def test_the_owner_is_told_by_mail_with_a_way_to_undo_it(client, ask, ana, worker_parts, smtp):
    client.get(link_in(ask(ana)), headers={"Accept-Language": "en"})
    client.submit(CHOOSE, password=NEW)
    drain(worker_parts)
    told = smtp.to(ana)[-1]
    assert told.message["Subject"] == "Your password was changed"
    for part in (told.text, told.html):
        assert "23 November 2026, 09:00 UTC" in part
        assert "http://localhost:8000/not-me/" in part
        assert "+1 555 0100" in part
        assert "help@northwind.example" in part
        assert NEW not in part
        assert "We signed you out on every device" in part


def test_the_first_page_of_a_required_reset_says_why(client, ask, ana, people):
    people.require(ana)
    page = client.get(link_in(ask(ana)), follow_redirects=True).text
    assert "Your old password was taken in the breach" in page
    client.submit(CHOOSE, password=NEW)
    assert people.signs_in_with(ana, NEW)
    assert "exposed" not in client.get(link_in(ask(ana)), follow_redirects=True).text


def test_where_everyones_password_was_closed_the_page_claims_no_more(client, ask, ana, people):
    people.require(ana, reason="everyone")
    page = client.get(link_in(ask(ana)), follow_redirects=True).text
    assert "we locked everyone’s old password" in page
    assert "was exposed" not in page


def test_a_required_reset_refuses_the_old_password_at_the_door_and_as_the_new_one(
    client, ask, ana, people, app
):
    people.require(ana)
    door = app.test_client()
    required = door.submit("/sign-in/", email=ana, password=OLD)
    wrong = app.test_client().submit("/sign-in/", email=ana, password="not-the-password-at-all")
    assert (required.status_code, required.data.count(b"<h1>")) == (
        wrong.status_code,
        wrong.data.count(b"<h1>"),
    )
    assert door.get("/account/").status_code == 303
    client.get(link_in(ask(ana)))
    refused = client.submit(CHOOSE, password=OLD)
    assert refused.status_code == 400
    assert "We locked this password" in refused.text
    assert not people.signs_in_with(ana, OLD)


def test_nobody_goes_back_to_a_password_that_was_closed(client, ask, ana, people, clock):
    people.require(ana)
    client.get(link_in(ask(ana)))
    client.submit(CHOOSE, password=NEW)
    for _ in range(2):
        clock.advance(timedelta(days=1))
        client.get(link_in(ask(ana)))
        refused = client.submit(CHOOSE, password=OLD)
        assert refused.status_code == 400
        assert "We locked this password" in refused.text
        assert client.submit(CHOOSE, password="quarry-lantern-violin-moss").status_code == 303
        client.get(link_in(ask(ana)))
        assert client.submit(CHOOSE, password=NEW).status_code == 303


def test_requiring_a_reset_kills_links_and_sessions_from_before(client, ask, ana, people, second_browser):
    second_browser.submit("/sign-in/", email=ana, password=OLD)
    mail = ask(ana)
    people.require(ana)
    assert client.get(link_in(mail), follow_redirects=True).status_code == 410
    assert second_browser.get("/account/").status_code == 303


def test_the_reminder_is_offered_for_half_an_hour(client, ask, ana, db, clock, people):
    client.get(link_in(ask(ana)))
    client.submit(CHOOSE, password=NEW)
    wrong = client.submit("/reset/done/", interval="7")
    assert wrong.status_code == 400
    assert leads_to(client.submit("/reset/done/", interval="6")) == "/reset/done/"
    assert "We’ll email you a reminder" in client.get("/reset/done/").text
    with db.read() as session:
        assert chosen(session, people.account(ana).id).interval == "6"
    form = hidden(client.get("/reset/done/").text)
    clock.advance(timedelta(minutes=30, seconds=-1))
    assert leads_to(client.post("/reset/done/", data=form | {"interval": "12"})) == "/reset/done/"
    clock.advance(timedelta(seconds=1))
    assert client.post("/reset/done/", data=form | {"interval": "3"}).location == "/reset/"
    with db.read() as session:
        assert chosen(session, people.account(ana).id).interval == "12"


def test_the_choice_that_stands_is_the_one_that_is_offered_first(client, ask, ana, db, clock, people):
    with db.write() as session:
        choose(session, people.account(ana).id, "6", clock.now())
    client.get(link_in(ask(ana)))
    client.submit(CHOOSE, password=NEW)
    page = client.get("/reset/done/").text
    (checked,) = [one for one in re.findall(r"<input[^>]*>", page) if "checked" in one]
    assert 'value="6"' in checked
    assert "We’ll email you a reminder" not in page


def test_the_code_of_an_earlier_mail_works_in_the_same_browser(client, ask, ana):
    first, second = ask(ana), ask(ana)
    assert code_in(first) != code_in(second)
    assert leads_to(client.submit("/reset/sent/", code=code_in(first))) == CHOOSE


def test_the_long_code_of_a_mail_is_told_apart_from_the_short_one(client, ask, ana):
    ask(ana)
    wrong = client.submit("/reset/sent/", code="ABCDEFG-2345672")
    assert wrong.status_code == 400
    assert "The code for this page has 8 letters and digits." in wrong.text


def test_mails_are_in_the_language_of_the_request(client, ana, worker_parts, smtp):
    form = hidden(client.get("/reset/").text)
    client.post("/reset/", data=form | {"email": ana}, headers={"Accept-Language": "es"})
    drain(worker_parts)
    assert smtp.messages[0].message["Content-Language"] == "es"


@pytest.mark.parametrize("page", ["/reset/", "/reset/sent/", CHOOSE, "/reset/done/", "/account/password/"])
def test_a_form_without_its_token_is_refused(client, page):
    assert client.post(page, data={"email": ANA, "password": NEW, "code": "AAAA-AAAA"}).status_code == 400


@pytest.mark.parametrize(
    "address",
    ["", "no-at-sign", "a@b", "two@x.example, three@x.example", "a@x.example\r\nBcc: b@x.example",
     "a\0@x.example", "=?utf-8?q?a?=@x.example,b@x.example", "x" * 60_000 + "@x.example"],
)  # fmt: skip
def test_what_is_not_one_address_is_a_form_error_and_asks_nothing(client, address, db):
    before = contents(db)["intake_requests"]
    refused = client.submit("/reset/", email=address)
    assert refused.status_code == 400
    assert "<title>Error:" in refused.text
    assert contents(db)["intake_requests"] == before


def test_no_token_address_or_password_is_logged(client, ask, ana, caplog, worker_parts):
    for name in ("portal", "werkzeug", "flask", "sqlalchemy"):
        caplog.set_level(logging.DEBUG, logger=name)
    mail = ask(ana)
    client.get(link_in(mail))
    client.submit(CHOOSE, password="short")
    client.submit(CHOOSE, password=NEW)
    drain(worker_parts)
    for secret in (link_in(mail).split("/")[2], code_in(mail), ana, NEW, "short"):
        assert secret not in caplog.text
