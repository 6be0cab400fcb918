"""Who gets into the console, how, and for how long."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from portal.audit.models import AuditEntry
from portal.staff import members, sending
from portal.staff.models import StaffSession
from portal.staff.sign_in import browsers
from portal.web import limits
from portal.worker import drain
from tests.colleagues import PASSWORD, press
from tests.visitor import SAME_SITE, hidden, main_of


def refused(answer):
    return answer.status_code == 422 and "We couldn’t sign you in" in answer.text


def test_a_member_signs_in_with_password_and_code_and_out_again(office):
    ann = office.add("author", name="Ann")
    browser = office.sign_in(ann)
    assert "Hello, Ann" in browser.get("/").text
    assert press(browser, "/", "/sign-out/").location == "/sign-in/?out=1"
    assert browser.get("/").location == "/sign-in/?next=/"


def test_who_has_no_passkey_reads_beside_its_button_where_to_go_on_and_everybody_reads_the_same(office):
    office.add("approver")
    page = main_of(office.browser().get("/sign-in/").text)
    passkey, _end, rest = page.partition("</form>")
    assert "No passkey? Sign in with your password and a code, below." in passkey
    assert passkey.index("No passkey?") < passkey.index("Sign in with a passkey")
    assert 'name="code"' in rest
    known = office.as_role("approver")
    press(known, "/", "/sign-out/")
    assert main_of(known.get("/sign-in/").text).partition("<form")[0] == page.partition("<form")[0]


def test_every_failure_is_told_in_the_same_words(office):
    ann, browser = office.add("author", name="Ann"), office.browser()
    right = {"email": ann.address, "password": PASSWORD, "code": ann.code()}
    wrong = (
        {"email": "nobody@northwind.example"},
        {"email": "not an address"},
        {"password": "another-word-that-is-long"},
        {"code": "000000"},
        {"code": "１２３"},
        {"password": "x" * 5000},
    )
    answers = [browser.submit("/sign-in/", **right | each) for each in wrong]
    assert all(refused(answer) for answer in answers)
    told = {main_of(answer.text).split("<form")[0] for answer in answers}
    assert len(told) == 1


def test_a_code_counts_once(office):
    ann = office.add("author")
    code = ann.code()
    first = office.browser().submit("/sign-in/", email=ann.address, password=PASSWORD, code=code)
    assert first.status_code == 303
    assert refused(office.browser().submit("/sign-in/", email=ann.address, password=PASSWORD, code=code))


def test_after_ten_tries_the_right_password_is_refused_for_a_while(office):
    ann, browser = office.add("author"), office.browser()
    for _try in range(10):
        browser.submit("/sign-in/", email=ann.address, password="wrong-and-long-enough", code="000000")
    assert refused(browser.submit("/sign-in/", email=ann.address, password=PASSWORD, code=ann.code()))
    office.advance(timedelta(minutes=16))
    assert office.sign_in(ann).get("/").status_code == 200


@pytest.mark.parametrize(("away", "still"), [(29, 200), (31, 303)])
def test_half_an_hour_without_a_page_ends_a_session(office, away, still):
    browser = office.as_role("author")
    office.advance(timedelta(minutes=away))
    assert browser.get("/").status_code == still


def test_a_session_ends_after_eight_hours_however_busy(office):
    browser = office.as_role("author")
    for _turn in range(23):
        office.advance(timedelta(minutes=20))
        assert browser.get("/").status_code == 200
    office.advance(timedelta(minutes=21))
    assert browser.get("/").status_code == 303


def test_a_removed_member_is_out_at_once_on_every_page_and_order(office):
    ann = office.add("admin")
    browser = office.sign_in(ann)
    with office.db.write() as session:
        member = members.verified(session, office.parts.vault, ann.id)
        members.change(session, office.parts.vault, member, state=members.State.REMOVED)
    assert browser.get("/").location == "/sign-in/?next=/"
    assert browser.get("/me/").location == "/sign-in/?next=/me/"
    assert refused(
        office.browser().submit("/sign-in/", email=ann.address, password=PASSWORD, code=ann.code())
    )


def test_a_member_ends_another_of_their_sessions(office):
    ann = office.add("author")
    here, there = office.sign_in(ann), office.sign_in(ann)
    press(here, "/me/", "/me/sessions/", session="others")
    assert there.get("/").status_code == 303
    assert here.get("/").status_code == 200


def test_nobody_ends_a_session_of_somebody_else(office):
    other = office.as_role("author")
    browser = office.as_role("author")
    with office.db.read() as session:
        ids = [row.id.hex() for row in session.scalars(select(StaffSession))]
    for one in ids:
        browser.post(
            "/me/sessions/", data=hidden(browser.get("/me/").text) | {"session": one}, headers=SAME_SITE
        )
    assert other.get("/").status_code == 200


def test_who_can_write_the_database_makes_nobody_an_admin(office, caplog):
    author = office.as_role("author")
    with office.db.write() as session:
        session.execute(text("UPDATE staff_members SET roles = 'admin'"))
    answer = author.submit("/staff/new/", email="eve@northwind.example", roles=["admin"])
    assert answer.status_code == 303
    assert answer.location == "/sign-in/"
    assert "was inserted or altered without the worker's keys" in caplog.text


def test_who_can_write_the_database_makes_no_session(office):
    ann = office.add("admin")
    browser = office.sign_in(ann)
    with office.db.write() as session:
        session.execute(
            text("UPDATE staff_sessions SET member_id = :other"), {"other": office.add("admin").id}
        )
    answer = browser.get("/me/")
    assert answer.location == "/sign-in/?next=/me/"


def test_what_the_log_says_names_nobody(office, caplog):
    office.as_role("author")
    with office.db.read() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "staff.sign-in")).all()
    (entry,) = entries
    said = rf'{{"by":"staff {entry.subject}","held":"5\.[0-9a-f]{{32}}","how":"totp"}}'
    assert re.fullmatch(said, entry.details)
    assert "northwind.example" not in caplog.text


def test_an_open_redirect_leads_nowhere_else(office):
    ann = office.add("author")
    page = "/sign-in/?next=https://evil.example/"
    answer = office.browser().submit(page, to=page, email=ann.address, password=PASSWORD, code=ann.code())
    assert answer.location == "/"


def test_new_recovery_codes_are_told_to_their_owner_by_mail(office, smtp):
    """A taken console could order them in a member's name."""
    ann = office.add("author", name="Ann")
    browser = office.sign_in(ann)
    assert "Save your recovery codes" in press(browser, "/me/", "/me/recovery-codes/").text
    drain(office.parts)
    told = [mail for mail in smtp.messages if mail.recipients == ("ann@northwind.example",)]
    assert [mail.message["subject"] for mail in told] == ["How you sign in to the console changed"]
    assert "http://localhost:8001/me/" in told[0].text


