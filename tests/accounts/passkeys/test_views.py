"""The pages of passkeys: add one, sign in with it, rename it, remove it."""

from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import text

from portal.identity import state
from portal.worker import drain
from tests.accounts.conftest import ADDRESS, PASSWORD
from tests.accounts.passkeys.authenticator import Authenticator
from tests.accounts.passkeys.pages import add, change, question, sign_in_with
from tests.traces import statements
from tests.visitor import SAME_SITE, hidden, leads_to, main_of

# The pages differ by no database; what is below them is tested on both.
pytestmark = pytest.mark.sqlite

NEW = "sunlit-marble-otter-harbour"


def test_somebody_adds_a_passkey_and_signs_in_with_it_on_a_new_browser(signed_in, phone, browser_at):
    assert "Phone" in signed_in.get("/account/passkeys/").text
    assert leads_to(add(signed_in, "Laptop")[1]) == "/account/passkeys/", "there are recovery codes already"
    assert "Your passkey is ready." in signed_in.get("/account/passkeys/").text
    assert "2 passkeys" in signed_in.get("/account/").text
    elsewhere = browser_at("203.0.113.7")
    answer = sign_in_with(elsewhere, phone, "/sign-in/?next=/account/sessions/")
    assert leads_to(answer) == "/account/sessions/"
    assert ADDRESS in elsewhere.get("/account/").text
    assert "Last used on" in elsewhere.get("/account/passkeys/").text


def test_the_sign_in_page_asks_for_no_one_s_passkey_and_stores_nothing(client, db):
    with statements(db) as seen:
        shown = client.get("/sign-in/").text
    assert question(shown)["allowCredentials"] == []
    assert 'autocomplete="username webauthn"' in shown
    assert [one for one in seen if "passkey" in one or one.startswith("INSERT")] == []


def test_a_page_that_was_open_for_long_gets_a_fresh_question(client, phone, clock, browser_at):
    visitor = browser_at("203.0.113.7")
    shown = visitor.get("/sign-in/").text
    clock.advance(timedelta(minutes=30))
    fresh = visitor.get("/sign-in/passkey/question/")
    assert (fresh.mimetype, fresh.headers["Cache-Control"]) == ("application/json", "no-store")
    data = hidden(shown) | {"passkey": phone.get(fresh.json)}
    assert leads_to(visitor.post("/sign-in/passkey/", data=data, headers=SAME_SITE)) == "/account/"


def test_every_failure_gets_one_page_and_signs_nobody_in(phone, browser_at, signed_in, clock):
    visitor, other = browser_at("203.0.113.7"), browser_at("203.0.113.8")
    others, shown = other.get("/sign-in/").text, visitor.get("/sign-in/").text
    gone, _ = add(signed_in, "Old")
    change(signed_in, "Old", remove="1")
    late = visitor.get("/sign-in/").text
    good = question(shown)
    answers = [
        phone.get(question(others)),
        phone.get(good, client={"origin": "http://evil.example"}),
        phone.get(good, handle=None),
        phone.get(good, handle=bytes(32)),
        Authenticator(handle=bytes(32)).get(good),
        gone.get(good),
        "",
    ]
    pages = set()
    for answer in answers:
        data = hidden(shown) | {"passkey": answer}
        failed = visitor.post("/sign-in/passkey/", data=data, headers=SAME_SITE)
        assert failed.location == "/sign-in/"
        page = main_of(visitor.get("/sign-in/").text)
        assert "We couldn’t sign you in with that passkey" in page
        pages.add(page.replace(unescape(page).split('data-passkey="')[1].split('"')[0], "").split("<form")[0])
        assert visitor.get("/account/").status_code == 303
    assert len(pages) == 1
    clock.advance(timedelta(minutes=5))
    data = hidden(late) | {"passkey": phone.get(question(late))}
    assert visitor.post("/sign-in/passkey/", data=data, headers=SAME_SITE).location == "/sign-in/"


def test_an_answer_signs_in_once(phone, browser_at):
    visitor = browser_at("203.0.113.7")
    shown = visitor.get("/sign-in/").text
    data = hidden(shown) | {"passkey": phone.get(question(shown))}
    thief = browser_at("203.0.113.66")
    thief.set_cookie("session", visitor.get_cookie("session").value)
    assert leads_to(visitor.post("/sign-in/passkey/", data=data, headers=SAME_SITE)) == "/account/"
    assert thief.post("/sign-in/passkey/", data=data, headers=SAME_SITE).location == "/sign-in/"
    assert thief.get("/account/").status_code == 303


