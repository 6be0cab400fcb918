"""The old address undoes a change, whatever happened meanwhile: it wins over everything a thief can do."""

import re
import threading
from datetime import timedelta

import pyotp
import pytest

from portal.accounts.address import service, undoing
from portal.accounts.factors import service as factors
from portal.accounts.factors.lost import service as lost
from portal.accounts.factors.models import FactorRemoval
from portal.accounts.passkeys import service as passkeys
from portal.intake import jobs as intake
from tests.accounts.address.conftest import NEW, PAGE
from tests.accounts.conftest import ADDRESS, PASSWORD, STORE
from tests.accounts.factors.test_account_pages import CODES, key_on
from tests.accounts.passkeys.pages import add
from tests.reset.journey import link_in
from tests.visitor import hidden, leads_to, main_of

THIEF = "thief@elsewhere.example"
HERS, HIS = "violet-anchor-mosaic-thimble", "copper-lantern-meadow-sparrow"
RESTORED = "We locked your account"
DAY = timedelta(days=1)


@pytest.fixture
def owner(browser_at):
    """Ana's own browser, which is signed in nowhere."""
    return browser_at("198.51.100.7")


@pytest.fixture
def stolen(ask, press, signed_in, link_to, work):
    """A thief who was signed in as Ana has moved her account to an address of his; the undo's link."""
    ask(THIEF)
    assert press(signed_in, link_to(THIEF)).status_code == 303
    work()
    return link_to(ADDRESS)


@pytest.fixture
def thief(stolen, sign_in, browser_at, work):
    """The thief, signed in again with his address."""
    browser = browser_at("203.0.113.66")
    assert leads_to(sign_in(address=THIEF, visitor=browser)) == "/account/"
    work()
    return browser


def choose(browser, mail, password):
    page = browser.get(link_in(mail), follow_redirects=True)
    return browser.post(page.request.path, data=hidden(page.text) | {"password": password})


def test_undo_restores_the_address_and_lets_the_owner_choose_a_password(
    stolen, owner, press, work, account_of, subjects, smtp, sign_in, events, thief
):
    shown = owner.get(owner.get(stolen).location)
    assert "Put this address back" in main_of(shown.text)
    work()
    assert account_of()[1] == THIEF, "a GET never changes anything"
    assert press(owner, stolen).status_code == 303
    work()
    account, address = account_of()
    assert (address, account.must_reset) == (ADDRESS, True)
    assert thief.get("/account/").status_code == 303
    assert sign_in(address=THIEF).status_code == sign_in().status_code == 400
    assert subjects(ADDRESS)[-1] == RESTORED
    assert subjects(THIEF)[-1] == "Your account no longer uses this address"
    assert "/reset/" not in smtp.to(THIEF)[-1].text
    assert leads_to(choose(owner, smtp.to(ADDRESS)[-1], HERS)) == "/reset/done/"
    assert leads_to(sign_in(HERS, visitor=owner)) == "/account/"
    assert set(events()) == {"address-asked", "address-changed", "address-undone", "reset", "signed-in"}
    assert press(owner, stolen).status_code == 410, "it acts once"


