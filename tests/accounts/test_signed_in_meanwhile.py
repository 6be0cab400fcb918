"""Account pages belong to who was signed in when they were shown, whoever signs in in another tab."""

import pytest

from tests.browser.house import PASSWORD as OLD
from tests.reset.journey import people
from tests.tabs import ANA, ANAS, BEN, BENS, accounts, form_of, house, link_to, tab
from tests.traces import contents

__all__ = ["accounts", "house", "link_to", "people"]

# What a session holds does not depend on the database.
pytestmark = pytest.mark.sqlite

PAGE = "/account/password/"


@pytest.fixture
def anas(client, accounts) -> dict[str, str]:
    client.submit("/sign-in/", email=ANA, password=OLD)
    return form_of(client, PAGE)


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        (PAGE, {"current_password": OLD, "password": ANAS}),
        ("/account/answer/", {}),
        ("/account/reminders/", {"interval": "3"}),
        ("/account/sessions/", {"end": "others"}),
    ],
)
def test_a_form_of_the_account_before_is_refused(client, anas, db, page, fields):
    client.submit("/sign-out/")
    client.submit("/sign-in/", email=BEN, password=OLD)
    before = contents(db)
    refused = client.post(page, data=anas | fields)
    assert refused.status_code == 400
    assert "if you sign in or out in another tab" in refused.text
    assert contents(db) == before


def test_a_new_password_for_another_person_signs_out_and_changes_nothing_here(client, anas, link_to, people):
    other = tab(client, link_to(BEN))
    client.post("/reset/choose/", data=form_of(client, other) | {"password": BENS})
    answer = client.post(PAGE, data=anas | {"current_password": OLD, "password": ANAS})
    assert (answer.status_code, answer.location) == (303, "/sign-in/")
    assert people.signs_in_with(ANA, OLD)
    assert people.signs_in_with(BEN, BENS)


def test_who_signs_in_ends_what_others_had_opened(client, link_to, accounts, people):
    form = form_of(client, tab(client, link_to(BEN)))
    client.submit("/sign-in/", email=ANA, password=OLD)
    assert client.post("/reset/choose/", data=form | {"password": BENS}).status_code == 400
    assert people.signs_in_with(BEN, OLD)