def test_a_form_of_another_site_signs_nobody_in(phone, browser_at):
    visitor = browser_at("203.0.113.7")
    shown = visitor.get("/sign-in/").text
    data = {"passkey": phone.get(question(shown))}
    assert visitor.post("/sign-in/passkey/", data=data).status_code == 400
    assert visitor.get("/account/").status_code == 303


def test_a_passkey_gets_another_name(signed_in, phone):
    assert leads_to(change(signed_in, "Phone", name="  Ana’s\u200b <b>phone</b> ")) == "/account/passkeys/"
    page = signed_in.get("/account/passkeys/").text
    assert "The new name is saved." in page
    assert "Ana’s &lt;b&gt;phone&lt;/b&gt;" in page
    refused = change(signed_in, "Ana’s &lt;b&gt;phone&lt;/b&gt;", name="x" * 41)
    assert (refused.status_code, "Use at most 40 characters." in refused.text) == (400, True)


def test_a_passkey_that_was_removed_in_one_tab_does_nothing_in_another(signed_in, phone, browser_at):
    path = signed_in.get("/account/passkeys/").text.split('href="/account/passkeys/change/')[1].split('"')[0]
    path = "/account/passkeys/change/" + unescape(path)
    tab = hidden(signed_in.get(path).text)
    visitor = browser_at("203.0.113.7")
    shown = visitor.get("/sign-in/").text
    assert leads_to(change(signed_in, "Phone", remove="1")) == "/account/passkeys/"
    assert "That passkey is removed." in signed_in.get("/account/passkeys/").text
    for fields in ({"name": "Mine"}, {"remove": "1"}):
        answer = signed_in.post("/account/passkeys/change/", data=tab | fields, headers=SAME_SITE)
        assert leads_to(answer) == "/account/passkeys/"
        assert "That passkey was already removed." in signed_in.get("/account/passkeys/").text
    data = hidden(shown) | {"passkey": phone.get(question(shown))}
    assert visitor.post("/sign-in/passkey/", data=data, headers=SAME_SITE).location == "/sign-in/"


def test_nobody_sees_or_changes_somebody_else_s(signed_in, phone, add_account, sign_in, browser_at):
    path = signed_in.get("/account/passkeys/").text.split('href="/account/passkeys/change/')[1].split('"')[0]
    add_account("ben@example.org")
    ben = browser_at("203.0.113.8")
    sign_in(address="ben@example.org", visitor=ben)
    assert leads_to(ben.get("/account/passkeys/change/" + unescape(path))) == "/account/passkeys/"
    form = hidden(ben.get("/account/passkeys/add/").text)
    which = unescape(path).partition("=")[2]
    ben.post("/account/passkeys/change/", data=form | {"which": which, "remove": "1"}, headers=SAME_SITE)
    assert "Phone" in signed_in.get("/account/passkeys/").text
    assert "Phone" not in ben.get("/account/passkeys/").text


def test_an_answer_that_was_made_for_somebody_else_adds_nothing(signed_in, add_account, sign_in, browser_at):
    add_account("ben@example.org")
    ben = browser_at("203.0.113.8")
    sign_in(address="ben@example.org", visitor=ben)
    answer = Authenticator().create(question(ben.get("/account/passkeys/add/").text))
    data = hidden(signed_in.get("/account/passkeys/add/").text) | {"name": "Mine", "passkey": answer}
    refused = signed_in.post("/account/passkeys/add/", data=data, headers=SAME_SITE)
    assert (refused.status_code, "We couldn’t add this passkey" in refused.text) == (400, True)
    assert "You have none yet" in signed_in.get("/account/").text


def test_without_a_name_nothing_is_added_and_the_page_asks_for_one(signed_in):
    data = hidden(signed_in.get("/account/passkeys/add/").text) | {"name": " ", "passkey": ""}
    refused = signed_in.post("/account/passkeys/add/", data=data, headers=SAME_SITE)
    assert refused.status_code == 400
    assert "Enter a name for this passkey." in refused.text
    assert "We couldn’t add this passkey" not in refused.text


