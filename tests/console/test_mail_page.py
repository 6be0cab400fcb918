"""The staff's mail page: what waits and why, a pause and its end, a retry that shows first what it sends."""

from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy import select, update

from portal.app import worker_parts as make_worker_parts
from portal.audit.models import AuditEntry
from portal.console.mail import jobs
from portal.core.settings import Settings
from portal.outbox import pace, service
from portal.outbox.models import MailPause, OutboxMail
from portal.reset.emails import ResetLink
from portal.runtime.doctor.names import Names
from portal.staff.orders import Acting
from portal.subscriptions.emails import StatusUpdate
from tests.colleagues import ENVIRON, open_office, press
from tests.visitor import main_of

PAYLOAD = "<script>alert(1)</script>=cmd|'/c calc'!A1**bold**"


@pytest.fixture
def failed(db, clock, worker_vault):
    """Adds mails that have failed."""

    def add(number=1, mail=None, reason="smtp-550", state="failed"):
        with db.write() as session:
            for each in range(number):
                kept = service.enqueue(
                    session,
                    worker_vault,
                    mail or StatusUpdate.sample(),
                    address=f"ana{each}@example.com",
                    locale="en",
                    now=clock.now(),
                )
                values = {"state": state, "due_at": None, "finished_at": clock.now(), "reason": reason}
                session.execute(update(OutboxMail).where(OutboxMail.id == kept).values(values))

    return add


@pytest.fixture
def states(db):
    def read():
        with db.read() as session:
            return sorted(session.scalars(select(OutboxMail.state)))

    return read


def entry(db, action):
    with db.read() as session:
        return session.scalar(
            select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.number.desc()).limit(1)
        )


def test_the_page_says_what_failed_and_why_in_plain_words(office, failed):
    failed(3)
    failed(1, reason="smtp-421")
    page = main_of(office.as_role("support").get("/mail/").text)
    assert "The address doesn’t exist, or the email server refused it." in page
    assert "The email server was busy, or we sent too fast." in page
    assert "0% of the newest 4 that ended" in page.replace(" %", "%").replace("\xa0", "")


def test_the_share_that_was_accepted_is_of_the_newest_however_many_ended_before(
    office, failed, db, monkeypatch
):
    monkeypatch.setattr(pace, "MOST_MEASURED", 8)
    failed(5)
    failed(6, state="sent")
    with db.write() as session:
        rows = session.scalars(select(OutboxMail).where(OutboxMail.state == "failed")).all()
        for row in rows[:4]:
            row.finished_at -= timedelta(hours=1)
    page = office.as_role("admin").get("/mail/")
    assert "75% of the newest 8 that ended" in page.text


