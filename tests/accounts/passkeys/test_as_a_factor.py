"""A passkey as the second step after the password, and as what confirms a change."""

import re
from datetime import timedelta

import pytest

from portal.worker import drain
from tests.accounts.conftest import ADDRESS
from tests.accounts.passkeys.authenticator import Authenticator
from tests.accounts.passkeys.pages import add, change, question, sign_in_with
from tests.traces import change as grown
from tests.traces import lengths, statements
from tests.visitor import SAME_SITE, hidden, leads_to

pytestmark = pytest.mark.sqlite


def press(visitor, page: str, action: str, passkey: Authenticator, **lies):
    """Answer the question on a page, by the form that leads to `action`."""
    shown = visitor.get(page).text
    assert f'action="{action}' in shown
    data = hidden(shown) | {"passkey": passkey.get(question(shown), **lies)}
    return visitor.post(action, data=data, headers=SAME_SITE)


@pytest.fixture
def half_way(phone, browser_at, sign_in):
    """A browser in which the right password was typed, and where it leads."""
    visitor = browser_at("203.0.113.7")
    answer = sign_in(visitor=visitor, page="/sign-in/?next=/account/sessions/")
    assert leads_to(answer) == "/sign-in/second/"
    assert visitor.get("/account/").status_code == 303
    return visitor, answer.location


def test_after_the_password_a_passkey_signs_in(half_way, phone):
    visitor, page = half_way
    assert leads_to(press(visitor, page, "/sign-in/second/passkey/", phone)) == "/account/sessions/"
    assert visitor.get("/account/").status_code == 200


@pytest.mark.parametrize(
    "lies", [{"client": {"origin": "http://evil.example"}}, {"handle": bytes(32)}, {"id": "AAAA"}]
)
def test_what_is_not_its_answer_does_not(half_way, phone, lies):
    visitor, page = half_way
    refused = press(visitor, page, "/sign-in/second/passkey/", phone, **lies)
    assert (refused.status_code, "We couldn’t accept that passkey" in refused.text) == (400, True)
    assert visitor.get("/account/").status_code == 303
    assert leads_to(press(visitor, page, "/sign-in/second/passkey/", phone)) == "/account/sessions/"


def test_neither_does_somebody_else_s_nor_an_answer_to_another_page(
    half_way, phone, add_account, sign_in, browser_at
):
    visitor, page = half_way
    add_account("ben@example.org")
    ben = browser_at("203.0.113.8")
    sign_in(address="ben@example.org", visitor=ben)
    other, _ = add(ben, "Ben’s")
    assert press(visitor, page, "/sign-in/second/passkey/", other).status_code == 400
    data = hidden(visitor.get(page).text)
    sign_in_page = visitor.get("/sign-in/").text
    answer = data | {"passkey": phone.get(question(sign_in_page))}
    assert visitor.post("/sign-in/second/passkey/", data=answer, headers=SAME_SITE).status_code == 400
    assert visitor.get("/account/").status_code == 303


def test_an_answer_belongs_to_the_tab_that_asked(half_way, phone, sign_in):
    visitor, first = half_way
    second = sign_in(visitor=visitor, page="/sign-in/").location
    answer = phone.get(question(visitor.get(first).text))
    data = hidden(visitor.get(second).text) | {"passkey": answer}
    assert visitor.post("/sign-in/second/passkey/", data=data, headers=SAME_SITE).status_code == 400
    assert visitor.get("/account/").status_code == 303


def mailed_link(visitor, worker_parts, smtp) -> str:
    """Ask for a link, and return where the page that it opens leads."""
    visitor.submit("/reset/", email=ADDRESS)
    drain(worker_parts)
    (path, *_) = re.findall(r"http://localhost:8000(/reset/[a-z2-7]{32}/)", smtp.messages[-1].text)
    return visitor.get(visitor.get(path).location).location


