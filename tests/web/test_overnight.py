"""A form that was open for too long comes back filled in, and can be sent with one press."""

import re

import pytest

from tests.browser.house import PASSWORD, SLUG, House
from tests.tabs import ANA, ANAS, BEN, house, link_to, tab
from tests.visitor import SAME_SITE, hidden, leads_to, main_of

__all__ = ["house", "link_to"]

# What a form's page keeps does not depend on the database.
pytestmark = pytest.mark.sqlite

SITE = "https://incident.northwind.example"
AGAIN = "We haven’t sent or saved anything yet."
OLD = {"csrf_token": "ended"}
TYPED = "sam.rivera@northwind.example"
FORMS = {
    "/check/": {"email": TYPED},
    "/reset/": {"email": TYPED},
    "/subscribe/": {"email": TYPED, "incident": "second"},
    "/sign-in/": {"email": TYPED, "password": PASSWORD},
    "/is-it-real/": {"code": "abcdefg-2345672"},
    "/reminders/elsewhere/": {"site": "The corner shop"},
}


@pytest.fixture
def two_incidents(house: House) -> None:
    for slug in (SLUG, "second"):
        house.command("incidents", "create", slug, "--title", f"About {slug}", "--classes", "Names")
        house.publish(slug)


@pytest.mark.parametrize("page", FORMS)
def test_what_was_typed_stays_but_the_password_and_one_press_sends_it(client, two_incidents, page):
    again = client.post(page, data=OLD | FORMS[page], headers=SAME_SITE)
    assert again.status_code == 400
    assert AGAIN in again.text
    assert "<title>Error:" in again.text
    assert PASSWORD not in again.text
    shown = FORMS[page] | {"password": ""}
    for name in set(FORMS[page]) - {"incident"}:
        (field,) = re.findall(rf'<input [^>]*name="{name}"[^>]*>', main_of(again.text))
        assert f'value="{shown[name]}"' in field
    assert ("incident" in FORMS[page]) == bool(re.findall(r'<input checked[^>]*value="second"', again.text))
    sent = client.post(page, data=hidden(again.text) | FORMS[page], headers=SAME_SITE)
    assert AGAIN not in sent.text
    assert sent.status_code == {"/sign-in/": 400, "/is-it-real/": 200}.get(page, 303)
    if page == "/reminders/elsewhere/":
        assert "The corner shop" in client.get(page).text


def test_what_another_site_may_have_filled_in_is_not_shown(portal_with):
    production = portal_with(environment="production", base_url=SITE).test_client()
    for said in (
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": SITE},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
    ):
        for page, typed in FORMS.items():
            refused = production.post(page, data=OLD | typed, base_url=SITE, headers=said)
            assert refused.status_code == 400
            assert "This page is out of date" in refused.text
            assert not set(typed.values()) & set(re.findall(r'value="([^"]*)"', refused.text))
            assert "<form" not in main_of(refused.text)


def test_an_older_browser_says_it_by_its_origin_alone(portal_with):
    production = portal_with(environment="production", base_url=SITE).test_client()
    again = production.post("/check/", data=OLD | {"email": TYPED}, base_url=SITE, headers={"Origin": SITE})
    assert TYPED in again.text


def test_a_form_of_an_account_is_not_offered_to_who_signed_in_meanwhile(house: House, client):
    for address in (ANA, BEN):
        house.account(address)
    form = hidden(client.get("/sign-in/").text)
    client.post("/sign-in/", data=form | {"email": BEN, "password": PASSWORD})
    for page in ("/account/password/", "/account/reminders/", "/account/sessions/", "/account/answer/"):
        refused = client.post(page, data=form | {"interval": "3", "end": "others"}, headers=SAME_SITE)
        assert refused.status_code == 400
        assert "<form" not in main_of(refused.text)
    again = client.post("/sign-in/", data=form | {"email": ANA, "password": PASSWORD}, headers=SAME_SITE)
    assert again.status_code == 400, "it led to Ben's account"
    fields = hidden(again.text) | {"email": ANA, "password": PASSWORD}
    assert client.post("/sign-in/", data=fields).location == "/account/"
    assert ANA in client.get("/account/").text


def test_the_page_of_a_link_stays_open_for_the_password_to_be_typed_again(house: House, client, link_to):
    house.account(ANA)
    address = tab(client, link_to(ANA))
    fields = hidden(client.get(address).text) | {"password": ANAS}
    again = client.post("/reset/choose/", data=fields | OLD, headers=SAME_SITE)
    assert again.status_code == 400
    assert AGAIN in again.text
    assert ANAS not in again.text
    done = client.post("/reset/choose/", data=hidden(again.text) | {"password": ANAS}, headers=SAME_SITE)
    assert leads_to(done) == "/reset/done/"
    forgotten = client.post("/reset/choose/", data=fields | OLD, headers=SAME_SITE)
    assert forgotten.status_code == 410
