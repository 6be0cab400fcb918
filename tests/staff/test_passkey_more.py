"""A further passkey without an old one: two admins agree, and neither of them for themselves."""

import html
import json
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from portal.staff.models import StaffCredential
from portal.worker import drain
from tests.accounts.passkeys.authenticator import Authenticator
from tests.colleagues import press
from tests.staff.test_approvals import approve
from tests.visitor import SAME_SITE, hidden

ORIGIN = "http://localhost:8001"


@pytest.fixture
def agreed(office, smtp):
    """Ann asks for Cid, who has a password and an app; Ben agrees. Returns the mailed link's path."""
    ann, ben = office.add("admin", name="Ann"), office.add("admin", name="Ben")
    cid = office.add("author", name="Cid")
    page = f"/staff/{cid.id.hex()}/"
    asked = press(office.sign_in(ann), page, f"{page}passkey/")
    assert approve(office.sign_in(ben), asked.location, ben.code()).status_code == 303
    drain(office.parts)
    (mail,) = [one for one in smtp.messages if one.recipients == (cid.address,)]
    assert mail.message["subject"] == "Add a passkey to the console"
    told = [one for one in smtp.messages if one.message["subject"] == "A colleague can add a passkey"]
    assert {one.recipients[0] for one in told} == {ann.address, ben.address}
    return next(word for word in mail.text.split() if "/invitation/" in word).removeprefix(ORIGIN), cid


def add(office, path, key, name="Cid's phone"):
    """Open the link, and add a passkey with the browser's answer to its question."""
    browser = office.browser()
    browser.get(path)
    page = browser.get("/join/")
    if page.status_code != 200:
        return page
    sent = {"name": name, "passkey": key.create(options_of(page.text))}
    return browser.post("/join/", data=hidden(page.text) | sent, headers=SAME_SITE)


def options_of(page):
    return json.loads(html.unescape(page.partition('data-passkey="')[2].partition('"')[0]))


def kinds(office, member_id):
    with office.db.read() as session:
        mine = select(StaffCredential.kind).where(StaffCredential.member_id == member_id)
        return sorted(session.scalars(mine))


def test_the_link_adds_one_passkey_once_and_leaves_all_else(office, agreed, smtp):
    path, cid = agreed
    before = office.sign_in(cid)
    key = Authenticator(origin=ORIGIN)
    assert add(office, path, key).location == "/sign-in/"
    assert kinds(office, cid.id) == ["passkey", "password", "totp"]
    assert before.get("/").status_code == 200
    assert add(office, path, Authenticator(origin=ORIGIN)).status_code == 410
    browser = office.browser()
    question = browser.get("/sign-in/passkey/question/").json
    assert question["rpId"] == "localhost"
    answer = press(browser, "/sign-in/", "/sign-in/passkey/", passkey=key.get(question))
    assert answer.status_code == 303
    drain(office.parts)
    subjects = [one.message["subject"] for one in smtp.messages if one.recipients == (cid.address,)]
    assert subjects[-1] == "How you sign in to the console changed"


def test_the_link_sets_no_password_and_ends_after_three_days(office, agreed):
    path, cid = agreed
    browser = office.browser()
    browser.get(path)
    fields = hidden(browser.get("/join/").text) | {"name": "Mal", "password": "x" * 20, "code": "123456"}
    assert browser.post("/join/", data=fields, headers=SAME_SITE).status_code == 422
    assert kinds(office, cid.id) == ["password", "totp"]
    office.advance(timedelta(days=3, seconds=1))
    assert add(office, path, Authenticator(origin=ORIGIN)).status_code == 410


def test_nobody_approves_it_for_themselves(office):
    ann, ben = office.add("admin", name="Ann"), office.add("admin", name="Ben")
    page = f"/staff/{ben.id.hex()}/"
    asked = press(office.sign_in(ann), page, f"{page}passkey/").location
    mine = office.sign_in(ben)
    assert 'name="code"' not in mine.get(asked).text
    with office.db.read() as session:
        digest = session.scalar(text("SELECT digest FROM staff_approvals")).hex()
    fields = hidden(mine.get("/").text) | {"digest": digest, "code": ben.code()}
    answer = mine.post(f"{asked}approve/", data=fields, headers=SAME_SITE)
    assert answer.status_code == 422
    assert "This is about you" in answer.text