def test_the_owner_hears_of_each_passkey_that_comes_or_goes(signed_in, phone, worker_parts, smtp):
    change(signed_in, "Phone", remove="1")
    drain(worker_parts)
    assert sorted(str(mail.message["Subject"]) for mail in smtp.to(ADDRESS)) == [
        "A passkey was added to your account",
        "A passkey was removed from your account",
        "Sign-in from a new browser",
    ]


def test_a_passkey_outlives_a_new_password(signed_in, phone, browser_at):
    page = hidden(signed_in.get("/account/password/").text)
    data = page | {"current_password": PASSWORD, "password": NEW}
    assert signed_in.post("/account/password/", data=data, headers=SAME_SITE).status_code == 303
    assert leads_to(sign_in_with(browser_at("203.0.113.7"), phone)) == "/account/"


def test_a_passkey_leads_to_the_new_password_that_is_required(signed_in, phone, browser_at, db, ana, clock):
    with db.write() as session:
        state.require(session, [ana.id], "everyone", clock.now())
    visitor = browser_at("203.0.113.7")
    answer = sign_in_with(visitor, phone)
    assert leads_to(answer) == "/reset/choose/"
    page = visitor.get(answer.location).text
    assert ADDRESS in page
    assert visitor.get("/account/").status_code == 303, "it signs nobody in"
    data = hidden(page) | {"password": NEW}
    assert leads_to(visitor.post(answer.location, data=data, headers=SAME_SITE)) == "/reset/done/"
    assert leads_to(sign_in_with(visitor, phone)) == "/account/"
    assert visitor.post(answer.location, data=data, headers=SAME_SITE).status_code == 410


def test_after_a_report_a_passkey_leads_to_a_mailed_link_alone(
    signed_in, phone, browser_at, db, ana, clock, worker_parts, smtp
):
    with db.write() as session:
        state.require(session, [ana.id], "reported", clock.now())
    visitor = browser_at("203.0.113.7")
    assert leads_to(sign_in_with(visitor, phone)) == "/reset/sent/"
    assert leads_to(visitor.get("/reset/choose/")) == "/reset/"
    drain(worker_parts)
    assert "Your request for a new password" in [mail.message["Subject"] for mail in smtp.to(ADDRESS)]


def test_the_form_for_a_required_password_stays_open_for_half_an_hour(
    signed_in, phone, browser_at, db, ana, clock
):
    with db.write() as session:
        state.require(session, [ana.id], "everyone", clock.now())
    visitor = browser_at("203.0.113.7")
    answer = sign_in_with(visitor, phone)
    clock.advance(timedelta(minutes=30))
    assert visitor.get(answer.location).status_code == 410


def test_an_account_that_is_gone_signs_nobody_in(phone, browser_at, db):
    with db.write() as session:
        session.execute(text("DELETE FROM account_state"))
    assert sign_in_with(browser_at("203.0.113.7"), phone).location == "/sign-in/"


def test_without_script_nothing_of_it_shows_but_the_reason_where_one_is_made(signed_in, browser_at):
    shown = browser_at("203.0.113.7").get("/sign-in/").text
    form = shown.split('action="/sign-in/passkey/"')[1]
    assert form.split(">")[0].split()[1] == "hidden"
    page = signed_in.get("/account/passkeys/add/").text
    assert "This browser can’t make passkeys, or scripts are turned off." in page


def test_a_copied_passkey_ends_every_session(signed_in, app):
    """Who has the copy signed in with it before, and nothing tells those sessions apart."""
    passkey, _page = add(signed_in, count=5)
    copy, thief = replace(passkey), app.test_client()
    assert leads_to(sign_in_with(thief, copy)) == "/account/"
    assert leads_to(sign_in_with(app.test_client(), passkey)) == "/sign-in/", "it is stopped"
    assert leads_to(thief.get("/account/")) == "/sign-in/?next=/account/"
    assert leads_to(signed_in.get("/account/")) == "/sign-in/?next=/account/"


def test_a_passkey_that_is_too_large_is_refused_and_says_why(signed_in):
    large = {-99: bytes(400)}  # beside a public key, as of a long RSA one
    _passkey, page = add(signed_in, name="é" * 40, credential_id=bytes(512), public=large)
    assert page.status_code == 400
    assert "This device makes passkeys that are too large for us." in page.text
    assert "You have none yet" in signed_in.get("/account/").text
    add(signed_in, name="e", credential_id=bytes(512), public=large)
    named = change(signed_in, "e", name="é" * 40)
    assert named.status_code == 400
    assert "That name is too long for this passkey. Use a shorter one." in named.text
