"""The front door: what a worried person, a journalist and an attacker get to see."""

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import text

from portal.incidents import service, writing
from portal.incidents.models import Section
from portal.incidents.writing import Notify, StatementText, UpdateText
from tests.incidents.conftest import CORRECTED, SLUG, SPANISH, STATEMENT
from tests.visitor import SAME_SITE

# The pages; what they read is tried on both databases in this folder's other files.
pytestmark = pytest.mark.sqlite

PAGE = f"/incidents/{SLUG}/"


def words(html: str) -> str:
    """What is read: without marks, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def assert_order(html: str, *parts: str) -> None:
    """Each part stands after the one before it."""
    place = 0
    for part in parts:
        place = html.find(part, place)
        assert place != -1, part


@pytest.fixture
def told(portal, write, published):
    early = write("---\noccurred_at: 2026-11-03T08:00Z\n---\nWe saw a stranger.")
    portal("incidents", "update", SLUG, "--phase", "detected", "--title", "A stranger's sign-in", early)
    portal(
        "incidents",
        "update",
        SLUG,
        "--phase",
        "contained",
        "--title",
        "Closed",
        write("The way in is *closed*."),
    )


@pytest.fixture
def corrected(portal, write, published, clock):
    clock.advance(timedelta(days=2))
    portal("incidents", "statement", SLUG, write(CORRECTED))
    portal("incidents", "publish", SLUG, "--confirm")


def test_the_front_page_is_in_the_order_of_a_persons_worries(client, told):
    html = client.get("/").text
    assert_order(
        html,
        "<h1",
        "Your booking was copied.",
        "We’ve closed the gap the thief used.",
        "<span>Check if you are affected",
        "<span>Get updates",
        "<span>Choose a new password",
        "Progress: Contained",
        "We are sorry. We did not keep your booking safe.",
        "<b>Ana Ruiz</b>",
        "What happened</h2>",
        "What information was involved</h2>",
        "What we are doing</h2>",
        "What you can do</h2>",
        "For more information</h2>",
        "Timeline</h2>",
        "The way in is <em>closed</em>.",
        "We saw a stranger.",
        f"{PAGE}feed.atom",
        "Is a message really from us?</h2>",
        "Version 1",
        "Talk to us",
        "+1 555 0100",
    )
    assert "23 November 2026" in words(html)
    assert "09:00 UTC" in words(html)


def test_the_incident_has_an_address_of_its_own(client, told):
    assert client.get(PAGE).status_code == 200
    assert f'<link rel="canonical" href="http://localhost:8000{PAGE}">' in client.get("/").text


def test_a_day_later_the_timeline_says_when_an_update_was_published(client, told):
    html = words(client.get(PAGE).text)
    assert "Detected · 3 November 2026, 08:00 UTC · published on 23 November 2026" in html
    assert html.count("published on") == 1


@pytest.mark.parametrize(("occurred_at", "said"), [("2026-11-22T09:00Z", 1), ("2026-11-22T09:01Z", 0)])
def test_less_than_a_day_later_it_does_not(client, portal, write, published, occurred_at, said):
    update = write(f"---\noccurred_at: {occurred_at}\n---\nWe saw a stranger.")
    portal("incidents", "update", SLUG, "--phase", "detected", "--title", "A stranger's sign-in", update)
    assert words(client.get(PAGE).text).count("published on") == said


def test_where_nothing_happened_the_page_says_so(client):
    answer = client.get("/")
    assert answer.status_code == 200
    assert "There’s nothing to report" in answer.text
    assert client.get("/incidents/").status_code == 200


def test_several_open_incidents_are_a_list_and_one_open_is_the_front(client, portal, write, told):
    portal("incidents", "create", "second", "--title", "Another theft", "--classes", "Names")
    portal("incidents", "statement", "second", write(STATEMENT))
    portal("incidents", "publish", "second", "--confirm")
    front = client.get("/").text
    assert 'href="/incidents/second/">Another theft' in front
    assert f'href="{PAGE}">Theft of bookings' in front
    portal("incidents", "update", "second", "--phase", "resolved", "--title", "Over", write("Over."))
    assert "We did not keep your booking safe." in client.get("/").text
    assert "Another theft" in client.get("/incidents/").text
    portal("incidents", "update", SLUG, "--phase", "resolved", "--title", "Over", write("Over."))
    assert 'href="/incidents/second/">Another theft' in client.get("/").text


def test_the_front_counts_as_many_incidents_as_the_list(client, portal, write, told):
    for slug in ("second", "third"):
        portal("incidents", "create", slug, "--title", "Another theft", "--classes", "Names")
        portal("incidents", "statement", slug, write(STATEMENT))
        portal("incidents", "publish", slug, "--confirm")
    portal("incidents", "update", "second", "--phase", "resolved", "--title", "Over", write("Over."))
    assert "Data was taken in 3 incidents" in client.get("/incidents/").text
    assert "Data was taken in 3 incidents" in client.get("/").text
    assert "See all incidents" in client.get("/").text


def test_drafts_are_not_there(client, portal, write, draft):
    portal("incidents", "statement", SLUG, write(STATEMENT))
    for path in (PAGE, f"{PAGE}statement/1/", f"{PAGE}updates/1/"):
        assert client.get(path).status_code == 404
    assert "Theft" not in client.get("/incidents/").text
    portal("incidents", "publish", SLUG, "--confirm")
    assert client.get(PAGE).status_code == 200
    portal("incidents", "statement", SLUG, write(CORRECTED))
    assert client.get(f"{PAGE}statement/2/").status_code == 404
    assert "We had missed them" not in client.get(PAGE).text


@pytest.mark.parametrize("page", ["statement", "updates"])
def test_a_number_is_written_in_one_way_only(client, told, page):
    assert client.get(f"{PAGE}{page}/1/").status_code == 200
    for other in ("01", "0001", "+1", "1.0", "1%0A", "\u0661", "\uff11", "1" * 10):
        assert client.get(f"{PAGE}{page}/{other}/").status_code == 404, other


@pytest.mark.parametrize(
    "path",
    [
        "/incidents/none/",
        f"{PAGE}statement/2/",
        f"{PAGE}statement/0/",
        f"{PAGE}statement/99999999999999999999999/",
        f"{PAGE}updates/1/",
        f"{PAGE}updates/99999999999999999999999/",
        "/incidents/%00/",
        "/incidents/..%2f..%2fetc/",
        "/incidents/" + "a" * 5000 + "/",
    ],
)
def test_what_is_not_there_is_not_found(client, published, path):
    assert client.get(path).status_code == 404


def test_a_correction_is_seen_on_the_front_and_word_for_word(client, corrected):
    front = client.get(PAGE).text
    assert "Passwords were copied too. We had missed them." in front
    assert f'href="{PAGE}statement/2/">See every change' in front
    html = client.get(f"{PAGE}statement/2/").text
    assert '<ins><span class="hidden">added: </span>• your nickname</ins>' in html
    assert "What happened</h3>" not in html.partition("This version in full</h2>")[0]  # it stayed as it was


def test_an_earlier_version_stays_and_says_that_it_is_one(client, corrected):
    html = client.get(f"{PAGE}statement/1/").text
    assert "This isn’t our latest statement" in html
    assert (
        "your nickname"
        in html.partition("What changed after it</h2>")[2].partition("This version in full")[0]
    )
    assert "<li>your nickname</li>" not in html
    assert "We did not keep your booking safe." in html


def test_an_update_has_a_page_with_what_it_said_before(client, portal, write, told, clock):
    clock.advance(timedelta(hours=2))
    portal("incidents", "update", SLUG, "--edit", "2", write("The way in is *closed* and watched."))
    html = client.get(f"{PAGE}updates/2/").text
    assert "<em>closed</em> and watched." in html
    assert ' <ins><span class="hidden">added: </span>and watched</ins>.' in html
    assert "Changed" in words(client.get(PAGE).text)
    assert client.get(f"{PAGE}updates/1/").text.count("<ins>") == 0


def test_a_backdated_update_says_when_it_was_published(client, told):
    html = words(client.get(f"{PAGE}updates/1/").text)
    assert re.search(r"Detected · 3 November 2026, 08:00 UTC", html)
    assert re.search(r"Published on 23 November 2026, 09:00 UTC", html)


def test_what_is_not_translated_is_marked(client, portal, write, told):
    html = client.get(PAGE, headers={"Accept-Language": "es"}).text
    assert '<html lang="es"' in html
    assert 'lang="en" dir="auto">Theft of bookings' in html
    assert '<div lang="en" dir="auto"><p>We saw a stranger.</p>' in html
    portal("incidents", "statement", SLUG, write(SPANISH))
    portal("incidents", "publish", SLUG, "--confirm")
    html = client.get(PAGE, headers={"Accept-Language": "es-MX,es;q=0.9,en;q=0.1"}).text
    assert "No protegimos su reserva." in html
    assert "We did not keep" not in html
    assert "We did not keep" in client.get(PAGE, headers={"Accept-Language": "fr"}).text
    assert 'lang="en" dir="auto"' not in client.get(PAGE).text


def test_an_incident_is_called_in_the_readers_language_where_it_has_a_name_in_it(client, portal, write, told):
    spanish = {"Accept-Language": "es"}
    assert '<h1 lang="en" dir="auto">Theft of bookings</h1>' in client.get(PAGE, headers=spanish).text
    portal("incidents", "title", SLUG, "--language", "es", "Robo de reservas")
    named = (
        PAGE,
        f"{PAGE}statement/1/",
        f"{PAGE}updates/1/",
        "/incidents/",
        "/subscribe/",
        f"{PAGE}feed.atom",
    )
    for path in (*named, f"{PAGE}feed.json", "/feed.json"):
        assert "Theft of bookings" in client.get(path).text
        shown = client.get(path, headers=spanish).text
        assert "Robo de reservas" in shown, path
        assert "Theft of bookings" not in shown, path
    assert "<h1>Robo de reservas</h1>" in client.get(PAGE, headers=spanish).text


def test_a_correction_that_is_not_translated_yet_is_shown_rather_than_what_it_corrects(
    client, portal, write, published
):
    portal("incidents", "statement", SLUG, write(SPANISH))
    portal("incidents", "publish", SLUG, "--confirm")
    portal("incidents", "statement", SLUG, write(CORRECTED))
    portal("incidents", "publish", SLUG, "--confirm")
    assert "your nickname" in client.get(PAGE, headers={"Accept-Language": "es"}).text


def test_the_pages_are_the_same_for_everyone_in_a_language(client, app, told):
    client.post("/language/", data={"language": "en"}, headers=SAME_SITE)
    for path in (
        "/",
        PAGE,
        "/incidents/",
        f"{PAGE}statement/1/",
        f"{PAGE}updates/1/",
        "/feed.atom",
        "/feed.json",
    ):
        other = app.test_client().get(path, headers={"Accept-Language": "en-GB"})
        mine = client.get(path, headers={"Cookie": "session=forged", "X-Forwarded-Host": "thief.example"})
        assert mine.data == other.data
        assert "Set-Cookie" not in mine.headers
        assert {one.strip() for one in mine.headers["Vary"].split(",")} == {"Accept-Language", "Cookie"}
        assert mine.headers["Cache-Control"] == "public, max-age=10, must-revalidate"
        assert mine.headers["Content-Language"] == "en"
        assert b"thief.example" not in mine.data


@pytest.mark.parametrize(
    "path",
    ["/", PAGE, "/incidents/", f"{PAGE}statement/1/", f"{PAGE}updates/1/", "/feed.atom", f"{PAGE}feed.json"],
)
def test_who_has_the_page_already_is_told_so(client, portal, write, told, path):
    etag = client.get(path).headers["ETag"]
    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = client.get(path, headers={"If-None-Match": sent})
        assert (answer.status_code, answer.data) == (304, b""), sent
        assert answer.headers["ETag"] == etag
        assert "public" in answer.headers["Cache-Control"]
        assert "Accept-Language" in answer.headers["Vary"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get(path, headers={"If-None-Match": etag, "Accept-Language": "es"}).status_code == 200
    head = client.head(path)
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", etag)


def test_news_is_seen_at_once_by_who_had_the_page(client, portal, write, told):
    etag = client.get(PAGE).headers["ETag"]
    portal("incidents", "update", SLUG, "--phase", "resolved", "--title", "Over", write("All is mended."))
    answer = client.get(PAGE, headers={"If-None-Match": etag})
    assert answer.status_code == 200
    assert "All is mended." in answer.text


def test_the_pages_outlive_the_database(client, db, told):
    html = client.get(PAGE).data
    with db.engine.begin() as connection:
        connection.execute(text("DROP TABLE incidents_content"))
    answer = client.get(PAGE)
    assert (answer.status_code, answer.data) == (200, html)


def test_without_database_and_without_memory_the_answer_is_503(client, db, told):
    with db.engine.begin() as connection:
        connection.execute(text("DROP TABLE incidents_content"))
    answer = client.get(PAGE)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


HOSTILE = "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}&\"'"


def test_hostile_words_stay_words_on_every_page(client, db, clock):
    """The commands refuse them; who can write to the database needs no command."""
    now, link = clock.now(), "[x](javascript:alert(1))"
    with db.write() as session:
        service.create(session, SLUG, HOSTILE, ("Names",), now)
        for more in ("", "More."):
            sections = [
                Section(heading, f"{more}\n\n{HOSTILE}\n\n{link}") for heading in ("What happened", HOSTILE)
            ]
            words_of = StatementText("en", HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, sections)
            writing.add_statement(session, SLUG, words_of, now)
            service.publish(session, SLUG, now)
        for body in (HOSTILE, f"{HOSTILE} again"):
            update = UpdateText("en", "detected", HOSTILE, body, now, Notify.NO)
            if body == HOSTILE:
                writing.add_update(session, SLUG, update, now)
            else:
                writing.edit_update(session, SLUG, 1, update, now)
    for path in ("/", PAGE, "/incidents/", f"{PAGE}statement/1/", f"{PAGE}statement/2/", f"{PAGE}updates/1/"):
        answer = client.get(path)
        assert answer.status_code == 200
        html = re.sub(r'<script type="module" src="/static/js/[^"]+"></script>', "", answer.text)
        assert "<script" not in html
        assert "<img" not in html
        assert "onerror=alert" not in re.sub(r"&lt;img.*?&gt;", "", html)
        assert 'href="javascript' not in html
        assert "{{7*7}}" in words(html)


@pytest.mark.parametrize("page", ["/", PAGE, "/subscribe/"])
def test_a_link_to_what_only_programs_read_says_so(client, published, page):
    text = client.get(page).text
    told = re.findall(
        r'<(p|li)\b[^>]*>((?:(?!</\1>).)*?href="[^"]*/feed\.(?:atom|json)".*?)</\1>', text, re.DOTALL
    )
    assert told
    assert [words for _, words in told if not re.search(r"program|RSS feed", words)] == []


def test_where_passwords_were_exposed_a_new_one_is_the_second_thing_to_do(portal, client, told, write):
    portal("incidents", "create", "sign-ins", "--title", "Copied sign-ins", "--classes", "Passwords")
    portal("incidents", "statement", "sign-ins", write(STATEMENT))
    portal("incidents", "publish", "sign-ins", "--confirm", "--accept", "class-mismatch")
    page = client.get("/incidents/sign-ins/").text
    assert_order(page, "<span>Check if you are affected", "<span>Choose a new password", "<span>Get updates")


def test_the_newest_three_updates_are_open_and_the_others_folded(portal, client, told, write):
    for number in range(3, 7):
        words = write(f"---\noccurred_at: 2026-11-22T0{number}:00Z\n---\nWe look on.")
        title = f"News {number}"
        portal("incidents", "update", SLUG, "--phase", "investigating", "--title", title, words)
    portal("incidents", "publish", SLUG, "--confirm")
    page = client.get(PAGE).text
    assert page.count("<h3><a href=") == 6
    assert page.split("<summary>3 earlier updates</summary>")[0].count("<h3><a href=") == 3
    assert page.count('class="reached"') == 3
    assert page.count('aria-current="step"') == 1


def test_the_telephone_and_every_part_of_the_page_are_named_near_its_top(client, told):
    html = client.get("/").text
    assert_order(html, "<h1", "Call us:", 'href="tel:+15550100"', "On this page</summary>", "We are sorry.")
    listed = re.findall(r'<li[^>]*><a href="#([\w-]+)">', html)
    parts = [f"part-{number}" for number in range(1, 6)]
    path = ["apology", *parts, "timeline", "genuine", "versions"]
    assert listed == path * 2, "once for a wide screen, once folded for a phone"
    assert all(html.count(f'id="{place}"') == 1 for place in listed)


def test_a_phase_that_was_skipped_is_not_shown_as_one_to_come(portal, client, write):
    portal("incidents", "create", "skipped", "--title", "Copied sign-ins", "--classes", "Names")
    portal("incidents", "statement", "skipped", write(STATEMENT))
    words = write("---\noccurred_at: 2026-11-22T01:00Z\n---\nWe look on.")
    portal("incidents", "update", "skipped", "--phase", "investigating", "--title", "News", words)
    portal("incidents", "publish", "skipped", "--confirm", "--accept", "class-mismatch")
    phases = client.get("/incidents/skipped/").text.split('<ol class="phases">')[1].split("</ol>")[0]
    assert "Detected" not in phases
    assert "Authorities informed<span" in phases
