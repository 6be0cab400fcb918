"""What anybody types is shown to staff as text: no page of the console makes markup or a link of it."""

import re
from html import escape

import pytest

from portal.crypto.webauthn import RelyingParty
from portal.staff import members, sessions
from portal.staff.sign_in import credentials
from tests.accounts.passkeys.authenticator import Authenticator
from tests.campaigns.conftest import SLUG, STATEMENT, numbered, operator  # noqa: F401 - a fixture
from tests.campaigns.test_series import start
from tests.colleagues import press
from tests.exposure.console.conftest import Sender, lists  # noqa: F401 - a fixture
from tests.incidents.console.test_statement import PARTS
from tests.people_files.workbooks import sheet, write

# Templates do not depend on the database.
pytestmark = pytest.mark.sqlite

ORIGIN = "http://localhost:8001"
INCIDENT, NOTICE = f"/incidents/{SLUG}/", f"/notices/{SLUG}/1/"
TIMELINE, PUBLISH = f"{INCIDENT}timeline/", f"{INCIDENT}statement/publish/"


def typed(field):
    """A formula for a spreadsheet, which ends an attribute, begins an element and is a link in Markdown."""
    return f"={field}\"'><i id=x>[x](data:x)"


def shows(html, field):
    """Whether a page shows what was typed there; fails where a page made markup of anything typed."""
    assert "<i id=x" not in html
    assert not re.search(r"""<[^>]*(href|src|action)=["']?\s*(data:|=)""", html)
    return escape(typed(field)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in html


@pytest.fixture
def eve(office):
    """Somebody whose name, browser and passkey are such words; gives the browser they sit at."""
    colleague = office.add("author", "approver", "privacy", "admin", name="Eve")
    vault, now = office.parts.vault, office.clock.now()
    party, key = RelyingParty("localhost", ORIGIN, "Northwind Travel"), Authenticator(origin=ORIGIN)
    made = party.register(key.create(party.creation(b"c" * 32, colleague.id, "Eve", ())), b"c" * 32)
    with office.db.write() as session:
        member = members.verified(session, vault, colleague.id)
        members.activate(session, vault, member, typed("name"), "en")
        credentials.add_passkey(session, vault, member.id, typed("passkey"), made, now)
        member = members.verified(session, vault, member.id)
        sessions.begin(session, vault, member, "code", typed("browser"), now)
    return office.seat(colleague)


@pytest.fixture
def send(eve):
    """Fill in a page's form and send it; gives where it leads."""

    def run(page, to=None, /, **fields):
        answer = press(eve, page, to or page, **fields)
        assert answer.status_code == 303, answer.text
        return answer.location

    return run


def test_what_colleagues_are_called_and_sign_in_with_is_text(eve):
    for page, field in (("/staff/", "name"), ("/me/", "name"), ("/me/", "passkey"), ("/me/", "browser")):
        assert shows(eve.get(page).text, field), (page, field)


def test_what_is_said_for_an_approval_and_of_a_pause_is_text(operator, eve, send):  # noqa: F811 - the fixture
    operator.statement(STATEMENT)
    operator.live(numbered(3))
    start(operator)
    send(NOTICE, f"{NOTICE}pause/", reason=typed("pause"))
    send(f"{INCIDENT}statement/en/", **PARTS, note="The first text said too little.")
    asked = send(PUBLISH, language="en", reason=typed("reason"))
    for page, field in ((NOTICE, "pause"), ("/today/", "pause"), (asked, "reason")):
        assert shows(eve.get(page).text, field), (page, field)


def test_what_an_update_and_its_withdrawal_say_is_text(operator, eve, send):  # noqa: F811 - the fixture
    operator.statement(STATEMENT)
    entry, draft = send(TIMELINE, f"{TIMELINE}new/", phase="contained"), {"phase": "contained", "zone": "UTC"}
    draft["occurred"] = "2026-11-22 08:30"
    send(entry, **draft, **{"title:en": typed("title"), "body:en": typed("body")})
    for page in (entry, f"{entry}post/"):
        assert shows(eve.get(page).text, "title")
        assert shows(eve.get(page).text, "body")
    assert shows(eve.get(TIMELINE).text, "title")
    send(entry, **draft, **{"title:en": "We closed the gap", "body:en": "Nobody can get in that way."})
    send(f"{entry}post/", how="alone", reason=typed("alone"))
    (look,) = re.findall(rf'href="({TIMELINE}alone/\w+/)"', eve.get(TIMELINE).text)
    for page in (look, TIMELINE):
        assert shows(eve.get(page).text, "alone"), page
    send(f"{INCIDENT}withdraw/update/1/", reason=typed("withdrawal"))
    for page in ("/today/", "/audit/"):
        assert shows(eve.get(page).text, "withdrawal"), page


def test_the_name_of_a_workbooks_sheet_is_text(office, lists, eve, tmp_path):  # noqa: F811 - the fixture
    people = sheet(("email",), ("ana@mail.example",))
    content = write(tmp_path / "a.xlsx", {escape(typed("sheet")): people, "Two": people}).read_bytes()
    answer = Sender(office, eve).send_form(content, "a.xlsx")
    assert answer.status_code == 422
    assert shows(answer.text, "sheet")
