"""A company of one person, and a worker that dies between an approval and what it approves."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.app import worker_parts as make_worker_parts
from portal.core.settings import Settings
from portal.staff import members
from portal.staff.approvals import jobs, service
from portal.staff.approvals.models import Approval
from portal.staff.models import StaffInvitation
from portal.staff.people.jobs import ACTIONS
from portal.staff.roles import Role
from tests.colleagues import ENVIRON, open_office


@pytest.fixture
def alone(environ, db, clock, worker_keys, worker_vault):
    settings = Settings.from_env(environ | ENVIRON | {"PORTAL_APPROVALS": "one"})
    parts = make_worker_parts(settings, db, clock, worker_vault)
    with open_office(settings, db, clock, worker_keys, parts) as opened:
        yield opened


def invitations(office):
    with office.db.read() as session:
        return len(session.scalars(select(StaffInvitation.id)).all())


def test_one_person_does_it_at_once_and_every_page_says_that_nobody_checks(alone):
    browser = alone.as_role("admin")
    answer = browser.submit("/staff/new/", email="eve@northwind.example", roles=["author"])
    assert invitations(alone) == 1
    shown = browser.get(answer.location).text
    assert "Done, without a second person" in shown
    for page in ("/", "/approvals/", "/staff/", "/me/"):
        assert "Nobody checks what you do here" in browser.get(page).text, page


def test_what_was_approved_is_done_after_a_crash_and_only_once(office):
    ann, ben = office.add("admin", name="Ann"), office.add("admin", name="Ben")
    vault, now = office.parts.vault, office.clock.now()
    with office.db.write() as session:
        eve = members.add(session, vault, "eve@northwind.example", {Role.AUTHOR}, "en", now)
        fields = {"member": eve.id.hex()}
        action = ACTIONS["staff.invite"]
        asked = service.ask(session, vault, action, "staff.invite", fields, "", ann.id, now)
        service.approve(session, vault, asked, ben.id, {"how": "totp"}, now)
    jobs.resume(office.parts)
    assert invitations(office) == 0, "a worker may still be at it"
    office.advance(timedelta(seconds=61))
    jobs.resume(office.parts)
    jobs.resume(office.parts)
    assert invitations(office) == 1
    with office.db.read() as session:
        assert session.scalars(select(Approval.state)).all() == ["done"]
