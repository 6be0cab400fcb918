"""Guessing becomes slow, then stops; the owner gets in all the same, and nobody learns who has an account."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from portal.accounts import attempt, jobs, lockout, service
from portal.accounts import sign_in as rules
from portal.accounts.models import FailureCount
from tests.accounts.conftest import ADDRESS, PASSWORD, STORE

WRONG = "not the password at all"
NOBODY = "nobody@example.com"


@pytest.fixture
def try_sign_in(db, web_vault, clock):
    """One counted try, committed as a page does it."""

    def begin(address=ADDRESS, network="192.0.2.1", cookie=None, limit="1000 per second") -> rules.Attempt:
        with db.write() as session:
            return attempt.begin(
                session, web_vault, address=address, network=network, device_cookie=cookie,
                limit=limit, now=clock.now(),
            ).counted  # fmt: skip

    return begin


def test_three_tries_are_free_and_then_each_wait_is_twice_as_long(try_sign_in, clock, ana):
    waits = []
    for _ in range(14):
        attempt = try_sign_in()
        assert not attempt.retry_after
        refused = try_sign_in()
        waits.append(refused.retry_after)
        clock.advance(timedelta(seconds=refused.retry_after))
        if not refused.retry_after:
            break
    assert waits == [0]
    try_sign_in()
    for expected in [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]:
        assert try_sign_in().retry_after == expected
        clock.advance(timedelta(seconds=expected - 1))
        assert try_sign_in().retry_after == 1
        clock.advance(timedelta(seconds=1))
        assert try_sign_in().retry_after == 0
    assert rules.wait_after(1_000) == timedelta(minutes=15)


@pytest.mark.parametrize("address", [ADDRESS, NOBODY])
def test_who_is_too_early_gets_a_page_that_says_when_even_with_the_right_password(
    client, ana, sign_in, clock, address
):
    for _ in range(3):
        assert sign_in(WRONG, address).status_code == 400
    refused = sign_in(PASSWORD, address)
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "5"
    clock.advance(timedelta(seconds=5))
    assert sign_in(PASSWORD, address).status_code == (303 if address == ADDRESS else 400)


def test_a_success_makes_the_next_tries_free_again(client, ana, sign_in):
    for _ in range(3):
        sign_in(WRONG)
        sign_in(WRONG)
        assert sign_in().status_code == 303
        client.submit("/sign-out/")


def test_one_network_s_guesses_do_not_delay_another_s(try_sign_in, ana):
    for _ in range(4):
        try_sign_in(network="192.0.2.1")
    assert try_sign_in(network="192.0.2.1").retry_after
    assert not try_sign_in(network="198.51.100.7").retry_after
    assert not try_sign_in(address=NOBODY, network="192.0.2.1").retry_after


@pytest.mark.parametrize("address", [ADDRESS, NOBODY])
def test_after_sixty_failures_of_strangers_no_password_opens_whoever_s_address_it_is(
    try_sign_in, ana, address
):
    opened = [try_sign_in(address, network=f"198.51.100.{number}").open for number in range(70)]
    assert opened == [True] * 60 + [False] * 10


def test_a_lockout_answers_like_a_wrong_password(try_sign_in, client, ana, sign_in, settings):
    for number in range(60):
        try_sign_in(network=f"198.51.100.{number}")
    refused = sign_in()
    assert refused.status_code == 400
    assert "We couldn’t sign you in with that address and password" in refused.text


def test_strangers_cannot_keep_the_owner_out(try_sign_in, browser_at, ana, sign_in):
    owner = browser_at("203.0.113.5")
    assert sign_in(visitor=owner).status_code == 303
    owner.submit("/sign-out/")
    for number in range(70):
        try_sign_in(network=f"198.51.100.{number}")
    for _ in range(5):  # and one of them sits in the same cafe
        try_sign_in(network="203.0.113.5")
    assert sign_in(visitor=owner).status_code == 303
    assert sign_in(visitor=browser_at("203.0.113.99")).status_code == 400


def test_the_limit_of_a_network_does_not_hold_up_a_known_device(app, browser_at, ana, sign_in, settings):
    owner = browser_at("203.0.113.5")
    sign_in(visitor=owner)
    owner.submit("/sign-out/")
    stranger = browser_at("203.0.113.5")
    statuses = [sign_in(WRONG, f"p{n}@example.com", stranger).status_code for n in range(100)]
    assert statuses[-1] == 429
    assert sign_in(visitor=owner).status_code == 303


def test_a_known_device_gets_twenty_failures_and_all_in_all_there_are_never_a_hundred(
    try_sign_in, ana, web_vault, clock
):
    cookie = service.device_cookie_with(web_vault, None, ana.id, ana.version)
    opened = 0
    for number in range(120):
        opened += try_sign_in(cookie=cookie).open
        opened += try_sign_in(network=f"198.51.100.{number}").open
        clock.advance(timedelta(minutes=15))
    assert opened == 60 + 20 < 100


def test_a_new_password_ends_the_lockout_and_makes_old_devices_strangers(
    try_sign_in, db, ana, web_vault, clock
):
    cookie = service.device_cookie_with(web_vault, None, ana.id, ana.version)
    assert try_sign_in(cookie=cookie).by_device
    for number in range(61):
        try_sign_in(network=f"198.51.100.{number}")
    with db.write() as session:
        STORE.set_password(
            session,
            web_vault,
            ana.id,
            expected_version=ana.version,
            password_hash=ana.password_hash,
            now=clock.now(),
        )
    attempt = try_sign_in(cookie=cookie)
    assert attempt.open
    assert not attempt.by_device


def test_a_wait_does_not_end_with_a_new_password_and_so_tells_nobody_of_it(try_sign_in, db, ana, clock):
    for _ in range(3):
        try_sign_in()
    with db.write() as session:
        STORE.require_reset(session, [ana.id], "exposed", clock.now())
    assert try_sign_in().retry_after == 5


@pytest.mark.parametrize("failures", [1, 3, 20])
def test_a_wait_from_a_clock_that_was_wrong_keeps_nobody_out(try_sign_in, ana, clock, failures):
    clock.advance(timedelta(days=1))
    for _ in range(failures):
        clock.advance(timedelta(seconds=try_sign_in().retry_after))
    clock.advance(timedelta(days=-2))
    assert not try_sign_in().retry_after
    assert try_sign_in().retry_after <= 15 * 60


def test_tries_in_parallel_cannot_outrun_the_count(try_sign_in, ana):
    with ThreadPoolExecutor(8) as pool:
        tries = list(pool.map(lambda _: try_sign_in(), range(24)))
    assert sum(attempt.open for attempt in tries) == 3
    with ThreadPoolExecutor(8) as pool:
        tries = list(pool.map(lambda n: try_sign_in(network=f"198.51.100.{n}"), range(100)))
    assert sum(attempt.open for attempt in tries) == 60 - 3


def test_a_network_has_a_limit_over_all_addresses(try_sign_in, clock):
    tries = [try_sign_in(f"p{n}@example.com", limit="5 per hour") for n in range(7)]
    assert [bool(attempt.retry_after) for attempt in tries] == [False] * 5 + [True] * 2
    assert 0 < tries[-1].retry_after <= 3600


def test_a_refused_try_counts_nowhere(try_sign_in, db, ana, web_vault):
    for _ in range(3):
        locked = try_sign_in().lockout
    for _ in range(5):
        try_sign_in()
    with db.read() as session:
        counted = bytes(session.scalar(text("SELECT strangers FROM sign_in_doors")))
        assert counted == locked.keyed_count(web_vault, FailureCount.strangers, 3)
        assert session.scalar(text("SELECT failures FROM sign_in_waits")) == 3


def test_a_device_cookie_is_bound_to_its_account_and_made_by_us_alone(web_vault, ana):
    cookie = service.device_cookie_with(web_vault, None, ana.id, 1)
    number = service.known_device(web_vault, cookie, ana.id, 1)
    assert number is not None
    assert service.known_device(web_vault, cookie, ana.id, 2) is None
    assert service.known_device(web_vault, cookie, bytes(16), 1) is None
    for forged in (
        None,
        "",
        "x",
        "a" * 43,
        "ü" * 40,
        cookie[:-4],
        "A" * 24 + cookie[24:],
        cookie.rstrip("=") * 9,
    ):
        assert service.known_device(web_vault, forged, ana.id, 1) is None


def test_a_family_s_browser_knows_its_last_five_accounts(web_vault):
    family = [bytes([number]) * 16 for number in range(6)]
    cookie = None
    for account in (*family, family[-1]):
        cookie = service.device_cookie_with(web_vault, cookie, account, 1)
    known = [service.known_device(web_vault, cookie, account, 1) is not None for account in family]
    assert known == [False] + [True] * 5


def test_old_counts_are_forgotten_but_never_those_of_an_account(try_sign_in, db, ana, clock, worker_parts):
    for number in range(60):
        try_sign_in(network=f"198.51.100.{number}")
    try_sign_in(NOBODY)
    clock.advance(timedelta(days=120, hours=1))
    try_sign_in("fresh@example.com")
    jobs.tidy(worker_parts)
    jobs.tidy(worker_parts)
    with db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM sign_in_doors")) == 2
        assert session.scalar(text("SELECT count(*) FROM sign_in_waits")) == 1
        # Old ones among the fresh would be the accounts'.
        assert session.scalar(text("SELECT count(DISTINCT forget_at) FROM sign_in_doors")) == 1
    assert not try_sign_in(network="203.0.113.5").open


def test_more_old_counts_than_go_at_once_are_all_forgotten(try_sign_in, db, clock, worker_parts, monkeypatch):
    monkeypatch.setattr(lockout, "_PAGE", 2)
    for number in range(5):
        try_sign_in(f"p{number}@example.com")
    clock.advance(timedelta(days=90, hours=-1))
    jobs.tidy(worker_parts)
    with db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM sign_in_doors")) == 5
    clock.advance(timedelta(days=31))
    jobs.tidy(worker_parts)
    with db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM sign_in_doors")) == 0


@pytest.mark.parametrize(
    ("tried", "forgotten"),
    [("2026-11-24", "2027-02-23"), ("2026-11-25", "2027-03-25"), ("2026-12-24", "2027-03-25")],
)
def test_a_count_is_forgotten_ninety_days_after_its_thirty_days_ended(
    try_sign_in, db, clock, tried, forgotten
):
    """The same for all who tried within them, so that the date tells nobody's."""
    clock.at = datetime.fromisoformat(tried).replace(tzinfo=UTC)
    try_sign_in()
    with db.read() as session:
        forget_at = session.scalars(select(FailureCount.forget_at)).one()
    assert forget_at == datetime.fromisoformat(forgotten).replace(tzinfo=UTC)