def test_it_wins_over_a_second_change_a_password_new_factors_and_a_removal_under_way(
    stolen,
    thief,
    owner,
    press,
    work,
    link_to,
    account_of,
    db,
    worker_vault,
    web_vault,
    clock,
    ana,
    smtp,
    sign_in,
):
    key = key_on(thief.get(CODES).text)
    thief.submit(CODES, code=pyotp.TOTP(key).at(clock.at))
    add(thief)
    thief.submit("/account/password/", current_password=PASSWORD, password=HIS)
    thief.submit(PAGE, email="second@elsewhere.example")
    work()
    assert press(thief, link_to("second@elsewhere.example")).status_code == 303
    work()
    (second,) = {
        link
        for mail in smtp.to(THIEF)
        if "email address of your account" in mail.message["Subject"]
        for link in re.findall(r"/address/undo/[a-z2-7]{32}/", mail.text)
    }
    assert account_of()[1] == "second@elsewhere.example"
    with db.write() as session:
        assert lost.begin(session, account_of()[0], clock.now()) is not None
        assert len(factors.kinds(session, ana.id)) == 3
    assert press(owner, stolen).status_code == 303
    work()
    account, address = account_of()
    assert (address, account.must_reset) == (ADDRESS, True)
    with db.read() as session:
        assert factors.kinds(session, ana.id) == frozenset()
        assert session.get(FactorRemoval, ana.id) is None
        for taken in (THIEF, "second@elsewhere.example"):
            assert STORE.find(session, worker_vault, taken) is None
    assert sign_in(HIS, address="second@elsewhere.example").status_code == 400
    assert press(thief, second).status_code == 410
    assert leads_to(choose(owner, smtp.to(ADDRESS)[-1], HERS)) == "/reset/done/"


def test_what_protected_the_account_before_stays(
    protected,
    recovery,
    app_code,
    client,
    sign_in,
    db,
    worker_vault,
    clock,
    ana,
    web_vault,
    press,
    owner,
    work,
    link_to,
    account_of,
    subjects,
):
    """Ana had an app and recovery codes; the thief, with both, adds a passkey and makes new codes."""

    with db.read() as session:
        assert {kind.value for kind in factors.kinds(session, ana.id)} == {"code", "recovery"}
    with db.write() as session:
        made = service.change(session, worker_vault, ana.id, THIEF, clock.now())
        assert factors.make_recovery_codes(session, web_vault, ana.id)

    with db.write() as session:
        restored = undoing.restore(session, worker_vault, ana.id, made.change_id)
    assert restored is not None
    assert (restored.profile.address, restored.former) == (ADDRESS, THIEF)
    with db.read() as session:
        assert {kind.value for kind in factors.kinds(session, ana.id)} == {"code"}
        assert passkeys.count(session, ana.id) == 0
    with db.write() as session:
        assert undoing.restore(session, worker_vault, ana.id, made.change_id) is None


def test_a_change_that_is_confirmed_after_its_undo_is_gone(
    ask, signed_in, press, link_to, owner, work, account_of, subjects
):
    ask()
    confirm = link_to(NEW)
    opened = signed_in.get(confirm)
    form = hidden(signed_in.get(opened.location).text)
    assert "Stop the change?" in owner.get(owner.get(link_to(ADDRESS)).location).text
    assert press(owner, link_to(ADDRESS)).status_code == 303
    assert signed_in.post("/address/confirm/", data=form).status_code == 410
    assert signed_in.get(confirm, follow_redirects=True).status_code == 410
    work()
    account, address = account_of()
    assert (address, account.must_reset) == (ADDRESS, True)
    assert subjects(ADDRESS)[-1] == RESTORED


def test_a_confirmation_that_waits_for_the_worker_loses_against_the_undo(
    ask, signed_in, press, link_to, owner, work, account_of, subjects
):
    ask()
    assert press(signed_in, link_to(NEW)).status_code == 303
    assert press(owner, link_to(ADDRESS)).status_code == 303
    work()
    assert account_of()[1] == ADDRESS
    assert "Your new email address is in use" not in subjects(NEW)


def test_undo_and_confirmation_at_once_leave_the_old_address(
    ask, signed_in, link_to, owner, work, account_of
):
    ask()
    forms = []
    for browser, link in ((signed_in, link_to(NEW)), (owner, link_to(ADDRESS))):
        opened = browser.get(link).location
        forms.append((browser, opened.split("?")[0], hidden(browser.get(opened).text) | {"sure": "y"}))
    start, codes = threading.Barrier(2), []

    def send(browser, page, form):
        start.wait()
        codes.append(browser.post(page, data=form).status_code)

    threads = [threading.Thread(target=send, args=form) for form in forms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) in ([303, 303], [303, 410])
    work()
    account, address = account_of()
    assert (address, account.must_reset) == (ADDRESS, True)


