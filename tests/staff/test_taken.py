"""What an attacker does who holds a console or the database, or comes between an approval and the deed."""

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from portal.core.db import insert
from portal.identity.sealed.models import SealedJob
from portal.staff import members
from portal.staff.approvals import jobs, service
from portal.staff.approvals.models import Approval
from portal.staff.models import StaffInvitation
from portal.staff.orders import Refused
from portal.staff.roles import Role
from portal.staff.sign_in import invitations as links
from portal.staff.sign_in import proving
from tests.colleagues import PASSWORD, press
from tests.staff.test_approvals import approve, asked, invitations, state
from tests.staff.test_joining import join
from tests.visitor import SAME_SITE, hidden


@pytest.fixture
def admins(office):
    """Three admins: Ann and Ben with their browsers."""
    ann, ben = office.add("admin", name="Ann"), office.add("admin", "author", name="Ben")
    office.add("admin", name="Cleo")
    return office.sign_in(ann), office.sign_in(ben), ben


@pytest.fixture
def later(office, monkeypatch):
    """Has a worker die between an approval and what it is for; returns what the next worker does."""
    perform = jobs._perform
    monkeypatch.setattr(jobs, "_perform", lambda *_: {"approval": "", "state": "approved", "result": {}})

    def go_on():
        with office.db.read() as session:
            waiting = session.scalars(
                select(Approval).where(Approval.state == service.State.APPROVED).order_by(Approval.decided_at)
            ).all()
        return [perform(office.parts, one.id)["result"] for one in waiting]

    return go_on


def member(office, name):
    with office.db.read() as session:
        return members.verified(session, office.parts.vault, office.people[name].id)


def wants_roles(office, browser, name, *roles):
    page = f"/staff/{office.people[name].id.hex()}/"
    fields = {"roles": list(roles)} if roles else {"remove": "y"}
    return browser.submit(page, **fields).location


def test_what_changes_between_an_approval_and_the_deed_stops_it(office, admins, later):
    ann, ben, person = admins
    office.add("author", name="Eve")
    assert approve(ben, wants_roles(office, ann, "Eve", "admin"), person.code()).status_code == 303
    with office.db.write() as session:
        eve = members.verified(session, office.parts.vault, office.people["Eve"].id)
        members.change(session, office.parts.vault, eve, roles=frozenset({Role.SUPPORT}))
    assert later() == [{"reason": "edited"}]
    assert member(office, "Eve").roles == {Role.SUPPORT}
    assert state(office) == ["failed"]


def test_two_approvals_at_once_leave_two_admins(office, admins, later):
    ann, *_others = admins
    pages = [wants_roles(office, ann, name, "author") for name in ("Ben", "Cleo")]
    approver = office.add("approver", name="Kim")
    kim = office.sign_in(approver)
    for page in pages:
        assert approve(kim, page, approver.code()).status_code == 303
    assert later() == [{}, {"reason": "last-admin"}]
    with office.db.read() as session:
        assert len(members.with_role(session, office.parts.vault, Role.ADMIN)) == 2


def test_a_deed_that_was_done_when_the_worker_died_is_not_called_a_failure(office, admins, later):
    ann, ben, person = admins
    office.add("author", name="Eve")
    assert approve(ben, wants_roles(office, ann, "Eve"), person.code()).status_code == 303
    with office.db.read() as session:
        row = session.scalars(select(Approval)).one()
    action = office.parts.actions[row.kind]
    fields, shown = json.loads(row.fields), json.loads(row.shown)
    action.perform(office.parts, fields, shown)
    assert later() == [{}]
    assert state(office) == ["done"]
    assert member(office, "Eve").state is members.State.REMOVED


def test_recovery_codes_that_a_taken_console_has_made_approve_nothing(office, admins):
    ann, ben, person = admins
    page = asked(office, ann)
    made = press(ben, "/me/", "/me/recovery-codes/")
    codes = re.findall(r"<li><code>([A-Z2-7-]{19})</code>", made.text)
    assert len(codes) == 10
    assert approve(ben, page, codes[0]).status_code == 422
    assert state(office) == ["open"]
    assert invitations(office) == 0
    browser = office.browser()
    again = browser.submit("/sign-in/", email=person.address, password=PASSWORD, code=codes[0])
    assert again.status_code == 303  # the refusal used up none


