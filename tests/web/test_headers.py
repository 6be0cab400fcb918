"""What every answer tells a browser, word by word: these are promises, so they are written down twice."""

import re
from dataclasses import replace

import pytest

from portal.app import create_app
from portal.incidents import service as incidents
from tests.visitor import Visitor, hidden

# Headers do not depend on the database.
pytestmark = pytest.mark.sqlite

TOKEN = "abcdefghijklmnopqrstuvwxyz234567"
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
ALWAYS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
POWERS = ("camera", "geolocation", "microphone", "payment", "usb", "browsing-topics")
PUBLIC = ("/", "/incidents/", "/incidents/november/", "/protect-yourself/")
PERSONAL = (
    "/check/", "/check/sent/", f"/check/answer/{TOKEN}/", "/check/answer/", "/reset/", "/reset/sent/",
    f"/reset/{TOKEN}/", "/reset/choose/", "/reset/done/", "/sign-in/", "/sign-out/", "/account/",
    "/account/password/", "/account/reminders/", "/account/sessions/", "/account/reminders/calendar.ics",
    f"/reminders/off/{TOKEN}/", "/reminders/elsewhere/", "/subscribe/", "/subscribe/sent/",
    f"/subscribe/confirm/{TOKEN}/", "/subscribe/confirm/", f"/unsubscribe/{TOKEN}/", "/is-it-real/",
    "/language/",
)  # fmt: skip
MACHINES = (
    "/feed.atom",
    "/feed.json",
    "/robots.txt",
    "/healthz",
    "/readyz",
    "/theme.css",
    "/static/css/base.css",
)
ERRORS = ("/nothing/", "/logo", "/incidents/nothing/")
EVERYTHING = (*PUBLIC, *PERSONAL, *MACHINES, *ERRORS)


@pytest.fixture
def november(db, clock):
    with db.write() as session:
        incidents.create(session, "november", "The incident", ("Names",), clock.now())
    with db.write() as session:
        incidents.publish(session, "november", clock.now())


@pytest.fixture
def secure(settings, db, clock, web_keys):
    """The portal as people reach it: over https, under its own name."""
    changed = replace(settings, environment="production", base_url="https://incident.northwind.example")
    app = create_app(changed, db=db, clock=clock, web_keys=web_keys)
    app.test_client_class = Visitor
    return app.test_client()


def policy_of(answer):
    """The directives of the one policy that was sent, each with its sources."""
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    return dict(directive.strip().split(" ", 1) for directive in policy.strip("; ").split(";"))


def promised(answer):
    policy = policy_of(answer)
    assert {name: policy.get(name) for name in POLICY} == POLICY
    assert not set(policy) - set(POLICY) - {"upgrade-insecure-requests", "object-src", "manifest-src"}
    for name, value in ALWAYS.items():
        assert answer.headers.getlist(name) == [value]
    (powers,) = answer.headers.getlist("Permissions-Policy")
    for power in POWERS:
        assert f"{power}=()" in re.split(r",\s*", powers)
    (referrer,) = answer.headers.getlist("Referrer-Policy")
    assert referrer in ("same-origin", "no-referrer")


def test_every_answer_has_every_header_to_the_letter(client, november):
    for path in EVERYTHING:
        promised(client.get(path, buffered=True))


def test_an_answer_to_a_form_has_them_too_whether_it_is_taken_or_refused(client, november):
    taken = client.submit("/check/", email="sam@northwind.example")
    wrong = client.submit("/check/", email="nonsense")
    refused = client.post("/check/", data={"email": "sam@northwind.example"})
    other = client.delete("/check/")
    assert [answer.status_code for answer in (taken, wrong, refused, other)] == [303, 400, 400, 405]
    for answer in (taken, wrong, refused, other):
        promised(answer)
        assert answer.headers["Cache-Control"] == "no-store"


def test_what_is_about_a_person_or_leads_to_one_is_kept_nowhere(client, november):
    kept = {path: client.get(path).headers.getlist("Cache-Control") for path in PERSONAL}
    assert kept == {path: ["no-store"] for path in PERSONAL}


def test_nothing_of_a_signed_in_person_is_kept_anywhere(client, november, db, clock, worker_vault, settings):
    from portal.identity.account import Profile
    from portal.identity.builtin.adding import NewAccount
    from portal.identity.service import hasher_for
    from tests.open_store import OpenStore

    account = NewAccount(
        Profile("ana@northwind.example", "Ana"), hasher_for(settings).hash("eleven owls at noon")
    )
    with db.write() as session:
        OpenStore().add(session, worker_vault, [account], clock.now())
    entered = client.submit("/sign-in/", email="ana@northwind.example", password="eleven owls at noon")
    assert (entered.status_code, entered.headers["Cache-Control"]) == (303, "no-store")
    for path in (
        "/account/",
        "/account/password/",
        "/account/reminders/",
        "/account/sessions/",
        "/sign-out/",
    ):
        shown = client.get(path)
        assert (shown.status_code, shown.headers.getlist("Cache-Control")) == (200, ["no-store"]), path
        promised(shown)
    left = client.post("/sign-out/", data=hidden(client.get("/sign-out/").text))
    assert left.status_code == 303
    promised(left)
    assert left.headers["Cache-Control"] == "no-store"
    assert '"cache"' in left.headers["Clear-Site-Data"]


def test_what_is_the_same_for_everyone_may_be_kept_for_a_short_while(client, november):
    for path in PUBLIC:
        answer = client.get(path)
        kept = answer.headers["Cache-Control"]
        assert kept.startswith("public"), path
        seconds = re.search(r"max-age=(\d+)", kept)
        assert seconds, path
        assert 0 < int(seconds[1]) <= 300, path
        assert "Set-Cookie" not in answer.headers, path


def test_over_https_browsers_are_told_to_insist_on_it_for_two_years_and_on_all_names_below(secure, november):
    for path in EVERYTHING:
        answer = secure.get(path, base_url="https://incident.northwind.example", buffered=True)
        (told,) = answer.headers.getlist("Strict-Transport-Security")
        words = [word.strip() for word in told.split(";")]
        assert "includeSubDomains" in words
        assert int(words[0].removeprefix("max-age=")) >= 2 * 365 * 24 * 3600
        promised(answer)


def test_a_forged_name_is_answered_with_every_header_too(secure):
    answer = secure.get("/", base_url="https://evil.example")
    assert answer.status_code == 400
    promised(answer)
    assert answer.headers["Cache-Control"] == "no-store"