def test_a_pause_needs_no_confirmation_but_its_end_does(office, db, clock):
    author, approver = office.as_role("author"), office.add("approver")
    assert press(author, "/mail/", "/mail/pause/", reason=PAYLOAD).location == "/mail/"
    page = author.get("/mail/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert entry(db, "outbox.pause").subject == PAYLOAD
    browser = office.sign_in(approver)
    office.advance(timedelta(minutes=6))
    assert press(browser, "/mail/", "/mail/resume/", reason="Mended").location.startswith("/confirm/")
    office.confirm(browser, approver)
    assert press(browser, "/mail/", "/mail/resume/", reason="Mended").location == "/mail/"
    with db.read() as session:
        assert session.scalar(select(MailPause.reason)) is None
    assert entry(db, "outbox.resume").subject == "Mended"
    assert approver.id.hex() in entry(db, "outbox.resume").details


@pytest.mark.sqlite
def test_a_pause_without_a_reason_is_refused(office, db):
    answer = press(office.as_role("author"), "/mail/", "/mail/pause/", reason=" ")
    assert answer.status_code == 422
    assert entry(db, "outbox.pause") is None


def test_a_retry_says_first_what_it_sends(office, failed, states):
    failed(2)
    failed(1, mail=ResetLink.sample())
    failed(1, reason="altered")
    browser = office.as_role("admin")
    page = main_of(browser.get("/mail/retry/").text)
    assert "3 emails in all." in page
    assert 'Status updates</th><td class="number">2</td>' in page
    assert 'Links to a new password</th><td class="number">1</td>' in page
    assert states() == ["failed"] * 4
    assert press(browser, "/mail/retry/", "/mail/retry/").location == "/mail/"
    assert states() == ["failed", "queued", "queued", "queued"]


def test_a_retry_of_one_reason_leaves_the_others(office, failed, states):
    failed(2)
    failed(1, reason="smtp-552")
    browser = office.as_role("admin")
    press(browser, "/mail/retry/?reason=smtp-552", "/mail/retry/")
    assert states() == ["failed", "failed", "queued"]
    assert "Queued again: 1 email." in browser.get("/mail/").text


def test_a_retry_goes_in_portions_and_says_that_there_are_more(office, failed, states, monkeypatch):
    monkeypatch.setattr(jobs, "PORTION", 2)
    monkeypatch.setattr(jobs, "RETRY_SECONDS", 0.0)
    failed(5)
    browser = office.as_role("admin")
    assert press(browser, "/mail/retry/", "/mail/retry/").location == "/mail/retry/"
    page = browser.get("/mail/retry/").text
    assert "Queued again: 2 emails. There are more: press the button again." in page
    monkeypatch.setattr(jobs, "RETRY_SECONDS", 5.0)
    assert press(browser, "/mail/retry/", "/mail/retry/").location == "/mail/"
    assert states() == ["queued"] * 5


@pytest.mark.sqlite
@pytest.mark.parametrize("role", ["author", "approver", "support", "privacy"])
def test_only_an_admin_sends_again(office, failed, states, role):
    failed(1)
    browser = office.as_role(role)
    assert browser.get("/mail/retry/").status_code == 403
    assert press(browser, "/mail/", "/mail/retry/", reason="", uncertain="").status_code == 403
    assert states() == ["failed"]


@pytest.mark.sqlite
@pytest.mark.parametrize(("role", "status"), [("support", 403), ("privacy", 403), ("admin", 303)])
def test_who_may_pause(office, role, status):
    assert press(office.as_role(role), "/mail/", "/mail/pause/", reason="Stop").status_code == status


@pytest.fixture
def demonstration(environ, db, clock, worker_keys, worker_vault):
    settings = Settings.from_env(environ | ENVIRON | {"PORTAL_ENVIRONMENT": "demo"})
    parts = make_worker_parts(settings, db, clock, worker_vault)
    with open_office(settings, db, clock, worker_keys, parts) as opened:
        yield opened


@pytest.mark.sqlite
def test_the_demonstration_says_that_its_emails_stay_and_checks_no_domain(demonstration):
    browser = demonstration.as_role("admin")
    page = main_of(browser.get("/mail/").text)
    assert "emails stay in its demo inbox" in page
    assert '<a href="http://localhost:8000/dev/mailbox/">Open the demo inbox</a>' in page
    assert "Check the domain" not in page
    assert "DKIM" not in page
    assert press(browser, "/mail/", "/mail/domain/").location == "/mail/"


@pytest.mark.sqlite
def test_anywhere_else_the_senders_domain_can_be_checked(office):
    page = main_of(office.as_role("admin").get("/mail/").text)
    assert ("Check the domain" in page, "demo inbox" in page) == (True, False)


def test_the_senders_domain_is_checked_as_doctor_does(office, names):
    acting = cast("Acting", None)  # anybody
    server, _colon, port = names.address.rpartition(":")
    told = jobs.check_domain(office.parts, acting, {}, Names((server, int(port))))
    assert [one[:2] for one in told["findings"]] == [
        ["sender's domain", "wrong"],
        ["SPF", "ok"],
        ["DMARC", "ok"],
        ["DKIM", "note"],
    ]
