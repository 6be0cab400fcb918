"""The console's first page: what each incident needs next, and what is wrong."""

from dataclasses import replace
from datetime import timedelta

import pytest

from portal.audit import service as audit
from portal.checklist import service as checklist
from portal.checklist.emails import ChecklistReminder
from portal.console.actions import ACTIONS
from portal.incidents import service as incidents
from portal.incidents.drafts import facts, store
from portal.outbox import service as outbox
from portal.outbox.bulk import lanes
from portal.runtime.heartbeat import Heart
from portal.staff.approvals import service as approvals
from portal.staff.approvals.service import State
from tests.visitor import main_of

TITLE = "Theft of our order archive"
KIND = "incident.facts"


def create(office, title=TITLE):
    with office.db.write() as session:
        incidents.create(session, "order-archive", title, ("Names",), office.clock.now())


@pytest.fixture
def author(office):
    return office.as_role("author")


def test_whoever_cannot_do_the_step_sees_who_does(office):
    create(office)
    shown = main_of(office.as_role("admin").get("/").text)
    assert "(an author)" in shown
    assert "/incidents/order-archive/" not in shown


def test_the_next_step_of_a_draft_is_its_statement(office, author):
    create(office)
    assert '<a class="button" href="/incidents/order-archive/statement/">Write the statement</a>' in (
        author.get("/").text
    )


def test_a_title_of_markup_stays_a_text(office, author):
    create(office, "<script>alert(1)</script>")
    shown = author.get("/").text
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert" not in shown


def test_time_since_it_was_found_is_in_hours_then_in_days_and_ends_with_the_incident(office, author):
    create(office)
    assert "0 hours" in main_of(author.get("/").text)
    office.advance(timedelta(hours=72))
    author = office.as_role("author")
    assert "72 hours" in main_of(author.get("/").text)
    office.advance(timedelta(hours=24))
    author = office.as_role("author")
    assert "4 days" in main_of(author.get("/").text)


def test_a_worker_that_is_not_there_is_the_first_thing_said(author):
    assert "The portal’s background program isn’t running" in main_of(author.get("/").text)


def alert(office, browser):
    """What the first page says is wrong, with a worker that beats."""
    assert Heart(office.db, office.clock).beat()
    return main_of(browser.get("/").text).split("<h2")[0]


def test_every_trouble_is_said_where_it_is_real_and_not_before(office, author):
    create(office)
    quiet = alert(office, author)
    for words in ("background", "email has left", "active list", "draft", "second person"):
        assert words not in quiet
    with office.db.write() as session:
        incident = incidents.by_slug(session, "order-archive")
        parts = {"title": "Theft", "apology": "We are sorry."}
        store.save(session, "order-archive", "statement:en", parts, 0, "Ana", office.clock.now())
        entry = {"phase": "contained", "title:en": "News"}
        document = "update:0123456789abcdef"
        store.save(session, "order-archive", document, entry, 0, "Ana", office.clock.now())
        incident.state = "published"
        audit.record(
            session, "exposure.activate", "order-archive", {"by": "operator root"}, office.clock.now()
        )
        outbox.enqueue(
            session,
            office.parts.vault,
            ChecklistReminder("https://console.example.com/checklist/order-archive/"),
            address="ana@mail.example",
            locale="en",
            now=office.clock.now(),
        )
    assert "There’s no active list" in alert(office, author)
    assert "Work without a second person" in alert(office, author)
    assert "draft" not in alert(office, author)
    assert "email has left" not in alert(office, author)
    office.advance(timedelta(minutes=11))
    assert "No email has left for ten minutes." in alert(office, author)
    office.advance(timedelta(hours=24))
    later = office.sign_in(office.add("author"))
    said = alert(office, later)
    assert "A draft has waited for more than a day." in said
    assert "The draft of an update has waited for more than a day." in said
    assert 'href="/incidents/order-archive/timeline/">Look at it' in said
    assert "draft of a notice" not in said
    office.advance(timedelta(days=7))
    assert "Work without" not in alert(office, office.as_role("author"))


