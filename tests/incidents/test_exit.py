"""Who must not be seen on the page of a discreet incident leaves it with one press."""

import re

import pytest

from tests.incidents.conftest import SLUG

# The link depends on what is published, which both databases tell alike.
pytestmark = pytest.mark.sqlite

PAGES = ("/", f"/incidents/{SLUG}/", "/check/", "/sign-in/", "/privacy/", "/nothing/")
AWAY = "https://weather.example/?a=1&b=2"


@pytest.fixture
def client(portal_with):
    return portal_with(site={"exit_url": AWAY}).test_client()


def ways_out(client):
    """Return the pages that offer the way out; each is asked twice, so that a kept page is seen."""
    shown = {path: [client.get(path).text for _ in range(2)] for path in PAGES}
    return {path for path, texts in shown.items() if all('class="exit"' in text for text in texts)}


def test_every_page_has_it_while_a_discreet_incident_is_public(client, portal, published):
    assert ways_out(client) == set()
    portal("incidents", "discreet", SLUG, "on")
    assert ways_out(client) == set(PAGES)
    portal("incidents", "discreet", SLUG, "off")
    assert ways_out(client) == set()


def test_it_is_a_plain_link_that_says_what_it_cannot_do(client, portal, published):
    portal("incidents", "discreet", SLUG, "on")
    (out,) = re.findall(r'<aside class="exit".*?</aside>', client.get("/").text, re.DOTALL)
    assert 'href="https://weather.example/?a=1&amp;b=2" rel="noreferrer">Exit this page</a>' in out
    assert "This page stays in your browser’s history." in out


def test_without_an_address_to_go_to_there_is_none(portal_with, portal, published):
    portal("incidents", "discreet", SLUG, "on")
    assert ways_out(portal_with().test_client()) == set()
