"""What search engines and link previews are told: the public pages are found, and nothing personal is."""

import re
from html import unescape

import pytest

from portal.incidents import service as incidents

# What a page says of itself is the same on either database.
pytestmark = pytest.mark.sqlite

TOKEN = "abcdefghijklmnopqrstuvwxyz234567"
PAGE = "/incidents/november/"
LISTED = ("/", "/incidents/", PAGE, "/protect-yourself/", "/privacy/", "/imprint/", "/accessibility/")
FORMS = ("/check/", "/reset/")  # so that no copy of them is found first
UNLISTED = (
    "/check/sent/", "/check/answer/", f"/check/answer/{TOKEN}/", "/reset/sent/", "/reset/choose/",
    "/reset/done/", f"/reset/{TOKEN}/", "/sign-in/", "/sign-out/", "/account/", "/subscribe/",
    f"/subscribe/confirm/{TOKEN}/", f"/unsubscribe/{TOKEN}/", "/is-it-real/", "/reminders/elsewhere/",
    "/language/",
)  # fmt: skip
NOT_IN_HEAD = '<meta name="robots" content="noindex">'


@pytest.fixture
def november(db, clock):
    with db.write() as session:
        incidents.create(session, "november", "Theft of “bookings”", ("Names",), clock.now())
    with db.write() as session:
        incidents.publish(session, "november", clock.now())


def told(page: str) -> dict[str, str]:
    """What the head says, by name or property."""
    head = page.partition("</head>")[0]
    found = re.findall(r'<meta (?:name|property)="([\w:]+)" content="([^"]*)">', head)
    return {name: unescape(content) for name, content in found}


@pytest.mark.parametrize("path", [*LISTED, *FORMS])
def test_a_page_that_may_be_found_says_what_it_is(client, november, path):
    answer = client.get(path)
    assert "X-Robots-Tag" not in answer.headers
    assert NOT_IN_HEAD not in answer.text
    about = told(answer.text)
    assert 10 < len(about["description"]) < 160
    assert about["og:description"] == about["description"]
    assert about["og:title"]
    assert (about["og:locale"], about["og:site_name"]) == ("en", "Northwind Travel")
    address = "http://localhost:8000" + (PAGE if path == "/" else path)
    assert about["og:url"] == address
    assert answer.text.count(f'<link rel="canonical" href="{address}">') == 1


@pytest.mark.parametrize("path", UNLISTED)
def test_a_page_about_a_person_is_not_found(client, november, path):
    answer = client.get(path)
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert answer.status_code in (302, 303) or NOT_IN_HEAD in answer.text


def test_an_error_is_not_found_and_describes_nothing(client):
    page = client.get("/nothing/").text
    assert NOT_IN_HEAD in page
    assert "og:" not in page


def test_a_preview_names_the_incident_unless_it_is_discreet(client, db, clock, november):
    before = told(client.get(PAGE).text)
    assert before["og:title"] == "Theft of “bookings”"
    assert before["og:type"] == "article"
    with db.write() as session:
        incidents.set_discreet(session, "november", clock.now(), discreet=True)
    after = told(client.get(PAGE).text)
    assert after["og:title"] == "Northwind Travel"
    assert after["description"] == "Information from Northwind Travel for its customers"
    assert "bookings" not in "".join(after.values())


def test_an_address_breaks_where_it_may_and_is_copied_in_one_piece(client):
    page = client.get("/check/").get_data(as_text=True)  # `text` has addresses in one piece
    assert '<a href="mailto:help@northwind.example">help@<wbr>northwind<wbr>.example</a>' in page
