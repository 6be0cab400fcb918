"""What anyone can do after a breach, by kind of data."""

import re
from html import unescape

import pytest

from portal.datakinds import advice, protect, taxonomy
from portal.incidents import service as incidents


def test_every_class_stands_in_one_kind_with_all_of_its_advice():
    listed = [name for kind in protect.kinds() for name, _urgency in kind.classes]
    assert sorted(listed) == sorted(one.name for one in taxonomy.load())
    for kind in protect.kinds():
        offered = {piece.key for piece in kind.advice}
        for name, _urgency in kind.classes:
            assert set(taxonomy.find(name).advice) <= offered


def test_no_kind_says_the_same_thing_twice_and_the_worst_comes_first():
    for kind in protect.kinds():
        keys = [piece.key for piece in kind.advice]
        assert len(keys) == len(set(keys))
        severities = [taxonomy.find(name).severity for name, _urgency in kind.classes]
        assert severities == sorted(severities, reverse=True)


def test_the_page_is_the_same_for_everyone_and_may_be_cached(client):
    answer = client.get("/protect-yourself/")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"].startswith("public")
    assert "Set-Cookie" not in answer.headers
    page = unescape(answer.text)
    for kind in protect.kinds():
        assert f'id="{kind.key}"' in page
    for piece in advice.load().values():
        assert piece.title in page
    assert "NIST, advise against it" in page


def folded(page: str) -> dict[str, str]:
    """The words of each folded thing under its anchor, in the order of the page."""
    found = re.findall(r'<details id="([\w-]+)">(.*?)</details>', unescape(page), re.DOTALL)
    assert len(dict(found)) == len(found), "an anchor leads to one place"
    return dict(found)


def test_what_to_do_about_exposed_data_comes_first_by_action_and_most_urgent_first(lists, client):
    with lists.db.write() as session:
        (incident,) = incidents.published(session)
        incident.classes = "Names;Partial credit card data;Passwords"
    page = unescape(client.get("/protect-yourself/").text)
    first, others = page.partition("What was taken</h2>")[2].split('<h2 id="other-data">')
    actions = folded(first)
    assert list(actions) == [
        "do-new-password", "do-reused-password", "do-watch-card", "do-expect-calls", "do-expect-phishing"
    ]  # fmt: skip
    assert "Urgent" in actions["do-new-password"]
    assert "For: Passwords" in actions["do-new-password"]
    assert "For: Names" in actions["do-expect-phishing"]
    assert "Sexual fetishes" not in first
    assert list(folded(others)) == [kind.key for kind in protect.kinds()]
    assert "Sexual fetishes" in folded(others)["private-life"]
    assert "Passwords" not in re.split(r"[,.]", re.sub(r"<[^>]*>|\s", "", folded(others)["sign-in"]))
    assert "Urgent" not in others


@pytest.mark.parametrize("classes", ["", "Names;Partial credit card data;Passwords"])
def test_every_piece_of_advice_stands_on_the_page_once_and_is_linked_where_it_helps_too(
    lists, client, classes
):
    with lists.db.write() as session:
        (incident,) = incidents.published(session)
        incident.classes = classes
    page = unescape(client.get("/protect-yourself/").text)
    for piece in advice.load().values():
        assert page.count(f'id="do-{piece.key}"') == 1
        assert page.count(f"<li>{piece.steps[0]}</li>") == 1
    assert '<a href="#do-expect-phishing">' in folded(page)["shopping"]


def test_without_an_incident_no_kind_seems_involved(client):
    page = client.get("/protect-yourself/").text
    assert "What was taken" not in page
    assert "Urgent" not in page
    assert list(folded(page)) == [kind.key for kind in protect.kinds()]


def test_its_links_lead_to_pages_that_are_there(client):
    page = client.get("/protect-yourself/").text
    main = page.split("<main")[1].split("</main>")[0]
    links = set(re.findall(r'href="(/[^"]*)"', main))
    assert {"/check/", "/reset/", "/account/reminders/", "/reminders/elsewhere/", "/reminders/3.ics"} <= links
    for link in links:
        assert client.get(link).status_code in (200, 303), link
