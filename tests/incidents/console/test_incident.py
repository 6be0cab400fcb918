"""A newcomer begins an incident, writes it and sees it public, without a document or a shell."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from markupsafe import escape

from portal.incidents import service
from portal.incidents.drafts import facts
from portal.incidents.drafts.releasing import NotReleasable
from portal.staff.roles import Role
from tests.incidents.console.test_statement import PARTS, approve

NEW = "/incidents/new/"


def test_an_incident_is_begun_and_its_first_statement_published(ana, ben, client):
    assert "There’s no incident yet." in ana.read("/incidents/")
    begun = ana.send(
        NEW,
        **{"title": "Theft of our order archive", "title:es": "Robo", "happened": "2026-10-28"},
        **{"class": ["Names", "Email addresses"]},
    )
    assert begun.location == "/incidents/theft-of-our-order-archive/statement/"
    ana.send(ana.get(begun.location).location, **PARTS)
    asked = ana.send(f"{begun.location}publish/", language="en")
    approve(ben, asked.location)
    page = client.get("/incidents/theft-of-our-order-archive/").text
    assert PARTS["apology"] in page
    assert "Robo" in client.get("/incidents/", headers={"Accept-Language": "es"}).text
    listed = ana.read("/incidents/")
    assert "Theft of our order archive" in listed
    assert "Public" in listed


def test_what_is_wrong_is_said_and_what_was_typed_stays(ana, draft):
    right = {"title": "Theft", "class": ["Names"]}
    for wrong, said in (
        ({"title": " "}, "Give a title"),
        ({"class": []}, "Name at least one kind of data."),
        ({"class": ["Dreams"]}, "We don’t know one"),
        ({"happened": "yesterday"}, "Enter the day like 2026-11-29"),
        ({"happened": "2026-12-29"}, "It can’t be in the future."),
        ({"slug": "Two Words"}, "lower-case letters"),
        ({"slug": draft}, "Choose another one."),
    ):
        refused = ana.send(NEW, **right | wrong)
        assert refused.status_code == 422
        assert said in refused.text
    assert 'value="booking"' in refused.text


def test_all_that_is_wrong_is_said_at_once_and_leads_to_its_field(ana):
    page = ana.send(NEW, title=" ", happened="yesterday").text
    assert page.count('aria-invalid="true"') == 2
    for field in ("title", "happened", "classes"):
        assert f'<li><a href="#{field}">' in page
        assert f'id="{field}"' in page
        assert f'id="{field}-error"' in page


def test_when_it_was_found_out_is_asked_at_once_and_shown_with_the_facts(ana, db):
    known = {"title": "Theft", "class": ["Names"]}
    for wrong in ("2026-12-29 10:00", "1999-11-01 10:00", "at noon"):
        refused = ana.send(NEW, **known, discovered=wrong)
        assert refused.status_code == 422
        assert '<li><a href="#discovered">' in refused.text
    ana.send(NEW, **known, discovered="2026-11-20 14:30")
    with db.read() as session:
        incident = service.by_slug(session, "theft")
        assert incident.discovered_at == datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    page = ana.read("/incidents/theft/facts/")
    assert re.search(r"You found out .*2026-11-20T14:30", page)
    assert 'href="/checklist/theft/discovered/"' in page


def test_an_author_comes_to_the_statement_in_their_language(ana, draft):
    ana.set_cookie("language", "es")
    assert ana.get(f"/incidents/{draft}/statement/").location == f"/incidents/{draft}/statement/es/"


def test_the_facts_of_a_draft_change_at_once_and_of_a_public_one_with_a_second_person(
    ana, ben, published, client, portal
):
    page = f"/incidents/{published}/facts/"
    given = {"title": "Theft of all bookings", "class": ["Names", "Passwords"], "happened": "2026-11-03"}
    asked = ana.send(page, **given)
    assert asked.location.startswith("/approvals/")
    assert "Theft of all bookings" not in client.get("/incidents/").text
    assert "Theft of all bookings" in ben.read(asked.location)
    approve(ben, asked.location)
    assert "Theft of all bookings" in client.get("/incidents/").text
    shown = portal("incidents", "show", published).output
    assert "data with the next publish: Names; Passwords" in shown
    assert "happened: 2026-11-03" in shown
    assert ana.send(page, **given).status_code == 422  # nothing changes
    portal("incidents", "create", "other", "--title", "Other", "--classes", "Names")
    saved = ana.send("/incidents/other/facts/", title="Another", **{"class": ["Names"]}, discreet="yes")
    assert saved.location == "/incidents/other/facts/"
    assert "discreet" in portal("incidents", "show", "other").output


def test_only_who_writes_or_approves_begins_incidents(sign_in):
    assert sign_in("Eve", Role.ADMIN).get(NEW).status_code == 403


def test_a_taken_console_cannot_change_a_public_incident_alone(published, db, worker_parts, clock, client):
    with db.read() as session:
        now = facts.of_incident(service.by_slug(session, published))
    for wanted in (replace(now, title="All is well"), replace(now, discreet=True)):
        with db.write() as session, pytest.raises(NotReleasable, match="approval"):
            facts.change(session, worker_parts.vault, wanted, None, clock.now())
    assert "All is well" not in client.get("/incidents/").text


@pytest.mark.parametrize("title", ["{}", '{"en": "Theft of all bookings"}', "{Update} Theft", "yes"])
def test_a_title_is_shown_for_approval_exactly_as_it_was_typed(published, ana, ben, title):
    asked = ana.send(f"/incidents/{published}/facts/", title=title, **{"class": ["Names"]})
    page = ben.get(asked.location)
    assert page.status_code == 200
    assert f"<dd>{escape(title)} (" in page.text
