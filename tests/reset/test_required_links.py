"""The link of a required reset lives from when its mail leaves, and is renewed by a button for a week."""

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from sqlalchemy import delete, select, text, update

from portal.identity.builtin.models import AccountRow
from portal.identity.models import AccountState
from portal.intake import jobs as intake
from portal.intake import replies
from portal.intake import service as intake_service
from portal.intake.models import IntakeReply
from portal.outbox.models import OutboxMail
from portal.worker import drain
from tests.outgoing import killed_worker
from tests.reset.journey import ANA, BEN, NEW, REQUEST, authenticity_in, code_in, link_in
from tests.traces import contents
from tests.visitor import hidden, leads_to, main_of

__all__ = ["killed_worker"]

CHOOSE = "/reset/choose/"
DAY = timedelta(days=1)
MOMENT = timedelta(minutes=1)
RENEWED = "Email me a new link"


@pytest.fixture
def required(portal, ana) -> str:
    """Ana must choose a new password; the mail about it has not left yet."""
    portal("reset", "require", "--everyone")
    return ana


@pytest.fixture
def leave(worker_parts, smtp):
    """Let all mail leave, and return the newest to Ana about a required reset."""

    def work():
        drain(worker_parts)
        return [mail for mail in smtp.to(ANA) if mail.message["Subject"] == "Please choose a new password"][
            -1
        ]

    return work


def page_of(client, mail):
    return client.get(link_in(mail), follow_redirects=True)


def choose(client, mail):
    """Choose a new password on the page that a mail's link opens, whatever other links are open."""
    form = hidden(page_of(client, mail).text)
    done = client.post(CHOOSE, data=form | {"password": NEW})
    assert leads_to(done) == "/reset/done/"


def test_a_mail_that_waited_two_days_brings_a_living_link(required, client, clock, leave, people):
    clock.advance(2 * DAY)
    mail = leave()
    assert parsedate_to_datetime(mail.message["Date"]) == clock.now()
    clock.advance(DAY - MOMENT)
    assert 'name="password"' in page_of(client, mail).text
    client.submit(CHOOSE, password=NEW)
    assert people.signs_in_with(ANA, NEW)


def test_a_mail_that_leaves_at_once_has_the_date_of_its_cause(required, clock, leave):
    caused = clock.now()
    clock.advance(timedelta(hours=1))
    assert parsedate_to_datetime(leave().message["Date"]) == caused


def test_after_a_kill_between_begin_and_handover_the_copy_brings_a_living_link(
    required, client, clock, leave, killed_worker
):
    killed_worker()
    clock.advance(20 * timedelta(hours=1))
    mail = leave()
    clock.advance(20 * timedelta(hours=1))
    assert 'name="password"' in page_of(client, mail).text


def test_an_earlier_end_never_replaces_a_later_one(required, client, clock, leave, killed_worker, db):
    """The clock was ahead when the first copy left, and is put right before the second."""
    killed_worker()
    clock.advance(-timedelta(hours=5))
    with db.write() as session:
        session.execute(update(OutboxMail).values(due_at=clock.now()))
    mail = leave()
    clock.advance(timedelta(hours=5) + DAY - MOMENT)
    assert 'name="password"' in page_of(client, mail).text


@pytest.mark.parametrize("days", [3, 10])
def test_a_retry_after_the_links_end_mails_a_living_link(
    required, client, clock, leave, smtp, worker_parts, portal, days, people
):
    """Also once the reply of the first link was purged."""
    smtp.answer_recipient = lambda address: "550 no"
    drain(worker_parts)
    clock.advance(days * DAY)
    intake.tidy(worker_parts)
    smtp.answer_recipient = lambda address: "250 OK"
    assert portal("outbox", "retry").output == "Queued again: 1.\n"
    mail = leave()
    clock.advance(DAY - MOMENT)
    choose(client, mail)
    assert people.signs_in_with(ANA, NEW)


def test_who_has_chosen_meanwhile_is_not_told_to(
    required, client, clock, leave, smtp, worker_parts, portal, caplog, people
):
    smtp.answer_recipient = lambda address: "451 later"
    drain(worker_parts)
    smtp.answer_recipient = lambda address: "250 OK"
    client.submit("/reset/", email=ANA)
    drain(worker_parts)
    (asked,) = smtp.to(ANA)
    choose(client, asked)
    clock.advance(timedelta(hours=1))
    drain(worker_parts)
    assert [mail.message["Subject"] for mail in smtp.to(ANA)] == [REQUEST, "Your password was changed"]
    assert "failed because of outdated: 1" in portal("outbox", "status").output
    assert "('reset-required') not sent: its link expired while it waited" in caplog.text
    assert ANA not in caplog.text
    assert portal("outbox", "retry").output == "Queued again: 0.\n"