def test_a_thief_is_out_while_no_worker_runs(
    stolen, thief, owner, press, account_of, sign_in, worker_parts, work, smtp
):
    thief.submit("/reset/", email=THIEF)
    work()
    link = link_in(smtp.to(THIEF)[-1])
    assert press(owner, stolen).status_code == 303
    assert account_of()[1] == THIEF, "only the worker writes addresses"
    assert account_of()[0].must_reset
    assert thief.get("/account/").status_code == 303
    assert sign_in(address=THIEF).status_code == 400
    assert thief.get(link, follow_redirects=True).status_code == 410
    thief.submit("/reset/", email=THIEF)
    work()  # it may answer the thief first
    (answer,) = [mail for mail in smtp.to(THIEF)[-2:] if "request" in mail.message["Subject"]]
    assert not re.search("/reset/[a-z2-7]{32}/", answer.text)
    assert account_of()[1] == ADDRESS


def test_a_worker_that_dies_between_lock_and_restore_does_it_later(
    stolen, owner, press, account_of, worker_parts, work, monkeypatch, clock
):
    assert press(owner, stolen).status_code == 303
    undo, worker_parts.handlers["address-undo"] = worker_parts.handlers["address-undo"], _dies
    work()
    assert account_of()[1] == THIEF
    assert account_of()[0].must_reset
    worker_parts.handlers["address-undo"] = undo
    clock.advance(timedelta(minutes=1))
    work()
    assert account_of()[1] == ADDRESS


def _dies(session, request, now, parts):
    intake.log.info("%s", request.purpose)
    raise RuntimeError


def test_a_thief_with_an_hour_at_the_new_inbox(
    moved, browser_at, press, link_to, smtp, work, account_of, subjects, owner, sign_in
):
    """Ana moved by herself. A thief who reads her new inbox takes her password; her old inbox undoes it."""
    thief = browser_at("203.0.113.66")
    thief.submit("/reset/", email=NEW)
    work()
    assert leads_to(choose(thief, smtp.to(NEW)[-1], HIS)) == "/reset/done/"
    work()
    told = [mail.text for mail in smtp.to(ADDRESS) if "News about" in mail.message["Subject"]]
    assert ["Someone asked for a new password." in told[0], len(told)] == [True, 2]
    assert "A new password was chosen through an email." in told[1]
    assert all("/reset/" not in text for text in told)
    assert leads_to(sign_in(HIS, address=NEW, visitor=thief)) == "/account/"
    assert press(owner, link_to(ADDRESS)).status_code == 303
    assert thief.get("/account/").status_code == 303
    work()
    account, address = account_of()
    assert (address, account.must_reset) == (ADDRESS, True)


def test_the_middle_one_of_three_addresses_undoes_the_last_change_and_the_first_both(
    moved, sign_in, client, press, link_to, work, account_of, owner, smtp
):
    sign_in(address=NEW)
    client.submit(PAGE, email="ana@third.example")
    work()
    assert press(client, link_to("ana@third.example")).status_code == 303
    work()
    first = link_to(ADDRESS)
    assert press(owner, link_to(NEW)).status_code == 303
    work()
    assert account_of()[1] == NEW
    assert press(owner, first).status_code == 303
    work()
    assert account_of()[1] == ADDRESS


def test_a_week_after_the_mail_left_it_is_over(moved, owner, link_to, clock, press, account_of, work, smtp):
    clock.advance(7 * DAY - timedelta(hours=1))
    assert owner.get(link_to(ADDRESS), follow_redirects=True).status_code == 200
    clock.advance(timedelta(hours=3))
    assert owner.get(link_to(ADDRESS), follow_redirects=True).status_code == 410
    clock.advance(DAY)
    owner.submit("/reset/", email=NEW)
    count = len(smtp.to(ADDRESS))
    work()
    assert len(smtp.to(ADDRESS)) == count
