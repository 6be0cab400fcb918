"""Signing in with a password of the company's own store, which the worker alone asks."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.accounts.activity.models import AccountEvent
from portal.accounts.models import AccountSession, FailureCount
from portal.identity import state
from portal.identity.models import AccountState
from portal.identity.ports import StoreFault
from portal.identity.sealed.models import SealedJob, WorkerKey
from portal.intake.models import IntakeRequest
from portal.monitoring.status import look
from tests.commands import context
from tests.identity.sealed.shop import ANN, OLD, cannot, settings, shop, shop_environ, told, worker
from tests.visitor import leads_to

# The transport is tried on both databases in test_transport.py, and what follows is the same on both.
pytestmark = pytest.mark.sqlite

__all__ = ["cannot", "context", "settings", "shop", "shop_environ", "worker"]


def count(db, table):
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(table))


@pytest.fixture
def try_to_sign_in(client, worker):
    def tried(email=ANN, password=OLD, browser=client):
        with worker.working():
            waiting = browser.submit("/sign-in/", email=email, password=password)
            assert (waiting.status_code, leads_to(waiting)) == (303, "/sign-in/wait/")
        return waiting

    return tried


def test_the_right_password_signs_in_after_a_page_that_waits(client, shop, worker, try_to_sign_in, db):
    shop.add(ANN, OLD)
    waiting = try_to_sign_in()
    page = client.get(waiting.location)
    assert (page.status_code, "We’re checking your password" in page.text) == (200, True)
    assert client.head(waiting.location).status_code == 200
    worker.pass_time(1)
    looked = client.head(waiting.location)
    assert (looked.status_code, looked.location) == (303, waiting.location)
    answer = client.get(waiting.location)
    assert (answer.status_code, answer.location) == (303, "/account/")
    assert ANN in client.get("/account/").text
    assert count(db, SealedJob) == 0
    assert count(db, AccountEvent) == 1, "a browser that the account did not know"
    # The verdict was told, and once.
    assert leads_to(client.get(waiting.location)) == "/sign-in/"


def test_a_password_that_is_replaced_while_it_is_verified_signs_nobody_in(
    client, shop, worker, db, worker_vault, clock
):
    store_id = shop.add(ANN, OLD)
    shop.trouble("after verify", "hold")
    with worker.working() as jobs:
        waiting = client.submit("/sign-in/", email=ANN, password=OLD)
        jobs.step()
        shop.wait_for("after verify")
        with db.write() as session:
            account = state.ensure(session, worker_vault, "shop", shop.get([store_id])[0])
            state.changed(session, account.id, expected_version=1, now=clock.now())
        shop.no_trouble()
    answer = told(client, waiting, worker)
    assert "We couldn’t sign you in" in answer.text
    assert leads_to(client.get("/account/")).startswith("/sign-in/")


@pytest.mark.parametrize("stored", ["caf\u00e9-sunlit-marble", "cafe\u0301-sunlit-marble"])
def test_an_accent_is_the_same_however_it_was_typed_or_stored(client, shop, worker, try_to_sign_in, stored):
    shop.add(ANN, stored)
    typed = "cafe\u0301-sunlit-marble"
    assert told(client, try_to_sign_in(password=typed), worker).location == "/account/"


def test_without_a_script_the_page_asks_again_by_itself(client, shop, try_to_sign_in):
    page = client.get(try_to_sign_in().location).text
    assert '<noscript><meta http-equiv="refresh" content="1"></noscript>' in page


@pytest.mark.parametrize(
    ("email", "password"), [(ANN, "wrong"), ("nobody@northwind.example", OLD), ("two@northwind.example", OLD)]
)
def test_every_failure_gets_the_one_page_and_leaves_the_same_rows(
    client, shop, worker, try_to_sign_in, db, email, password
):
    shop.add(ANN, OLD)
    shop.add("two@northwind.example", OLD, store_id="1")
    shop.add("Two@northwind.example", OLD, store_id="2")
    answer = told(client, try_to_sign_in(email, password), worker)
    assert answer.status_code == 400
    assert "We couldn’t sign you in with that address and password" in answer.text
    assert f'value="{email}"' in answer.text
    assert 'action="/sign-in/"' in answer.text
    rows = [count(db, table) for table in (AccountState, AccountSession, FailureCount, IntakeRequest)]
    assert rows == [0, 0, 1, 1]
    assert shop.calls("before verify") == 1


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("find", StoreFault("account 1 of the answer has a key too many")),
        ("find", UnicodeDecodeError("utf-8", ANN.encode(), 0, 1, "odd")),
        ("verify", StoreFault("/accounts/verify answered 500")),
        ("id", None),
    ],
)
def test_an_account_at_which_the_store_fails_is_answered_like_nobody(
    client, shop, worker, try_to_sign_in, db, monkeypatch, caplog, call, error
):
    shop.add(ANN, OLD, store_id="1" * 2_000 if call == "id" else "1")
    shop.add("ben@northwind.example", OLD)
    if error is not None:
        asked = getattr(shop, call)

        def fail(subject, *rest):
            if subject in ([ANN], "1"):
                raise error
            return asked(subject, *rest)

        monkeypatch.setattr(shop, call, fail)
    seen = []
    for number, email in enumerate(["nobody@northwind.example", ANN], 1):
        answer = told(client, try_to_sign_in(email), worker)
        assert count(db, FailureCount) == number
        told_so = "We couldn’t sign you in with that address and password" in answer.text
        seen.append((answer.status_code, told_so, len(answer.text.replace(email, ""))))
    assert seen[0] == seen[1]
    assert seen[0][:2] == (400, True)
    logged = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(logged) == 1
    assert "the store fails at one account and answers about others" in logged[0]
    assert ANN not in caplog.text
    assert told(client, try_to_sign_in("ben@northwind.example"), worker).location == "/account/"


def test_a_try_that_comes_too_early_must_wait(client, shop, worker, try_to_sign_in):
    for _ in range(3):
        told(client, try_to_sign_in(password="wrong"), worker)
    answer = told(client, try_to_sign_in(), worker)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 5


def test_a_second_factor_leads_to_a_mailed_link(client, shop, worker, try_to_sign_in, db):
    shop.add(ANN, OLD, factor=True)
    answer = told(client, try_to_sign_in(), worker)
    assert answer.status_code == 400
    assert "Your account needs a second step" in answer.text
    assert count(db, AccountSession) == 0


def test_a_store_that_is_away_is_told_and_the_try_does_not_count(client, shop, worker, try_to_sign_in):
    shop.add(ANN, OLD)
    shop.trouble("before verify", "away")
    for _ in range(4):
        answer = told(client, try_to_sign_in(), worker)
        assert answer.status_code == 503
        assert "Nothing is lost" in answer.text
    shop.no_trouble()
    assert told(client, try_to_sign_in(), worker).location == "/account/"


def test_without_a_worker_the_form_gets_503_at_once(client, shop):
    answer = client.submit("/sign-in/", email=ANN, password=OLD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_status_says_that_no_worker_takes_passwords(shop, worker, context):
    said = "No worker takes passwords, so nobody can sign in or choose a new one"
    assert [act for act in look(context).acts if act.startswith(said)]
    with worker.working():
        assert not [act for act in look(context).acts if act.startswith(said)]


def test_a_job_that_nobody_works_on_is_503_at_its_deadline_and_the_form_works(client, shop, worker, db):
    shop.add(ANN, OLD)
    with worker.working() as jobs:
        jobs.close = lambda: None  # kill -9
        waiting = client.submit("/sign-in/", email=ANN, password=OLD)
        assert told(client, waiting, worker, 9.9).status_code == 200
        assert told(client, waiting, worker, 0.1).status_code == 503
        assert count(db, SealedJob) == 0
    with db.write() as session:
        session.scalars(select(WorkerKey)).one().beat_at -= timedelta(seconds=5)
    with worker.working():
        waiting = client.submit("/sign-in/", email=ANN, password=OLD)
    assert told(client, waiting, worker).location == "/account/"


def test_fifty_forms_wait_for_a_store_that_hangs_and_every_page_is_shown(app, shop, worker):
    shop.add(ANN, OLD)
    shop.trouble("before verify", "hold")
    with worker.working() as jobs:
        waiting = []
        for number in range(50):
            browser = app.test_client()
            answer = browser.submit("/sign-in/", email=f"{number}@northwind.example", password=OLD)
            waiting.append((browser, answer.location))
        jobs.step()
        shop.wait_for("before verify")
        assert {browser.get(page).status_code for browser, page in waiting} == {200}
        shop.no_trouble()
    assert shop.calls("before verify") >= 4