def test_a_mailed_link_needs_the_passkey_too(phone, browser_at, worker_parts, smtp):
    drain(worker_parts)
    visitor, thief = browser_at("203.0.113.7"), browser_at("203.0.113.66")
    first = mailed_link(visitor, worker_parts, smtp)
    page = mailed_link(visitor, worker_parts, smtp)
    assert page.startswith("/reset/confirm/")
    assert mailed_link(thief, worker_parts, smtp).startswith("/reset/confirm/")
    action = "/reset/confirm/passkey/"
    other = hidden(visitor.get(first).text) | {"passkey": phone.get(question(visitor.get(page).text))}
    assert visitor.post(action, data=other, headers=SAME_SITE).status_code == 400, "it was for another link"
    assert press(visitor, page, action, phone, client={"origin": "http://evil.example"}).status_code == 400
    answer = press(visitor, page, action, phone)
    assert leads_to(answer) == "/reset/choose/"
    data = hidden(visitor.get(answer.location).text) | {"password": "sunlit-marble-otter-harbour"}
    done = visitor.post(answer.location, data=data, headers=SAME_SITE)
    assert leads_to(done) == "/reset/done/"
    assert 'href="/account/passkeys/"' in visitor.get(done.location).text
    assert leads_to(sign_in_with(visitor, phone)) == "/account/", "it outlives the password"


def test_a_passkey_removed_in_one_tab_ends_the_second_step_in_another(half_way, signed_in, phone):
    visitor, page = half_way
    shown = visitor.get(page).text
    change(signed_in, "Phone", remove="1")
    data = hidden(shown) | {"passkey": phone.get(question(shown))}
    answer = visitor.post("/sign-in/second/passkey/", data=data, headers=SAME_SITE)
    assert leads_to(answer) == "/sign-in/"
    assert visitor.get("/account/").status_code == 303


def test_the_last_passkey_takes_the_recovery_codes_along(signed_in, phone, browser_at, sign_in):
    page = signed_in.get("/account/passkeys/").text
    path = page.split('href="/account/passkeys/change/')[1].split('"')[0]
    assert "It’s your only second step." in signed_in.get(f"/account/passkeys/change/{path}").text
    change(signed_in, "Phone", remove="1")
    assert leads_to(sign_in(visitor=browser_at("203.0.113.7"))) == "/account/"


def test_a_passkey_confirms_a_change_without_the_password(signed_in, phone, clock):
    clock.advance(timedelta(minutes=11))
    asked = signed_in.get("/account/passkeys/add/")
    assert asked.location == "/account/confirm/?next=/account/passkeys/add/"
    action = "/account/confirm/passkey/?next=/account/passkeys/add/"
    other = signed_in.get("/account/confirm/?next=/account/passkeys/add/").text
    refused = press(signed_in, asked.location, action, phone, client={"origin": "http://evil.example"})
    assert leads_to(refused).startswith("/account/confirm/")
    assert "We couldn’t accept that passkey" in signed_in.get(refused.location).text
    assert signed_in.get("/account/passkeys/add/").status_code == 303
    data = hidden(other) | {"passkey": phone.get(question(other))}
    assert signed_in.post(action, data=data, headers=SAME_SITE).location == "/account/passkeys/add/"
    assert signed_in.get("/account/passkeys/add/").status_code == 200
    clock.advance(timedelta(minutes=11))
    signed_in.get("/account/confirm/")
    assert signed_in.post(action, data=data, headers=SAME_SITE).status_code == 303
    assert signed_in.get("/account/passkeys/add/").status_code == 303, "an answer counts once"


def test_a_new_passkey_makes_every_other_browser_prove_it_anew(signed_in, browser_at, sign_in):
    other = browser_at("203.0.113.7")
    sign_in(visitor=other)
    assert other.get("/account/passkeys/add/").status_code == 200
    add(signed_in)
    assert other.get("/account/").status_code == 200
    assert leads_to(other.get("/account/passkeys/add/")).startswith("/account/confirm/")
    assert signed_in.get("/account/passkeys/add/").status_code == 200


def test_a_sign_in_with_a_passkey_asks_for_no_second_step(phone, browser_at):
    visitor = browser_at("203.0.113.7")
    assert leads_to(sign_in_with(visitor, phone)) == "/account/"
    assert visitor.get("/account/passkeys/add/").status_code == 200, "it proved everything"


def test_a_wrong_password_leaves_the_same_with_and_without_a_passkey(app, db, phone, add_account, sign_in):
    add_account("Ben.Ruiz@example.com")
    sign_in(address="Ben.Ruiz@example.com", visitor=app.test_client())
    sign_in("a first try from this network", "Cleo.Ruiz@example.com", visitor=app.test_client())
    seen = []
    for address in (ADDRESS, "Ben.Ruiz@example.com"):
        visitor, before = app.test_client(), lengths(db)
        with statements(db) as ran:
            shown = sign_in("another lantern, another owl", address, visitor=visitor)
        seen.append((shown.status_code, len(shown.data), ran, grown(before, lengths(db))))
    assert seen[0] == seen[1]
    assert not [one for one in seen[0][2] if "passkey" in one]
