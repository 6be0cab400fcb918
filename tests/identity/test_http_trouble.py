"""The store `http` beside a server that answers slowly, wrongly or not at all: what each means."""

import json
import socket
import threading
from time import sleep

import pytest

from portal.core.settings.http import HttpIdentity
from portal.identity.http.store import HttpStore
from portal.identity.ports import OutcomeUnknown, PasswordRefused, StoreFault, StoreUnavailable, Verdict
from tests.identity.company import (
    EVERYTHING,
    PASSWORD,
    SECRET,
    answer,
    answering,
    example,
    fronted,
    read_request,
)

HTML = b"<!doctype html><title>Maintenance</title>"
FITS = b'{"verdict": "fits"}'


def store_at(url, seconds=4.0):
    return HttpStore(HttpIdentity(url, (SECRET,), None, EVERYTHING), seconds)


def accounts(*found):
    return json.dumps({"accounts": found}).encode()


def always(reply):
    """A server that gives one answer to everything."""

    def behave(connection, number):
        read_request(connection)
        connection.sendall(reply)

    return behave


ANN = {"id": "1", "address": "ann@example.com"}


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        (answer(200, HTML, "text/html"), "content type"),
        (answer(200, HTML), "what is not JSON"),
        (answer(200, b'{"accounts": [' + b"[" * 200_000), "what is not JSON"),
        (answer(200, b"[]"), "no object"),
        (answer(200, b'{"accounts": {}}'), "no list"),
        (answer(200, b'{"accounts": [], "next": "2"}'), "other keys"),
        (answer(200, accounts("ann@example.com")), "account 1 of the answer is no object"),
        (answer(200, accounts(ANN, {"id": "2"})), "account 2 of the answer has a key too many or too few"),
        (answer(200, accounts(ANN | {"hash": "$2y$"})), "a key too many"),
        (answer(200, accounts(ANN, ANN)), "the same id twice"),
        (answer(200, accounts(ANN | {"id": "x" * 201})), "no text of 1 to 200 characters"),
        (answer(200, accounts(ANN | {"id": ""})), "no text of 1 to 200"),
        (answer(200, accounts(ANN | {"id": 1001})), "no text of 1 to 200"),
        (answer(200, accounts(ANN | {"id": "1\0002"})), "control character"),
        (answer(200, accounts(ANN | {"address": "\ud83d@example.com"})), "half a character"),
        (answer(200, accounts(ANN | {"address": None})), "no text"),
        (answer(200, accounts(ANN | {"references": ["x"] * 101})), "no list of at most 100"),
        (answer(200, accounts(ANN | {"name": 7})), "no text"),
        (answer(302, b"", more="location: https://elsewhere.example/\r\n"), "302, a redirect"),
        (answer(308, b"", more="location: /accounts/find\r\n"), "308, a redirect"),
        (answer(403, HTML, "text/html"), "403: without a reason"),
        (answer(404, b'{"error": "unsupported"}'), "PORTAL_IDENTITY_HTTP_CAPABILITIES"),
        (answer(401, b'{"error": "signature"}'), "401: refused the signature"),
        (answer(500, HTML, "text/html"), "500"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_a_fault_that_says_which(reply, means):
    with answering(always(reply)) as url, pytest.raises(StoreFault, match=means) as raised:
        store_at(url).find(["ann@example.com"])
    assert "ann@" not in str(raised.value)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_may_be_asked_again(status):
    reply = answer(status, HTML, "text/html", "retry-after: 30\r\n")
    with answering(always(reply)) as url, pytest.raises(StoreUnavailable):
        store_at(url).find(["ann@example.com"])


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        (answer(500, HTML, "text/html"), OutcomeUnknown),
        (answer(503, b'{"error": "busy"}', more="retry-after: 30\r\n"), OutcomeUnknown),
        (answer(200, HTML, "text/html"), OutcomeUnknown),
        (answer(200, b'{"changed": true}'), OutcomeUnknown),
        (answer(302, b"", more="location: /\r\n"), StoreFault),
        (answer(403, HTML, "text/html"), StoreFault),
        (answer(404, b'{"error": "unknown-account"}'), StoreFault),
        (answer(422, b'{"error": "password-refused"}'), PasswordRefused),
        (answer(422, b'{"error": "password-refused", "why": "short"}'), StoreFault),
        (answer(429, b'{"error": "busy"}'), StoreUnavailable),
        (answer(429, HTML, "text/html"), StoreUnavailable),
    ],
)  # fmt: skip
def test_a_change_is_unknown_unless_the_answer_says_what_became_of_it(reply, means):
    with (
        answering(always(reply)) as url,
        pytest.raises((OutcomeUnknown, StoreFault, StoreUnavailable)) as raised,
    ):
        store_at(url).set_password("1001", "a new password")
    assert raised.type is means


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_whoever_refuses_the_second_try_says_nothing_of_the_first(status):
    def behave(connection, number):
        read_request(connection)
        if number > 1:
            connection.sendall(answer(status, b'{"error": "busy"}'))

    with answering(behave) as url, pytest.raises(OutcomeUnknown):
        store_at(url).set_password("1001", "a new password")


