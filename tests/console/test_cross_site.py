"""No form of the console counts without its token, with another's, or sent by another site."""

import re

import pytest

from tests.campaigns.conftest import SLUG, operator  # noqa: F401 - a fixture
from tests.colleagues import press
from tests.console.test_ids_of_another_incident import everything, ids  # noqa: F401 - a fixture
from tests.staff.test_roles import OPEN
from tests.visitor import SAME_SITE, hidden

# The console's forms do not depend on the database.
pytestmark = pytest.mark.sqlite

REFUSED = {400, 422}  # 422: the page again, with what was typed


@pytest.fixture
def forms(office, ids):  # noqa: F811 - the fixture
    """Every closed address that takes a form or a file, with ids that exist, and how it takes it."""
    admin = office.add("admin")
    asked = office.seat(admin).submit("/staff/new/", email="eve@northwind.example", roles=["author"])
    words = ids | {"slug": SLUG, "item": "insurer", "language": "en", "what": "update", "name": "privacy.en"}
    words |= {"approval_id": asked.location.split("/")[-2], "member_id": admin.id.hex(), "run_id": "1"}
    return [
        (method, re.sub(r"<(?:[^>]*:)?(\w+)>", lambda found: words[found[1]], rule.rule))
        for rule in office.app.url_map.iter_rules()
        for method in sorted(rule.methods & {"POST", "PUT", "PATCH", "DELETE"})
        if rule.rule not in {*OPEN, "/sign-out/"}
    ] + [("POST", "/sign-out/")]


def test_what_another_site_sends_or_names_no_token_changes_nothing(office, forms):
    browser = office.seat(office.add("author", "approver", "support", "privacy", "admin"))
    token = hidden(browser.get("/").text)["csrf_token"]
    another = hidden(office.browser().get("/sign-in/").text)["csrf_token"]
    ways = {
        "none": ("", SAME_SITE),
        "another's": (another, SAME_SITE),
        "elsewhere": (token, {"Sec-Fetch-Site": "cross-site"}),
    }
    counted, before = {}, everything(office.db)
    for method, path in forms:
        for way, (given, headers) in ways.items():
            form = {"csrf_token": given, "reason": "Because.", "erase": "yes"}
            sent = {"data": form if method == "POST" else b"x"}
            said = headers | {"X-CSRFToken": given, "Upload-Offset": "0"}
            status = browser.open(path, method=method, headers=said, **sent).status_code
            if status not in REFUSED:
                counted[way, method, path] = status
    assert counted == {}
    assert len(forms) > 50
    assert everything(office.db) == before
    elsewhere = {"data": {"csrf_token": token}, "headers": {"Sec-Fetch-Site": "same-site"}}
    assert browser.post("/sign-out/", **elsewhere).status_code == 400
    assert press(browser, "/mail/", "/mail/pause/", reason="The relay is down").status_code == 303
