"""`portal support find`: what a support person sees of an address, what they do not, and what is recorded."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.crypto.hashing import unset_hash
from portal.exposure import left_out
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.incidents import service as incidents
from portal.outbox import jobs
from portal.worker import drain

ANN = "ann@northwind.example,C-7,Ann,en,ES,Passwords\n"
BEN = "ann@northwind.example,C-8,Ben,en,ES,Names\n"
UPPER = "Cleo@northwind.example,C-9,Cleo,en,ES,Names\n"


def entries(db):
    with db.read() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.action == "support.find"))
        return [(row.subject, json.loads(row.details)) for row in rows]


def test_a_family_is_shown_as_on_its_answer_page(lists, find):
    lists.live(ANN + BEN)
    (found,) = find(" ann@NORTHWIND.example")["found"]
    (result,) = found["lists"]
    assert found["address"] == "ann@northwind.example"
    assert (result["incident"], result["result"], result["list_version"]) == ("november", "affected", 1)
    assert result["people"] == [
        {"label": "Ann", "classes": ["Passwords"]},
        {"label": "Ben", "classes": ["Names"]},
    ]
    assert found["account"] is None


def test_nobody_is_told_apart_from_somebody_in_the_audit_log(lists, find, db):
    lists.live(ANN)
    find("ann@northwind.example")
    find("nobody@northwind.example")
    (one, first), (other, second) = entries(db)
    assert one == other
    assert set(first) == set(second) == {"looked_for", "ran_as", "reason"}
    assert first["looked_for"] != second["looked_for"]
    assert "northwind" not in json.dumps([first, second])
    assert first["reason"] == "ticket 4711"


def test_a_look_is_recorded_even_if_it_breaks(lists, portal, db, monkeypatch):
    def broken(*_):
        raise OSError(5, "broken")

    monkeypatch.setattr("portal.support.service.look", broken)
    portal("support", "find", "ann@northwind.example", "--reason", "ticket 1", status=1)
    assert len(entries(db)) == 1


@pytest.mark.sqlite
class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("ann@northwind.example",), "Say why you look"),
            (("ann@northwind.example", "--reason", " "), "one line"),
            (("ann@northwind.example", "--reason", "she is ann@northwind.example"), "not encrypted"),
            (("C-7", "--reason", "customer c-7 called"), "not encrypted"),
            (("ann@", "--reason", "ticket 4711"), "not an address"),
            (("", "--reason", "ticket 4711"), "one address, or one reference"),
        ],
    )
    def test_with_status_2_and_nothing_is_looked_up(self, arguments, told, portal, db):
        assert told in portal("support", "find", *arguments, status=2).stderr
        assert entries(db) == []


@pytest.mark.sqlite
def test_an_address_can_come_from_standard_input(lists, context):
    from click.testing import CliRunner

    from portal.cli import main

    lists.live(ANN)
    words = ["support", "find", "-", "--reason", "ticket 4711", "--json"]
    done = CliRunner().invoke(main, words, input="ann@northwind.example\n", obj=context)
    assert json.loads(done.stdout)["found"][0]["lists"][0]["result"] == "affected"


def test_only_the_exact_address_is_found_and_another_spelling_is_not_shown(lists, find):
    lists.live(UPPER)
    (found,) = find("cleo@northwind.example")["found"]
    assert found["lists"][0]["result"] == "other_spelling"
    assert found["lists"][0]["people"] == []
    assert "Cleo@" not in json.dumps(found)


class TestMails:
    def test_a_notice_that_failed_says_why(self, lists, find, notify, worker_parts, smtp):
        lists.live(ANN + "bob@northwind.example,C-1,Bob,en,ES,Names\n")
        smtp.answer_recipient = lambda address: "550 5.1.1 no such user" if "ann" in address else "250 OK"
        notify()
        (waiting,) = find("ann@northwind.example")["found"][0]["mails"]
        assert (waiting["kind"], waiting["incident"], waiting["state"]) == ("notice", "november", "queued")
        drain(worker_parts)
        (found,) = find("ann@northwind.example")["found"]
        (mail,) = found["mails"]
        assert (mail["state"], mail["reason"]) == ("failed", "smtp-550")
        assert any("smtp-550, the mailbox does not exist" in hint for hint in found["hints"])
        assert find("bob@northwind.example")["found"][0]["mails"][0]["state"] == "sent"

    def test_one_that_left_long_ago_is_known_by_its_day(self, lists, find, notify, worker_parts, db, clock):
        lists.live(ANN)
        notify()
        drain(worker_parts)
        clock.at += timedelta(hours=1)
        jobs.move_sent(worker_parts)
        (mail,) = find("ann@northwind.example")["found"][0]["mails"]
        assert (mail["state"], mail["ended"], mail["reason"]) == ("sent", "2026-11-23", None)

    def test_what_was_asked_for_is_found_before_and_after_it_is_moved(
        self, lists, find, check, worker_parts, clock
    ):
        lists.live(ANN)
        check("ann@northwind.example")
        for state in ("2026-11-23T09:00:00Z", "2026-11-23"):
            (mail,) = find("ann@northwind.example")["found"][0]["mails"]
            assert (mail["kind"], mail["state"], mail["ended"]) == ("answer", "sent", state)
            assert mail["asked_at"] == "2026-11-23T09:00:00Z"
            assert mail["link_until"] == "2026-12-23T09:00:00Z"
            clock.at += timedelta(hours=1)
            jobs.move_sent(worker_parts)

    def test_a_listed_person_without_a_notice_is_named(self, lists, find):
        lists.live(ANN)
        hints = find("ann@northwind.example")["found"][0]["hints"]
        assert "No notice about november was queued for them. See: portal campaigns" in hints

    def test_the_third_mail_of_a_day_is_said_to_be_the_last(self, lists, find, check):
        for _ in range(3):
            check("ann@northwind.example")
        assert any(
            "(answer), which is the most" in hint
            for hint in find("ann@northwind.example")["found"][0]["hints"]
        )


def test_a_request_that_no_worker_has_answered_is_found(lists, find, client):
    client.submit("/check/", email="Ann@northwind.example")
    client.submit("/check/", email="somebody@northwind.example")
    requests = find("ann@northwind.example")["found"][0]["requests"]
    assert (requests["waiting"], requests["opened"]) == (2, 2)
    (asked,) = requests["from_this_address"]
    assert (asked["form"], asked["state"]) == ("check", "waiting")


def test_a_locked_password_and_the_way_out_of_it(lists, find, people, portal, worker_parts, smtp):
    people.add("ann@northwind.example", ref="C-7")
    lists.live(ANN)
    portal("reset", "require", "november")
    drain(worker_parts)
    (found,) = find("ann@northwind.example")["found"]
    assert found["account"]["must_choose_a_password"] is True
    assert found["account"]["required_at"] == "2026-11-23T09:00:00Z"
    (mail,) = found["mails"]
    assert (mail["kind"], mail["state"], mail["link_used"]) == ("reset required", "sent", False)
    assert mail["link_until"] == "2026-11-24T09:00:00Z"
    assert any("http://localhost:8000/reset/" in hint for hint in found["hints"])


def test_an_account_without_a_password_and_the_way_to_one(lists, find, people, portal, db, clock):
    new = NewAccount(Profile("ann@northwind.example"), unset_hash("m=64,t=1,p=1"), frozenset({"C-7", "C-8"}))
    with db.write() as session:
        people.store.add(session, people.vault, [new], clock.now())
    for reference in ("C-7", "C-8"):
        (found,) = find(reference)["found"]
        assert found["account"]["must_choose_a_password"] is True
        assert any("They have no password yet" in hint for hint in found["hints"])


def test_an_account_whose_address_is_none_is_said_and_hides_no_other(lists, find, people, portal, db, clock):
    password = unset_hash("m=64,t=1,p=1")
    odd = NewAccount(Profile("ann at northwind"), password, frozenset({"C-7", "C-8"}))
    ann = NewAccount(Profile("ann@northwind.example"), password, frozenset({"C-8"}))
    with db.write() as session:
        people.store.add(session, people.vault, [odd, ann], clock.now())
    failed = portal("support", "find", "C-7", "--reason", "ticket 1", status=1)
    assert "1 account with this reference has no email address that the portal can read" in failed.stderr
    assert "Traceback" not in failed.stderr
    shown = portal("support", "find", "C-8", "--reason", "ticket 1")
    assert "1 account with this reference has no email address" in shown.stderr
    assert "Found: a…@n….example" in shown.stdout


def test_who_gets_updates_and_who_left_them(lists, find, db, worker_vault, clock):
    from portal.subscriptions import service
    from portal.subscriptions.models import Subscription

    contact = service.Contact("ann@northwind.example", "en")
    with db.write() as session:
        service.confirm(session, worker_vault, lists.id_of("november"), contact)
    assert find("Ann@northwind.example")["found"][0]["updates"] == [
        {"incident": "november", "state": "subscribed"}
    ]
    with db.write() as session:
        row_id = session.scalars(select(Subscription.id)).one()
        service.leave(session, worker_vault.token("unsubscribe", row_id), clock.now())
    assert find("ann@northwind.example")["found"][0]["updates"] == [{"incident": "november", "state": "left"}]


class TestReference:
    def test_a_customer_number_finds_the_account_and_masks_its_address(self, lists, find, people):
        people.add("ann@northwind.example", ref="C-7")
        lists.live(ANN)
        (found,) = find("C-7")["found"]
        assert found["address"] == "a…@n….example"
        assert found["lists"][0]["result"] == "affected"

    def test_without_an_account_the_price_of_a_scan_is_named(self, lists, portal):
        lists.live(ANN + UPPER)
        said = portal("support", "find", "C-9", "--reason", "ticket 1").stdout
        assert "add --scan. It reads 2 people, which takes about 1 minute" in said

    def test_a_scan_finds_people_by_their_number_or_by_the_number_of_their_answer(self, lists, find):
        lists.live(ANN + BEN + UPPER)
        reference = find("ann@northwind.example")["found"][0]["lists"][0]["reference"]
        assert [each["address"] for each in find("C-9", "--scan")["found"]] == ["C…@n….example"]
        assert [each["address"] for each in find(reference.lower(), "--scan")["found"]] == ["a…@n….example"]
        assert find("C-10", "--scan")["found"] == []


class TestScreen:
    @pytest.mark.sqlite
    def test_it_goes_step_by_step(self, lists, portal):
        lists.live(ANN + BEN)
        said = portal("support", "find", "ann@northwind.example", "--reason", "ticket 4711").stdout
        steps = [line for line in said.splitlines() if line[:1].isdigit()]
        assert steps == [
            "1. Affected list",
            "2. Account",
            "3. Mails and requests",
            "4. What to tell the caller",
        ]
        assert "person 1 (Ann): Passwords" in said
        assert "Read none of this out" in said
        assert "\x1b" not in said


@pytest.mark.sqlite
def test_who_looked_how_often_is_counted_from_the_audit_log(lists, find, portal, monkeypatch, clock):
    monkeypatch.setattr("portal.support.commands._staff", lambda reason: ("eve", "portal-worker", reason))
    for who in ("ann@northwind.example", "Ann@northwind.example", "bob@northwind.example"):
        find(who)
    assert portal("support", "looks").stdout == "eve: 3 looks at 2 people, the last on 2026-11-23 09:00 UTC\n"
    listed = portal("audit", "list", "--action", "support.find", "--since", "2026-11-23").stdout
    assert [line.split("  ")[2:4] for line in listed.splitlines()] == [["support.find", "eve"]] * 3
    assert "northwind" not in listed
    clock.at += timedelta(days=31)
    assert portal("support", "looks").stdout == "Nobody looked in the last 30 days.\n"
    assert portal("audit", "list", "--since", "2026-11-24").stdout == "No entry fits.\n"


def test_who_is_left_out_of_notices_is_said_to_be(lists, find, portal, db, worker_vault, clock):
    lists.live(ANN)
    with db.write() as session:
        incident = incidents.by_slug(session, "november")
        left_out.add(session, worker_vault, incident, [("ann@northwind.example", "C-7")], clock.now())
    (found,) = find("ann@northwind.example")["found"]
    assert found["lists"][0]["left_out_of_notices"] == 1
    assert any(
        "Nobody at this address gets the notice about november, on request." in said
        for said in found["hints"]
    )
    assert (
        "left out of notices on request: 1 person"
        in portal("support", "find", "ann@northwind.example", "--reason", "ticket 1").stdout
    )