def test_who_waits_for_whom_is_said_by_name_with_the_time(office):
    create(office)
    ana, ben = office.add("author", name="Ana"), office.add("approver", name="Ben")
    of_ana, of_ben = office.sign_in(ana), office.sign_in(ben)
    with office.db.write() as session:
        incident = incidents.by_slug(session, "order-archive")
        fields = renamed(incident)
        vault, now = office.parts.vault, office.clock.now()
        asked = approvals.ask(session, vault, ACTIONS[KIND], KIND, fields, "", ana.id, now)
        for owner, name in ((ben.id, "insurer"), (None, "it")):
            item = checklist.Item(name, 1, owner, now - timedelta(hours=5))
            checklist.change(session, vault, incident, item, now)
        approval_id = asked.id
    office.advance(timedelta(hours=3))
    of_ana, of_ben = office.sign_in(ana), office.sign_in(ben)
    shown = main_of(of_ana.get("/").text)
    assert "You’re waiting for an approver." in shown
    assert "Ana is waiting for an approver." in main_of(of_ben.get("/").text)
    assert f"{TITLE}, for 3 hours" in shown
    assert "Ben is late." in shown
    assert "Late, and nobody is doing it." in shown
    assert f"{TITLE}, for 8 hours" in shown
    assert "Check the request" not in shown
    assert (
        f'<a class="button" href="/approvals/{approval_id.hex()}/">Check the request' in of_ben.get("/").text
    )
    with office.db.write() as session:
        row = approvals.verified(session, office.parts.vault, approval_id)
        approvals.send_back(session, office.parts.vault, row, ben.id, "Say when.", office.clock.now())
    shown = main_of(of_ana.get("/").text)
    assert "Ben sent back what you asked for. Change it, and ask again." in shown
    assert "Ana has to change what Ben sent back." in main_of(of_ben.get("/").text)
    assert "waiting for an approver" not in shown
    office.advance(timedelta(minutes=1))
    with office.db.write() as session:
        vault, now = office.parts.vault, office.clock.now()
        again = approvals.ask(session, vault, ACTIONS[KIND], KIND, fields, "", ana.id, now).id
    assert "sent back" not in main_of(of_ana.get("/").text)
    with office.db.write() as session:
        row = approvals.verified(session, vault, again)
        row.decided_by, row.decided_at = ben.id, now
        approvals.finish(session, vault, row, State.FAILED, {"reason": "gone"}, now)
    assert "What you asked for was approved, but didn’t work. Ask again." in main_of(of_ana.get("/").text)
    assert "What Ana asked for was approved, but didn’t work." in main_of(of_ben.get("/").text)


def test_a_trouble_leads_only_those_to_a_page_who_may_open_it(office, author):
    create(office)
    with office.db.write() as session:
        incidents.by_slug(session, "order-archive").state = "published"
    assert '<a href="/lists/order-archive/">Look at it</a>' in author.get("/").text
    admin = office.as_role("admin").get("/").text
    assert "There’s no active list" in admin
    assert "Look at it" not in admin


def renamed(incident, title="Theft of two archives"):
    return replace(facts.of_incident(incident), title=title).fields


def test_a_request_that_an_edit_cancelled_waits_for_its_author_until_they_ask_again(office):
    create(office)
    ana, vault = office.add("author", name="Ana"), office.parts.vault
    of_ana, of_ben = office.seat(ana), office.seat(office.add("approver", name="Ben"))

    def ask():
        with office.db.write() as session:
            fields = renamed(incidents.by_slug(session, "order-archive"))
            approvals.ask(session, vault, ACTIONS[KIND], KIND, fields, "", ana.id, office.clock.now())

    ask()
    assert "Check the request" in of_ben.get("/").text
    with office.db.write() as session:
        incidents.set_title(session, "order-archive", "Robo del archivo", "es", office.clock.now())
    for browser, said in (
        (of_ana, "An edit cancelled your request. Ask again."),
        (of_ben, "An edit cancelled the request of Ana, who has to ask again."),
    ):
        shown = main_of(browser.get("/").text)
        assert said in shown
        assert "is waiting for an approver" not in shown
        assert "Check the request" not in shown
    listed = main_of(of_ben.get("/approvals/").text)
    assert "Nothing is waiting." in listed
    assert listed.index("Cancelled by an edit") < listed.index(TITLE)
    ask()
    shown = main_of(of_ana.get("/").text)
    assert "You’re waiting for an approver." in shown
    assert "An edit cancelled" not in shown
    assert "Cancelled by an edit" not in main_of(of_ben.get("/approvals/").text)


def test_a_public_incident_without_updates_is_public_and_named_in_the_readers_language(office, author):
    create(office)
    with office.db.write() as session:
        incident = incidents.set_title(session, "order-archive", "Robo del archivo", "es", office.clock.now())
        incident.state = "published"
    shown = main_of(author.get("/").text)
    assert "Public" in shown
    assert "Draft" not in shown
    author.set_cookie("language", "es")
    for page in ("/", "/checklist/", "/lists/", "/notices/", "/lists/order-archive/"):
        shown = main_of(author.get(page).text)
        assert "Robo del archivo" in shown, page
        assert TITLE not in shown, page


def test_paused_mail_is_said_on_home_and_on_the_notices(office, author):
    create(office)
    assert "paused" not in main_of(author.get("/").text + author.get("/notices/").text)
    with office.db.write() as session:
        lanes.pause(session, "The relay is full", office.clock.now())
    for page in ("/", "/notices/"):
        shown = main_of(author.get(page).text)
        assert "All notices and updates are paused" in shown
        assert "The relay is full" in shown