@pytest.mark.parametrize("count", [-1, 2, True, "1", None, 1.0])
def test_how_many_were_open_is_a_possible_number(count):
    reply = answer(200, json.dumps({"required": count}).encode())
    with answering(always(reply)) as url, pytest.raises(OutcomeUnknown, match="no number from 0 to 1"):
        store_at(url).require_change(["1001"], lambda kept: None)


def test_a_page_must_lead_on():
    same = answer(200, accounts(ANN))
    with answering(always(same)) as url, pytest.raises(StoreFault, match="`after` itself"):
        store_at(url).page("1", 500)
    more = answer(200, accounts(ANN, {"id": "2", "address": "bob@example.com"}))
    with answering(always(more)) as url, pytest.raises(StoreFault, match="more than `limit`"):
        store_at(url).page(None, 1)
    with answering(always(same)) as url, pytest.raises(StoreFault, match="not asked for"):
        store_at(url).get(["2"])


def test_no_password_fits_nobody():
    with answering(always(answer(200, FITS))) as url, pytest.raises(StoreFault, match="fits no account"):
        store_at(url).verify(None, PASSWORD)


def test_addresses_are_told_as_the_company_holds_them():
    held = [
        "Ann@Example.com",
        "ann@example.com",
        "\uff41nn@example.com",
        "n/a",
    ]  # a wide a; no address at all
    found = [{"id": str(number), "address": address} for number, address in enumerate(held)]
    with answering(always(answer(200, accounts(*found)))) as url:
        assert [one.address for one in store_at(url).find(["ann@example.com"])] == held


def test_a_long_name_is_cut_and_control_characters_leave_it():
    ann = ANN | {"name": "Ann\r\nBcc: " + "x" * 500, "locale": "en" * 50}
    with answering(always(answer(200, accounts(ann)))) as url:
        (found,) = store_at(url).find(["ann@example.com"])
    assert found.name == "AnnBcc: " + "x" * 192
    assert len(found.locale) == 35


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 .\r\nx-slow: ", answer(200, b" " * 9_000)[:-9_000]])
def test_trickling_bytes_end_at_the_deadline(start):
    def trickle(connection, number):
        read_request(connection)
        connection.sendall(start)
        while True:
            connection.sendall(b" ")
            sleep(0.02)

    with answering(trickle) as url:
        with pytest.raises(StoreUnavailable, match="no whole answer in time"):
            store_at(url, 1.0).verify("1001", PASSWORD)
        with pytest.raises(OutcomeUnknown, match="no whole answer in time"):
            store_at(url, 1.0).set_password("1001", PASSWORD)


def test_an_endless_answer_is_read_to_its_limit_alone():
    def endless(connection, number):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 .\r\ncontent-type: application/json\r\n\r\n")
        while True:
            connection.sendall(b" " * 65_536)

    with answering(endless) as url:
        with pytest.raises(StoreFault, match="too many bytes"):
            store_at(url).find(["ann@example.com"])
        with pytest.raises(OutcomeUnknown, match="too many bytes"):
            store_at(url).end_sessions(["1001"])


