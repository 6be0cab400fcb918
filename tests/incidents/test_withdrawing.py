"""A mistake is withdrawn in public: its address stays, its text does not, and nothing leads to it."""

import json
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import text

from portal.app import create_app
from portal.core.settings import Settings
from portal.incidents import announcing, service
from portal.incidents.models import Update
from portal.incidents.publishing.withdrawn import withdrawal_of
from tests.incidents.conftest import CORRECTED, SLUG, STATEMENT

WRONG = "Passwords were copied too. We had missed them."
LEAK = "Ask Ana on 600 123 123."
REASON = "It said that passwords were copied. They were not."


@pytest.fixture
def corrected(portal, published, write):
    """A public incident whose second version is wrong."""
    portal("incidents", "statement", SLUG, write(CORRECTED))
    portal("incidents", "publish", SLUG, "--confirm")
    return published


@pytest.fixture
def leaking(portal, published, write):
    portal("incidents", "update", SLUG, "--phase", "contained", "--title", "Whom to ask", write(LEAK))
    return published


def withdraw(portal, *words, status=0):
    return portal("incidents", "withdraw", SLUG, *words, "--reason", REASON, status=status).output


def test_a_version_is_withdrawn_and_the_one_before_is_the_newest_again(portal, corrected, client):
    before = withdraw(portal, "--version", "2", status=2)
    assert "Version 1 is the newest again." in before
    assert "Nothing was withdrawn. To do it, add --confirm." in before
    assert WRONG in client.get(f"/incidents/{SLUG}/").text
    withdraw(portal, "--version", "2", "--confirm")
    page = client.get(f"/incidents/{SLUG}/").text
    assert WRONG not in page
    assert "We withdrew version 2 of this statement" in page
    assert REASON in page
    gone = client.get(f"/incidents/{SLUG}/statement/2/")
    assert gone.status_code == 200
    assert "We withdrew version 2 of our statement" in gone.text
    assert REASON in gone.text
    assert re.search(r"SHA-256 \(en\): <code class=\"hash\">[0-9a-f]{64}<", gone.text)
    assert "your e-mail address" not in gone.text
    assert WRONG not in gone.text
    # nothing compares with it, and nothing calls it the latest
    first = client.get(f"/incidents/{SLUG}/statement/1/").text
    assert "What changed after it" not in first
    assert "This isn’t our latest statement" not in first


def test_the_next_version_is_compared_with_the_one_that_stands(portal, corrected, client, write):
    withdraw(portal, "--version", "2", "--confirm")
    third = CORRECTED.replace("your nickname", "your shoe size")
    assert "version 3 (en)" in portal("incidents", "statement", SLUG, write(third)).output
    portal("incidents", "publish", SLUG, "--confirm")
    page = client.get(f"/incidents/{SLUG}/statement/3/").text
    assert "your shoe size" in page
    assert "<li>your nickname" not in page
    assert "We withdrew version 2 of this statement" not in client.get(f"/incidents/{SLUG}/").text


