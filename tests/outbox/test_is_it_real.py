"""`/is-it-real/` knows our codes, and calls no message a fake because of its other code."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from portal.outbox.models import OutboxMail
from portal.runtime.parts import Handover
from portal.worker import drain
from tests.outgoing import killed_worker
from tests.reset.journey import authenticity_in

__all__ = ["killed_worker"]

FAKE = "We don’t know this code"


@pytest.fixture
def mail(enqueue, worker_parts, smtp):
    enqueue()
    drain(worker_parts)
    return smtp.messages[0]


def test_the_code_at_the_end_of_a_mail_shows_what_was_sent(client, mail):
    page = client.submit("/is-it-real/", code=f" {authenticity_in(mail).lower()} ")
    assert page.status_code == 200
    assert str(mail.message["Subject"]) in page.text
    assert "http://localhost:8000/<" in page.text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ABCD-EFGH", "It proves nothing here"),
        ("123", "have 14 letters and digits"),
        ("ABCDEFG-23456723", "have 14 letters and digits"),
        (" ", "Enter the code"),
    ],
)
def test_another_code_is_told_apart(client, mail, code, said):
    page = client.submit("/is-it-real/", code=code)
    assert page.status_code == 400
    assert said in page.text
    assert FAKE not in page.text


def test_a_code_that_we_never_sent_gets_a_page_that_says_what_to_do(client, mail):
    page = client.submit("/is-it-real/", code="ABCDEFG-2345672")
    assert page.status_code == 200
    assert FAKE in page.text
    assert "Don’t click, reply or call." in page.text
    assert 'name="code"' in page.text
    assert "Error:" not in page.text


def test_the_address_of_our_links_is_told_with_its_end(client):
    assert "http://localhost:8000/</li>" in client.get("/is-it-real/").text


@pytest.mark.parametrize("reason", ["outdated", "not-prepared", "altered"])
def test_a_copy_that_is_not_sent_again_stays_known(
    client, enqueue, row, killed_worker, clock, db, worker_parts, smtp, reason
):
    """The relay took the first one, but the worker died before it could store so."""

    def before_handover(*_):
        assert reason == "outdated"
        return Handover.DROP

    sent = enqueue()
    assert killed_worker(taken=True) == sent
    worker_parts.before_handover["check"] = before_handover
    if reason == "altered":
        with db.write() as session:
            session.execute(update(OutboxMail).values(purpose="reset"))
    clock.advance(timedelta(days=1))
    drain(worker_parts)
    (mail,) = smtp.messages
    assert (row(sent).state, row(sent).reason) == ("uncertain", reason)
    page = client.submit("/is-it-real/", code=authenticity_in(mail))
    assert page.status_code == 200
    assert str(mail.message["Subject"]) in page.text
    assert "23 November 2026" in page.text


def test_a_copy_that_cannot_be_composed_any_more_ends_all_the_same(
    enqueue, row, killed_worker, clock, worker_parts, caplog
):
    sent = enqueue()
    killed_worker(taken=True)
    worker_parts.before_handover["check"] = lambda *_: Handover.DROP
    worker_parts.composers["check-answer"] = type(
        "Gone", (worker_parts.composers["check-answer"],), {"name": "gone"}
    )
    clock.advance(timedelta(days=1))
    drain(worker_parts)
    assert (row(sent).state, row(sent).reason) == ("uncertain", "outdated")
    assert f"row {sent.hex()} ('check') may be sent, its proof code cannot be stored" in caplog.text
