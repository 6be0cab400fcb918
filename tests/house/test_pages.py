"""The list of all public pages, and what every one of them keeps to."""

import re

import pytest

from tests.visitor import hidden

# What pages keep to does not depend on the database.
pytestmark = pytest.mark.sqlite

# What anyone may see; the same for everyone in a language.
PUBLIC = {
    "/": "GET",
    "/incidents/": "GET",
    "/incidents/<slug>/": "GET",
    "/incidents/<slug>/statement/<number:number>/": "GET",
    "/incidents/<slug>/updates/<number:number>/": "GET",
    "/protect-yourself/": "GET",
    "/privacy/": "GET",
    "/imprint/": "GET",
    "/accessibility/": "GET",
}
# Pages about one person, or that lead to one: never kept by a cache.
PERSONAL = {
    "/check/": "GET POST",
    "/check/sent/": "GET POST",
    "/check/answer/": "GET POST",
    "/check/answer/close/": "POST",
    "/check/notice/": "GET POST",
    "/check/notice/<token>/": "GET",
    "/check/answer/<token>/": "GET",
    "/reset/": "GET POST",
    "/reset/sent/": "GET POST",
    "/reset/<token>/": "GET",
    "/reset/choose/": "GET POST",
    "/reset/confirm/passkey/": "POST",
    "/reset/confirm/": "GET POST",
    "/reset/confirm/lost/": "GET POST",
    "/reset/factors/": "GET POST",
    "/reset/wait/": "GET",
    "/reset/done/": "GET POST",
    "/not-me/": "GET POST",
    "/not-me/<token>/": "GET",
    "/sign-in/": "GET POST",
    "/sign-in/passkey/": "POST",
    "/sign-in/passkey/wait/": "GET",
    "/sign-in/wait/": "GET",
    "/sign-in/second/passkey/": "POST",
    "/sign-in/second/": "GET POST",
    "/sign-in/second/lost/": "GET POST",
    "/second-step/sent/": "GET",
    "/second-step/<token>/": "GET",
    "/second-step/decide/": "GET POST",
    "/sign-out/": "GET POST",
    "/account/": "GET",
    "/account/factors/": "GET",
    "/account/factors/codes/": "GET POST",
    "/account/factors/codes/remove/": "GET POST",
    "/account/factors/recovery/": "GET POST",
    "/account/factors/recovery/text/": "GET POST",
    "/account/confirm/": "GET POST",
    "/account/confirm/passkey/": "POST",
    "/account/confirm/wait/": "GET",
    "/account/confirm/second/": "GET POST",
    "/account/answer/": "POST",
    "/account/address/": "GET POST",
    "/account/address/sent/": "GET",
    "/address/confirm/": "GET POST",
    "/address/confirm/<token>/": "GET",
    "/address/undo/": "GET POST",
    "/address/undo/<token>/": "GET",
    "/account/data/": "GET",
    "/account/data/copy/": "GET POST",
    "/account/data/sent/": "GET",
    "/account/data/open/": "GET POST",
    "/account/data/open/<token>/": "GET",
    "/account/data/erase/": "GET POST",
    "/account/data/erase/sent/": "GET",
    "/account/erase/": "GET POST",
    "/account/erase/<token>/": "GET",
    "/account/passkeys/": "GET",
    "/account/passkeys/add/": "GET POST",
    "/account/passkeys/change/": "GET POST",
    "/account/password/": "GET POST",
    "/account/password/wait/": "GET",
    "/account/reminders/": "GET POST",
    "/account/sessions/": "GET POST",
    "/account/activity/": "GET",
    "/reminders/": "GET POST",
    "/reminders/sent/": "GET",
    "/reminders/open/<token>/": "GET",
    "/reminders/choose/": "GET POST",
    "/reminders/elsewhere/": "GET POST",
    "/reminders/off/<token>/": "GET POST",
    "/subscribe/": "GET POST",
    "/subscribe/sent/": "GET",
    "/subscribe/confirm/": "GET POST",
    "/subscribe/confirm/<token>/": "GET",
    "/unsubscribe/<token>/": "GET POST",
    "/is-it-real/": "GET POST",
    "/cases/": "GET POST",
    "/cases/new/": "GET POST",
    "/cases/new/text/": "GET POST",
    "/cases/verify/": "GET POST",
    "/cases/verify/<token>/": "GET",
    "/cases/stop/": "GET POST",
    "/cases/stop/<token>/": "GET",
    "/language/": "GET POST",
}
# What programs read.
MACHINES = {
    "/feed.atom": "GET",
    "/feed.json": "GET",
    "/incidents/<slug>/feed.atom": "GET",
    "/incidents/<slug>/feed.json": "GET",
    "/account/factors/codes/qr.svg": "GET",
    "/account/reminders/calendar.ics": "GET",
    "/sign-in/passkey/question/": "GET",
    '/reminders/<any("3", "6", "12"):months>.ics': "GET",
    "/.well-known/change-password": "GET",
    "/.well-known/security.txt": "GET",
    "/healthz": "GET",
    "/readyz": "GET",
    "/robots.txt": "GET",
    "/theme.css": "GET",
    "/logo": "GET",
    "/logo-dark": "GET",
    "/static/<path:filename>": "GET",
}
PAGES = PUBLIC | PERSONAL
# Mail programs post to these without having seen a form (RFC 8058).
ONE_CLICK = {"/unsubscribe/<token>/", "/reminders/off/<token>/"}
# Checks where a form comes from instead: tests/site/test_language.py.
WITHOUT_TOKEN = {"/language/"}