def test_an_update_is_withdrawn_where_it_is_shown_and_in_feeds(portal, leaking, client, clock, write):
    clock.advance(timedelta(hours=1))
    before = ET.fromstring(client.get("/feed.atom").data)
    withdraw(portal, "--update", "1", "--confirm")
    for path in (f"/incidents/{SLUG}/", f"/incidents/{SLUG}/updates/1/", "/feed.atom", "/feed.json"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert LEAK not in answer.text
        assert "Whom to ask" not in answer.text
        assert "They were not." in answer.text
    after = ET.fromstring(client.get("/feed.atom").data)
    name = "{http://www.w3.org/2005/Atom}"
    old, new = (next(feed.iter(f"{name}entry")) for feed in (before, after))
    assert old.findtext(f"{name}id") == new.findtext(f"{name}id")
    assert (old.findtext(f"{name}updated") or "") < (new.findtext(f"{name}updated") or "")
    item = json.loads(client.get("/feed.json").data)["items"][0]
    assert item["title"] == "We withdrew this update"
    # the phase it told of is not that of the response any more
    assert "Contained" not in portal("incidents", "list").output
    again = ("incidents", "update", SLUG, "--edit", "1", write("Ask us."))
    assert "Update 1 was withdrawn. Write a new one" in portal(*again, status=1).output


@pytest.mark.parametrize("what", ["--version", "--update"])
def test_what_leaks_is_destroyed(portal, leaking, client, db, what):
    withdraw(portal, what, "1", "--confirm")
    withdraw(portal, what, "1", "--erase", "--confirm")
    table = {"--version": "incidents_statements", "--update": "incidents_updates"}[what]
    with db.read() as session:
        rows = [str(row) for row in session.execute(text(f"SELECT * FROM {table}"))]
        rows += [str(row) for row in session.execute(text("SELECT * FROM incidents_wordings"))]
    gone = {"--version": ("Ana Ruiz", "Someone copied", "We are sorry"), "--update": (LEAK, "Whom to ask")}
    assert [word for word in gone[what] if any(word in row for row in rows)] == []
    path = {"--version": "statement/1/", "--update": "updates/1/"}[what]
    page = client.get(f"/incidents/{SLUG}/{path}").text
    assert "We deleted the text." in page
    assert "SHA-256" not in page
    assert "was withdrawn before" in withdraw(portal, what, "1", "--erase", "--confirm", status=1)


SPANISH_READER = {"Accept-Language": "es"}
NOT_TRANSLATED = "Aún sin traducir. "


@pytest.mark.parametrize(("what", "path"), [("--version", "statement/2/"), ("--update", "updates/1/")])
def test_readers_get_the_reason_in_their_language_or_a_mark_that_it_is_not(
    portal, corrected, write, client, what, path
):
    portal("incidents", "update", SLUG, "--phase", "contained", "--title", "Whom to ask", write(LEAK))
    number = {"--version": "2", "--update": "1"}[what]
    withdraw(portal, what, number, "--confirm")
    pages = (f"/incidents/{SLUG}/{path}", f"/incidents/{SLUG}/")
    for page in pages:
        shown = client.get(page, headers=SPANISH_READER).text
        assert re.search(rf'{NOT_TRANSLATED}[^<]*</p>\s*<p[^>]* lang="en"[^>]*>{re.escape(REASON)}', shown), (
            page
        )
    spanish = "Decía que se copiaron contraseñas. No fue así."
    withdraw(portal, what, number, "--erase", "--confirm", "--reason-in", "es", spanish)
    for page in pages:
        shown = client.get(page, headers=SPANISH_READER).text
        assert re.search(rf"<p[^>]*>{spanish}", shown), page
        assert f'lang="en" dir="auto">{spanish}' not in shown
        assert REASON not in shown
        assert REASON in client.get(page).text
    own = withdraw(portal, what, number, "--reason-in", "en", "Other", status=2)
    assert "The reason in en is that of --reason." in own


@pytest.mark.parametrize("what", ["--version", "--update"])
def test_a_reason_keeps_its_language_where_the_portal_gets_another_default(
    portal, corrected, write, db, environ, clock, web_keys, what
):
    portal("incidents", "update", SLUG, "--phase", "contained", "--title", "Whom to ask", write(LEAK))
    number = {"--version": "2", "--update": "1"}[what]
    withdraw(portal, what, number, "--confirm")
    settings = Settings.from_env(environ | {"PORTAL_LANGUAGES": "es,en"})
    app = create_app(settings, db=db, clock=clock, web_keys=web_keys)
    page = app.test_client().get(f"/incidents/{SLUG}/", headers=SPANISH_READER).text
    assert re.search(rf'{NOT_TRANSLATED}[^<]*</p>\s*<p[^>]* lang="en"[^>]*>{re.escape(REASON)}', page)


@pytest.mark.parametrize(
    ("noted", "others", "languages", "told"),
    [
        ("en", None, ("es",), ("en", REASON)),
        ("en", {"es": "Era falso."}, ("es",), ("es", "Era falso.")),
        ("en", None, ("en", "es"), ("en", REASON)),
        (None, None, ("es",), ("es", REASON)),  # withdrawn before it was noted
        (None, {"es": "Era falso."}, ("es",), ("es", "Era falso.")),
        (None, {"es": "Era falso."}, ("es", "en"), ("es", "Era falso.")),
        (None, {"es": "Era falso."}, ("en",), ("en", REASON)),
    ],
)
def test_the_language_of_a_reason_is_the_one_that_was_noted(clock, noted, others, languages, told):
    row = Update(
        withdrawn_at=clock.now(), withdrawn_for=REASON, withdrawn_language=noted, withdrawn_in=others
    )
    found = withdrawal_of(row, languages, {})
    assert found is not None
    assert (found.language, found.reason) == told


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("--version", "7", "--confirm"), 1, "No version 7 of the statement is public"),
        (("--update", "7", "--confirm"), 1, f"{SLUG} has no update 7"),
        ((), 2, "either --version N or --update ID"),
        (("--version", "1", "--update", "1"), 2, "either --version N or --update ID"),
    ],
)
def test_what_cannot_be_withdrawn_is_said(portal, published, words, status, told):
    assert told.casefold() in withdraw(portal, *words, status=status).casefold()


