"""What is said before a publication: of a promise, of whose turn it is, of pages that are still drafts."""

import re
from datetime import timedelta

import pytest

from portal.staff.roles import Role
from tests.incidents.conftest import SLUG
from tests.incidents.console.test_statement import EDITOR, PARTS, PUBLISH, approve
from tests.visitor import main_of


@pytest.fixture
def promised(draft, ana, ben, office):
    """A holding statement is public, and its whole text is written."""
    ana.send(EDITOR, **PARTS | {"section2": "", "section3": "", "section5": ""}, kind="holding")
    approve(ben, ana.send(PUBLISH, language="en", more_by="2026-11-23 18:00").location)
    office.advance(timedelta(minutes=1))  # a code works once
    ana.send(EDITOR, **PARTS, kind="whole")
    return {"language": "en", "accept": "class-mismatch"}


PROMISE = "We’ll say more by"


@pytest.mark.parametrize(
    ("typed", "told", "shown"),
    [
        (
            {"promise": "keep", "more_by": "2026-11-25 12:00"},
            r"25 November 2026, 12:00&nbsp;UTC</time> \(instead of <time [^>]*>23 November 2026, 18:00&nbsp;",
            "25 November",
        ),
        (
            {"promise": "end"},
            r"The promise is dropped: readers no longer see <time [^>]*>23 November",
            "",
        ),
    ],
)
def test_whoever_replaces_a_holding_statement_says_what_becomes_of_its_promise(
    promised, ana, ben, client, typed, told, shown
):
    page = main_of(ana.read(PUBLISH))
    assert "Readers see that you’ll say more by" in page
    assert 'name="promise" value="keep" checked' in page
    assert 'name="more_by" value="2026-11-23 18:00"' in page
    unsaid = ana.send(PUBLISH, **promised)
    assert unsaid.status_code == 422
    assert '<li><a href="#promise">What you promised: Choose whether readers are promised' in unsaid.text
    asked = ana.send(PUBLISH, **promised, **typed)
    assert re.search(told, ben.read(asked.location))
    approve(ben, asked.location)
    public = client.get(f"/incidents/{SLUG}/").text
    assert PARTS["section3"] in public
    assert (PROMISE in public) is bool(shown)
    assert re.search(rf"{PROMISE} <time [^>]*>{shown}", public) or not shown


@pytest.mark.sqlite  # what a page shows is no matter of the database
def test_a_promise_that_passed_is_let_go_or_renewed_and_never_kept_as_it_is(promised, sign_in, office):
    office.advance(timedelta(days=1))
    ana = sign_in("Ana Ruiz")
    page = main_of(ana.read(PUBLISH))
    assert "checked" not in page.split('id="promise"')[1].split("</fieldset>")[0]
    assert ana.send(PUBLISH, **promised, promise="keep", more_by="2026-11-23 18:00").status_code == 422
    wrong = ana.send(PUBLISH, **promised, promise="keep", more_by="tomorrow")
    assert re.search(r'id="more_by-error">Enter a time [^<]*2026-11-25 14:30', wrong.text)


@pytest.mark.sqlite  # as above
def test_while_a_request_waits_its_page_says_whose_turn_it_is_and_asks_for_nothing_else(draft, ana, ben):
    ana.send(EDITOR, **PARTS)
    asked = ana.send(PUBLISH, language="en", accept="class-mismatch")
    for page in (EDITOR, PUBLISH):
        shown = main_of(ana.read(page))
        assert "Ben must approve this" in shown
        assert f'action="{asked.location}withdraw/"' in shown
        assert "Ask for approval" not in shown
        assert "Publish this text" not in shown
        assert "/withdraw/" not in main_of(ben.read(page))
    assert f'<a href="{asked.location}">Waits for approval</a>' in ana.read("/incidents/")
    ana.send(EDITOR, to=f"{asked.location}withdraw/")
    assert "must approve this" not in ana.read(EDITOR)
    assert "Ask for approval" in ana.read(PUBLISH)
    assert "waits for approval" not in ana.read("/incidents/")


@pytest.mark.sqlite  # what a page shows is no matter of the database
def test_whoever_publishes_reads_that_legal_pages_are_drafts(draft, ana, sign_in):
    ana.send(EDITOR, **PARTS)
    assert "Your legal pages are still drafts" in ana.read(PUBLISH)
    admin = sign_in("Eve", Role.AUTHOR, Role.ADMIN)
    assert '<a href="/settings/imprint.en/">Legal notice</a>' in admin.read(PUBLISH)
    assert ana.send(PUBLISH, language="en", accept="class-mismatch").status_code == 303
