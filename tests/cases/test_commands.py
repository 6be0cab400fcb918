"""What staff do at a terminal: who may do what, when it is refused, and what the audit log keeps."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from portal.audit import staff
from portal.audit.models import AuditEntry
from portal.audit.staff import Operator
from portal.cases import jobs, records
from portal.cases import staff as rules
from portal.cases.models import Case
from tests.cases.conftest import NEW, NOTICE, PHONE, VERIFY
from tests.reset.journey import ANA, BEN, STRANGER
from tests.traces import contents

PROOF = ("--new-address", NEW, "--how", "passport seen on a call")


def said(db):
    with db.read() as session:
        rows = session.scalars(select(AuditEntry).order_by(AuditEntry.number))
        return [(row.action, row.subject, json.loads(row.details)) for row in rows if "cases." in row.action]


def test_each_step_is_in_the_audit_log_without_the_case_or_the_person(
    confirmed, portal, as_staff, press, time, db
):
    case = confirmed()
    portal("cases", "show", case.number, "--reason", "ticket 4711")
    press("stop", ANA)
    time.work()
    portal("cases", "close", case.number, "--reason", "the owner was there")
    entries = said(db)
    assert [(action, user) for action, user, _ in entries] == [
        ("cases.prove", "sam"),
        ("cases.show", "kim"),
        ("cases.confirm", "kim"),
        ("cases.show", "kim"),
        ("cases.stop", ""),
        ("cases.close", "kim"),
    ]
    (one,) = {details["case"] for *_, details in entries}
    assert len(one) == 32
    assert entries[3][2] == {"case": one, "ran_as": "portal-worker", "reason": "ticket 4711"}


def test_the_list_says_how_old_and_how_far_and_no_more(open_case, proved, portal, as_staff, clock):
    first = open_case()
    clock.advance(timedelta(days=3))
    second = proved()
    portal("cases", "close", open_case().number, "--reason", "opened by mistake")
    listed = json.loads(portal("cases", "list", "--json").stdout)
    assert listed == [
        {"number": first.number, "opened_on": "2026-11-23", "state": "opened", "language": "en", "days": 3},
        {"number": second.number, "opened_on": "2026-11-26", "state": "proved", "language": "en", "days": 0},
    ]
    assert len(json.loads(portal("cases", "list", "--all", "--json").stdout)) == 3
    text = portal("cases", "list").stdout
    assert (
        f"{first.number[:3]} {first.number[3:6]} {first.number[6:]}  2026-11-23  opened  en  3 days" in text
    )
    assert PHONE not in text


def test_a_case_is_shown_with_its_contact_and_history(confirmed, portal):
    case = confirmed()
    number = f"{case.number[:3]} {case.number[3:6]} {case.number[6:]}"
    shown = portal("cases", "show", number, "--reason", "ticket 1").stdout
    for words in (
        f"Reach them at: {PHONE}",
        "identity recorded by sam: passport seen on a call",
        f"account {ANA}, to be reached at {NEW}",
        "confirmed by kim",
        "mails to old addresses: sent; to the new one: sent",
    ):
        assert words in shown
    data = json.loads(portal("cases", "show", case.number, "--reason", "t", "--json").stdout)["case"]
    assert (data["contact"], data["state"], data["taken_by"]) == (PHONE, "confirmed", "sam")


class TestTwoPeople:
    def test_the_one_who_recorded_it_cannot_confirm_it(self, proved, portal, as_staff, subjects, time):
        case = proved()
        refused = portal("cases", "confirm", case.number, status=1)
        assert "somebody else must confirm it" in refused.stderr
        time.work()
        assert subjects(ANA) == subjects(NEW) == []

    def test_nor_after_recording_it_again_in_the_name_of_another_system_user(
        self, proved, portal, monkeypatch
    ):
        case = proved()
        other = Operator("sam", "root")
        monkeypatch.setattr("portal.cases.commands.operator", lambda: other)
        portal("cases", "confirm", case.number, status=1)

    @pytest.mark.sqlite
    def test_the_real_user_of_sudo_counts(self, proved, portal, confirm, monkeypatch):
        monkeypatch.setattr(staff, "_NOT_SET", int(Path("/proc/self/loginuid").read_text(encoding="ascii")))
        case = proved()
        monkeypatch.setattr("portal.cases.commands.operator", staff.operator)
        monkeypatch.setenv("SUDO_USER", "sam")
        portal("cases", "confirm", case.number, status=1)
        monkeypatch.setenv("SUDO_USER", "kim")
        confirm(case)

    def test_the_second_one_confirms_what_they_read_and_nothing_that_was_recorded_since(
        self, proved, confirm, portal, as_staff, time, subjects
    ):
        """Else the first one alone decides where the link to the account goes."""
        case = proved()
        as_staff("kim")
        read = portal("cases", "show", case.number, "--reason", "t").stdout
        (mark,) = re.findall(rf"portal cases confirm {case.number} --proof ([0-9a-f]{{16}})", read)
        assert "Read the proof first" in portal("cases", "confirm", case.number, status=1).stderr
        as_staff("sam")
        words = ("--new-address", "sam@evil.example", "--how", "passport seen on a call")
        portal("cases", "prove", case.number, "--address", ANA, *words)
        as_staff("kim")
        refused = portal("cases", "confirm", case.number, "--proof", mark, status=1)
        assert "The proof was recorded anew since you read it" in refused.stderr
        time.work()
        assert subjects("sam@evil.example") == subjects(ANA) == []
        confirm(case)

    def test_of_two_who_confirm_at_once_one_does_and_everyone_is_mailed_once(
        self, proved, db, worker_vault, settings, clock, time, subjects
    ):
        case = proved()
        with db.read() as session:
            record = records.record_of(worker_vault, session.get_one(Case, case.number))
        proof = rules.mark_of(worker_vault, case.number, record)

        def confirm(user: str) -> bool:
            try:
                with db.write() as session:
                    who = Operator(user, "portal-worker")
                    rules.confirm(session, worker_vault, settings, case.number, proof, who, clock.now())
            except rules.Refused:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(confirm, ["kim", "kay", "ken", "lou"])) == [False, False, False, True]
        time.work()
        assert subjects(ANA) == [NOTICE]
        assert subjects(NEW) == [VERIFY]


@pytest.mark.sqlite
class TestRefused:
    @pytest.mark.parametrize(
        ("options", "status", "told"),
        [
            (("--address", STRANGER, *PROOF), 1, "No account fits"),
            (("--reference", "C-9", *PROOF), 1, "No account fits"),
            (PROOF, 2, "--address or --reference"),
            (("--address", ANA, "--reference", "C-7", *PROOF), 2, "--address or --reference"),
            (("--address", "ana@", *PROOF), 2, "not an address"),
            (("--address", ANA, "--new-address", ANA, "--how", "x"), 1, "the one that the account has"),
            (
                ("--address", ANA, "--new-address", BEN, "--how", "x"),
                1,
                "Another account has the new address",
            ),
            (("--address", ANA, "--new-address", NEW, "--how", "a\x1b[2J"), 2, "one line"),
            (("--address", ANA, "--new-address", NEW, "--how", "x" * 501), 2, "one line"),
        ],
    )
    def test_a_proof(self, open_case, portal, as_staff, people, options, status, told):
        people.add(ANA)
        people.add(BEN)
        case = open_case()
        assert told in portal("cases", "prove", case.number, *options, status=status).stderr
        (listed,) = json.loads(portal("cases", "list", "--json").stdout)
        assert listed["state"] == "opened"

    @pytest.mark.parametrize(
        ("words", "status", "told"),
        [
            (("confirm", "1234567890"), 1, "No case has this number"),
            (("show", "1234567890", "--reason", "t"), 1, "No case has this number"),
            (("show", "1234567890"), 2, "--reason"),
            (("close", "1234567890", "--reason", "she is ana@northwind.example"), 2, "not encrypted"),
            (("close", "1234567890", "--reason", "a\nb"), 2, "one line"),
            (("close", "x", "--reason", "a"), 2, "number"),
        ],
    )
    def test_a_number_or_reason(self, portal, words, status, told):
        assert told in portal("cases", *words, status=status).stderr

    def test_steps_out_of_order(self, open_case, confirmed, portal, as_staff):
        assert "portal cases prove" in portal("cases", "confirm", open_case().number, status=1).stderr
        case = confirmed()
        assert "confirmed already" in portal("cases", "confirm", case.number, status=1).stderr
        again = portal("cases", "prove", case.number, "--address", ANA, *PROOF, status=1)
        assert "mails are on their way" in again.stderr
        portal("cases", "close", case.number, "--reason", "not needed")
        assert "closed already" in portal("cases", "close", case.number, "--reason", "x", status=1).stderr
        for words in (("confirm", case.number), ("prove", case.number, "--address", ANA, *PROOF)):
            assert "This case is closed" in portal("cases", *words, status=1).stderr

    def test_an_account_that_changed_before_the_second_person_came(
        self, proved, confirm, as_staff, db, worker_vault, people
    ):
        from portal.accounts.address import service as addresses

        case = proved()
        with db.write() as session:
            addresses.change(
                session, worker_vault, people.account(ANA).id, "ana@third.example", people.clock.now()
            )
        as_staff("kim")
        assert "has another address now" in confirm(case, status=1).stderr


def test_an_account_is_found_by_its_reference(open_case, portal, as_staff, db, worker_vault, people, clock):
    people.add(ANA, ref="C-7")
    people.add(BEN, ref="C-8")
    case = open_case()
    portal("cases", "prove", case.number, "--reference", "C-8", *PROOF)
    assert BEN in portal("cases", "show", case.number, "--reason", "t").stdout


def test_a_closed_case_says_why_and_its_links_are_over(confirmed, portal, shown, press, time, people):
    case = confirmed()
    press("verify", NEW)
    portal("cases", "close", case.number, "--reason", "we spoke on the phone")
    page = shown(case)
    assert "Your case is closed" in page
    assert "we spoke on the phone" in page
    assert press("stop", ANA, look_only=True).status_code == 410
    time.passes(96)
    assert not people.account(ANA).must_reset


def test_a_record_that_was_tampered_with_is_said_and_stands_still(
    confirmed, portal, db, time, caplog, people
):
    case = confirmed()
    with db.write() as session:
        row = session.get_one(Case, case.number)
        row.record = bytes(len(row.record))
    time.passes(96)
    assert "stands still" in caplog.text
    assert case.number not in caplog.text
    assert "tampered" in portal("cases", "show", case.number, "--reason", "t", status=1).stderr
    assert json.loads(portal("cases", "list", "--json").stdout)[0]["state"] == "altered"
    assert not people.account(ANA).must_reset


def test_another_cases_record_does_not_decrypt(confirmed, open_case, db, worker_vault):
    case, other = confirmed(), open_case()
    with db.write() as session:
        session.get_one(Case, other.number).record = session.get_one(Case, case.number).record
    with db.read() as session, pytest.raises(records.CaseAltered):
        records.record_of(worker_vault, session.get_one(Case, other.number))


def test_where_accounts_are_the_companys_alone_there_are_no_cases(portal_with, client):
    from portal.core.settings.link import Link

    link = Link("https://www.northwind.example/forgotten")
    visitor = portal_with(identity={"store": "link", "link": link}).test_client()
    page = visitor.get("/cases/new/")
    assert "We can’t change your account on this site" in page.text
    for path in ("/cases/", "/cases/stop/", "/cases/verify/" + "a" * 32 + "/"):
        assert visitor.get(path).location == "/cases/new/"


def test_a_closed_case_is_deleted_after_a_year_and_no_open_one(
    open_case, portal, as_staff, worker_parts, clock, db
):
    closed, kept = open_case(), open_case()
    portal("cases", "close", closed.number, "--reason", "we spoke on the phone")
    clock.advance(timedelta(days=364))
    jobs.tidy(worker_parts)
    assert len(contents(db)["cases"]) == 2
    clock.advance(timedelta(days=2))
    jobs.tidy(worker_parts)
    with db.read() as session:
        assert session.get(Case, closed.number) is None
        assert session.get(Case, kept.number) is not None
