"""The store `http`, against the shipped example on loopback."""

from dataclasses import replace

import pytest
import urllib3
from standardwebhooks import Webhook

from portal.core.settings.http import HttpIdentity
from portal.identity.http.store import HttpStore
from portal.identity.ports import PasswordRefused, StoreFault, StoreUnavailable, Verdict
from tests.identity.company import (
    EVERYTHING,
    PASSWORD,
    SECRET,
    Company,
    answer,
    answering,
    example,
    read_request,
    running,
    write_certificate,
)

NEWER = "whsec_" + "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ"


@pytest.fixture
def company():
    module = example()
    with running(module) as url:
        yield Company(url, module)


def store_at(url, **changed):
    return HttpStore(replace(HttpIdentity(url, (SECRET,), None, EVERYTHING), **changed))


def test_accounts_are_found_by_address_number_and_id(company):
    store = store_at(company.url)
    ann, bob = store.find(["ann@example.com", "bob@example.com", "eve@example.com"])
    assert (ann.id, ann.address, ann.name, ann.locale, ann.references) == (
        "1001", "ann@example.com", "Ann", "", ("C-1",),
    )  # fmt: skip
    assert (bob.id, bob.address, bob.locale) == ("1002", "Bob@example.com", "es")
    assert [one.id for one in store.find_by_reference(["C-2", "C-9"])] == ["1002"]
    assert [one.id for one in store.get(["1001", "9999"])] == ["1001"]
    assert store.find([]) == store.get([]) == store.find_by_reference([]) == []


def test_all_accounts_are_paged_through(company):
    store = store_at(company.url)
    assert [one.id for one in store.page(None, 1)] == ["1001"]
    assert [one.id for one in store.page("1001", 500)] == ["1002"]
    assert store.page("1002", 500) == []


def test_a_new_password_ends_what_was_required(company):
    store = store_at(company.url)
    kept: dict[str, bytes] = {}
    assert store.verify("1001", PASSWORD) is Verdict.FITS
    assert store.require_change(["1001", "1002", "9999"], kept.update) == 2
    assert set(kept) == {"1001", "1002", "9999"}
    assert store.require_change(["1001"], kept.update) == 0
    assert store.verify("1001", PASSWORD) is Verdict.WRONG
    assert store.was_closed("1001", PASSWORD, kept["1001"])
    assert not store.was_closed("1001", "another one", kept["1001"])
    store.set_password("1001", "a new password")
    assert store.verify("1001", "a new password") is Verdict.FITS
    assert store.verify("1002", PASSWORD) is Verdict.WRONG
    assert store.was_closed("1001", PASSWORD, kept["1001"])


def test_sessions_end(company):
    store_at(company.url).end_sessions(["1001", "9999"])
    assert company.module.SESSIONS == {"1001": [], "1002": ["a browser"]}


def test_nobody_signs_in_without_an_account(company):
    assert store_at(company.url).verify(None, PASSWORD) is Verdict.WRONG


def test_a_password_is_stored_composed_and_tried_as_it_was_typed_too(company):
    store = store_at(company.url)
    store.set_password("1001", "contrasen\u0303a")
    assert store.verify("1001", "contrase\u00f1a") is Verdict.FITS
    assert store.verify("1001", "contrasen\u0303a") is Verdict.FITS
    company.module.set_password("1002", "contrasen\u0303a")  # by the company's own sign-up
    assert store.verify("1002", "contrasen\u0303a") is Verdict.FITS
    assert store.verify("1002", "contrase\u00f1a") is Verdict.WRONG


def test_the_company_may_refuse_a_password_by_its_own_rules(company):
    store = store_at(company.url)
    with pytest.raises(PasswordRefused):
        store.set_password("1001", "short")
    with pytest.raises(StoreFault, match="knows no such account"):
        store.set_password("9999", "a new password")
    assert store.verify("1001", PASSWORD) is Verdict.FITS


