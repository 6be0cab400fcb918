"""While a notice waits for a second person, each page that shows it says so in the same words."""

from dataclasses import replace

from portal.console.actions import ACTIONS
from portal.incidents import service as incidents
from portal.incidents.drafts import facts
from portal.staff.approvals import service as approvals
from tests.campaigns.conftest import SLUG, STATEMENT, numbered
from tests.colleagues import press

NEW = f"/notices/{SLUG}/new/"
ONE = f"/notices/{SLUG}/1/"
KIND = "incident.facts"


def asked(operator, author):
    operator.statement(STATEMENT)
    operator.live(numbered(9))
    assert author.submit(NEW, kind="first", base="all").location == ONE
    return press(author, ONE, f"{ONE}ask/", note="").location


def test_whose_turn_it_is_is_said_in_one_way_and_an_edit_in_another(operator, office):
    author, ben = office.as_role("author"), office.seat(office.add("approver", name="Ben"))
    request = asked(operator, author)
    for who, page, said in (
        (author, ONE, "Ben must approve this"),
        (author, f"{ONE}edit/", "Ben must approve this"),
        (ben, ONE, "You can approve this"),
    ):
        seen = who.get(page).text
        assert f"<h2>{said}</h2>" in seen
        assert f'</time>. <a href="{request}">See what was asked for</a>' in seen
        assert "Any edit cancels it." in seen
        assert ("Withdraw the request" in seen) == (who is author)
        assert "Ask for approval</button>" not in seen
    assert f'<a href="{request}">Waits for approval' in author.get("/notices/").text
    assert author.submit(f"{ONE}edit/", kind="first", base="all", per_hour="100").location == ONE
    seen = author.get(ONE).text
    assert "<h2>An edit cancelled the request for approval</h2>" in seen
    assert f'<a href="{request}">See what was asked for</a>' in seen
    assert "must approve this" not in seen
    assert "Waits for approval" not in author.get("/notices/").text


def test_the_first_page_says_how_many_requests_wait_and_leads_to_them(operator, office):
    author, ben = office.as_role("author"), office.seat(office.add("approver", name="Ben"))
    request = asked(operator, author)
    assert f'<a class="button" href="{request}">Check the request' in ben.get("/").text
    by, now = office.add("author").id, office.clock.now()
    with office.db.write() as session:
        fields = replace(facts.of_incident(incidents.by_slug(session, SLUG)), title="Theft").fields
        approvals.ask(session, office.parts.vault, ACTIONS[KIND], KIND, fields, "", by, now)
    assert '<a class="button" href="/approvals/">Check 2 requests</a>' in ben.get("/").text