@pytest.fixture
def old(office, agreed):
    """Cid, signed in with a password and a code; and his first passkey."""
    path, cid = agreed
    key = Authenticator(origin=ORIGIN)
    add(office, path, key)
    return office.sign_in(cid), cid, key


def confirm_with(browser, key):
    question = options_of(browser.get("/confirm/").text)
    return press(browser, "/confirm/", "/confirm/", **{"confirm-passkey": key.get(question)})


def test_a_code_adds_no_passkey_and_the_old_one_does(office, old):
    browser, cid, key = old
    office.advance(timedelta(minutes=1))
    office.confirm(browser, cid)
    refused = browser.get("/me/passkeys/")
    assert (refused.status_code, refused.location) == (303, "/confirm/?next=/me/passkeys/")
    assert "Confirm with a passkey that you have" in browser.get(refused.location).text
    assert confirm_with(browser, key).status_code == 303
    page = browser.get("/me/passkeys/")
    second = Authenticator(origin=ORIGIN)
    fields = hidden(page.text) | {"name": "Laptop", "passkey": second.create(options_of(page.text))}
    assert browser.post("/me/passkeys/", data=fields, headers=SAME_SITE).location == "/me/"
    assert kinds(office, cid.id) == ["passkey", "passkey", "password", "totp"]


def test_an_answer_that_a_confirmation_with_a_code_came_between_adds_nothing(office, old):
    browser, cid, key = old
    assert confirm_with(browser, key).status_code == 303
    page = browser.get("/me/passkeys/")
    office.advance(timedelta(minutes=1))
    office.confirm(browser, cid)
    fields = hidden(page.text) | {"passkey": Authenticator(origin=ORIGIN).create(options_of(page.text))}
    assert browser.post("/me/passkeys/", data=fields, headers=SAME_SITE).status_code == 303
    assert kinds(office, cid.id) == ["passkey", "password", "totp"]


def test_nobody_removes_a_colleagues_passkey_or_the_last_way_in(office, old):
    browser, cid, _key = old
    (number,) = ids(office, cid.id, "passkey")
    dee = office.as_role("admin")
    answer = press(dee, "/me/", "/me/passkeys/remove/", id=number)
    assert answer.location == "/me/"
    assert "passkey" in kinds(office, cid.id)
    with office.db.write() as session:
        session.execute(
            text("DELETE FROM staff_credentials WHERE member_id = :id AND kind != 'passkey'"), {"id": cid.id}
        )
    kept = press(browser, "/me/", "/me/passkeys/remove/", id=number)
    assert "This is your only way to sign in" in browser.get(kept.location).text
    assert kinds(office, cid.id) == ["passkey"]


def test_a_passkey_goes_by_a_passkey_while_another_is_left_and_its_owner_is_told(office, old, smtp):
    browser, cid, key = old
    assert confirm_with(browser, key).status_code == 303
    page = browser.get("/me/passkeys/")
    fields = hidden(page.text) | {"passkey": Authenticator(origin=ORIGIN).create(options_of(page.text))}
    browser.post("/me/passkeys/", data=fields, headers=SAME_SITE)
    number, *_more = ids(office, cid.id, "passkey")
    office.advance(timedelta(minutes=1))
    office.confirm(browser, cid)
    refused = press(browser, "/me/", "/me/passkeys/remove/", id=number)
    assert (refused.status_code, refused.location) == (303, "/confirm/?next=/me/")
    assert len(ids(office, cid.id, "passkey")) == 2
    assert confirm_with(browser, key).status_code == 303
    drain(office.parts)
    smtp.messages.clear()
    assert press(browser, "/me/", "/me/passkeys/remove/", id=number).location == "/me/"
    assert kinds(office, cid.id) == ["passkey", "password", "totp"]
    drain(office.parts)
    assert [one.recipients for one in smtp.messages] == [(cid.address,)]


@pytest.mark.parametrize("kind", ["totp", "password"])
def test_only_passkeys_go_as_passkeys(office, old, kind):
    browser, cid, _key = old
    (number,) = ids(office, cid.id, kind)
    press(browser, "/me/", "/me/passkeys/remove/", id=number)
    assert kinds(office, cid.id) == ["passkey", "password", "totp"]


def ids(office, member_id, kind):
    with office.db.read() as session:
        mine = (StaffCredential.member_id == member_id) & (StaffCredential.kind == kind)
        return [one.hex() for one in session.scalars(select(StaffCredential.id).where(mine))]
