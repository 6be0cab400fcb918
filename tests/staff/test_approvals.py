"""Four eyes: an approval is somebody else's, of exactly what was shown, once, and proven."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from portal.audit.models import AuditEntry
from portal.staff import members
from portal.staff.approvals import jobs, service
from portal.staff.approvals.models import Approval
from portal.staff.approvals.service import Action
from portal.staff.models import StaffInvitation
from portal.staff.orders import Refused
from portal.staff.roles import Role
from portal.worker import drain
from tests.colleagues import press
from tests.visitor import hidden


def asked(office, browser, address="eve@northwind.example", roles=("author",)):
    """Ask for somebody to be invited, and return the page of the request."""
    answer = browser.submit("/staff/new/", email=address, roles=list(roles))
    assert answer.status_code == 303, answer.text
    return answer.location


def approve(browser, page, code, **changed):
    fields = hidden(browser.get(page).text) | {"code": code} | changed
    return browser.post(f"{page}approve/", data=fields, headers={"Sec-Fetch-Site": "same-origin"})


def state(office):
    with office.db.read() as session:
        return session.scalars(select(Approval.state)).all()


def invitations(office):
    with office.db.read() as session:
        return len(session.scalars(select(StaffInvitation.id)).all())


@pytest.fixture
def two(office):
    """An admin who asks and another who approves: their browsers, and the second one's person."""
    asker, second = office.add("admin", name="Ann"), office.add("admin", name="Ben")
    return office.sign_in(asker), office.sign_in(second), second


def test_an_approved_invitation_is_mailed_and_lets_somebody_in(office, two, smtp):
    asker, second, ben = two
    page = asked(office, asker)
    assert invitations(office) == 0
    shown = second.get(page).text
    assert "eve@northwind.example" in shown
    assert "Author" in shown
    assert approve(second, page, ben.code()).status_code == 303
    assert "Approved and done" in second.get(page).text
    drain(office.parts)
    mails = {mail.recipients[0]: mail for mail in smtp.messages}
    link = re.findall(r"http://localhost:8001(/invitation/\w+/)", mails["eve@northwind.example"].text)
    eve = office.browser()
    assert eve.get(link[0]).location == "/join/"
    assert "You’re invited as eve@northwind.example" in eve.get("/join/").text