def test_a_secret_is_replaced_while_the_portal_runs(company):
    both = store_at(company.url, secrets=(NEWER, SECRET))
    assert both.verify("1001", PASSWORD) is Verdict.FITS
    with pytest.raises(StoreFault, match="401: refused the signature"):
        store_at(company.url, secrets=(NEWER,)).verify("1001", PASSWORD)


def test_another_librarys_receiver_accepts_our_signatures():
    asked = []

    def receive(connection, number):
        asked.append(read_request(connection))
        connection.sendall(answer(200, b'{"verdict": "fits"}'))

    with answering(receive) as url:
        store = store_at(url, secrets=(NEWER, SECRET))
        assert store.verify("1001", "pässword") is Verdict.FITS
    ((path, headers, body),) = asked
    assert path == "/accounts/verify"
    expected = {"type": "accounts.verify", "id": "1001", "password": "pässword", "which": "current"}
    for secret in (SECRET, NEWER):
        assert Webhook(secret).verify(body, headers) == expected
    assert headers["content-type"] == "application/json"


def test_a_request_of_one_endpoint_is_refused_at_another(company):
    asked = []

    def receive(connection, number):
        asked.append(read_request(connection))
        connection.sendall(answer(200, b'{"verdict": "wrong"}'))

    with answering(receive) as url:
        store_at(url).verify("1001", "typed by a thief")
    ((_, headers, body),) = asked
    replayed = urllib3.request("POST", f"{company.url}/accounts/password", body=body, headers=headers)
    assert (replayed.status, replayed.json()) == (400, {"error": "malformed"})
    assert store_at(company.url).verify("1001", PASSWORD) is Verdict.FITS


def test_an_old_request_is_refused(company):
    store = store_at(company.url)
    company.module.time = Later()
    with pytest.raises(StoreFault, match="signature"):
        store.end_sessions(["1001"])
    assert company.module.SESSIONS["1001"] == ["a browser"]


class Later:
    """The company's clock, six minutes ahead."""

    @staticmethod
    def time():
        import time

        return time.time() + 360


def test_tls_is_verified_against_the_file(company, tmp_path):
    mine = write_certificate(tmp_path, "127.0.0.1")
    with running(company.module, mine) as url:
        store = store_at(url, ca_file=mine[0])
        assert [store.verify("1001", PASSWORD) for _ in range(2)] == [Verdict.FITS] * 2
        with pytest.raises(StoreFault, match="certificate refused: self-signed certificate"):
            store_at(url).verify("1001", PASSWORD)


def test_a_certificate_for_another_host_is_a_fault(company, tmp_path):
    other = write_certificate(tmp_path, "shop.example")
    refused = pytest.raises(StoreFault, match="certificate refused: IP address mismatch")
    with running(company.module, other) as url, refused:
        store_at(url, ca_file=other[0]).set_password("1001", "a new password")
    assert store_at(company.url).verify("1001", PASSWORD) is Verdict.FITS


def test_a_server_that_does_not_speak_tls_gets_nothing(company, tmp_path):
    mine = write_certificate(tmp_path, "127.0.0.1")
    with pytest.raises(StoreUnavailable):
        store_at(company.url.replace("http:", "https:"), ca_file=mine[0]).set_password("1001", "a new one")
    with pytest.raises(StoreUnavailable), running(company.module, mine) as url:
        store_at(url.replace("https:", "http:")).verify("1001", PASSWORD)


def test_the_environments_proxy_is_not_asked(company, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert store_at(company.url).verify("1001", PASSWORD) is Verdict.FITS


def test_a_server_that_was_away_is_asked_again(company):
    port = int(company.url.rpartition(":")[2])
    store = store_at(company.url)
    with running(company.module) as url:
        port = int(url.rpartition(":")[2])
        store = store_at(url)
        assert store.verify("1001", PASSWORD) is Verdict.FITS
    with pytest.raises(StoreUnavailable):
        store.verify("1001", PASSWORD)
    with pytest.raises(StoreUnavailable):
        store.set_password("1001", "a new password")
    with running(company.module, port=port):
        assert store.verify("1001", PASSWORD) is Verdict.FITS
