"""A NUL, which PostgreSQL takes in no text, is the sender's fault: no page says that the database failed."""

import re
from pathlib import Path

import pytest

from portal.incidents import service
from tests.staff.test_roles import address
from tests.visitor import SAME_SITE, hidden

ROOT = Path(__file__).parents[2]
SLUG = "booking"
KINDS = (".py", ".html")
NUL = "x\0y"
ROLES = ("author", "approver", "support", "privacy", "admin")


def names(pattern, *folders):
    """What a pattern finds in the files of some folders."""
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.*") if file.suffix in KINDS]
    return sorted(
        {found for file in files for found in re.findall(pattern, file.read_text(encoding="utf-8"))}
    )


QUERY = [*names(r"request\.args\.get\(.(\w+)", "portal"), "link", "since", "until", "who", "group", NUL]
FIELDS = [
    *names(r'name="([\w-]+)"', "templates"),
    *names(r"request\.form\.get(?:list)?\(.(\w+)", "portal"),
    *names(r"(?m)^ {4}(\w+) = \w*Field\(", "portal"),
    "title:en",
    "body:en",
    "own-en",
    NUL,
]


@pytest.mark.parametrize("site", ["public", "console"])
def test_no_null_character_of_an_address_or_a_form_reaches_the_database(site, office, app, client):
    with office.db.write() as session:
        service.create(session, SLUG, "Theft of bookings", ("Names",), office.clock.now())
    if site == "console":
        app, client = office.app, office.as_role(*ROLES)
    token = hidden(client.get("/" if site == "console" else "/check/").text)
    form, seen, wrong = dict.fromkeys(FIELDS, NUL) | token, set(), []
    for at, rule in enumerate(app.url_map.iter_rules()):
        if rule.rule in ("/static/<path:filename>", "/sign-out/"):
            continue
        path = address(rule.rule.replace("<slug>", SLUG))
        if "GET" in rule.methods:
            name = QUERY[at % len(QUERY)]
            status = client.get(path, query_string={name: NUL}).status_code
            if status not in (400, 404, 410):
                wrong.append((rule.rule, name, status))
        if "<" in rule.rule:
            status = client.get(re.sub(r"<[^>]+>", "%00", rule.rule)).status_code
            if status not in (404, 405):
                wrong.append((rule.rule, "path", status))
        if "POST" in rule.methods:
            status = client.post(path, data=form, headers=SAME_SITE).status_code
            seen.add(status)
            if status >= 500:
                wrong.append((rule.rule, "form", status))
    assert wrong == []
    assert len(seen) > 2, "forms were looked at"


@pytest.mark.parametrize("site", ["public", "console"])
def test_a_line_end_in_an_address_breaks_no_page(site, office, app, client):
    if site == "console":
        app, client = office.app, office.as_role(*ROLES)
    token = hidden(client.get("/" if site == "console" else "/check/").text)
    paths = [
        re.sub(r"<[^>]+>", "x%0d%0aLocation:%20y", rule.rule)
        for rule in app.url_map.iter_rules()
        if "<" in rule.rule and rule.endpoint != "static"
    ]
    answers = [client.get(path) for path in paths]
    answers += [client.post(path, data=token, headers=SAME_SITE) for path in paths]
    assert max(answer.status_code for answer in answers) < 500
    if site == "console":
        assert {answer.status_code for answer in answers} <= {403, 404, 405, 410}
