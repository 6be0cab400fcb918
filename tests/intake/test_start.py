"""The first page of a flow: what it says to who comes back to it, and what it asks about an address."""

import re
from html import unescape

import pytest
from sqlalchemy import func, select

from portal.intake.models import IntakeRequest
from tests.browser.house import SLUG, House
from tests.tabs import ANA, house, link_to, tab
from tests.traces import statements
from tests.visitor import SAME_SITE, hidden, leads_to, main_of

__all__ = ["house", "link_to"]

# What these pages say does not depend on the database.
pytestmark = pytest.mark.sqlite

ANOTHER_BROWSER = "belongs to another browser or device, or it’s too old"
LINK_ONLY = "only works through the link in our email"
FORMS = {"/check/": {}, "/reset/": {}, "/subscribe/": {"incident": SLUG}}
SLIP, MEANT = "Ana.Ruiz@gmial.com", "Ana.Ruiz@gmail.com"


@pytest.fixture
def published(house: House) -> None:
    house.command("incidents", "create", SLUG, "--title", "Theft of bookings", "--classes", "Names;Passwords")
    house.publish(SLUG)


@pytest.mark.parametrize(
    ("page", "start", "why"),
    [
        ("/check/sent/", "/check/", ANOTHER_BROWSER),
        ("/check/answer/", "/check/", LINK_ONLY),
        ("/reset/sent/", "/reset/", ANOTHER_BROWSER),
        ("/reset/choose/", "/reset/", LINK_ONLY),
        ("/subscribe/sent/", "/subscribe/", ANOTHER_BROWSER),
        ("/subscribe/confirm/", "/subscribe/", LINK_ONLY),
    ],
)
def test_who_opens_a_later_page_in_another_browser_is_told_why_they_are_at_the_start(
    client, page, start, why
):
    led = client.get(page)
    assert (led.status_code, led.location) == (303, start)
    assert why in client.get(start).text
    assert why not in client.get(start).text, "it is said more than once"


def test_a_code_typed_in_another_browser_is_told_the_same(client):
    led = client.submit("/check/", to="/check/sent/", code="ABCD-EFGH")
    assert (led.status_code, led.location) == (303, "/check/")
    assert ANOTHER_BROWSER in client.get("/check/").text


def test_the_page_after_a_new_password_says_that_it_closed(house: House, client, link_to, clock):
    house.account(ANA)
    choose = tab(client, link_to(ANA))
    done = client.post(
        "/reset/choose/", data=hidden(client.get(choose).text) | {"password": "owls " * 5 + "x"}
    )
    assert leads_to(done) == "/reset/done/"
    clock.at = clock.at.replace(hour=clock.at.hour + 1)
    assert client.get(done.location).location == "/reset/"
    assert "closed after 30 minutes" in client.get("/reset/").text


def requests(db) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(IntakeRequest))


@pytest.mark.parametrize("page", FORMS)
@pytest.mark.parametrize("right", [SLIP, MEANT])
def test_a_mistyped_provider_is_asked_about_once_and_either_answer_is_one_press(
    published, house: House, client, db, page, right
):
    asked = client.submit(page, email=f" {SLIP}", **FORMS[page])
    assert asked.status_code == 200
    assert requests(db) == 0
    words = unescape(re.sub(r"<[^>]*>", "", main_of(asked.text)))
    assert f"Did you mean {MEANT}?" in words
    assert f"You typed {SLIP}." in words
    assert f'name="email" value="{right}"' in asked.text
    sent = client.post(page, data=hidden(asked.text) | {"email": right}, headers=SAME_SITE)
    assert (sent.status_code, sent.location) == (303, f"{page}sent/")
    house.work()
    assert [mail.recipients for mail in house.smtp.messages] == [(right,)]


def test_the_question_looks_nobody_up(published, house: House, client):
    pages = []
    form = hidden(client.get("/check/").text)
    for _ in range(2):
        with statements(house.worker.db) as seen:
            asked = client.post("/check/", data=form | {"email": SLIP})
        assert seen == []
        pages.append(re.sub(r'name="csrf_token" value="[^"]*"', "", asked.text))
        house.account(SLIP)
        house.live(f"{SLIP},7,Ann,en,,Passwords", f"{MEANT},8,Ann,en,,Passwords")
    assert pages[0] == pages[1]


def test_code_fields_neither_spell_nor_capitalise_by_themselves(client):
    client.submit("/check/", email="sam@northwind.example")
    for page, autocomplete in (("/check/sent/", "one-time-code"), ("/is-it-real/", "off")):
        (field,) = re.findall(r'<input [^>]*name="code"[^>]*>', client.get(page).text)
        for attribute in (
            f'autocomplete="{autocomplete}"',
            'autocapitalize="characters"',
            'spellcheck="false"',
        ):
            assert attribute in field
