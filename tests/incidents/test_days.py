"""A day without a time stays a day, and an edit of when it was is an edit."""

from datetime import timedelta

from tests.incidents.conftest import SLUG

PAGE = f"/incidents/{SLUG}/"


def test_a_day_without_a_time_is_shown_as_a_day(client, portal, write, published):
    day = write("---\noccurred_at: 2026-11-20\n---\nWe saw a stranger.")
    portal("incidents", "update", SLUG, "--phase", "detected", "--title", "Seen", day)
    for page in ("/", PAGE, f"{PAGE}updates/1/"):
        html = client.get(page).text
        assert '<time datetime="2026-11-20">20 November 2026</time>' in html
        assert "2026-11-20T" not in html
    assert "20 de noviembre de 2026</time>" in client.get("/", headers={"Accept-Language": "es"}).text


def test_an_edit_of_the_time_alone_is_seen_in_every_language(client, portal, write, published, clock):
    first = write("---\noccurred_at: 2026-11-03T08:00Z\n---\nWe saw a stranger.")
    portal("incidents", "update", SLUG, "--phase", "detected", "--title", "Seen", first)
    spanish = write("---\nlanguage: es\ntitle: Un acceso extraño\n---\nVimos a un extraño.")
    portal("incidents", "update", SLUG, "--edit", "1", spanish)
    clock.advance(timedelta(hours=1))
    portal(
        "incidents",
        "update",
        SLUG,
        "--edit",
        "1",
        write("---\noccurred_at: 2026-11-02\n---\nWe saw a stranger."),
    )
    for language, changed in (("en", "What we changed in this update"), ("es", "Qué hemos cambiado")):
        html = client.get(f"/incidents/{SLUG}/updates/1/", headers={"Accept-Language": language}).text
        assert changed in html
        assert "2026-11-02" in html.partition(changed)[2]
