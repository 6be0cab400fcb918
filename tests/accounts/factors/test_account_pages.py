"""The owner adds, replaces and removes what the second step needs; each change asks first who it is."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from portal.accounts import service as sessions
from portal.accounts.factors import service
from portal.accounts.factors.service import Answer, From, Kind
from portal.identity.account import Account
from portal.identity.builtin.store import BuiltinStore
from tests.accounts.conftest import PASSWORD
from tests.authenticator import SECRET, App
from tests.visitor import hidden, leads_to

NEW = "sunlit-marble-otter-harbour"
CODES, RECOVERY = "/account/factors/codes/", "/account/factors/recovery/"


@pytest.fixture
def signed_in(client, ana, sign_in):
    assert sign_in().status_code == 303
    return client


@pytest.fixture
def inside(client, protected, recovery, sign_in, app_code, clock):
    """Signed in with both steps; the code that did it is over."""
    assert client.submit(sign_in().location, code=app_code()).status_code == 303
    clock.advance(timedelta(minutes=1))
    return client


def key_on(page: str) -> str:
    return "".join(re.findall(r'<code class="key">([A-Z2-7 ]+)</code>', page)[0].split())


def kinds(db, account) -> set[Kind]:
    with db.read() as session:
        return set(service.kinds(session, account.id))


def test_an_app_is_set_up_and_then_asked_for(signed_in, ana, db, clock, sign_in):
    assert '<dd class="state">Off</dd>' in signed_in.get("/account/").text
    page = signed_in.get(CODES).text
    key = key_on(page)
    assert len(key) == 32
    assert key_on(signed_in.get(CODES).text) == key, "as long as it is not confirmed"
    assert kinds(db, ana) == set()
    wrong = signed_in.submit(CODES, code="000000")
    assert (wrong.status_code, "That code is wrong." in wrong.text) == (400, True)
    assert kinds(db, ana) == set()
    shown = signed_in.submit(CODES, code=pyotp.TOTP(key).at(clock.at))
    codes = re.findall(r"<li><code>([A-Z2-7-]{19})</code></li>", shown.text)
    assert len(set(codes)) == 10
    assert kinds(db, ana) == {Kind.CODE, Kind.RECOVERY}
    assert "On" in signed_in.get("/account/").text
    assert "10 codes left" in signed_in.get("/account/factors/").text
    signed_in.submit("/account/", to="/sign-out/")
    assert leads_to(sign_in()) == "/sign-in/second/"


def test_the_key_and_its_picture_name_the_company_and_nobody(signed_in):
    page = signed_in.get(CODES)
    address = unescape(re.findall(r'href="(otpauth://[^"]+)"', page.text)[0])
    found = urlsplit(address)
    assert (found.netloc, found.path) == ("totp", "/Northwind%20Travel:account")
    assert parse_qs(found.query) == {"secret": [key_on(page.text)], "issuer": ["Northwind Travel"]}
    picture = signed_in.get("/account/factors/codes/qr.svg")
    assert picture.mimetype == "image/svg+xml"
    assert picture.text.startswith("<svg")
    assert not re.search(r"style|<script|class=", picture.text)
    assert "no-store" in picture.headers["Cache-Control"]


def test_no_picture_without_a_key(signed_in):
    assert signed_in.get("/account/factors/codes/qr.svg").status_code == 404


def test_recovery_codes_can_be_saved_as_a_file_once(inside, recovery):
    shown = inside.submit(RECOVERY)
    form = hidden(shown.text)
    file = inside.post("/account/factors/recovery/text/", data=form)
    assert file.mimetype == "text/plain"
    assert file.headers["Content-Disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert file.text.split("\r\n")[0] == "Recovery codes for Northwind Travel"
    assert [line.replace("-", "").lower() for line in file.text.split("\r\n")[3:13]] == form["codes"].split()
    made_up = inside.post("/account/factors/recovery/text/", data=form | {"codes": "click here " * 5})
    assert leads_to(made_up) == RECOVERY
    assert inside.get("/account/factors/recovery/text/").status_code == 303


def test_new_recovery_codes_take_the_place_of_the_old(inside, recovery, browser_at, sign_in):
    inside.submit(RECOVERY)
    other = browser_at("203.0.113.9")
    second = f"{sign_in(visitor=other).location}&use=recovery"
    assert other.submit(second, to=second, code=recovery[3]).status_code == 400


def test_the_app_is_removed_with_its_recovery_codes(inside, ana, db, sign_in, browser_at):
    assert "Your recovery codes go too" in inside.get(f"{CODES}remove/").text
    assert inside.submit(f"{CODES}remove/").status_code == 303
    assert "Your password alone gets in now." in inside.get("/account/factors/").text
    assert kinds(db, ana) == set()
    assert leads_to(sign_in(visitor=browser_at("203.0.113.9"))) == "/account/"
    assert inside.get(f"{CODES}remove/").status_code == 303


@pytest.mark.parametrize("page", [CODES, f"{CODES}remove/", RECOVERY])
def test_a_change_asks_first_who_it_is(inside, clock, page, app_code):
    clock.advance(timedelta(minutes=10))
    asked = inside.get(page)
    assert asked.location == f"/account/confirm/?next={page.replace('/', '%2F')}".replace("%2F", "/")
    wrong = inside.submit(asked.location, to=asked.location, password="not mine")
    assert "That’s not your password." in wrong.text
    second = inside.submit(asked.location, to=asked.location, password=PASSWORD)
    assert leads_to(second) == "/account/confirm/second/"
    assert inside.get(page).status_code == 303, "the password alone is not enough"
    assert inside.submit(second.location, code="000000").status_code == 400
    done = inside.submit(second.location, code=app_code())
    assert (done.status_code, done.location) == (303, page)
    assert inside.get(page).status_code == 200


@pytest.mark.parametrize("change", ["nothing to remove", "remove", "add"])
def test_a_change_of_factors_proves_nothing_anew(signed_in, client, ana, sign_in, clock, app_code, change):
    """A stolen session must not keep itself proved by one change after the other."""
    clock.advance(timedelta(minutes=9))
    if change != "nothing to remove":
        with client.session_transaction() as stored:
            stored["one-time code"] = SECRET
        assert client.submit(CODES, code=app_code()).status_code == 200
    if change != "add":
        form = hidden(client.get(CODES).text)
        assert client.post(f"{CODES}remove/", data=form).status_code == 303
    assert client.get(CODES).status_code == 200
    clock.advance(timedelta(minutes=1))
    assert leads_to(client.get(CODES)).startswith("/account/confirm/")


def test_a_form_that_is_on_its_way_as_the_account_is_locked_adds_nothing(
    signed_in, ana, db, app_code, clock, monkeypatch
):
    """The owner's lock and undo would miss what a thief's form stores after them."""
    with signed_in.session_transaction() as stored:
        stored["one-time code"] = SECRET
    real = service.add_code

    def locked_first(session, *arguments):
        BuiltinStore().require_reset(session, [ana.id], "reported", clock.now())
        sessions.end_sessions(session, ana.id)
        return real(session, *arguments)

    monkeypatch.setattr("portal.accounts.factors.views.service.add_code", locked_first)
    late = signed_in.submit(CODES, code=app_code())
    assert late.location == "/sign-in/"
    assert kinds(db, ana) == set()


def test_without_a_factor_the_password_is_enough(signed_in, clock):
    clock.advance(timedelta(minutes=10))
    asked = signed_in.get(CODES).location
    assert signed_in.submit(asked, to=asked, password=PASSWORD).location == CODES
    assert signed_in.get(CODES).status_code == 200


def test_a_form_that_came_too_late_was_not_acted_on(inside, clock, ana, db):
    form = hidden(inside.get(f"{CODES}remove/").text)
    clock.advance(timedelta(minutes=10))
    late = inside.post(f"{CODES}remove/", data=form)
    assert "We haven’t saved your last change." in inside.get(late.location).text
    assert Kind.CODE in kinds(db, ana)


def test_a_removed_factor_ends_what_was_proved_with_it(
    inside, client, ana, db, browser_at, sign_in, app_code
):
    other = browser_at("203.0.113.9")
    assert other.submit(sign_in(visitor=other).location, code=app_code()).status_code == 303
    assert other.get(CODES).status_code == 200
    assert inside.submit(f"{CODES}remove/").status_code == 303
    assert leads_to(other.get(CODES)).startswith("/account/confirm/")
    assert inside.get(CODES).status_code == 200, "this browser removed it"


def test_another_sessions_confirmation_is_none_here(inside, clock, browser_at, sign_in, app_code):
    clock.advance(timedelta(minutes=10))
    second = inside.submit("/account/confirm/", password=PASSWORD)
    assert inside.get(second.location).status_code == 200
    with inside.session_transaction() as stored:
        proof = stored["confirmations"]
    other = browser_at("203.0.113.9")
    other.submit(sign_in(visitor=other).location, code=app_code())
    with other.session_transaction() as stored:
        stored["confirmations"] = proof
    assert leads_to(other.get(second.location)).startswith("/account/confirm/?next=")


@pytest.mark.parametrize("onward", ["//evil.example/", "https://evil.example/", "/sign-out/", "/account/../"])
def test_afterwards_only_a_page_of_the_account_is_shown(signed_in, onward):
    asked = f"/account/confirm/?next={onward}"
    assert signed_in.submit(asked, to=asked, password=PASSWORD).location == "/account/"


def test_the_sixth_wrong_password_ends_the_session(signed_in):
    form = hidden(signed_in.get("/account/confirm/").text) | {"password": "not mine"}
    answers = [signed_in.post("/account/confirm/", data=form) for _try in range(6)]
    assert [one.status_code for one in answers] == [400] * 5 + [303]
    assert "the current password was wrong too many times" in signed_in.get("/sign-in/").text
    assert signed_in.get("/account/").status_code == 303


def test_a_session_from_before_the_first_factor_changes_the_password_with_it_alone(
    signed_in, ana, db, web_vault, clock
):
    """A thief’s session must not do with the old password what a sign-in could no more."""
    app = App(clock)
    app.protect(db, web_vault, Account(ana.id, "builtin"))
    page = "/account/password/"
    assert leads_to(signed_in.get(page)) == f"/account/confirm/?next={page}"
    form = hidden(signed_in.get("/account/confirm/").text)
    sent = signed_in.post(page, data=form | {"current_password": PASSWORD, "password": NEW})
    assert leads_to(sent) == f"/account/confirm/?next={page}"
    second = signed_in.submit(f"/account/confirm/?next={page}", password=PASSWORD)
    assert leads_to(signed_in.submit(second.location, code=app.code())) == page
    assert leads_to(signed_in.submit(page, current_password=PASSWORD, password=NEW)) == "/reset/done/"


def test_wrong_codes_of_a_mailed_link_are_not_counted_against_the_owners_own_browsers(
    inside, ana, db, web_vault, clock, app_code
):
    """Somebody else may read the inbox. All in all there are never more than a hundred."""

    def tries(come, number):
        with db.write() as session:
            return [
                service.check(
                    session, web_vault, Account(ana.id, "builtin"), Kind.CODE, "000000", come, clock.now()
                )
                for _try in range(number)
            ]

    clock.advance(timedelta(minutes=11))
    assert tries(From.LINK, 21)[-1] is Answer.CLOSED
    second = inside.submit("/account/confirm/", password=PASSWORD)
    assert leads_to(inside.submit(second.location, code=app_code())) == "/account/"
    checked = [*tries(From.LINK, 40), *tries(From.DEVICE, 40), *tries(From.STRANGER, 80)]
    assert sum(answer is not Answer.CLOSED for answer in checked) == 80
