"""Sign-in asks for the second step after the right password, and before it nothing differs."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select, update

from portal.accounts.factors import proofs, service
from portal.accounts.factors.models import OneTimeCode, Proof, RecoveryCode
from portal.accounts.factors.service import Answer, From, Kind
from portal.accounts.models import AccountSession
from portal.identity import state
from portal.worker import drain
from tests.accounts.conftest import ADDRESS
from tests.authenticator import SECRET, WRONG
from tests.traces import change, contents, lengths, response, statements
from tests.visitor import SAME_SITE, hidden, leads_to


@pytest.fixture
def half_in(protected, sign_in):
    """The password was right; the address of the second step."""
    answer = sign_in()
    assert leads_to(answer) == "/sign-in/second/"
    return answer.location


def count(db, table) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_password_and_code_sign_in_and_lead_to_the_wanted_page(client, protected, sign_in, app_code):
    answer = sign_in(page="/sign-in/?next=/account/sessions/", to="/sign-in/?next=/account/sessions/")
    assert client.get("/account/").status_code == 303, "the password alone signs nobody in"
    done = client.submit(answer.location, code=app_code())
    assert (done.status_code, done.location) == (303, "/account/sessions/")
    assert client.get("/account/").status_code == 200


@pytest.mark.parametrize("written", ["{} {}", " {}{} ", "{}-{}"])
def test_a_code_may_be_written_as_apps_show_it(client, half_in, app_code, written):
    code = app_code()
    assert client.submit(half_in, code=written.format(code[:3], code[3:])).status_code == 303


def test_a_code_in_other_digits_is_the_same_code(client, half_in, app_code):
    code = app_code().translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    assert client.submit(half_in, code=code).status_code == 303


@pytest.mark.parametrize(("steps", "status"), [(-2, 400), (-1, 303), (1, 303), (2, 400)])
def test_the_code_before_and_the_one_after_are_right_too(client, half_in, app_code, steps, status):
    assert client.submit(half_in, code=app_code(steps)).status_code == status


@pytest.mark.parametrize("steps", [0, -1])
def test_no_code_signs_in_twice_and_none_from_before_a_used_one(
    client, half_in, sign_in, browser_at, app_code, steps
):
    """A code that was watched over a shoulder, or its neighbour that was not used."""
    assert client.submit(half_in, code=app_code()).status_code == 303
    thief = browser_at("203.0.113.9")
    second = sign_in(visitor=thief).location
    again = thief.submit(second, code=app_code(steps))
    assert again.status_code == 400
    assert "That code is wrong, or it was used before." in again.text


def test_the_code_that_turned_it_on_does_not_sign_in(db, web_vault, client, ana, sign_in, app_code, clock):
    with db.write() as session:
        service.add_code(session, web_vault, ana, SECRET, app_code(), clock.now())
    assert client.submit(sign_in().location, code=app_code()).status_code == 400


def test_a_recovery_code_signs_in_once(client, protected, recovery, sign_in, browser_at, db):
    second = sign_in().location
    assert "Use a recovery code" in client.get(second).text
    shown = f"{second}&use=recovery"
    typed = recovery[0].upper()[:4] + " " + recovery[0][4:]
    assert client.submit(shown, to=shown, code=typed).status_code == 303
    assert count(db, RecoveryCode) == 9
    thief = browser_at("203.0.113.9")
    again = f"{sign_in(visitor=thief).location}&use=recovery"
    assert thief.submit(again, to=again, code=recovery[0]).status_code == 400
    assert thief.submit(again, to=again, code="").status_code == 400


def test_after_five_wrong_codes_the_password_is_asked_again(client, half_in, app_code):
    form = hidden(client.get(half_in).text)
    for _try in range(5):
        assert client.post("/sign-in/second/", data=form | {"code": WRONG}).status_code == 400
    over = client.post("/sign-in/second/", data=form | {"code": app_code()})
    assert (over.status_code, over.location) == (303, "/sign-in/")
    assert "We need your password again" in client.get("/sign-in/").text
    assert "We need your password again" not in client.get("/sign-in/").text, "it is said once"


def test_after_ten_minutes_the_password_is_asked_again(client, half_in, app_code, clock):
    clock.advance(timedelta(minutes=10))
    assert client.get(half_in).location == "/sign-in/"


def test_who_proved_nothing_is_led_to_the_first_step(client, protected):
    assert client.get("/sign-in/second/").location == "/sign-in/"
    form = hidden(client.get("/sign-in/").text)
    assert client.post("/sign-in/second/", data=form | {"code": WRONG}, headers=SAME_SITE).status_code == 303


def test_a_new_password_ends_what_the_old_one_proved(client, half_in, db, ana, clock):
    with db.write() as session:
        assert state.require(session, [ana.id], "exposed", clock.now()) == [ana.id]
    assert client.get(half_in).location == "/sign-in/"


def test_a_factor_removed_in_one_tab_is_none_in_another(client, half_in, db, ana, app_code):
    """The second step was open meanwhile: it ends, and the password alone gets in afterwards."""
    form = hidden(client.get(half_in).text)
    with db.write() as session:
        assert service.remove_code(session, ana.id)
    answer = client.post("/sign-in/second/", data=form | {"code": app_code()})
    assert (answer.status_code, answer.location) == (303, "/sign-in/")
    assert client.get("/account/").status_code == 303


def test_a_wrong_password_leaves_the_same_with_and_without_factors(
    app, db, protected, recovery, add_account, sign_in
):
    add_account("Ben.Ruiz@example.com")
    seen = []
    sign_in("a first try from this network", "Cleo.Ruiz@example.com")
    for address in (ADDRESS, "Ben.Ruiz@example.com"):
        visitor, before = app.test_client(), lengths(db)
        with statements(db) as ran:
            shown = sign_in("another lantern, another owl", address, visitor=visitor)
        page = (shown.status_code, dict(shown.headers)["Content-Type"], len(shown.data))
        seen.append((page, ran, change(before, lengths(db))))
    assert seen[0] == seen[1]
    assert not [one for one in seen[0][1] if "one_time_codes" in one or "recovery_codes" in one]


def test_a_tampered_secret_is_no_way_around(client, half_in, db, app_code):
    with db.write() as session:
        session.execute(update(OneTimeCode).values(secret=b"no secret"))
    assert client.submit(half_in, code=app_code()).status_code == 400


def test_codes_of_unknown_browsers_stop_being_checked_after_sixty(
    db, web_vault, protected, recovery, app_code, clock
):
    """The owner's known browser and recovery codes still work."""

    def answer(typed, come, kind=Kind.CODE):
        with db.write() as session:
            return service.check(session, web_vault, protected, kind, typed, come, clock.now())

    answers = Counter(answer(WRONG, From.STRANGER) for _try in range(61))
    assert answers == {Answer.WRONG: 59, Answer.CLOSES: 1, Answer.CLOSED: 1}
    assert answer(app_code(), From.STRANGER) is Answer.CLOSED
    assert answer(recovery[0], From.STRANGER, Kind.RECOVERY) is Answer.RIGHT
    assert answer(app_code(), From.DEVICE) is Answer.RIGHT


