"""When a page was updated: when something was last published on it, not when that happened."""

import re
from datetime import timedelta

from tests.incidents.conftest import CORRECTED, SLUG

BACKDATED = "---\noccurred_at: 2026-11-03T14:30Z\n---\nClosed.\n"


def updated(client, language="en"):
    page = client.get(f"/incidents/{SLUG}/", headers={"Accept-Language": language}).text
    return re.findall(r'<p class="status">.*?<time datetime="([^"]+)"', page)


def test_a_backdated_update_updates_the_page_and_the_feed_when_it_is_published(
    portal, write, published, client, clock
):
    clock.advance(timedelta(hours=1))
    portal("incidents", "update", SLUG, "--phase", "contained", "--title", "Closed", write(BACKDATED))
    now = f"{clock.now():%Y-%m-%dT%H:%M:%SZ}"
    assert updated(client) == [now]
    feed = client.get(f"/incidents/{SLUG}/feed.atom").text
    assert re.findall(r"<updated>([^<]+)</updated>", feed) == [now, now]
    assert f'"updated_at": "{now}"' in client.get(f"/incidents/{SLUG}/feed.json").text


def test_a_new_version_a_translation_and_a_withdrawal_update_the_page(
    portal, write, published, client, clock
):
    portal("incidents", "update", SLUG, "--phase", "contained", "--title", "Closed", write(BACKDATED))

    def after(*words):
        clock.advance(timedelta(hours=1))
        portal(*words)
        return f"{clock.now():%Y-%m-%dT%H:%M:%SZ}"

    portal("incidents", "statement", SLUG, write(CORRECTED))
    corrected = after("incidents", "publish", SLUG, "--confirm")
    assert updated(client) == [corrected]
    spanish = CORRECTED.replace("language: en", "language: es")
    portal("incidents", "statement", SLUG, write(spanish))
    accepted = ("--accept", "class-mismatch", "--accept", "no-apology")
    translated = after("incidents", "publish", SLUG, "--confirm", *accepted)
    assert updated(client, "es") == [translated]
    last = after("incidents", "withdraw", SLUG, "--version", "2", "--reason", "It was wrong.", "--confirm")
    assert updated(client) == [last]
