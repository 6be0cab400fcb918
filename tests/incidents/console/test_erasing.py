"""An erased text is gone from drafts and from what staff approved, and what is left of that is proven."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal.core.db import Base
from portal.incidents.drafts.models import Draft
from portal.staff.approvals import checking, service
from portal.staff.approvals.models import Approval
from portal.staff.approvals.service import Action
from portal.staff.roles import Role
from tests.incidents.conftest import SLUG
from tests.incidents.console.test_statement import EDITOR, PARTS, PUBLISH, approve
from tests.incidents.console.test_timeline import TEXT, TIMELINE
from tests.visitor import main_of

LEAK = "zxq34911222333"
LEAKS = PARTS | {"section3": f"We closed the way in. Call {LEAK} for that."}
WITHDRAW = f"/incidents/{SLUG}/withdraw/version/1/"
GONE = "Its text was erased later, because it revealed something private."


@pytest.fixture
def holders(db):
    """Names the tables that hold the leak."""

    def find():
        found = set()
        with db.read() as session:
            for table in Base.metadata.sorted_tables:
                for row in session.execute(select(table)):
                    values = [bytes(one) if isinstance(one, memoryview) else one for one in row]
                    if LEAK in str(values):
                        found.add(table.name)
        return found

    return find


@pytest.fixture
def verified(office):
    """What `portal audit verify` says of requests: how many were destroyed, and the faults."""

    def check():
        with office.db.snapshot() as session:
            counts, faults = checking.check(session, office.parts.vault)
        return counts["destroyed"], faults

    return check


@pytest.fixture
def leaking(draft, ana, ben, office):
    """A public version that leaks, once sent back before, and a second one that is asked for; its pages."""
    ana.send(EDITOR, **LEAKS | {"title": "Your booking was stolen"})
    back = ana.send(PUBLISH, language="en").location
    ben.send(back, to=f"{back}send-back/", comment="Say that it was copied.")
    ana.send(EDITOR, **LEAKS)
    done = ana.send(PUBLISH, language="en").location
    approve(ben, done)
    office.advance(timedelta(minutes=1))
    ana.send(EDITOR, **LEAKS | {"section5": "Write to us."}, note="We have no phone any more.")
    return back, done, ana.send(PUBLISH, language="en").location


def rows_of(db):
    with db.read() as session:
        return {bytes(row.id): dict(row) for row in session.execute(select(Approval.__table__)).mappings()}


def test_staff_find_no_word_of_an_erased_version(leaking, ana, ben, office, holders, verified, sign_in):
    assert holders() == {"incidents_drafts", "incidents_statements", "staff_approvals"}
    assert verified() == (0, [])
    before = rows_of(office.db)
    assert "All drafts of the statement are destroyed too." in ana.read(WITHDRAW)
    assert ana.send(WITHDRAW, reason="It leaks.", erase="yes").status_code == 303
    assert holders() == set()
    eve = sign_in("Eve", Role.SUPPORT)
    for page, state in zip(leaking, ("Sent back", "Approved and done", "Withdrawn"), strict=True):
        shown = main_of(eve.read(page))
        assert GONE in shown
        assert state in shown
    assert PARTS["apology"] not in ana.read(EDITOR)
    assert verified() == (3, [])
    first, *_others = after = rows_of(office.db)
    with office.db.write() as session:  # as from a backup: its row MAC is right
        session.execute(update(Approval).where(Approval.id == first).values(before[first]))
    count, faults = verified()
    assert count == len(after) - 1
    assert "shows a text that the log has as destroyed: an earlier row was put back" in faults[0]
    assert len(faults) == 1


def test_the_command_erases_as_the_console_does(leaking, portal, holders, verified):
    words = ("incidents", "withdraw", SLUG, "--version", "1", "--reason", "It leaks.", "--erase")
    told = portal(*words, status=2).output
    assert "All drafts of the statement in the staff console are destroyed too." in told
    assert "What staff were shown of it to approve is destroyed too" in told
    assert len(holders()) == 3
    portal(*words, "--confirm")
    assert holders() == set()
    assert verified() == (3, [])


def test_what_another_version_says_stays_as_it_was_approved(draft, ana, ben, office, holders, verified):
    ana.send(EDITOR, **PARTS)
    approve(ben, first := ana.send(PUBLISH, language="en").location)
    office.advance(timedelta(minutes=1))
    ana.send(EDITOR, **LEAKS, note="It said too little before.")
    approve(ben, ana.send(PUBLISH, language="en").location)
    ana.send(WITHDRAW.replace("/1/", "/2/"), reason="It leaks.", erase="yes")
    assert holders() == set()
    shown = ben.read(first)
    assert PARTS["section3"] in shown
    assert GONE not in shown
    assert PARTS["section3"] in ana.read(EDITOR)
    assert verified() == (1, [])


def test_staff_find_no_word_of_an_erased_update(published, ana, ben, office, holders, verified, settings):
    where = ana.send(TIMELINE, to=f"{TIMELINE}new/", phase="contained").location
    ana.send(where, **TEXT | {"body:en": f"Call {LEAK}."})
    approve(ben, done := ana.send(f"{where}post/", how="two").location)
    office.advance(timedelta(minutes=1))
    edit = ana.send(TIMELINE, to=f"{TIMELINE}edit/1/").location
    ana.send(edit, **TEXT | {"body:en": "Call us."})
    asked = ana.send(f"{edit}post/", how="two").location
    with office.db.read() as session:
        assert any(one.startswith("update:edit") for one in session.scalars(select(Draft.document)))
    ana.send(f"/incidents/{SLUG}/withdraw/update/1/", reason="It leaks.", erase="yes")
    assert holders() == set()
    for page in (done, asked):
        shown = main_of(ben.read(page))
        assert GONE in shown
        assert "Cerramos" not in shown
    assert "Approve it" not in ben.read(asked)
    assert verified() == (2, [])
    with office.db.read() as session:
        assert not any(one.startswith("update:edit") for one in session.scalars(select(Draft.document)))


def test_the_words_of_notices_since_then_are_destroyed_in_their_requests(
    leaking, ana, office, holders, verified
):
    def shows(_session, fields):
        return {"incident": SLUG, "number": fields["notice"], "words": {"en": {"title": LEAK}}}

    action = Action(shows, lambda *_: {}, frozenset({Role.AUTHOR}))
    now = office.clock.now()
    with office.db.write() as session:
        for number, at in (("1", now - timedelta(days=1)), ("2", now)):
            fields, by = {"incident": SLUG, "notice": number}, office.people["Ana"].id
            service.ask(session, office.parts.vault, action, "notice.start", fields, "", by, at)
    ana.send(WITHDRAW, reason="It leaks.", erase="yes")
    kept = [row for row in rows_of(office.db).values() if LEAK in row["shown"]]
    assert [row["fields"] for row in kept] == [f'{{"incident":"{SLUG}","notice":"1"}}']
    assert verified() == (4, [])