def test_a_wait_is_forgotten_a_day_after_its_last_try(try_sign_in, db, clock, worker_parts):
    try_sign_in()
    for more, left in ((timedelta(days=1), 1), (timedelta(seconds=1), 0)):
        clock.advance(more)
        jobs.tidy(worker_parts)
        with db.read() as session:
            assert session.scalar(text("SELECT count(*) FROM sign_in_waits")) == left


def test_an_address_has_one_row_whatever_became_of_its_account(try_sign_in, db, ana, clock):
    """A second or earlier row would identify the address to someone who counted their own attempts."""
    for address in (ADDRESS, NOBODY):
        for _ in range(2):
            try_sign_in(address)
    clock.advance(timedelta(days=30))
    with db.write() as session:
        STORE.require_reset(session, [ana.id], "exposed", clock.now())
    for address in (ADDRESS, NOBODY):
        try_sign_in(address)
    with db.read() as session:
        rows = session.execute(
            text("SELECT strangers, devices, sessions, forget_at FROM sign_in_doors")
        ).all()
    assert len(rows) == 2
    assert len({forget_at for *_, forget_at in rows}) == 1
    words = [bytes(word) for *counts, _ in rows for word in counts]
    assert len(set(words)) == len(words), "equal counts are not equal words"


def test_a_try_says_nothing_about_its_account_when_it_is_printed(try_sign_in, ana):
    assert "argon2" not in repr(replace(try_sign_in()))
