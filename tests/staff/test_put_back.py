"""Who can write to the database puts back rows of staff that the worker wrote, each with a right MAC."""

from datetime import timedelta
from time import sleep

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, text

from portal.audit import service as audit
from portal.audit.models import AuditEntry
from portal.cli import main
from portal.core.db import insert
from portal.runtime.context import Context
from portal.staff import held, members, sessions
from portal.staff.approvals import checking
from portal.staff.models import StaffCredential, StaffHeld, StaffMember, StaffSession
from portal.staff.roles import Role
from portal.staff.sign_in import credentials, jobs
from tests.colleagues import PASSWORD, press
from tests.databases import as_console

TABLES = (StaffMember, StaffCredential, StaffSession, StaffHeld)


def copied(office, *tables):
    """The rows of these tables, as they are now."""
    with office.db.read() as session:
        return {
            table: [dict(row._mapping) for row in session.execute(select(table.__table__))]
            for table in tables
        }


def put_back(office, copy):
    """Replace all rows of tables by those of an earlier time."""
    with office.db.write() as session:
        for table, rows in copy.items():
            session.execute(delete(table))
            if rows:
                session.execute(insert(session, table).values(rows))


def remove(office, person):
    """What two admins agreed to."""
    with office.db.write() as session:
        member = members.verified(session, office.parts.vault, person.id)
        members.change(session, office.parts.vault, member, roles=frozenset(), state=members.State.REMOVED)
        sessions.end_all(session, person.id)


def tries(office, person):
    """What the sign-in page answers to this person, who has their password and their app."""
    answer = office.browser().submit("/sign-in/", email=person.address, password=PASSWORD, code=person.code())
    return answer.status_code


def verify(office):
    with office.db.snapshot() as session:
        return checking.check(session, office.parts.vault)[1]


@pytest.fixture
def command(office):
    """Run `portal staff …` with the worker's keys."""

    def run(*words):
        context = Context(office.parts.settings, office.clock)
        context.db = context.database = office.db
        result = CliRunner().invoke(main, ["staff", *words], obj=context)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_the_row_of_a_removed_member_that_is_put_back_lets_nobody_in(office, caplog, command):
    ann, ben = office.add("admin", name="Ann"), office.add("admin", name="Ben")
    browser = office.sign_in(ann)
    former = copied(office, StaffMember, StaffSession, StaffCredential)
    remove(office, ann)
    assert tries(office, ann) == 422
    put_back(office, former)
    assert tries(office, ann) == 422
    answer = browser.submit("/staff/new/", email="eve@northwind.example", roles=["admin"])
    assert answer.location == "/sign-in/"
    assert "an earlier row of member" in caplog.text
    assert verify(office) == [
        f"member {ann.id.hex()} is not as the worker left them: an earlier row was put back"
    ]
    assert tries(office, ben) == 303  # one row that was put back closes one person's way
    assert command("remove", ann.address) == "Removed.\n"
    assert verify(office) == []
    assert command("invite", "author", ann.address).startswith("http://localhost:8001/invitation/")


def test_roles_that_somebody_had_once_are_put_back_in_vain(office):
    cid = office.add("admin", "author", name="Cid")
    former = copied(office, StaffMember)
    with office.db.write() as session:
        member = members.verified(session, office.parts.vault, cid.id)
        members.change(session, office.parts.vault, member, roles=frozenset({Role.AUTHOR}))
    assert tries(office, cid) == 303
    put_back(office, former)
    assert tries(office, cid) == 422


def test_the_log_gives_away_that_all_of_it_was_put_back(office):
    """The former member with the former list of what is valid: the log knows of a later change."""
    ann = office.add("admin", name="Ann")
    former = copied(office, *TABLES)
    with office.db.write() as session:
        member = members.verified(session, office.parts.vault, ann.id)
        members.change(session, office.parts.vault, member, roles=frozenset({Role.AUTHOR}))
        audit.record(session, "staff.roles", ann.id.hex(), {"after": "author"}, office.clock.now())
    put_back(office, former)
    with office.db.read() as session, pytest.raises(members.MemberMissing):
        members.verified(session, office.parts.vault, ann.id)


def test_a_worker_that_saw_a_later_state_takes_no_orders_of_an_earlier_one(office, caplog):
    """All of it and the log, too: what the worker remembers is in no database."""
    ann, ben = office.add("admin", name="Ann"), office.add("admin", name="Ben")
    former = copied(office, *TABLES)
    remove(office, ann)
    assert tries(office, ben) == 303
    put_back(office, former)
    with office.db.write() as session:
        session.execute(delete(AuditEntry))
    assert tries(office, ann) == 422
    assert tries(office, ben) == 422
    assert "back to" in caplog.text


def test_a_password_or_an_app_that_was_replaced_lets_nobody_in_when_it_is_put_back(office, caplog):
    ann = office.add("author", name="Ann")
    former = copied(office, StaffCredential)
    with office.db.write() as session:
        credentials.set_password(session, office.parts.vault, ann.id, "$argon2id$other", office.clock.now())
    put_back(office, former)
    assert tries(office, ann) == 422
    assert "was altered or put back: ignored" in caplog.text


