"""Who signs in through the store `http`, when the server finds more, or others, than it was asked for."""

import json
from dataclasses import replace

import pytest

from portal.accounts.external import try_to_sign_in
from portal.core.settings.http import HttpIdentity
from portal.identity.ports import StoreUnavailable
from tests.identity.company import (
    EVERYTHING,
    PASSWORD,
    SECRET,
    answer,
    answering,
    example,
    read_request,
    running,
)

pytestmark = pytest.mark.sqlite  # what the database holds is tested on both elsewhere


@pytest.fixture
def signing_in(worker_parts):
    """Sign in as the worker does, with the company's server at a URL; return what the browser is told."""

    def sign_in(url, typed="ann@example.com"):
        identity = replace(
            worker_parts.settings.identity, store="http", http=HttpIdentity(url, (SECRET,), None, EVERYTHING)
        )
        parts = replace(worker_parts, settings=replace(worker_parts.settings, identity=identity))
        fields = {
            "email": typed,
            "password": PASSWORD,
            "network": "192.0.2.1",
            "device": "",
            "language": "en",
        }
        return try_to_sign_in(b"0" * 16, fields | {"lane": "1"}, parts)["outcome"]

    return sign_in


@pytest.mark.parametrize(
    ("held", "typed", "outcome"),
    [
        (["Ann@Example.com"], "ann@example.com", "signed in"),
        (["ann@example.com"], "ANN@example.com", "signed in"),
        (["\uff41nn@example.com"], "ann@example.com", "refused"),  # a wide a
        (["\u0131ris@example.com"], "iris@example.com", "refused"),  # a dotless i
        (["ann@example.org"], "ann@example.com", "refused"),
        (["ann@example.com", "Ann@example.com"], "ann@example.com", "refused"),
        (["ann@example.com", "\uff41nn@example.com"], "ann@example.com", "signed in"),
        ([], "ann@example.com", "refused"),
    ],
)
def test_an_account_counts_only_where_it_alone_has_the_address(signing_in, held, typed, outcome):
    accounts = [{"id": str(number), "address": address} for number, address in enumerate(held)]

    def find_all(connection, number):
        path, _, body = read_request(connection)
        fits = "wrong" if json.loads(body).get("id") is None else "fits"
        said = {"accounts": accounts} if path == "/accounts/find" else {"verdict": fits}
        connection.sendall(answer(200, json.dumps(said).encode()))

    with answering(find_all) as url:
        assert signing_in(url, typed) == outcome


def test_a_password_that_needs_a_second_factor_signs_nobody_in(signing_in):
    module = example()
    module.VERBS["verify"] = lambda **asked: {"verdict": "needs-factor"}
    with running(module) as url:
        assert signing_in(url) == "needs factor"


def test_a_server_that_is_away_costs_nobody_a_try(signing_in):
    module = example()
    with running(module) as url:
        assert signing_in(url) == "signed in"
    for _ in range(20):
        with pytest.raises(StoreUnavailable):
            signing_in(url)
    with running(module, port=int(url.rpartition(":")[2])):
        assert signing_in(url) == "signed in"