# A form that every page takes: what it does not know, it does not read.
WHOLE = {
    "email": "sam@northwind.example",
    "password": "sunlit-marble-otter-harbour",
    "current_password": "correct-horse-battery-old",
    "code": "ABCD-EFGH-IJKL-MN",
    "language": "es",
    "interval": "6",
    "end": "others",
    "incident": "november",
}
STALE = "This page is out of date"


def filled(rule: str) -> str:
    return re.sub(r"<[^>]*>", "1", rule)


def test_the_list_is_whole(app):
    found: dict[str, str] = {}
    for rule in app.url_map.iter_rules():
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        found[rule.rule] = " ".join(sorted({*found.get(rule.rule, "").split(), *methods}))
    assert found == PAGES | MACHINES


@pytest.mark.parametrize("rule", PAGES)
def test_a_page_has_one_address_which_ends_with_a_slash(rule):
    assert rule.endswith("/")


@pytest.mark.parametrize("rule", [rule for rule, methods in PAGES.items() if "GET" in methods])
def test_a_stranger_gets_a_page_that_is_safe_to_show(client, rule):
    answer = client.get(filled(rule))
    assert answer.status_code in (200, 303, 404, 410)
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert answer.headers["Referrer-Policy"] == ("same-origin" if answer.status_code < 400 else "no-referrer")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if rule in PERSONAL:
        assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("rule", [rule for rule, methods in PAGES.items() if "GET" in methods])
def test_a_page_is_whole_and_brings_nothing_inline_or_from_elsewhere(client, rule):
    answer = client.get(filled(rule))
    if answer.status_code == 303:
        return
    html = answer.text
    assert re.search(r'<html lang="en"', html)
    assert re.search(r"<title>\s*\S", html)
    assert len(re.findall(r"<h1\b", html)) == 1
    assert not re.search(r"<style\b|\sstyle=|\son\w+=|javascript:", html)
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    for address in re.findall(r'<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)="([^"]*)"', html):
        assert re.match(r"/(?!/)|http://localhost:8000/", address), address


@pytest.mark.parametrize(
    "rule",
    [rule for rule, methods in PAGES.items() if "POST" in methods and rule not in ONE_CLICK | WITHOUT_TOKEN],
)
def test_a_form_from_elsewhere_is_refused(app, client, rule):
    """Each form is complete but for its token, so the token alone is the reason; the page says so."""
    client.get("/check/")
    foreign = hidden(app.test_client().get("/check/").text)["csrf_token"]
    for token in ({}, {"csrf_token": ""}, {"csrf_token": "no-token"}, {"csrf_token": foreign}):
        refused = client.post(filled(rule), data=WHOLE | token)
        assert refused.status_code == 400
        assert STALE in refused.text
    own = client.post(filled(rule), data=WHOLE | hidden(client.get("/check/").text))
    assert STALE not in own.text


@pytest.mark.parametrize("rule", [rule for rule, methods in PAGES.items() if "GET" in methods])
def test_asking_for_the_headers_alone_answers_alike(client, rule):
    assert client.head(filled(rule)).status_code == client.get(filled(rule)).status_code


def test_an_unknown_page_is_really_not_found(client):
    probe = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"
    for path in (probe, "/nothing/", "/incidents/nothing/", "/staff/"):
        assert client.get(path).status_code == 404