def test_an_app_s_earlier_row_makes_no_code_count_twice(office):
    ann = office.add("author", name="Ann")
    former, code = copied(office, StaffCredential), ann.code()
    first = office.browser().submit("/sign-in/", email=ann.address, password=PASSWORD, code=code)
    assert first.status_code == 303
    put_back(office, former)
    again = office.browser().submit("/sign-in/", email=ann.address, password=PASSWORD, code=code)
    assert again.status_code == 422


@pytest.mark.parametrize("worker", ["there", "away"])
def test_a_session_that_ended_gives_no_order_when_its_row_is_put_back(office, worker, caplog):
    ann = office.add("author", name="Ann")
    browser = office.sign_in(ann)
    with browser.session_transaction() as cookie:
        token = cookie["staff"]
    former = copied(office, StaffSession)
    if worker == "there":
        press(browser, "/", "/sign-out/")
        told(office)
    else:  # what the console does without a worker; that one looks later
        with office.db.write() as session:
            sessions.end_all(session, ann.id)
        jobs.tidy(office.parts)
    put_back(office, former)
    with office.db.read() as session, pytest.raises(sessions.SessionOver):
        sessions.verified(session, office.parts.vault, token, office.clock.now())
    assert "was put back after it had ended" in caplog.text


def test_other_sessions_that_somebody_ended_stay_ended(office, caplog):
    ann = office.add("author", name="Ann")
    here, there = office.sign_in(ann), office.sign_in(ann)
    former = copied(office, StaffSession)
    press(here, "/me/", "/me/sessions/", session="others")
    told(office)
    put_back(office, former)
    assert there.get("/me/").location == "/sign-in/?next=/me/"  # that page gives an order
    assert "was put back after it had ended" in caplog.text
    assert here.get("/me/").status_code == 200


def told(office):
    """Wait until the worker has done what the console did not wait for."""
    for _turn in range(500):
        with office.db.read() as session:
            waiting = session.scalar(text("SELECT count(*) FROM sealed_jobs WHERE answered_at IS NULL"))
        if not waiting:
            return
        sleep(0.02)
    pytest.fail("the worker does nothing")


def test_what_is_held_is_nothing_that_somebody_else_writes(office, caplog, command):
    ann = office.add("admin", name="Ann")
    with office.db.write() as session:
        session.execute(text("UPDATE staff_held SET number = number + 1"))
    assert tries(office, ann) == 422
    assert "run: portal staff accept" in caplog.text
    assert verify(office) == ["what is held of staff (staff_held) was altered without the worker's keys"]
    assert command("accept") == (
        "active  ann@northwind.example  admin\nIf these are right: portal staff accept --yes\n"
    )
    assert tries(office, ann) == 422
    assert command("accept", "--yes").endswith("They can sign in.\n")
    office.advance(timedelta(hours=8))
    assert tries(office, ann) == 303


@pytest.mark.parametrize("number", [2**63 - 1, f"{2**63 - 1}.{'0' * 32}", "\u00b2.\u00e9"])
def test_a_number_that_the_console_logs_locks_nobody_out_and_hides_no_change(office, command, number):
    ann, ben = office.add("admin", name="Ann"), office.add("admin", name="Ben")
    office.sign_in(ben)
    former = copied(office, *TABLES)
    with office.db.write() as session:
        vault, now = office.parts.vault, office.clock.now()
        member = members.verified(session, vault, ann.id)
        members.change(session, vault, member, roles=frozenset(), state=members.State.REMOVED)
        audit.record(session, "staff.roles", ann.id.hex(), {"before": "admin", "after": ""}, now)
    own = as_console(office.db)
    with own.write() as session:
        for person in (ann, ben):
            audit.record(session, "staff.sign-in", person.id.hex(), {"held": number}, office.clock.now())
    own.dispose()
    with office.db.read() as session:
        assert members.verified(session, office.parts.vault, ben.id).active
    command("accept", "--yes")
    with office.db.read() as session:
        assert held.load(session, office.parts.vault).number < 100
        assert members.verified(session, office.parts.vault, ben.id).active
    put_back(office, former)
    assert tries(office, ann) == 422


def test_members_of_a_build_that_held_nothing_get_in_once_an_operator_accepts_them(office, command):
    ann = office.add("admin", name="Ann")
    with office.db.write() as session:
        session.execute(delete(StaffHeld))
    assert tries(office, ann) == 422
    command("accept", "--yes")
    assert tries(office, ann) == 303


def test_who_is_held_does_not_grow_with_sessions_that_ended(office):
    ann = office.add("author", name="Ann")
    for _turn in range(3):
        office.sign_in(ann)
    with office.db.read() as session:
        before = len(held.load(session, office.parts.vault).tags)
    office.advance(timedelta(hours=8))
    jobs.tidy(office.parts)
    with office.db.read() as session:
        after = len(held.load(session, office.parts.vault).tags)
    assert (before, after) == (6, 3)
