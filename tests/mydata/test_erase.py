"""An account goes with everything of it, once, by its owner alone; what must stay, stays."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.accounts.activity.models import AccountEvent
from portal.accounts.address import service as addresses
from portal.accounts.models import AccountSession
from portal.audit.models import AuditEntry
from portal.campaigns.emails import Notice
from portal.core.db import new_id
from portal.identity import state
from portal.identity.builtin.models import AccountReference, AccountRow, CostCount
from portal.identity.models import AccountState
from portal.identity.ports import Entry
from portal.intake import replies
from portal.intake import service as intake
from portal.intake.models import IntakeReply
from portal.mydata import erasing
from portal.mydata.models import DataCopy
from portal.outbox import service as outbox
from portal.outbox.models import OutboxMail
from portal.rotation.emails import RotationReminder
from portal.rotation.models import ReminderChoice
from portal.subscriptions.models import Subscription
from portal.worker import drain
from tests.mydata.conftest import ERASE, holding, mailed
from tests.reset.journey import ANA, BEN
from tests.visitor import SAME_SITE, hidden, leads_to

ASK = "/account/data/erase/"


@pytest.fixture
def ask(client, worker_parts, smtp):
    """Ask for it, and return the mailed link."""

    def asked():
        assert leads_to(client.submit(ASK)) == "/account/data/erase/sent/"
        drain(worker_parts)
        return mailed(smtp, ERASE)

    return asked


def press(visitor, link):
    return visitor.submit(visitor.get(link).location, sure="y")


def count(db, table):
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def accounts(db):
    return count(db, AccountRow)


def subjects(smtp, to=ANA):
    return [mail.message["Subject"] for mail in smtp.to(to)]


def test_nothing_of_the_account_is_left_in_any_table(
    everything, ask, client, worker_parts, smtp, db, web_vault, people
):
    client.submit("/account/data/copy/")
    link, index = ask(), web_vault.account_index(ANA)
    assert (count(db, DataCopy), count(db, IntakeReply)) == (1, 5)
    assert holding(db, index) == {"identity_accounts.address_index"}
    assert press(client, link).status_code == 303
    drain(worker_parts)
    assert subjects(smtp)[-1] == "We’ve deleted your account"
    for value in (everything.id, everything.id.hex().encode(), index, ANA.encode(), b"K-1"):
        assert holding(db, value) == set()
    with db.read() as session:
        (contact,) = session.scalars(select(Subscription.id))
        assert session.scalar(select(func.sum(CostCount.accounts))) == 1
        details = session.scalars(select(AuditEntry).where(AuditEntry.action == "mydata.erase")).one()
    assert (details.subject, details.details) == ("builtin", "{}")
    assert contact
    left = [count(db, table) for table in (ReminderChoice, DataCopy, IntakeReply, AccountReference)]
    assert left == [0, 0, 1, 1]  # the link "this wasn't me" of a mail about a passkey
    (not_me,) = re.findall(r"/not-me/[a-z2-7]{32}/", "".join(mail.text for mail in smtp.to(ANA)))
    assert client.get(not_me, follow_redirects=True).status_code == 410
    assert count(db, AccountEvent) == 0
    assert people.account(BEN)


def test_the_list_stays_and_the_other_person_at_the_address_too(everything, ask, client, worker_parts, check):
    press(client, ask())
    drain(worker_parts)
    answer = check(ANA)
    assert answer.message["Subject"] == "Your answer from Northwind Travel is ready"


def test_afterwards_the_address_is_one_that_nobody_knows(
    ana, ask, client, worker_parts, smtp, sign_in, app, people
):
    press(client, ask())
    drain(worker_parts)
    later = app.test_client()
    refused, unknown = (sign_in(address, visitor=later) for address in (ANA, "eva.ruiz@northwind.example"))
    assert (refused.status_code, len(refused.data)) == (unknown.status_code, len(unknown.data))
    for address in (ANA, "eva.ruiz@northwind.example"):
        later.submit("/reset/", email=address)
    drain(worker_parts)
    assert subjects(smtp)[-1] == subjects(smtp, "eva.ruiz@northwind.example")[-1]


def test_nobody_deletes_an_account_while_its_old_address_can_undo_a_change(
    ana, client, sign_in, db, worker_vault, worker_parts, smtp, clock, web_vault
):
    new = "ana@home.example"
    with db.write() as session:
        addresses.change(session, worker_vault, ana.id, new, clock.now())
    drain(worker_parts)
    assert leads_to(sign_in(new)) == "/account/"
    page = client.get(ASK).text
    assert "The old address can undo that until" in page
    assert '<time datetime="2026-12-01">1 December 2026</time>. After that you can delete' in page
    assert "Email me a link to confirm" not in page
    form = hidden(client.get("/account/data/copy/").text)
    assert client.post(ASK, data=form, headers=SAME_SITE).location == ASK
    with db.write() as session:  # what a stolen web process asks for is refused as well
        session_id = session.scalar(select(AccountSession.id))
        fields = {"account": ana.id.hex(), "version": "2", "session": session_id.hex()}
        intake.submit(session, web_vault, "erase-account", fields, clock.now())
    drain(worker_parts)
    assert subjects(smtp, new) == ["Inicio de sesión con un navegador nuevo"]
    clock.advance(timedelta(days=8))
    assert leads_to(sign_in(new)) == "/account/"
    assert leads_to(client.submit(ASK)) == "/account/data/erase/sent/"


def test_opening_the_link_does_nothing_and_the_session_lives_on(ana, ask, client, db):
    page = client.get(client.get(ask()).location)
    assert "Delete my account" in page.text
    assert (accounts(db), client.get("/account/").status_code) == (1, 200)


def test_a_scanner_that_presses_the_button_deletes_nothing(ana, ask, app, client, worker_parts, db):
    """Who knows the password alone can have the link mailed; the owner's scanner must not do the rest."""
    scanner = app.test_client()
    link = ask()
    refused = scanner.submit(scanner.get(link).location)
    assert refused.status_code == 400
    assert "If you’re sure, tick the box first." in refused.text
    drain(worker_parts)
    assert accounts(db) == 1
    assert client.get("/account/").status_code == 200
    assert press(client, link).status_code == 303