def test_a_draft_is_not_withdrawn(portal, published, write):
    portal("incidents", "statement", SLUG, write(CORRECTED))
    assert "No version 2 of the statement is public" in withdraw(portal, "--version", "2", status=1)


def test_a_reason_is_one_line(portal, published):
    for reason in ("", "two\nlines", "x" * 501):
        words = ("--version", "1", "--reason", reason, "--confirm")
        assert "one line" in portal("incidents", "withdraw", SLUG, *words, status=1).output


def test_nobody_is_mailed_about_an_update_that_was_withdrawn_before_its_mails_were_queued(
    portal, published, write, db, worker_vault
):
    news = write("---\nnotify: yes\n---\nWe know more.\n")
    portal("incidents", "update", SLUG, "--phase", "contained", "--title", "News", news, "--confirm")
    with db.read() as session:
        assert len(announcing.waiting(session, worker_vault)) == 1
    withdraw(portal, "--update", "1", "--confirm")
    with db.read() as session:
        assert announcing.waiting(session, worker_vault) == []


def test_without_any_statement_the_page_still_says_what_was_withdrawn(portal, published, client):
    told = withdraw(portal, "--version", "1", "--confirm")
    assert f"Next: portal incidents statement {SLUG} FILE" in told
    page = client.get(f"/incidents/{SLUG}/")
    assert page.status_code == 200
    assert "We withdrew version 1 of this statement" in page.text
    assert STATEMENT.split("\n")[6] not in page.text


def test_a_promise_of_what_is_withdrawn_is_told_and_may_be_taken_back(portal, leaking, db):
    def promised():
        with db.read() as session:
            return service.by_slug(session, SLUG).more_by

    with db.write() as session:
        service.locked(session, SLUG).promise(datetime(2026, 11, 29, 18, tzinfo=UTC), "update 1")
    told = withdraw(portal, "--update", "1", status=2)
    assert "Readers still see: more by 2026-11-29 18:00 UTC. Otherwise: --promise back" in told
    told = withdraw(portal, "--update", "1", "--promise", "back", "--confirm")
    assert "Readers see no time by which you say more." in told
    assert promised() is None
    told = withdraw(portal, "--version", "1", "--promise", "back", status=2)
    assert "No promise of this text stands: --promise changes nothing." in told


def test_each_withdrawal_is_in_the_log(portal, leaking, db):
    withdraw(portal, "--version", "1", "--confirm")
    withdraw(portal, "--update", "1", "--erase", "--confirm")
    with db.read() as session:
        rows = session.execute(text("SELECT action, details FROM audit_entries ORDER BY number")).all()
    assert [tuple(row) for row in rows[-2:]] == [
        ("incidents.withdraw", f'{{"reason":"{REASON}","version":1}}'),
        ("incidents.erase", f'{{"reason":"{REASON}","update":1}}'),
    ]
