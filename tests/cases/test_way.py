"""The whole way of a case: what each mail does, what stops it, and that nothing happens twice or early."""

import re
from datetime import timedelta

import pytest

from portal.accounts.address import service as addresses
from portal.accounts.factors import service as factors
from portal.accounts.factors.models import RecoveryCode
from portal.cases import jobs
from portal.worker import drain
from tests.cases.conftest import NEW, NOTICE, RESET, VERIFY
from tests.reset.journey import ANA, BEN, OLD, link_in

CHOSEN = "copper lighthouse for nine herons"


def killed(*_arguments: object, **_options: object) -> None:
    raise KeyboardInterrupt


def test_two_people_a_verified_address_and_three_days_lead_to_a_new_password(
    client, confirmed, press, time, shown, people, subjects, smtp
):
    case = confirmed()
    assert subjects(ANA) == [NOTICE]
    assert subjects(NEW) == [VERIFY]
    assert "Open it within 7 days" in shown(case)
    assert press("verify", NEW).status_code == 303
    time.work()
    assert "You’ve confirmed your new address" in shown(case)
    time.passes(69)
    assert people.signs_in_with(ANA, OLD)
    time.passes(6)
    assert subjects(NEW).count(RESET) == 1
    assert "Choose your new password" in shown(case)
    assert people.account(NEW).must_reset
    mail = next(mail for mail in smtp.to(NEW) if mail.message["Subject"] == RESET)
    opened = client.get(link_in(mail))
    assert client.submit(opened.location, password=CHOSEN).status_code == 303
    assert people.signs_in_with(NEW, CHOSEN)


def test_nothing_happens_before_the_new_address_is_confirmed(confirmed, press, time, people, subjects):
    confirmed()
    time.passes(120)
    assert subjects(NEW) == [VERIFY]
    assert people.signs_in_with(ANA, OLD)
    press("verify", NEW)
    time.work()
    assert subjects(NEW).count(RESET) == 1


def test_after_a_week_without_it_staff_record_the_proof_again(
    confirmed, press, time, shown, portal, confirm, as_staff, subjects, people
):
    case = confirmed()
    time.passes(7 * 24 + 2)
    assert "The link wasn’t used in time" in shown(case)
    assert press("verify", NEW, look_only=True).status_code == 410
    assert press("stop", ANA, look_only=True).status_code == 410
    as_staff("sam")
    portal("cases", "prove", case.number, "--address", ANA, "--new-address", NEW, "--how", "once more")
    as_staff("kim")
    confirm(case)
    time.work()
    assert subjects(NEW) == [VERIFY, VERIFY]
    assert subjects(ANA) == [NOTICE, NOTICE]


@pytest.mark.parametrize("verified", [False, True])
def test_the_old_address_stops_it_at_any_time(confirmed, press, time, shown, people, verified):
    case = confirmed()
    if verified:
        press("verify", NEW)
        time.passes(50)
    assert press("stop", ANA, look_only=True).status_code == 200
    assert press("stop", ANA).status_code == 303
    time.work()
    assert "Your case was stopped" in shown(case)
    time.passes(96)
    assert people.signs_in_with(ANA, OLD)
    assert "Your case was stopped" in shown(case)
    assert "(not yet)" not in shown(case), "nothing follows any more"


def test_a_scanner_that_presses_the_button_stops_nothing(confirmed, press, time, shown):
    """Inboxes of companies have such scanners: nobody who lost one would ever get back in."""
    case = confirmed()
    refused = press("stop", ANA, sure=False)
    assert refused.status_code == 400
    assert "If it wasn’t you, tick the box first." in refused.text
    time.work()
    assert "Your case was stopped" not in shown(case)
    assert press("stop", ANA).status_code == 303


def test_a_stop_in_the_same_minute_as_the_change_wins(confirmed, press, time, worker_parts, shown, people):
    case = confirmed()
    press("verify", NEW)
    time.passes(69)
    time.clock.advance(timedelta(minutes=80))
    time.clock.advance(timedelta(minutes=80))
    press("stop", ANA)
    jobs.look(worker_parts)  # before the worker has heard of the press
    assert "Your case was stopped" in shown(case)
    time.passes(24)
    assert people.signs_in_with(ANA, OLD)


def test_the_new_address_is_not_confirmed_after_a_stop(confirmed, press, time):
    confirmed()
    press("stop", ANA)
    assert press("verify", NEW).status_code == 410
    time.work()
    assert press("verify", NEW).status_code == 410


def test_after_the_end_the_stop_is_over(confirmed, press, time, people):
    confirmed()
    press("verify", NEW)
    time.passes(76)
    assert press("stop", ANA).status_code == 410
    assert people.account(NEW).must_reset


def test_a_press_on_the_way_of_two_cases_acts_on_its_own(
    proved, confirm, as_staff, time, press, shown, people, app, smtp
):
    first = proved()
    people.add(BEN)
    second = proved(address=BEN)
    as_staff("kim")
    for case in (first, second):
        confirm(case)
    time.work()
    press("stop", BEN)
    time.work()
    assert "Your case was stopped" in shown(second)
    assert "Confirm your new address" in shown(first)


