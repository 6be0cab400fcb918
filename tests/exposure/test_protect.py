"""What anyone can do after a breach, by kind of data."""

import re
from html import unescape

from portal.exposure import advice, protect, taxonomy


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


def test_its_links_lead_to_pages_that_are_there(client):
    page = client.get("/protect-yourself/").text
    main = page.split("<main")[1].split("</main>")[0]
    links = set(re.findall(r'href="(/[^"]*)"', main))
    assert {"/check/", "/reset/", "/account/reminders/", "/reminders/elsewhere/", "/reminders/3.ics"} <= links
    for link in links:
        assert client.get(link).status_code in (200, 303), link
