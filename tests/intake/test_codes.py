"""The typed code opens a reply in the requesting browser for 30 minutes, and leaves nothing to guess."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import blake2b

import pytest
from argon2.low_level import Type, hash_secret_raw
from sqlalchemy import select

from portal.crypto import tokens
from portal.intake import replies, service
from portal.intake.models import IntakeReply

BROWSER, OTHER = "11" * 16, "22" * 16


@pytest.fixture
def redeem(db, clock):
    """As the pages do: the tries are committed whatever comes of them."""

    def try_(browser, code, purpose="reset"):
        browsers = [browser] if isinstance(browser, str) else browser
        with db.write() as session:
            locked = service.count_try(session, purpose, browsers, clock.now())
        return service.open_by_code(locked, purpose, browsers, code)

    return try_


@pytest.fixture
def mailed(prepare, worker_vault, db, clock):
    row_id, token = prepare(browser=BROWSER)
    with db.write() as session:
        assert replies.extend(session, row_id, clock.now(), timedelta(hours=24))
    return token, worker_vault.code(row_id), row_id


def test_a_browser_keeps_the_128_bit_secrets_of_its_last_three_requests(client):
    kept = []
    for _ in range(5):
        client.submit("/check/", email="sam@example.com")
        with client.session_transaction() as session:
            kept.append(session["flow check"])
    assert [len(secrets) for secrets in kept] == [1, 2, 3, 3, 3]
    assert kept[4][1:] == kept[3][:2]
    assert {len(bytes.fromhex(secret)) for secret in kept[4]} == {16}


@pytest.mark.real_codes
def test_a_code_costs_19_mebibytes_and_two_passes_to_try():
    """What a password costs at least, by OWASP; codes that were mailed before must open too."""
    cost = hash_secret_raw(
        b"abcdefgh", blake2b(BROWSER.encode(), person=b"portal code", digest_size=16).digest(),
        time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, type=Type.ID,
    )  # fmt: skip
    assert tokens.stretched("abcdefgh", BROWSER) == cost


def test_in_the_browser_that_asked_it_stands_for_the_link(redeem, mailed):
    token, code, _ = mailed
    assert redeem(BROWSER, f" {code[:4].upper()}-{code[4:]} ") == token


def test_the_code_of_an_earlier_request_of_this_browser_works_too(redeem, mailed, prepare, worker_vault):
    token, code, _ = mailed
    later_id, later_token = prepare(browser=OTHER)
    assert redeem([OTHER, BROWSER], code) == token
    assert redeem([OTHER, BROWSER], worker_vault.code(later_id)) == later_token
    for _ in range(3):
        with pytest.raises(service.CodeWrong):
            redeem([OTHER, BROWSER], "aaaaaaaa")
    with pytest.raises(service.CodeWrong):  # each of the five tries counted for both
        redeem([OTHER, BROWSER], code)


@pytest.mark.parametrize("browser", [OTHER, ""])
def test_in_another_browser_it_is_worth_nothing_and_costs_no_try(redeem, mailed, browser):
    token, code, _ = mailed
    for _ in range(6):
        with pytest.raises(service.CodeWrong):
            redeem(browser, code)
    assert redeem(BROWSER, code) == token


def test_after_five_tries_it_is_dead_and_the_link_lives(redeem, mailed, opened):
    token, code, _ = mailed
    for _ in range(5):
        with pytest.raises(service.CodeWrong):
            redeem(BROWSER, "aaaaaaaa")
    with pytest.raises(service.CodeWrong):
        redeem(BROWSER, code)
    assert opened(token).data


def test_fifty_guesses_at_once_are_five(redeem, mailed, db):
    def guess(_):
        with pytest.raises(service.CodeWrong):
            redeem(BROWSER, "bbbbbbbb")

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(guess, range(50)))
    with db.read() as session:
        assert session.scalar(select(IntakeReply.code_tries)) == 5


def test_it_ends_after_thirty_minutes_for_other_purposes_and_with_its_link(redeem, mailed, clock, spend):
    token, code, row_id = mailed
    with pytest.raises(service.CodeWrong):
        redeem(BROWSER, code, "check")
    clock.advance(timedelta(minutes=29))
    assert redeem(BROWSER, code) == token
    spend(row_id)
    with pytest.raises(service.CodeWrong):
        redeem(BROWSER, code)
    clock.advance(timedelta(minutes=1))
    with pytest.raises(service.CodeWrong):
        redeem(BROWSER, code)


def test_an_hour_after_its_end_nothing_is_left_that_could_be_guessed_at(mailed, db, clock, spend, prepare):
    row_id, _ = prepare(browser=OTHER)
    spend(row_id)
    for minutes, left in ((89, 1), (1, 0)):
        clock.advance(timedelta(minutes=minutes))
        with db.write() as session:
            replies.purge_codes(session, clock.now())
        with db.read() as session:
            assert sum(code != b"" for code in session.scalars(select(IntakeReply.by_code))) == left
            assert len(list(session.scalars(select(IntakeReply)))) == 2


def test_whoever_has_the_row_and_the_code_needs_the_browser_s_secret_too(mailed, db, clock):
    token, code, _ = mailed
    with db.write() as session:
        locked = service.count_try(session, "reset", [BROWSER], clock.now())
    assert service.open_by_code(locked, "reset", [BROWSER], code) == token
    for purpose, browser in (("reset", OTHER), ("reset", ""), ("check", BROWSER)):
        with pytest.raises(service.CodeWrong):
            service.open_by_code(locked, purpose, [browser], code)


@pytest.mark.real_codes
def test_a_guess_costs_whoever_stole_the_database_a_memory_hard_hash(monkeypatch):
    def hashing(_code, _salt, *cost):
        asked.append(cost)
        return b"k" * 32

    asked: list[tuple] = []
    monkeypatch.setattr(tokens, "hash_secret_raw", hashing)
    tokens.stretched("abcdefgh", BROWSER)
    assert asked == [(2, 19_456, 1, 32, Type.ID)]


def test_a_code_that_does_not_exist_takes_as_long_as_one_that_does(mailed, redeem, monkeypatch):
    def counting(code, browser):
        made.append(browser)
        return stretched(code, browser)

    made: list[str] = []
    stretched = tokens.stretched
    monkeypatch.setattr(tokens, "stretched", counting)
    for browser in (BROWSER, OTHER):
        with pytest.raises(service.CodeWrong):
            redeem(browser, "cccccccc")
    assert made == [BROWSER, OTHER]