def test_a_broken_connection_is_tried_once_more_with_the_same_id():
    asked = []

    def break_first(connection, number):
        asked.append(read_request(connection))
        if number == 2:
            connection.sendall(answer(200, FITS))

    with answering(break_first) as url:
        assert store_at(url).verify("1001", PASSWORD) is Verdict.FITS
    (first, second) = asked
    assert first[2] == second[2]
    assert first[1]["webhook-id"] == second[1]["webhook-id"]


@pytest.mark.parametrize(
    "cut", [b"", b"HTTP/1.1 200 .\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"]
)
def test_a_connection_that_breaks_twice_leaves_a_change_unknown(cut):
    numbers = []

    def break_all(connection, number):
        numbers.append(number)
        read_request(connection)
        connection.sendall(cut)

    with answering(break_all) as url:
        with pytest.raises(StoreUnavailable, match="broke the connection"):
            store_at(url).verify("1001", PASSWORD)
        with pytest.raises(OutcomeUnknown, match="broke the connection"):
            store_at(url).set_password("1001", "a new password")
    assert numbers == [1, 2, 3, 4]


def test_a_server_that_dies_with_the_request_leaves_a_change_unknown():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        store = store_at(f"http://127.0.0.1:{listening.getsockname()[1]}")

        def serve_one():
            connection, _ = listening.accept()
            with connection:
                listening.close()  # the repetition finds nobody
                read_request(connection)

        thread = threading.Thread(target=serve_one)
        thread.start()
        with pytest.raises(OutcomeUnknown, match="broke the connection"):
            store.set_password("1001", "a new password")
        thread.join()


def test_a_connection_is_kept_until_the_server_closes_it():
    numbers = []

    def two_each(connection, number):
        for _ in range(2):
            read_request(connection)
            numbers.append(number)
            connection.sendall(answer(200, FITS))

    with answering(two_each) as url:
        store = store_at(url)
        assert [store.verify("1001", PASSWORD) for _ in range(5)] == [Verdict.FITS] * 5
    assert numbers == [1, 1, 2, 2, 3]


def test_a_connection_that_was_closed_meanwhile_costs_no_try():
    numbers, closed = [], threading.Event()

    def close_one_break_one(connection, number):
        numbers.append(number)
        read_request(connection)
        if number != 2:
            connection.sendall(answer(200, FITS))
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with answering(close_one_break_one) as url:
        store = store_at(url)
        assert store.verify("1001", PASSWORD) is Verdict.FITS
        closed.wait()
        assert store.verify("1001", PASSWORD) is Verdict.FITS
    assert numbers == [1, 2, 3]


@pytest.fixture
def company():
    """The example, the URL of a server with moods in front of it, and these."""
    module = example()
    with fronted(module) as (url, moods):
        yield module, url, moods


@pytest.mark.parametrize("mood", [["500"], ["late"], ["broken", "broken"]])
def test_a_change_that_was_made_but_not_told_shows_by_its_password(company, mood):
    _, url, moods = company
    store, hurried = store_at(url), store_at(url, 1.0)
    moods["password"] = mood[:]
    with pytest.raises(OutcomeUnknown):
        hurried.set_password("1001", "a new password")
    assert store.verify("1001", "a new password") is Verdict.FITS
    moods["require-change"] = mood[:]
    with pytest.raises(OutcomeUnknown):
        hurried.require_change(["1001"], lambda kept: None)
    assert store.verify("1001", "a new password") is Verdict.WRONG
    assert store.require_change(["1001"], lambda kept: None) == 0


def test_a_repetition_is_carried_out_once_and_answered_alike(company):
    module, url, moods = company
    moods["require-change"] = ["broken"]
    assert store_at(url).require_change(["1001", "1002"], lambda kept: None) == 2
    assert len(module.ANSWERED) == 1