def test_an_account_that_must_choose_once_more_gets_a_link_that_fits(
    required, client, clock, leave, people, db
):
    with db.write() as session:
        session.execute(update(AccountState).values(version=AccountState.version + 2))
    choose(client, leave())
    assert people.signs_in_with(ANA, NEW)


def test_a_mail_that_a_former_version_queued_is_renewable_too(
    required, client, clock, leave, db, worker_vault, people
):
    account = people.account(ANA)
    data = {"account": account.id.hex(), "version": account.version, "address": ANA, "words": [ANA]}
    with db.write() as session:
        row_id = session.scalar(select(IntakeReply.id))
        replies.remove(session, worker_vault, "reset", row_id)
        replies.prepare(session, worker_vault, "reset", row_id, data=data, now=clock.now(), lifetime=DAY)
    mail = leave()
    clock.advance(2 * DAY)
    assert RENEWED in page_of(client, mail).text


@pytest.fixture
def tampered(db, people):
    """Tamper with the database in one of these ways; return how to mend it."""

    def tamper(how):
        people.add(BEN)
        ana, ben = people.account(ANA).id, people.account(BEN).id
        with db.write() as session:
            index = {row.id: row.address_index for row in session.scalars(select(AccountRow))}
            version = session.get(AccountState, ana).version
            if how == "a version that is no number":
                if not db.is_sqlite:
                    pytest.skip("PostgreSQL stores numbers alone")
                session.execute(text("UPDATE account_state SET version = 'x'"))
            else:
                session.execute(delete(IntakeReply))
                session.execute(_index_of(ana, b"n" * 16))
            if how == "the index of somebody who needs none":
                session.execute(_index_of(ben, index[ana]))

        def mend():
            with db.write() as session:
                session.execute(update(AccountState).where(AccountState.id == ana).values(version=version))
                for account_id in (ben, ana):
                    session.execute(_index_of(account_id, index[account_id]))

        return mend

    return tamper


def _index_of(account_id, index):
    return update(AccountRow).where(AccountRow.id == account_id).values(address_index=index)


@pytest.mark.parametrize(
    "how",
    [
        "a version that is no number",
        "the index of nobody",
        "the index of somebody who needs none",
    ],
)
def test_a_mail_whose_account_could_not_be_read_is_not_lost(
    required, client, leave, smtp, worker_parts, portal, tampered, people, how, caplog
):
    """Only an account that was read, and needs no new password, needs no mail about it."""
    mend = tampered(how)
    drain(worker_parts)
    assert smtp.messages == []
    assert "failed because of not-prepared: 1" in portal("outbox", "status").output
    assert "('reset-required') could not be prepared (AccountMissing: -)" in caplog.text
    mend()
    assert portal("outbox", "retry").output == "Queued again: 1.\n"
    choose(client, leave())
    assert people.signs_in_with(ANA, NEW)


@pytest.mark.parametrize("column", ["id", "expires_at", "data"])
def test_a_forged_reply_is_replaced_as_its_mail_leaves(required, client, clock, leave, db, people, column):
    if column != "id" and not db.is_sqlite:
        pytest.skip("PostgreSQL stores no text there")
    with db.write() as session:
        forged = "randomblob(16)" if db.is_sqlite else "decode(md5(random()::text), 'hex')"
        forged = forged if column == "id" else "'spoilt'"
        session.execute(text(f"UPDATE intake_replies SET {column} = {forged}"))
    clock.advance(2 * DAY)
    choose(client, leave())
    assert people.signs_in_with(ANA, NEW)


def test_a_mail_that_was_used_is_known_though_its_worker_was_killed(
    required, client, clock, killed_worker, smtp, worker_parts, portal
):
    """The relay took it, nobody stored so; the next worker finds that it is not needed any more."""
    killed_worker(taken=True)
    (mail,) = smtp.to(ANA)
    choose(client, mail)
    clock.advance(timedelta(hours=1))
    drain(worker_parts)
    assert re.search(r"^uncertain +1$", portal("outbox", "status").output, re.MULTILINE)
    page = client.submit("/is-it-real/", code=authenticity_in(mail))
    assert page.status_code == 200
    assert "Please choose a new password" in page.text
    assert "23 November 2026" in page.text


