"""Strangers close sign-in for everybody: the owner hears of it by mail, and comes in with the password."""

from contextlib import ExitStack
from datetime import timedelta

import pytest

from portal.accounts import attempt
from portal.accounts.activity import service as activity
from portal.accounts.activity.service import Kind
from portal.crypto.hashing import hash_slots_for, unset_hash
from portal.worker import drain
from tests import traces
from tests.accounts.conftest import ADDRESS, STORE
from tests.reset.journey import REQUEST, link_in
from tests.tabs import form_of, tab
from tests.visitor import leads_to

WRONG = "not the password at all"
NOBODY = "nobody@example.com"
CHOOSE = "/reset/choose/"
OFFER = "Keep my password"


@pytest.fixture
def guess(db, web_vault, clock):
    """So many wrong tries from as many networks, counted as the page counts them."""

    def count(tries: int, address: str = ADDRESS, cookie: str | None = None) -> None:
        with db.write() as session:
            for number in range(tries):
                attempt.begin(
                    session, web_vault, address=address, network=f"192.0.2.{number}", now=clock.now(),
                    device_cookie=cookie, limit="1000 per second",
                )  # fmt: skip

    return count


@pytest.fixture
def mailed(worker_parts, smtp):
    """The mails with a link that came to an address."""

    def came(address: str = ADDRESS):
        drain(worker_parts)
        return [mail for mail in smtp.to(address) if mail.message["Subject"] == REQUEST]

    return came


@pytest.fixture
def closed(ana, guess, sign_in, browser_at) -> None:
    guess(59)
    assert sign_in(WRONG, visitor=browser_at("198.51.100.1")).status_code == 400


@pytest.mark.parametrize("address", [ADDRESS, NOBODY])
def test_the_guess_that_closes_sign_in_has_a_link_mailed_whoever_s_address_it_is(
    ana, guess, sign_in, browser_at, mailed, address
):
    guess(58, address)
    for number, mails in ((1, 0), (2, 1), (3, 1), (4, 1)):
        page = sign_in(WRONG, address, browser_at(f"198.51.100.{number}"))
        assert page.status_code == 400
        assert "It may already be in your inbox." in page.text
        assert len(mailed(address)) == mails


def test_the_owner_keeps_the_password_and_comes_in(
    ana, closed, client, app, sign_in, mailed, db, web_vault, clock
):
    assert sign_in().status_code == 400
    (mail,) = mailed()
    link = link_in(mail)
    shown = client.get(tab(client, link))
    assert OFFER in shown.text
    kept = client.post(CHOOSE, data=form_of(client, tab(client, link)) | {"keep": "yes"})
    assert (kept.status_code, kept.location) == (303, "/sign-in/")
    assert "Now sign in with it in this browser." in client.get("/sign-in/").text
    assert "Now sign in with it" not in client.get("/sign-in/").text
    assert sign_in().location == "/account/"
    with db.read() as session:
        (event,) = activity.events_of(session, web_vault, ana.id, clock.now(), timedelta(days=180))
    assert event.kind is Kind.SIGNED_IN, "told when the link let the browser in, and once"
    assert sign_in(visitor=app.test_client()).status_code == 400, "strangers stay out"
    assert client.get(link, follow_redirects=True).status_code == 410


def test_the_mailed_link_alone_signs_nobody_in(closed, client, mailed):
    client.post(CHOOSE, data=form_of(client, tab(client, link_in(mailed()[0]))) | {"keep": "yes"})
    assert client.get("/account/").status_code == 303


def test_a_new_password_opens_sign_in_to_every_browser(closed, client, app, sign_in, mailed):
    form = form_of(client, tab(client, link_in(mailed()[0])))
    assert leads_to(client.post(CHOOSE, data=form | {"password": "sunlit-marble-otter"})) == "/reset/done/"
    assert sign_in("sunlit-marble-otter", visitor=app.test_client()).location == "/account/"


def test_where_a_new_password_is_required_the_old_one_is_not_kept(
    closed, client, sign_in, db, clock, ana, mailed
):
    with db.write() as session:
        STORE.require_reset(session, [ana.id], "exposed", clock.now())
    client.submit("/reset/", email=ADDRESS)
    link = link_in(mailed()[-1])
    form = form_of(client, tab(client, link))
    assert OFFER not in client.get(CHOOSE).text
    refused = client.post(CHOOSE, data=form | {"keep": "yes"})
    assert refused.status_code == 400
    assert client.get_cookie("device") is None
    assert sign_in().status_code == 400
    assert client.get(link, follow_redirects=True).status_code == 200