def test_nobody_approves_their_own(office, two):
    asker, _second, _ben = two
    ann = office.people["Ann"]
    page = asked(office, asker)
    assert "Approve it" not in asker.get(page).text
    answer = asker.post(
        f"{page}approve/",
        data=hidden(asker.get(page).text) | {"code": ann.code(), "digest": digest(office)},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 422
    assert "somebody else must approve it" in answer.text
    assert state(office) == ["open"]


def digest(office):
    with office.db.read() as session:
        return session.scalar(select(Approval.digest)).hex()


def test_an_edit_after_the_request_voids_it(office, two):
    asker, second, ben = two
    page = asked(office, asker)
    with office.db.write() as session:
        eve = members.by_address(session, office.parts.vault, "eve@northwind.example")
        members.change(session, office.parts.vault, eve, roles=frozenset({Role.ADMIN}))
    shown = second.get(page).text
    assert "This changed after it was asked for" in shown
    assert "Approve it" not in shown
    answer = approve(second, page, ben.code(), digest=digest(office))
    assert answer.status_code == 422
    assert "This changed after it was asked for. Ask for approval again." in answer.text
    assert invitations(office) == 0


def test_a_page_that_shows_something_else_than_is_asked_approves_nothing(office, two):
    asker, second, ben = two
    page = asked(office, asker)
    assert approve(second, page, ben.code(), digest="00" * 32).status_code == 422
    assert state(office) == ["open"]


@pytest.mark.parametrize("code", ["000000", "", "abc"])
def test_without_the_right_code_nothing_is_approved(office, two, code):
    asker, second, _ben = two
    page = asked(office, asker)
    assert approve(second, page, code).status_code == 422
    assert state(office) == ["open"]


def test_a_code_that_was_used_approves_nothing(office, two):
    asker, second, ben = two
    one = asked(office, asker)
    code = ben.code()
    assert approve(second, one, code).status_code == 303
    other = asked(office, asker, "kim@northwind.example")
    assert approve(second, other, code).status_code == 422
    assert sorted(state(office)) == ["done", "open"]


def test_an_approver_who_lost_the_role_approves_nothing(office, two):
    asker, second, ben = two
    page = asked(office, asker)
    fields = hidden(second.get(page).text)
    with office.db.write() as session:
        member = members.verified(session, office.parts.vault, ben.id)
        members.store(session, office.parts.vault, replace(member, roles=frozenset({Role.AUTHOR})))
    answer = second.post(
        f"{page}approve/",
        data=fields | {"code": ben.code()},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert "Your role doesn’t allow this" in answer.text
    assert state(office) == ["open"]


def test_of_two_approvals_at_once_one_counts(office, two):
    asker, second, ben = two
    kim = office.add("approver", name="Kim")
    third = office.sign_in(kim)
    page = asked(office, asker)
    forms = [(second, hidden(second.get(page).text) | {"code": ben.code()})]
    forms.append((third, hidden(third.get(page).text) | {"code": kim.code()}))

    def send(browser, fields):
        return browser.post(
            f"{page}approve/", data=fields, headers={"Sec-Fetch-Site": "same-origin"}
        ).status_code

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(lambda form: send(*form), forms))
    assert answers == [303, 422]
    assert invitations(office) == 1


def test_a_request_that_was_written_into_the_database_does_nothing(office, two, caplog):
    asker, second, ben = two
    page = asked(office, asker)
    with office.db.write() as session:
        session.execute(text("UPDATE staff_approvals SET fields = replace(fields, '\"', '\"')"))
        session.execute(text("UPDATE staff_approvals SET reason = 'forged'"))
    assert approve(second, page, ben.code()).status_code == 422
    assert "was inserted or altered without the worker's keys" in caplog.text
    assert invitations(office) == 0


def test_it_is_sent_back_with_a_comment_that_the_author_gets_word_of(office, two, smtp):
    asker, second, _ben = two
    page = asked(office, asker)
    turned = press(second, page, f"{page}send-back/", comment="Which\nteam \u202edesrever")
    assert (turned.status_code, "without invisible characters" in turned.text) == (422, True)
    answer = press(second, page, f"{page}send-back/", comment="Which team? <script>alert(1)</script>")
    assert answer.status_code == 303
    shown = asker.get(page).text
    assert "Which team? &lt;script&gt;" in shown
    drain(office.parts)
    to_ann = [mail for mail in smtp.messages if mail.recipients == ("ann@northwind.example",)]
    assert [mail.message["subject"] for mail in to_ann] == ["Your request was sent back"]
    assert "Which team" not in to_ann[0].text + to_ann[0].html
    assert approve(second, page, "123456").status_code == 422


def test_only_the_author_or_an_admin_withdraws_a_request(office, two):
    asker, _second, _ben = two
    page = asked(office, asker)
    stranger = office.as_role("author")
    assert "Withdraw the request" not in stranger.get(page).text
    press(stranger, page, f"{page}withdraw/")
    assert state(office) == ["open"]
    press(asker, page, f"{page}withdraw/")
    assert state(office) == ["withdrawn"]


def test_what_one_asks_for_again_replaces_the_earlier_request(office, two):
    asker, _second, _ben = two
    page = asked(office, asker)
    member = office.add("author", name="Kim")
    form = f"/staff/{member.id.hex()}/"
    first = asker.submit(form, roles=["approver"]).location
    again = asker.submit(form, roles=["approver"]).location
    assert first != again
    assert page not in (first, again)
    assert sorted(state(office)) == ["open", "open", "withdrawn"]


def test_removing_somebody_ends_their_sessions(office, two):
    asker, second, ben = two
    eve = office.add("author", name="Eve")
    browser = office.sign_in(eve)
    page = asker.submit(f"/staff/{eve.id.hex()}/", remove="y").location
    assert approve(second, page, ben.code()).status_code == 303
    assert browser.get("/").status_code == 303


def test_the_last_two_admins_stay(office, two):
    asker, _second, _ben = two
    ben = office.people["Ben"]
    answer = asker.submit(f"/staff/{ben.id.hex()}/", roles=["author"])
    assert answer.status_code == 422
    assert "There must be two admins" in answer.text


def test_the_log_says_who_asked_and_who_approved(office, two):
    asker, second, ben = two
    page = asked(office, asker)
    approve(second, page, ben.code())
    with office.db.read() as session:
        entry = session.scalar(select(AuditEntry).where(AuditEntry.action == "staff.invite"))
    ann = office.people["Ann"]
    assert f'"approved_by":"staff {ben.id.hex()}"' in entry.details
    assert f'"by":"staff {ann.id.hex()}"' in entry.details


@pytest.mark.parametrize("unknown", ["0" * 32, "zz", "1", "' OR 1=1"])
def test_an_unknown_request_is_not_found(office, two, unknown):
    asker, _second, _ben = two
    assert asker.get(f"/approvals/{unknown}/").status_code == 404


def approved(office, perform):
    """An approved request that `perform` does, and the parts of the worker that knows it."""
    asker, second = office.add("author"), office.add("approver")
    action = Action(lambda _session, _fields: {}, perform, ask=frozenset({Role.AUTHOR}))
    parts = replace(office.parts, actions={**office.parts.actions, "slow": action})
    with office.db.write() as session:
        now = office.clock.now()
        request = service.ask(session, parts.vault, action, "slow", {}, "", asker.id, now)
        service.approve(session, parts.vault, request, second.id, {"how": "totp"}, now)
    return parts, request


@pytest.mark.parametrize("first", ["resumed", "pressed"])
def test_what_was_approved_is_done_once_though_it_is_slow_and_two_press(office, first):
    runs = []

    def perform(_parts, _fields, _shown):
        runs.append(1)
        office.advance(timedelta(minutes=2))
        jobs.resume(parts)  # another worker takes it for crashed
        assert jobs._perform(parts, request.id)["state"] == "approved"  # another admin presses
        return {}

    parts, request = approved(office, perform)
    office.advance(timedelta(minutes=2))
    if first == "pressed":
        assert jobs._perform(parts, request.id)["state"] == "done"
    else:
        jobs.resume(parts)
    assert runs == [1]
    assert state(office) == ["done"]
    with pytest.raises(Refused, match="decided"):
        jobs._perform(parts, request.id)


def test_a_request_whose_worker_was_killed_is_done_by_the_next_one(office):
    runs = []

    def perform(_parts, _fields, _shown):
        runs.append(1)
        if len(runs) == 1:
            raise KeyboardInterrupt  # the process ends
        return {}

    parts, request = approved(office, perform)
    with pytest.raises(KeyboardInterrupt):
        jobs._perform(parts, request.id)
    office.advance(timedelta(minutes=2))
    jobs.resume(parts)
    assert runs == [1, 1]
    assert state(office) == ["done"]