def test_the_owner_is_told_when_somebody_with_the_password_guesses_on(
    db, web_vault, client, protected, half_in, worker_parts, smtp, clock
):
    for _try in range(59):
        with db.write() as session:
            service.check(session, web_vault, protected, Kind.CODE, WRONG, From.STRANGER, clock.now())
    drain(worker_parts)
    assert smtp.to(ADDRESS) == []
    closed = client.submit(half_in, code=WRONG)
    assert (closed.status_code, "too many wrong codes" in closed.text) == (400, True)
    drain(worker_parts)
    assert [mail.message["Subject"] for mail in smtp.to(ADDRESS)] == ["Your request for a new password"]


def test_a_server_that_dies_as_it_says_so_has_not_counted_the_last_guess(
    db, web_vault, client, protected, half_in, worker_parts, smtp, clock, monkeypatch
):
    """Nothing closes twice: with the guess counted and the word to the worker lost, nobody would be told."""
    for _try in range(59):
        with db.write() as session:
            service.check(session, web_vault, protected, Kind.CODE, WRONG, From.STRANGER, clock.now())

    def die(*_arguments, **_named):
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr("portal.reset.service.submit_failed_sign_in", die)
        with pytest.raises(SystemExit):
            client.submit(half_in, code=WRONG)
    assert client.submit(half_in, code=WRONG).status_code == 400
    drain(worker_parts)
    assert [mail.message["Subject"] for mail in smtp.to(ADDRESS)] == ["Your request for a new password"]


