"""The demonstration does what its apology says: stolen passwords are closed, lists have the story's dates."""

import re
from datetime import UTC, datetime

import pytest

from portal.demo import people
from portal.demo.example import close_stolen_passwords, load, show_notice
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.runtime.context import Context
from portal.worker import drain
from tests.configured import configured

# The demonstration runs on SQLite alone.
pytestmark = pytest.mark.sqlite

FAMILY_ADDRESS = "family.torres@correo.example"


@pytest.fixture
def loaded(settings, clock):
    context = Context(configured(settings, mail={"test_recipients": (FAMILY_ADDRESS,)}))
    load(context, new=True)
    close_stolen_passwords(context)
    show_notice(context)
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
    assert "You are affected<" in client.submit("/check/answer/").text
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
    assert "Why we’re asking<" in page.text


def test_the_notice_to_a_family_tells_the_story_in_both_languages(loaded, worker_parts, smtp):
    drain(worker_parts)
    found = {mail.message["Content-Language"]: mail for mail in smtp.to(FAMILY_ADDRESS)}
    assert found["en"].message["Subject"] == "Your data and our incident of 28 October"
    assert "a thief copied the data of 1,000 of our customers" in found["en"].text
    assert found["es"].message["Subject"] == "Sus datos y nuestro incidente del 28 de octubre"
    assert "What you can do" in found["en"].html
    assert "Qué puede hacer usted" in found["es"].html


def test_the_list_is_the_third_count_of_the_thirteenth_of_november(loaded, db):
    with db.read() as session:
        incident = incidents.by_slug(session, "order-archive")
        active = exposure.active(session, incident.id)
    assert active is not None
    assert (active.number, active.people) == (3, 1000)
    assert active.imported_at.date().isoformat() == "2026-11-13"
    assert incident.title_in("es") == "Robo de nuestro archivo de pedidos"
