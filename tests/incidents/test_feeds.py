"""Feeds that readers' programs understand, and that stay the same where nothing changed."""

import json
import re
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import text as sql

from portal.incidents import service
from tests.incidents.conftest import SLUG, STATEMENT

# What a feed says; what it reads is tried on both databases in this folder's other files.
pytestmark = pytest.mark.sqlite

ATOM = {"a": "http://www.w3.org/2005/Atom"}
URN = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
HOSTILE = '</title><script>alert(1)</script> & "quotes" ]]>'


@pytest.fixture
def two_updates(portal, write, published, clock):
    """Two updates: the second was written later, and tells of an earlier time."""
    portal(
        "incidents",
        "update",
        SLUG,
        "--phase",
        "contained",
        "--title",
        "Closed",
        write("We [closed](/check/) it."),
    )
    clock.advance(timedelta(hours=1))
    earlier = write("---\noccurred_at: 2026-11-01T08:00Z\n---\nWe *saw* it.")
    portal("incidents", "update", SLUG, "--phase", "detected", "--title", "Seen", earlier)


def entries(client, path="/feed.atom", **headers):
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return ET.fromstring(answer.text).findall("a:entry", ATOM)


def text(element: ET.Element, name: str) -> str:
    found = element.findtext(f"a:{name}", namespaces=ATOM)
    assert found is not None, name
    return found


@pytest.mark.parametrize("path", ["/feed.atom", f"/incidents/{SLUG}/feed.atom"])
def test_the_atom_feed_is_what_the_standard_asks_for(client, two_updates, path):
    answer = client.get(path)
    assert answer.content_type == "application/atom+xml; charset=utf-8"
    feed = ET.fromstring(answer.text)
    assert URN.fullmatch(text(feed, "id")) or text(feed, "id").startswith("urn:uuid:")
    assert RFC3339.fullmatch(text(feed, "updated"))
    assert feed.findtext("a:author/a:name", namespaces=ATOM) == "Northwind Travel"
    links = {link.get("rel"): link.get("href") for link in feed.findall("a:link", ATOM)}
    assert links["self"] == f"http://localhost:8000{path}"
    both = feed.findall("a:entry", ATOM)
    assert [text(entry, "title") for entry in both] == ["Closed", "Seen"]
    for entry in both:
        assert URN.fullmatch(text(entry, "id"))
        assert RFC3339.fullmatch(text(entry, "published"))
        assert RFC3339.fullmatch(text(entry, "updated"))
    assert text(both[0], "content") == (
        '<p>We <a href="http://localhost:8000/check/" rel="nofollow noopener">closed</a> it.</p>\n'
    )
    link = both[0].find("a:link", ATOM)
    assert link is not None
    assert link.get("href") == f"http://localhost:8000/incidents/{SLUG}/updates/1/"


def test_an_edit_changes_when_and_never_which(portal, write, client, two_updates, clock):
    before = entries(client)
    clock.advance(timedelta(days=1))
    portal("incidents", "update", SLUG, "--edit", "1", write("Other words."))
    after = entries(client)
    assert [text(entry, "id") for entry in before] == [text(entry, "id") for entry in after]
    assert text(after[0], "published") == text(before[0], "published")
    assert text(after[0], "updated") == "2026-11-24T10:00:00Z" != text(before[0], "updated")
    assert text(after[1], "updated") == text(before[1], "updated")
    assert "Other words." in text(after[0], "content")


def test_the_json_feed_is_one(client, two_updates):
    answer = client.get("/feed.json")
    assert answer.content_type == "application/feed+json"
    feed = json.loads(answer.text)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == "http://localhost:8000/feed.json"
    item = feed["items"][0]
    assert item["id"] == text(entries(client)[0], "id")
    assert item["url"] == f"http://localhost:8000/incidents/{SLUG}/updates/1/"
    assert (item["title"], item["tags"]) == ("Closed", ["contained"])
    assert RFC3339.fullmatch(item["date_published"])
    assert item["_portal"]["occurred_at"] == "2026-11-23T09:00:00Z"


def test_a_status_pages_client_reads_it_too(client, two_updates, portal, write):
    feed = json.loads(client.get(f"/incidents/{SLUG}/feed.json").text)
    assert feed["page"]["name"] == "Northwind Travel"
    (incident,) = feed["incidents"]
    assert (incident["name"], incident["status"], incident["resolved_at"]) == (
        "Theft of bookings",
        "identified",
        None,
    )
    assert [update["status"] for update in incident["incident_updates"]] == ["identified", "investigating"]
    assert incident["incident_updates"][1]["display_at"] == "2026-11-01T08:00:00Z"
    portal("incidents", "update", SLUG, "--phase", "resolved", "--title", "Over", write("Done."))
    (incident,) = json.loads(client.get("/feed.json").text)["incidents"]
    assert (incident["status"], incident["resolved_at"]) == ("resolved", "2026-11-23T10:00:00Z")


