"""A new password in the company's own store: by link and signed in, and whatever goes wrong on the way."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select, update

from portal.accounts import service
from portal.accounts.models import AccountSession
from portal.core.db import new_id
from portal.identity import state
from portal.identity.models import AccountState
from portal.intake.models import IntakeReply
from portal.reset import service as resets
from portal.reset.external import attempts
from portal.reset.external import jobs as reset_jobs
from portal.reset.models import PasswordAttempt
from portal.web.limits import RateBucket
from portal.worker import drain
from tests.identity.sealed.shop import (
    ANN,
    NEW,
    OLD,
    cannot,
    settings,
    shop,
    shop_environ,
    told,
    worker,
)
from tests.reset.journey import REQUEST, link_in
from tests.visitor import leads_to

__all__ = ["cannot", "settings", "shop", "shop_environ", "worker"]

CHANGED = "Your password was changed"
OTHER_SITES = "We can’t sign you out of our other sites and apps."
OTHER = "copper-kettle-violet-stairs"


@pytest.fixture
def ann(shop):
    return shop.add(ANN, OLD)


@pytest.fixture
def link(client, worker_parts, smtp):
    """Ask for a link, and open it in this browser; it leads to the form."""

    def opened(browser=client):
        assert browser.submit("/reset/", email=ANN).status_code == 303
        drain(worker_parts)
        mail = [mail for mail in smtp.to(ANN) if mail.message["Subject"] == REQUEST][-1]
        return str(browser.get(link_in(mail)).location)

    return opened


@pytest.fixture
def choose(client, worker):
    """Send the form of a link, let the worker work, and return the page that waits, when it is time."""

    def chosen(form, password=NEW, *, seconds=1):
        with worker.working():
            waiting = client.submit(form, password=password)
            assert (waiting.status_code, leads_to(waiting)) == (303, "/reset/wait/")
            assert client.get(waiting.location).status_code == 200
        return told(client, waiting, worker, seconds)

    return chosen


def count(db, table):
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def spent(db):
    with db.read() as session:
        return (
            session.scalars(select(IntakeReply.spent_at).order_by(IntakeReply.created_at)).all()[-1]
            is not None
        )


@pytest.fixture
def open_session(db, worker_vault, shop, ann, clock):
    """A session of the account in the portal, as after a sign-in."""
    with db.write() as session:
        account = state.ensure(session, worker_vault, "shop", shop.get([ann])[0])
        service.create_session(session, worker_vault, account, address=ANN, device="/", now=clock.now())


class TestByLink:
    def test_it_is_stored_every_session_ends_and_the_owner_is_told(
        self, client, shop, ann, open_session, link, choose, db, worker_parts, smtp
    ):
        answer = choose(link())
        assert (answer.status_code, leads_to(answer)) == (303, "/reset/done/")
        assert "Your new password is set" in client.get(answer.location).text
        assert OTHER_SITES not in client.get(answer.location).text
        assert (shop.password(ann), shop.sessions(ann)) == (NEW, 0)
        assert (count(db, AccountSession), count(db, PasswordAttempt), spent(db)) == (0, 0, True)
        drain(worker_parts)
        assert CHANGED in [mail.message["Subject"] for mail in smtp.to(ANN)]

    def test_a_used_link_is_gone(self, app, ann, link, choose, smtp):
        choose(link())
        (mail,) = [mail for mail in smtp.to(ANN) if mail.message["Subject"] == REQUEST]
        another = app.test_client()
        assert another.get(another.get(link_in(mail)).location).status_code == 410

    def test_the_disk_has_the_attempt_before_the_store_is_called_and_what_follows_before_it_is_told(
        self, ann, link, choose, worker_parts
    ):
        engine, commits = worker_parts.db.engine, []
        expected = ("sealed_jobs", "reset_attempts", "intake_replies")

        @event.listens_for(engine, "before_cursor_execute")
        def note(connection, _cursor, statement, *_more):
            words = statement.replace("INTO ", "").replace("FROM ", "").split()
            if statement == "SET LOCAL synchronous_commit = off":
                connection.info["postgresql"] = "NORMAL"
            if words[0] in ("INSERT", "UPDATE", "DELETE"):
                connection.info.setdefault("first change", f"{words[0]} {words[1]}")

        @event.listens_for(engine, "commit")
        def committed(connection):
            change, waits = connection.info.pop("first change", ""), connection.info.pop("postgresql", "FULL")
            if change.endswith(expected):
                commits.append((change, connection.info.get("synchronous", waits)))

        form = link()
        commits.clear()
        assert leads_to(choose(form)) == "/reset/done/"
        assert commits[:6] == [  # the test itself then lets time pass
            ("INSERT sealed_jobs", "NORMAL"),
            ("UPDATE sealed_jobs", "NORMAL"),
            ("INSERT reset_attempts", "FULL"),
            ("UPDATE intake_replies", "FULL"),
            ("DELETE reset_attempts", "NORMAL"),  # once the store has ended the sessions
            ("UPDATE sealed_jobs", "NORMAL"),
        ]

    def test_the_current_password_is_refused_in_the_form_and_the_link_works(
        self, client, shop, ann, link, choose, db
    ):
        form = link()
        counted = count(db, RateBucket)
        answer = choose(form, OLD)
        assert count(db, RateBucket) == counted + 1
        assert (answer.status_code, leads_to(answer)) == (303, "/reset/choose/")
        page = client.get(answer.location)
        assert "This is your current password." in page.text
        assert "This is your current password." not in client.get(answer.location).text
        assert leads_to(choose(form)) == "/reset/done/"

    def test_what_the_stores_own_rules_refuse_is_told(self, client, shop, ann, link, choose):
        form = link()
        shop.trouble("before set_password", "refused")
        assert "Our sign-in system doesn’t accept this password." in client.get(choose(form).location).text
        shop.no_trouble()
        assert leads_to(choose(form)) == "/reset/done/"

    def test_a_closed_password_is_refused(self, client, shop, ann, link, choose, db, worker_vault, clock):
        account = state.account_id(worker_vault, "shop", ann)
        with db.write() as session:
            state.ensure(session, worker_vault, "shop", shop.get([ann])[0])
            shop.require_change(
                [ann], lambda kept: state.keep_closed(session, worker_vault, {account: kept[ann]})
            )
            state.require(session, [account], "exposed", clock.now())
        form = link()
        assert "We locked this password" in client.get(choose(form, OLD).location).text
        assert leads_to(choose(form)) == "/reset/done/"
        with db.read() as session:
            assert session.get(AccountState, account).must_reset is False

    @pytest.mark.parametrize(
        ("cannot", "what", "told"),
        [
            ("", "away", "You may still be signed in to our other sites"),
            ("", "bug", "You may still be signed in to our other sites"),
            ("end_sessions", "away", OTHER_SITES),
        ],
    )
    def test_sessions_that_were_not_ended_in_the_product_are_told(
        self, client, shop, ann, link, choose, what, told
    ):
        shop.trouble("before end_sessions", what)
        assert told in client.get(choose(link()).location).text
        assert shop.password(ann) == NEW

    def test_of_fifty_parallel_posts_one_spends_the_link(
        self, client, shop, ann, link, db, worker_parts, smtp
    ):
        link()
        mail = [mail for mail in smtp.to(ANN) if mail.message["Subject"] == REQUEST][-1]
        token = link_in(mail).split("/")[2]

        def post(number):
            fields = {"token": token, "password": f"{NEW}-{number}", "language": "en"}
            return reset_jobs.new_password(new_id(), fields, worker_parts)["outcome"]

        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(post, range(50)))
        assert outcomes.count("changed") == 1
        assert set(outcomes) <= {"changed", "gone", "under way"}
        assert shop.password(ann) == f"{NEW}-{outcomes.index('changed')}"
        assert shop.calls("after set_password") == 1

    def test_whoever_rewrites_what_a_link_opens_changes_no_other_account(
        self, client, shop, ann, link, choose, db
    ):
        shop.add("ben@northwind.example", OLD, store_id="ben")
        form = link()
        with db.write() as session:
            session.execute(update(IntakeReply).values(private=b"x" * 540))
        assert choose(form).status_code == 410
        assert shop.password("ben") == shop.password(ann) == OLD


@pytest.mark.sqlite  # what goes to the database is tried on both above
class TestTrouble:
    def test_a_store_that_answers_wrongly_or_not_loses_nothing(self, shop, ann, link, choose, db):
        form = link()
        for place, what in (("get", "away"), ("verify", "fault"), ("set_password", "away"), ("get", "fault")):
            shop.trouble(f"before {place}", what)
            answer = choose(form)
            assert answer.status_code == 503
            assert "nothing has changed" in answer.text
            assert (shop.password(ann), spent(db), count(db, PasswordAttempt)) == (OLD, False, 0)
            shop.no_trouble()
        assert leads_to(choose(form)) == "/reset/done/"

    def test_a_reset_required_while_the_store_had_stored_it_denies_no_change(
        self, shop, ann, link, choose, db, clock, monkeypatch
    ):
        def overtaken(*_args, **_options):
            raise resets.Overtaken

        form = link()
        monkeypatch.setattr(resets, "note_changed", overtaken)
        answer = choose(form)
        assert answer.status_code == 503
        assert "Your new password may be saved already" in answer.text
        assert "Your link still works" not in answer.text
        assert '<a class="button" href="/reset/">' in answer.text
        assert (shop.password(ann), spent(db)) == (NEW, False)

    def test_a_call_that_broke_off_after_the_write_is_found_to_be_done(self, shop, ann, link, choose, db):
        form = link()
        shop.trouble("after set_password", "unknown")
        assert leads_to(choose(form)) == "/reset/done/"
        assert (shop.password(ann), spent(db)) == (NEW, True)

    def test_what_a_call_that_broke_off_writes_later_was_never_denied(
        self, shop, ann, open_session, link, choose, db
    ):
        form = link()
        shop.trouble("before set_password", "unknown")
        answer = choose(form)
        assert answer.status_code == 503
        assert "We don’t know if your new password was saved" in answer.text
        assert (shop.password(ann), spent(db)) == (OLD, False)
        assert (shop.sessions(ann), count(db, AccountSession)) == (0, 0)
        shop.no_trouble()
        shop.set_password(ann, NEW)
        assert leads_to(choose(form)) == "/reset/done/"
        assert (shop.password(ann), spent(db), count(db, PasswordAttempt)) == (NEW, True, 0)

    @pytest.mark.parametrize(("place", "now"), [("before set_password", OLD), ("after set_password", NEW)])
    def test_where_nobody_knows_it_is_said_all_sessions_end_and_the_same_password_may_be_chosen_again(
        self, shop, ann, open_session, link, worker_parts, db, smtp, place, now, caplog
    ):
        link()
        token = link_in([mail for mail in smtp.to(ANN) if mail.message["Subject"] == REQUEST][-1]).split("/")[
            2
        ]
        fields = {"token": token, "password": NEW, "language": "en"}
        shop.trouble(place, "bug")
        assert reset_jobs.new_password(new_id(), fields, worker_parts) == {
            "outcome": "unknown",
            "signed_out": True,
        }
        assert (shop.password(ann), shop.sessions(ann), count(db, AccountSession), spent(db)) == (
            now,
            0,
            0,
            False,
        )
        assert "hunter22" not in caplog.text
        shop.no_trouble()
        assert reset_jobs.new_password(new_id(), fields, worker_parts)["outcome"] == "changed"
        assert (shop.password(ann), count(db, PasswordAttempt)) == (NEW, 0)

    def test_the_page_says_plainly_that_nobody_knows(self, client, shop, ann, link, choose):
        form = link()
        shop.trouble("after set_password", "bug")
        answer = choose(form)
        assert answer.status_code == 503
        assert "We don’t know if your new password was saved" in answer.text
        assert "we signed you out wherever we could" in answer.text
        assert "we’ll email you" not in answer.text
        assert form.split("link=")[1] in answer.text
        shop.no_trouble()
        assert leads_to(choose(form)) == "/reset/done/"

    def test_a_job_that_is_late_says_whether_it_had_begun(self, client, shop, ann, link, worker):
        form = link()
        shop.trouble("before set_password", "hold")
        with worker.working() as jobs:
            waiting = client.submit(form, password=NEW)
            jobs.step()
            shop.wait_for("before set_password")
            late = told(client, waiting, worker, 10)
            # Meanwhile another attempt for this account does not begin.
            again = client.submit(form, password=OTHER)
            jobs.step()
            worker.wait_for_answers(1)
            shop.no_trouble()
        assert "We don’t know if your new password was saved" in late.text
        assert told(client, again, worker).status_code == 503
        assert shop.password(ann) == NEW

    def test_the_lease_of_a_dead_worker_ends_all_sessions_and_its_link_works(
        self, shop, ann, open_session, link, choose, db, worker_vault, worker_parts, clock, caplog
    ):
        form = link()
        with db.write() as session:
            account = state.account_id(worker_vault, "shop", ann)
            attempts.begin(session, worker_vault, new_id(), account, ann, clock.now())
        assert choose(form).status_code == 503
        reset_jobs.recover(worker_parts)
        assert count(db, AccountSession) == 1
        clock.at += timedelta(seconds=61)
        reset_jobs.recover(worker_parts)
        assert (count(db, AccountSession), shop.sessions(ann)) == (0, 0)
        assert f"of account {account.hex()} ended before it was known" in caplog.text
        assert leads_to(choose(form)) == "/reset/done/"
        assert count(db, PasswordAttempt) == 0

    def test_what_nobody_knew_is_forgotten_after_a_week(self, db, worker_vault, worker_parts, clock):
        with db.write() as session:
            attempts.begin(session, worker_vault, new_id(), b"a" * 16, "1", clock.now())
        clock.at += timedelta(seconds=61)
        reset_jobs.recover(worker_parts)
        clock.at += timedelta(days=7)
        reset_jobs.recover(worker_parts)
        assert count(db, PasswordAttempt) == 1
        clock.at += timedelta(days=1)
        reset_jobs.recover(worker_parts)
        assert count(db, PasswordAttempt) == 0