def fail(browser, colleague, times):
    for _try in range(times):
        answer = browser.submit("/sign-in/", email=colleague.address, password="wrong-word", code="000000")
        assert refused(answer)


def test_a_stranger_who_uses_up_the_tries_keeps_no_browser_out_that_signed_in_before(office):
    ann = office.add("author", name="Ann")
    known = office.sign_in(ann)
    press(known, "/", "/sign-out/")
    fail(office.browser(), ann, 10)
    right = {"email": ann.address, "password": PASSWORD}
    assert refused(office.browser().submit("/sign-in/", **right, code=ann.code()))
    assert known.submit("/sign-in/", **right, code=ann.code()).status_code == 303


def test_a_known_browser_has_ten_tries_of_its_own_and_for_its_member_alone(office):
    ann, ben = office.add("author", name="Ann"), office.add("author", name="Ben")
    known = office.sign_in(ann)
    fail(known, ann, 10)
    right = {"email": ann.address, "password": PASSWORD}
    assert refused(known.submit("/sign-in/", **right, code=ann.code()))
    assert office.browser().submit("/sign-in/", **right, code=ann.code()).status_code == 303
    fail(office.browser(), ben, 10)
    assert refused(
        office.sign_in(ann).submit("/sign-in/", email=ben.address, password=PASSWORD, code=ben.code())
    )


def test_a_browser_is_known_for_half_a_year_by_a_mark_that_only_the_worker_makes(office):
    vault, now = office.parts.vault, office.clock.now()
    ann, ben = office.add("author").id, office.add("author").id
    mark = browsers.mark(vault, ann, now)
    number, day, mac = mark.split("-")
    assert browsers.number_of(vault, mark, ann, now) == number
    assert browsers.number_of(vault, mark, ann, now + timedelta(days=179)) == number
    for written in (
        *("", "-", "--", f"{number}-{day}", f"{number}-{day}-", f"{number}-é-{mac}", f"{number}-²-{mac}"),
        f"{number}-{int(day) + 1}-{mac}",
        f"{'0' * 32}-{day}-{mac}",
        f"{number}-{day}-{'é' * 64}",
    ):
        assert browsers.number_of(vault, written, ann, now) == ""
    assert browsers.number_of(vault, mark, ben, now) == ""
    assert browsers.number_of(vault, mark, ann, now + timedelta(days=181)) == ""


def test_one_network_s_tries_are_counted_and_no_known_browser_s_with_them(office):
    ann = office.add("author", name="Ann")
    known = office.sign_in(ann)
    with office.db.write() as session:
        for _try in range(100):
            limits.hit(
                session,
                office.parts.vault.staff,
                "100 per hour",
                "staff sign-in",
                "network 127.0.0.1",
                now=office.clock.now() + timedelta(seconds=31),
            )
    right = {"email": ann.address, "password": PASSWORD}
    assert known.submit("/sign-in/", **right, code=ann.code()).status_code == 303
    with office.db.write() as session:
        session.execute(text("DELETE FROM staff_sessions"))
    assert refused(office.browser().submit("/sign-in/", **right, code=ann.code()))


@pytest.mark.parametrize(
    ("elapsed", "left"), [(0.0, 1.0), (0.3, 0.7), (0.99, 0.01), (1.0, 0.0), (1.2, 0.3), (8.9, 0.1)]
)
def test_a_sign_in_is_answered_at_whole_half_seconds_a_second_later_at_the_earliest(elapsed, left):
    assert sending.until_tick(elapsed, 0.5) == pytest.approx(left)


def test_how_long_a_sign_in_took_is_seen_of_no_address_password_or_code(office, monkeypatch):
    """The console sleeps until the tick, whatever the worker says, and after it does nothing but answer."""
    ann, slept = office.add("author", name="Ann"), []
    office.app.extensions["portal"] = replace(office.app.extensions["portal"], tick=0.2)

    def noted(elapsed, tick):
        slept.append((elapsed, tick))
        return 0

    monkeypatch.setattr(sending, "until_tick", noted)
    right = {"email": ann.address, "password": PASSWORD, "code": ann.code()}
    for each in ({"email": "nobody@northwind.example"}, {"password": "wrong-word"}, {"code": "000000"}, {}):
        office.browser().submit("/sign-in/", **right | each)
    assert [tick for _elapsed, tick in slept] == [0.2] * 4
    assert all(elapsed > 0 for elapsed, _tick in slept)