def test_hostile_words_stay_words(portal, write, published, client, db):
    portal("incidents", "create", "second", "--title", HOSTILE, "--classes", "Names")
    portal("incidents", "statement", "second", write(STATEMENT))
    portal("incidents", "publish", "second", "--confirm")
    portal(
        "incidents",
        "update",
        "second",
        "--phase",
        "detected",
        "--title",
        "Seen",
        write("Seen."),
    )
    with db.write() as session:  # the command refuses such words; who can write there needs none
        session.execute(
            sql("UPDATE incidents_wordings SET title = :title, body = :body"),
            {"title": HOSTILE, "body": HOSTILE},
        )
        service.invalidate_pages(session)
    for path in ("/feed.atom", "/incidents/second/feed.atom"):
        entry = entries(client, path)[0]
        assert text(entry, "title") == HOSTILE
        assert "<script" not in text(entry, "content")
    item = client.get("/feed.json").get_json()["items"][0]
    assert item["title"] == HOSTILE
    assert "<script" not in item["content_html"]


def test_a_character_that_xml_forbids_spoils_no_feed(client, two_updates, db):
    with db.write() as session:
        words = {"title": "Bad\x0b\x01\ufffe news", "body": "Worse\x0b\x01\ufffe news"}
        session.execute(sql("UPDATE incidents_wordings SET title = :title, body = :body"), words)
        session.execute(sql("UPDATE incidents_content SET number = number + 1"))
    assert {text(entry, "title") for entry in entries(client)} == {"Bad news"}


def test_a_day_without_a_time_stays_a_day(portal, write, published, client):
    day = write("---\noccurred_at: 2026-11-20\n---\nWe saw it.")
    portal("incidents", "update", SLUG, "--phase", "resolved", "--title", "Seen", day)
    feed = client.get("/feed.json").get_json()
    assert feed["items"][0]["_portal"]["occurred_at"] == "2026-11-20"
    assert feed["incidents"][0]["incident_updates"][0]["display_at"] == "2026-11-20T12:00:00Z"
    assert feed["incidents"][0]["resolved_at"] == "2026-11-20T12:00:00Z"


def test_a_time_that_changes_is_a_change_of_the_entry(portal, write, two_updates, client, clock):
    before = text(entries(client)[0], "updated")
    clock.advance(timedelta(hours=1))
    portal(
        "incidents",
        "update",
        SLUG,
        "--edit",
        "1",
        write("---\noccurred_at: 2026-11-22\n---\nWe [closed](/check/) it."),
    )
    after = entries(client)[0]
    assert text(after, "updated") > before
    assert text(after, "title") == "Closed"


def test_links_in_feeds_are_whole(portal, write, two_updates, client):
    words = write("See https://www.lanternfold.example/x, [the first](../1/) and [ours](/check/).")
    portal("incidents", "update", SLUG, "--phase", "resolved", "--title", "Links", words)
    whole = [
        "https://www.lanternfold.example/x",
        f"http://localhost:8000/incidents/{SLUG}/updates/1/",
        "http://localhost:8000/check/",
    ]
    for content in (
        text(entries(client)[0], "content"),
        client.get("/feed.json").get_json()["items"][0]["content_html"],
    ):
        assert re.findall(r'href="([^"]*)"', content) == whole
    for page in ("/", f"/incidents/{SLUG}/", f"/incidents/{SLUG}/updates/3/"):
        assert f'href="/incidents/{SLUG}/updates/1/"' in client.get(page).text
        assert "../1/" not in client.get(page).text


def test_drafts_are_in_no_feed(portal, write, draft, client):
    portal("incidents", "update", SLUG, "--phase", "detected", "--title", "Secret", write("Secret."))
    assert entries(client) == []
    assert json.loads(client.get("/feed.json").text)["incidents"] == []
    assert client.get(f"/incidents/{SLUG}/feed.atom").status_code == 404
    assert client.get(f"/incidents/{SLUG}/feed.json").status_code == 404


def test_each_entry_says_which_language_it_is_in(portal, write, published, client):
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    portal("incidents", "update", SLUG, "--phase", "contained", "--title", "Closed", write("Closed."))
    (spanish,) = entries(client, Accept_Language="es")
    assert spanish.get(lang) == "en"
    translation = write("---\nlanguage: es\ntitle: Cerrado\n---\nCerrado.")
    portal("incidents", "update", SLUG, "--edit", "1", translation)
    (spanish,) = entries(client, Accept_Language="es")
    assert (spanish.get(lang), text(spanish, "title")) == ("es", "Cerrado")
    (english,) = entries(client)
    assert text(english, "title") == "Closed"
    assert text(english, "id") == text(spanish, "id")


def test_a_forged_host_is_in_no_feed(client, two_updates):
    answer = client.get("/feed.atom", headers={"X-Forwarded-Host": "thief.example"})
    assert "thief.example" not in answer.text