@pytest.mark.parametrize("left", ["removed", "demoted"])
def test_what_somebody_asked_for_who_left_is_approved_by_nobody(office, admins, left):
    ann, ben, person = admins
    page = asked(office, ann)
    fields = hidden(ben.get(page).text)
    with office.db.write() as session:
        row = members.verified(session, office.parts.vault, office.people["Ann"].id)
        changes = {"state": members.State.REMOVED} if left == "removed" else {}
        members.change(session, office.parts.vault, row, roles=frozenset({Role.AUTHOR}), **changes)
    answer = ben.post(f"{page}approve/", data=fields | {"code": person.code()}, headers=SAME_SITE)
    assert answer.status_code == 422
    assert "may not ask for it any more" in answer.text
    assert state(office) == ["open"]


@pytest.mark.parametrize("replaces", [False, True])
def test_a_used_invitation_that_is_put_back_lets_nobody_in(office, replaces):
    """A taken console saw its token, and can write to the database."""
    now, vault = office.clock.now(), office.parts.vault
    with office.db.write() as session:
        if replaces:
            one = members.verified(session, vault, office.add("admin", name="Ann").id)
        else:
            one = members.add(session, vault, "ann@northwind.example", frozenset({Role.ADMIN}), "en", now)
        token = links.new(session, vault, one, replaces=replaces, now=now)
    with office.db.read() as session:
        table = StaffInvitation.__table__
        copied = dict(session.execute(select(table)).one()._mapping)
    path = f"/invitation/{token}/"
    assert join(office, path)[1].status_code == 200
    with office.db.write() as session:
        session.execute(insert(session, StaffInvitation).values(copied))
    thief = office.browser()
    thief.get(path)
    assert thief.get("/join/").status_code == 410


@pytest.mark.parametrize(
    ("page", "to", "field"),
    [("/sign-in/", "/sign-in/passkey/", "passkey"), ("/confirm/", "/confirm/?next=/", "confirm-passkey")],
)
def test_what_is_too_long_for_an_order_is_refused_and_no_fault(office, page, to, field, caplog):
    browser = office.as_role("author") if page != "/sign-in/" else office.browser()
    answer = press(browser, page, to, **{field: "x" * 40_000})
    assert answer.status_code == 422
    assert "Traceback" not in caplog.text


def test_an_order_whose_row_is_put_back_is_not_done_again(office, caplog):
    ann = office.add("author", name="Ann")
    browser = office.sign_in(ann)
    stolen = {}
    begin = office.jobs._begin

    def copying():
        with office.db.read() as session:
            for row in session.execute(select(SealedJob.__table__)):
                if row.kind == "staff.recovery-codes" and row.sealed:
                    stolen.update(row._mapping)
        return begin()

    office.jobs._begin = copying
    codes = press(browser, "/me/", "/me/recovery-codes/").text
    assert stolen
    with office.db.write() as session:
        session.execute(insert(session, SealedJob).values(stolen))
    for _ in range(200):
        if "not done again" in caplog.text:
            break
        office.jobs._pool.submit(lambda: None).result()
    code = re.findall(r"<li><code>([A-Z2-7-]{19})</code>", codes)[0]
    again = office.browser().submit("/sign-in/", email=ann.address, password=PASSWORD, code=code)
    assert again.status_code == 303  # the codes that Ann was shown are still the ones
    assert caplog.text.count("not done again") == 1


def test_who_holds_the_console_and_resets_its_limits_cannot_guess_a_code(office):
    ben = office.add("approver", name="Ben")

    def guessed(typed):
        with office.db.write() as session:
            session.execute(text("UPDATE rate_buckets SET hits = 0"))
            acting = members.verified(session, office.parts.vault, ben.id)
        try:
            return proving.over(office.parts, acting, b"", {"code": typed})["how"]
        except Refused as error:
            return error.reason

    wrong = f"{(int(ben.code()) + 1) % 1_000_000:06}"
    assert {guessed(wrong) for _ in range(50)} == {"proof"}
    assert guessed(ben.code()) == "proof", "even the right one"
    office.advance(timedelta(minutes=57))
    assert guessed(ben.code()) == "proof"
    office.advance(timedelta(minutes=3))
    assert guessed(ben.code()) == "totp"