def test_a_password_chosen_by_mail_meanwhile_stops_it(
    client, confirmed, press, time, worker_parts, people, shown, smtp
):
    case = confirmed()
    press("verify", NEW)
    client.submit("/reset/", email=ANA)
    drain(worker_parts)
    mail = next(
        mail
        for mail in smtp.to(ANA)
        if "/reset/" in mail.text and "your request" in mail.message["Subject"].lower()
    )
    opened = client.get(link_in(mail))
    assert client.submit(opened.location, password=CHOSEN).status_code == 303
    time.passes(80)
    assert people.signs_in_with(ANA, CHOSEN)
    assert "used the account in the meantime" in shown(case)


@pytest.mark.parametrize(("options", "stay"), [((), True), (("--remove-factors",), False)])
def test_factors_stay_unless_staff_said_so(confirmed, press, time, db, people, smtp, options, stay):
    confirmed(*options)
    account_id = people.account(ANA).id
    with db.write() as session:
        session.add(RecoveryCode(key=b"k" * 16, account_id=account_id))
    press("verify", NEW)
    time.passes(60)
    with db.read() as session:
        assert factors.kinds(session, account_id)
    time.passes(16)
    assert people.account(NEW).must_reset
    with db.read() as session:
        assert bool(factors.kinds(session, account_id)) is stay
    assert ("The second step of the account is removed" not in smtp.to(ANA)[0].text) is stay


class TestTheWait:
    def test_begins_when_the_last_notice_has_left(
        self, proved, confirm, as_staff, press, worker_parts, time, shown, people, smtp
    ):
        case = proved()
        as_staff("kim")
        confirm(case)
        for _ in range(4):  # the mails wait in the queue
            time.clock.advance(timedelta(hours=24))
            jobs.look(worker_parts)
        assert "The wait starts when the last of these emails has left" in shown(case)
        time.work()
        press("verify", NEW)
        time.passes(60)
        assert people.signs_in_with(ANA, OLD)
        time.passes(16)
        assert people.account(NEW).must_reset

    def test_is_not_shortened_by_a_clock_that_jumps_or_a_worker_that_was_away(
        self, confirmed, press, time, clock, people
    ):
        confirmed()
        press("verify", NEW)
        time.work()
        clock.advance(timedelta(days=3))
        time.work()
        assert people.signs_in_with(ANA, OLD)
        clock.advance(timedelta(days=-3))
        time.passes(66)
        assert people.signs_in_with(ANA, OLD)
        time.passes(10)
        assert people.account(NEW).must_reset

    def test_is_what_the_setting_says(
        self, proved, confirm, as_staff, worker_parts, environ, people, press, clock
    ):
        from dataclasses import replace

        from portal.core.settings import Settings
        from tests.cases.conftest import Time

        changed = Settings.from_env(environ | {"PORTAL_CASE_COOLING_HOURS": "24"})
        case = proved()
        as_staff("kim")
        confirm(case)
        time = Time(replace(worker_parts, settings=changed), clock)
        time.work()
        press("verify", NEW)
        time.passes(22)
        assert people.signs_in_with(ANA, OLD)
        time.passes(6)
        assert people.account(NEW).must_reset


class TestKilled:
    """Somebody kills it inside a step: what was not committed is done again, and nobody is mailed twice."""

    @pytest.mark.parametrize("inside", ["state.get_many", "_move", "_require", "mailing.mail_reset"])
    def test_while_it_changes_the_account(
        self, proved, confirm, as_staff, press, time, people, subjects, monkeypatch, inside
    ):
        case = proved()
        as_staff("kim")
        confirm(case)
        time.work()
        press("verify", NEW)
        time.passes(70)
        with monkeypatch.context() as patch:
            patch.setattr(f"portal.cases.steps.{inside}", killed)
            with pytest.raises(KeyboardInterrupt):
                time.passes(8)
        assert people.signs_in_with(ANA, OLD)
        time.passes(30)
        assert people.account(NEW).must_reset
        assert subjects(NEW).count(RESET) == 1
        assert subjects(ANA).count(NOTICE) == 1

    @pytest.mark.parametrize("inside", ["mailing.mail_all", "records.store", "records.write_audit"])
    def test_while_a_second_person_confirms(
        self, proved, portal, read, confirm, as_staff, time, context, subjects, monkeypatch, inside
    ):
        case = proved()
        as_staff("kim")
        proof = read(case)
        with monkeypatch.context() as patch:
            patch.setattr(f"portal.cases.staff.{inside}", killed)
            portal("cases", "confirm", case.number, "--proof", proof, status=1)
        time.work()
        assert subjects(ANA) == []
        confirm(case)
        time.work()
        assert (subjects(ANA), subjects(NEW)) == ([NOTICE], [VERIFY])


def test_past_addresses_are_told_too_and_the_last_one_can_undo_the_end(
    open_case, portal, confirm, as_staff, press, time, people, db, worker_vault, clock, smtp, subjects
):
    people.add(BEN)
    with db.write() as session:
        addresses.change(session, worker_vault, people.account(BEN).id, ANA, clock.now())
    case = open_case()
    portal("cases", "prove", case.number, "--address", ANA, "--new-address", NEW, "--how", "passport")
    as_staff("kim")
    assert "to 2 old addresses" in confirm(case).stdout
    time.work()
    assert (subjects(ANA)[-1], subjects(BEN)[-1]) == (NOTICE, NOTICE)
    press("verify", NEW)
    time.passes(76)
    assert people.account(NEW).must_reset
    assert press("stop", BEN).status_code == 410
    assert re.search(r"/address/\S*[a-z2-7]{32}/|/undo/[a-z2-7]{32}/", smtp.to(ANA)[-1].text)
