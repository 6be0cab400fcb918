"""The demonstration does what its apology says: stolen passwords are closed, lists have the story's dates."""

import re
from datetime import UTC, datetime

import pytest

from portal.demo import people
from portal.demo.example import close_stolen_passwords, load
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.runtime.context import Context
from portal.worker import drain

# The demonstration runs on SQLite alone.
pytestmark = pytest.mark.sqlite


@pytest.fixture
def loaded(settings, clock):
    context = Context(settings)
    load(context, new=True)
    close_stolen_passwords(context)
    clock.at = datetime.now(UTC)


def sign_in(client, address):
    return client.submit("/sign-in/", email=address, password=people.PASSWORD)


def test_a_stolen_password_signs_nobody_in_and_the_others_still_do(loaded, client):
    assert sign_in(client, people.ROBBED).status_code == 400
    assert sign_in(client, people.UNAFFECTED).status_code == 303


def test_the_example_is_affected_and_has_an_account_and_no_mail_before_somebody_asks(
    loaded, client, worker_parts, smtp
):
    drain(worker_parts)
    assert smtp.to(people.EXAMPLE) == []
    client.submit("/check/", email=people.EXAMPLE)
    client.submit("/reset/", email=people.EXAMPLE)
    drain(worker_parts)
    mails = "".join(mail.text for mail in smtp.to(people.EXAMPLE))
    answer, choose = (re.search(rf"/{path}/[a-z2-7]{{32}}/", mails) for path in ("check/answer", "reset"))
    assert answer
    assert choose
    client.get(answer.group())
    assert "Yes, you are affected." in client.submit("/check/answer/").text
    client.get(choose.group())
    assert client.get("/reset/choose/").status_code == 200


def test_whoever_must_choose_a_new_password_is_mailed_once_and_the_link_works(
    loaded, worker_parts, smtp, client
):
    drain(worker_parts)
    mails = smtp.to(people.ROBBED)
    assert len(mails) == 1
    assert 10 < len(smtp.messages) < 30
    link = next(word for word in mails[0].text.split() if "/reset/" in word and len(word) > 40)
    page = client.get(link.removeprefix(worker_parts.settings.base_url), follow_redirects=True)
    assert page.status_code == 200
    assert "Why we ask you" in page.text


def test_the_list_is_the_third_count_of_the_thirteenth_of_november(loaded, db):
    with db.read() as session:
        incident = incidents.by_slug(session, "order-archive")
        active = exposure.active(session, incident.id)
    assert active is not None
    assert (active.number, active.people) == (3, 1000)
    assert active.imported_at.date().isoformat() == "2026-11-13"
    assert incident.title_in("es") == "Robo de nuestro archivo de pedidos"
