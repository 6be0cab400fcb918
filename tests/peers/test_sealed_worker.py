"""Real worker processes, killed while they store a new password in the company's own store."""

import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.accounts.models import AccountSession
from portal.app import create_app
from portal.core.clock import SystemClock
from portal.identity.sealed.models import SealedJob, WorkerKey
from portal.reset.models import PasswordAttempt
from tests import processes
from tests.identity.sealed.shop import (
    ANN,
    NEW,
    OLD,
    Worker,
    cannot,
    settings,
    shop,
    shop_environ,
)
from tests.reset.journey import REQUEST, link_in
from tests.visitor import Visitor

# The transport is tried on both databases in tests/identity/sealed.
pytestmark = pytest.mark.sqlite
__all__ = ["cannot", "settings", "shop", "shop_environ"]


def until(true, what):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def browser(settings, db, clock, web_keys):
    app = create_app(settings, db=db, clock=clock, web_keys=web_keys)
    app.test_client_class = Visitor
    return app.test_client()


@pytest.fixture
def look(db):
    def looked(query):
        with db.read() as session:
            return session.scalar(query)

    return looked


@pytest.fixture
def working(shop_environ, tmp_path, look):
    """Start a worker, and wait until passwords can be sealed to it."""

    @contextmanager
    def started():
        before = look(select(func.max(WorkerKey.beat_at)))
        with processes.working(shop_environ, tmp_path / "worker.log") as process:
            until(lambda: look(select(func.max(WorkerKey.beat_at))) != before, "a worker's key")
            yield process

    return started


def test_a_worker_that_is_killed_at_any_step_loses_no_link_and_the_next_one_clears_up(
    browser, shop, db, look, working, smtp, tmp_path, worker_parts
):
    store_id = shop.add(ANN, OLD)
    rows = Worker(db, worker_parts)

    def answered(form, **fields):
        """Send a form, and open the page that waited once the worker has answered."""
        waiting = browser.submit(form, **fields)
        assert waiting.status_code == 303
        until(lambda: look(select(SealedJob.answered_at)) is not None, "an answer")
        rows.pass_time(1)
        return browser.get(waiting.location)

    def killed(process, place, form):
        """Kill the worker when it comes to this step; the browser is told within the deadline."""
        shop.trouble(place, "hold")
        before = shop.calls(place)
        waiting = browser.submit(form, password=NEW)
        until(lambda: shop.calls(place) > before, place)
        process.kill()
        process.wait()
        shop.no_trouble()
        rows.pass_time(10)
        page = browser.get(waiting.location)
        assert page.status_code == 503
        assert "We don’t know if your new password was saved" in page.text
        with db.write() as session:
            for attempt in session.scalars(select(PasswordAttempt)):
                attempt.until -= timedelta(minutes=1)

    with working() as first:
        browser.submit("/reset/", email=ANN)
        until(lambda: smtp.to(ANN), "a mail with a link")
        (mail,) = [mail for mail in smtp.to(ANN) if mail.message["Subject"] == REQUEST]
        assert answered("/sign-in/", email=ANN, password=OLD).location == "/account/"
        form = browser.get(link_in(mail)).location
        killed(first, "before set_password", form)
    assert shop.password(store_id) == OLD
    assert look(select(func.count()).select_from(AccountSession)) == 1
    with working() as second:
        until(lambda: look(select(PasswordAttempt.attempt)) is None, "the attempt's end")
        assert look(select(func.count()).select_from(AccountSession)) == 0
        killed(second, "after set_password", form)
    assert shop.password(store_id) == NEW
    with working() as third:
        resting = PasswordAttempt.sign_outs.is_(None) & PasswordAttempt.attempt.is_(None)
        until(lambda: look(select(PasswordAttempt.unknown).where(resting)), "the end of what was left")
        shop.run("UPDATE people SET sessions = 1")
        killed(third, "before end_sessions", form)
    with working():
        until(lambda: look(select(func.count()).select_from(PasswordAttempt)) == 0, "the end of sessions")
    assert shop.sessions(store_id) == 0
    assert browser.get(form).status_code == 410
    log = (tmp_path / "worker.log").read_text()
    assert log.count("ended before it was known") == 2
    assert NEW not in log
    assert look(select(func.count()).select_from(WorkerKey)) <= 3  # of those that were killed


def test_a_worker_that_is_stopped_withdraws_its_key_and_ends_what_it_began(
    browser, shop, working, look, db, worker_parts
):
    shop.add(ANN, OLD)
    shop.trouble("before verify", "hold")
    with working() as process:
        waiting = browser.submit("/sign-in/", email=ANN, password=OLD)
        shop.wait_for("before verify")
        process.terminate()
        until(lambda: look(select(WorkerKey.id)) is None, "no key")
        assert browser.submit("/sign-in/", email=ANN, password=OLD).status_code == 503
        shop.no_trouble()
    Worker(db, worker_parts).pass_time(1)
    assert browser.get(waiting.location).location == "/account/"