def in_parallel(work, times: int) -> list:
    with ThreadPoolExecutor(times) as pool:
        return [one.result() for one in [pool.submit(work, number) for number in range(times)]]


def test_of_twenty_parallel_guesses_five_are_checked(db, web_vault, protected, clock, app_code):
    """Fifteen have the right code, and come too late."""
    with db.write() as session:
        token = proofs.begin(session, proofs.Purpose.SIGN_IN, protected, now=clock.now())
        proof_id = session.scalar(select(Proof.id))
    assert token

    def guess(_number: int) -> Answer | None:
        with db.write() as session:
            if not proofs.count_try(session, proof_id):
                return None
            return service.check(session, web_vault, protected, Kind.CODE, WRONG, From.STRANGER, clock.now())

    assert Counter(in_parallel(guess, 20)) == {Answer.WRONG: 5, None: 15}
    assert count(db, Proof) == 0


@pytest.mark.parametrize("kind", [Kind.CODE, Kind.RECOVERY])
def test_of_parallel_uses_of_one_code_one_signs_in(db, web_vault, protected, recovery, clock, app_code, kind):
    typed = app_code() if kind is Kind.CODE else recovery[0]

    def use(_number: int) -> Answer:
        with db.write() as session:
            return service.check(session, web_vault, protected, kind, typed, From.DEVICE, clock.now())

    assert Counter(in_parallel(use, 8)) == {Answer.RIGHT: 1, Answer.WRONG: 7}


def test_of_parallel_new_recovery_codes_one_set_is_left(db, web_vault, protected):
    """Else those that the owner has seen replaced would still let somebody in."""
    ready = Barrier(4)

    def make(_number: int) -> list[str]:
        with db.write() as session:
            if not db.is_sqlite:  # which lets one in at a time
                ready.wait()
            return service.make_recovery_codes(session, web_vault, protected.id)

    made = in_parallel(make, 4)
    assert count(db, RecoveryCode) == 10
    with db.read() as session:
        left = [service.are_recovery_codes(session, web_vault, protected.id, codes) for codes in made]
    assert Counter(left) == {True: 1, False: 3}


def test_the_tables_say_neither_when_nor_with_what(client, half_in, recovery, db, app_code, clock):
    assert client.submit(half_in, code=app_code()).status_code == 303
    stored = repr(contents(db)["one_time_codes"] + contents(db)["recovery_codes"])
    step = str(int(clock.at.timestamp()) // 30)
    for secret in ("JBSWY3DPEHPK3PXP", step, app_code(), *recovery):
        assert secret not in stored
    with db.read() as session:
        row = session.scalars(select(OneTimeCode)).one()
        assert (row.used_on.hour, row.used_on.minute) == (0, 0)
        assert session.scalar(select(AccountSession.proved_at)) == clock.at


def test_every_second_step_looks_alike_but_for_what_it_asks(client, protected, sign_in):
    one, other = (response(client.get(sign_in().location)) for _time in range(2))
    assert (one[0], len(one[2])) == (other[0], len(other[2]))