def test_who_has_no_password_cannot_keep_it(add_account, guess, client, mailed):
    add_account(password_hash=unset_hash("m=64,t=1,p=1"))
    guess(60)
    client.submit("/reset/", email=ADDRESS)
    form = form_of(client, tab(client, link_in(mailed()[0])))
    assert OFFER not in client.get(CHOOSE).text
    assert client.post(CHOOSE, data=form | {"keep": "yes"}).status_code == 400
    assert client.get_cookie("device") is None


def test_it_is_offered_where_it_helps_and_nowhere_else(ana, client, guess, mailed, sign_in, clock):
    sign_in()
    client.submit("/sign-out/")
    client.submit("/reset/", email=ADDRESS)
    shown = tab(client, link_in(mailed()[0]))
    assert OFFER not in client.get(shown).text
    guess(60)
    assert OFFER in client.get(shown).text
    for _ in range(20):  # this browser is known, and uses up what known ones may fail
        clock.advance(timedelta(minutes=15))
        assert sign_in(WRONG).status_code == 400
    assert OFFER not in client.get(shown).text
    assert len(mailed()) == 1, "known browsers close nothing for strangers"


def test_a_right_password_at_the_last_try_closes_nothing(ana, guess, sign_in, mailed):
    guess(59)
    assert sign_in().location == "/account/"
    assert mailed() == []


def test_when_every_core_hashes_nothing_is_closed_or_mailed(
    ana, guess, sign_in, browser_at, settings, mailed
):
    guess(59)
    slots = hash_slots_for(settings)
    with ExitStack() as full:
        for _ in range(slots.count):
            full.enter_context(slots.taken())
        assert sign_in(WRONG, visitor=browser_at("198.51.100.1")).status_code == 503
    assert mailed() == []
    assert sign_in(WRONG, visitor=browser_at("198.51.100.2")).status_code == 400
    assert len(mailed()) == 1


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return environ | {"PORTAL_RATE_RESET_IP": "4 per hour"}


def test_who_used_up_the_network_s_resets_before_cannot_hide_it(ana, guess, sign_in, client, mailed):
    asked = [client.submit("/reset/", email=NOBODY).status_code for _ in range(5)]
    assert asked == [303] * 4 + [429]
    guess(59)
    assert sign_in(WRONG).status_code == 400
    assert len(mailed()) == 1


def test_the_day_s_three_mails_are_the_day_s_three_mails_and_the_pages_say_so(
    ana, guess, sign_in, browser_at, app, mailed
):
    stranger = app.test_client()
    for _ in range(3):
        stranger.submit("/reset/", email=ADDRESS)
    early = link_in(mailed()[0])
    guess(59)
    sign_in(WRONG, visitor=browser_at("198.51.100.1"))
    assert len(mailed()) == 3
    owner = app.test_client()
    owner.submit("/reset/", email=ADDRESS)
    assert "Look for an email we sent earlier today." in owner.get("/reset/sent/").text
    assert OFFER in owner.get(tab(owner, early)).text


@pytest.mark.parametrize("owner_comes_in", [False, True])
def test_no_guess_shows_that_it_closes_sign_in(ana, guess, sign_in, browser_at, db, owner_comes_in):
    """When it closes depends on whether the owner came in meanwhile, so on whether there is one."""
    seen: dict[str, list[object]] = {ADDRESS: [], NOBODY: []}
    for address, tries in seen.items():
        guess(58, address)
        if owner_comes_in:
            sign_in(address=address, visitor=browser_at("203.0.113.77"))
        for _ in range(3):
            before = traces.lengths(db)
            with traces.statements(db) as statements:
                page = sign_in(WRONG, address, browser_at("198.51.100.1"))
            rows = traces.change(before, traces.lengths(db))["intake_requests"]
            cookies = [cookie.partition("=")[0] for cookie in page.headers.getlist("Set-Cookie")]
            tries.append((page.status_code, cookies, statements, rows))
    assert all(one == seen[NOBODY][1] for tries in seen.values() for one in tries)