def test_two_presses_at_once_do_it_once(ana, ask, app, db, worker_parts, smtp):
    link = ask()
    browsers = [app.test_client(), app.test_client()]
    opened = [browser.get(link).location for browser in browsers]
    pages = [browser.get(page).text for browser, page in zip(browsers, opened, strict=True)]
    forms = [hidden(page) | {"sure": "y"} for page in pages]
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(
            lambda browser, page, form: browser.post(page, data=form, headers=SAME_SITE),
            browsers,
            opened,
            forms,
        )
        statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [303, 410]
    drain(worker_parts)
    assert subjects(smtp).count("We’ve deleted your account") == 1
    assert accounts(db) == 0


def test_a_second_press_of_the_same_browser_says_that_it_is_done(ana, ask, client, worker_parts):
    opened = client.get(ask()).location
    client.submit(opened, sure="y")
    assert "We’re deleting your account" in client.get(opened).text
    drain(worker_parts)
    assert "We’re deleting your account" in client.get(opened).text


@pytest.mark.parametrize("change", ["required", "a day"])
def test_a_lock_or_a_day_ends_the_link(ana, ask, client, people, clock, db, change):
    opened = client.get(ask()).location
    if change == "required":
        people.require(ANA)
    else:
        clock.advance(timedelta(hours=25, minutes=1))
    assert client.get(opened).status_code == 410
    assert accounts(db) == 1


def test_a_lock_between_the_press_and_the_worker_keeps_the_account(
    ana, ask, client, people, worker_parts, db
):
    press(client, ask())
    people.require(ANA)
    drain(worker_parts)
    assert accounts(db) == 1


def test_a_session_that_ended_gets_no_link(ana, client, worker_parts, smtp):
    client.submit(ASK)
    client.submit("/sign-out/")
    drain(worker_parts)
    assert smtp.messages == []


def test_of_an_account_elsewhere_only_what_keeps_a_stolen_password_out_stays(db, worker_vault, clock):
    entry = Entry(id="7", address=ANA, name="Ana Ruiz", references=("K-1",))
    with db.write() as session:
        account = state.ensure(session, worker_vault, "shop", entry)
        state.keep_closed(session, worker_vault, {account.id: b"old hash"})
        owner = state.owner(session, worker_vault, account.id)
    with db.write() as session:
        erasing.erase(session, worker_vault, account, owner, clock.now(), external=True)
    with db.read() as session:
        row = session.get(AccountState, account.id)
        assert row is not None
        assert (row.owner, row.version, row.store) == (None, 2, "shop")
        assert state.closed(session, worker_vault, account.id) == b"old hash"


def test_the_other_account_at_an_address_keeps_its_links(db, worker_vault, clock):
    now = clock.now()
    entries = [Entry(id=number, address=ANA) for number in "78"]
    with db.write() as session:
        gone, other = (state.ensure(session, worker_vault, "shop", entry) for entry in entries)
        for account in (gone, other):
            row_id, day = new_id(), timedelta(days=1)
            replies.count_answer(session, worker_vault, "reset", ANA, now, reply_id=row_id, lifetime=day)
            whose = {"account": account.id.hex()}
            replies.prepare(
                session, worker_vault, "reset", row_id, data={}, private=whose, now=now, lifetime=day
            )
    with db.write() as session:
        owner = state.owner(session, worker_vault, gone.id)
        erasing.erase(session, worker_vault, gone, owner, now, external=True)
    with db.read() as session:
        assert session.scalars(select(IntakeReply.id)).all() == [row_id]
        assert state.owner(session, worker_vault, other.id).address == ANA


def test_a_notice_that_waits_still_goes_and_a_reminder_does_not(ana, ask, client, db, worker_vault, clock):
    link, now = ask(), clock.now()
    with db.write() as session:
        for mail, batch in ((Notice(), b"n" * 16), (RotationReminder(ana.id.hex(), 3), ana.id)):
            outbox.enqueue(session, worker_vault, mail, address=ANA, locale="en", now=now, batch=batch)
        account = state.get(session, ana.id)
        assert account is not None
        owner = state.owner(session, worker_vault, ana.id)
        erasing.erase(session, worker_vault, account, owner, now, external=False)
    with db.read() as session:
        waiting = session.scalars(select(OutboxMail.purpose).where(OutboxMail.state == "queued")).all()
    assert waiting == ["notice"]
    assert client.get(client.get(link).location).status_code == 410