class TestTheButton:
    @pytest.fixture
    def ended(self, required, client, clock, leave) -> str:
        """The address of the page that Ana's link opens two days after it was mailed."""
        mail = leave()
        clock.advance(2 * DAY)
        return str(client.get(link_in(mail)).location)

    def test_mails_another_link_to_the_same_address(self, ended, client, worker_parts, smtp, people):
        page = client.get(ended)
        assert page.status_code == 200
        assert 'name="password"' not in page.text
        assert ANA not in page.text
        assert "a…@n…" in page.text
        assert len(re.findall(r"<form\b", main_of(page.text))) == 1
        sent = client.post(CHOOSE, data=hidden(page.text) | {"renew": "yes"})
        assert (sent.status_code, sent.location) == (303, "/reset/sent/")
        assert "on its way to your account’s address" in client.get("/reset/sent/").text
        drain(worker_parts)
        mail = smtp.to(ANA)[-1]
        assert mail.message["Subject"] == REQUEST
        assert leads_to(client.submit("/reset/sent/", code=code_in(mail))) == CHOOSE
        choose(client, mail)
        assert people.signs_in_with(ANA, NEW)
        assert client.get(ended).status_code == 410

    def test_is_there_until_day_seven(self, ended, client, clock, worker_parts, db):
        clock.advance(5 * DAY - MOMENT)
        intake.tidy(worker_parts)
        assert RENEWED in client.get(ended).text
        clock.advance(MOMENT)
        form = hidden(client.get("/reset/").text) | {"link": ended.partition("link=")[2], "renew": "yes"}
        before = contents(db)
        for answer in (client.get(ended), client.post(CHOOSE, data=form)):
            assert answer.status_code == 410
            assert "This link doesn’t work any more" in answer.text
            assert RENEWED not in answer.text
        assert contents(db) == before

    def test_pressed_in_the_last_minute_mails_a_link_though_the_worker_is_late(
        self, ended, client, clock, worker_parts, smtp
    ):
        clock.advance(5 * DAY - MOMENT)
        sent = client.post(CHOOSE, data=hidden(client.get(ended).text) | {"renew": "yes"})
        assert sent.status_code == 303
        clock.advance(DAY)
        intake.tidy(worker_parts)
        drain(worker_parts)
        assert smtp.to(ANA)[-1].message["Subject"] == REQUEST
        assert client.get(ended).status_code == 410

    def test_is_pressed_by_nothing_that_only_opens(self, ended, client, db):
        before = contents(db)
        client.head(ended)
        assert RENEWED in client.get(ended).text
        assert contents(db) == before

    def test_needs_the_forms_token(self, ended, client, db):
        form = hidden(client.get(ended).text) | {"renew": "yes", "csrf_token": "no-token"}
        before = contents(db)
        assert client.post(CHOOSE, data=form).status_code == 400
        assert contents(db) == before

    def test_counts_among_the_three_mails_a_day(self, ended, client, worker_parts, smtp):
        client.submit("/reset/", email=ANA)
        for _ in range(4):
            assert (
                client.post(CHOOSE, data=hidden(client.get(ended).text) | {"renew": "yes"}).status_code == 303
            )
        drain(worker_parts)
        assert len([mail for mail in smtp.to(ANA) if mail.message["Subject"] == REQUEST]) == 3

    def test_a_form_that_was_open_too_long_stores_nothing_and_offers_it(
        self, required, client, clock, leave, people
    ):
        shown = client.get(str(client.get(link_in(leave())).location))
        clock.advance(DAY)
        late = client.post(CHOOSE, data=hidden(shown.text) | {"password": NEW})
        assert late.status_code == 410
        assert RENEWED in late.text
        assert NEW not in late.text
        assert not people.signs_in_with(ANA, NEW)

    def test_belongs_to_the_link_of_its_own_tab(
        self, portal, ana, people, client, clock, leave, smtp, worker_parts
    ):
        people.add(BEN)
        portal("reset", "require", "--everyone")
        drain(worker_parts)
        clock.advance(2 * DAY)
        tabs = [str(client.get(link_in(smtp.to(who)[0])).location) for who in (ANA, BEN)]
        client.post(CHOOSE, data=hidden(client.get(tabs[0]).text) | {"renew": "yes"})
        drain(worker_parts)
        assert [len(smtp.to(who)) for who in (ANA, BEN)] == [2, 1]

    def test_is_missing_once_the_link_opened_a_new_password(self, ended, client, ask, people):
        choose(client, ask(ANA))
        assert client.get(ended).status_code == 410

    def test_of_a_spoilt_account_mails_as_visibly(self, ended, client, worker_parts, smtp, db):
        with db.write() as session:
            session.execute(update(AccountRow).values(profile=bytes(284)))
        client.post(CHOOSE, data=hidden(client.get(ended).text) | {"renew": "yes"})
        drain(worker_parts)
        assert smtp.to(ANA)[-1].message["Subject"] == REQUEST
        assert "/reset/" not in smtp.to(ANA)[-1].text.replace("/reset/ ", "")


def test_the_token_of_a_requested_link_renews_nothing(
    ask, ana, client, app, clock, worker_parts, smtp, db, web_vault
):
    """Whoever has the web process's keys can seal a request; the worker tells which links are renewable."""
    token = link_in(ask(ana)).split("/")[2]
    for forged in (token, "a" * 32):
        with db.write() as session:
            intake_service.submit(
                session, web_vault, "reset-renewal", {"token": forged, "language": "en"}, clock.now()
            )
    drain(worker_parts)
    assert len(smtp.to(ana)) == 1
