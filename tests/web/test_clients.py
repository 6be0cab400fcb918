"""Which network a request counts for: what a trusted proxy wrote, in whatever form, and nothing else."""

import logging

import pytest

from portal.web import clients
from portal.web.clients import client_network

# A network does not depend on the database.
pytestmark = pytest.mark.sqlite


@pytest.fixture(autouse=True)
def nothing_logged_before(monkeypatch):
    monkeypatch.setattr(clients, "warned", set())


def seen(proxies, forwarded, peer="127.0.0.1"):
    header = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return client_network({"REMOTE_ADDR": peer} | header, proxies)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "network"),
    [
        (0, None, "127.0.0.1"),
        (0, "203.0.113.9", "127.0.0.1"),
        (1, None, "127.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1,203.0.113.9 ", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9, 192.0.2.7", "203.0.113.9"),
        (2, "203.0.113.9", "127.0.0.1"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "203.0.113.7:50007", "203.0.113.7"),
        (1, "203.0.113.7:50007, 198.51.100.1:443", "198.51.100.1"),
        (1, "[2001:db8::7]:443", "2001:db8::/64"),
        (1, "[2001:db8::7]", "2001:db8::/64"),
        (1, "[::ffff:203.0.113.7]:50007", "203.0.113.7"),
        (1, "fe80::1%eth0", "fe80::/64"),
        (1, "[fe80::1%25eth0]:443", "fe80::/64"),
    ],
)
def test_only_the_configured_number_of_proxies_is_believed(proxies, forwarded, network):
    assert seen(proxies, forwarded) == network


@pytest.mark.parametrize(
    "forwarded",
    ["", "unknown", "_hidden", "203.0.113.7:", "203.0.113.7:x", "[203.0.113.7", "1.2.3", "\xff", "a" * 9999],
)
def test_what_cannot_be_read_is_a_network_of_its_own(forwarded):
    network = seen(1, forwarded)
    assert network not in {seen(1, "203.0.113.9"), seen(1, None), seen(1, "other"), "unknown"}
    assert network == seen(1, f"198.51.100.1, {forwarded}")
    assert len(network) < 120


def test_a_visitor_cannot_leave_its_network_by_what_it_sends_itself(caplog):
    assert {seen(1, f"{sent}, 203.0.113.7:50007") for sent in ("nonsense", "", "1.2.3.4", "[", "a,b")} == {
        "203.0.113.7"
    }
    assert caplog.text == ""


@pytest.mark.parametrize("peer", ["", None, "unix:", "203.0.113.9.evil.example"])
def test_a_peer_without_an_address_is_unknown(peer):
    assert seen(0, None, peer) == seen(1, None, peer) == "unknown"


@pytest.mark.parametrize(
    ("proxies", "headers", "said"),
    [
        (0, {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}, "PORTAL_TRUSTED_PROXIES is 0, so all visitors"),
        (0, {"HTTP_FORWARDED": "for=203.0.113.9"}, "PORTAL_TRUSTED_PROXIES is 0, so all visitors"),
        (
            3,
            {"HTTP_X_FORWARDED_FOR": "203.0.113.9, ::1"},
            "holds 2 addresses, but PORTAL_TRUSTED",
        ),
        (1, {"HTTP_X_FORWARDED_FOR": "ip=203.0.113.9;Sam"}, "something like 'a=9.9.9.9;a'"),
    ],
)
def test_what_hides_the_visitors_is_logged_once_and_without_an_address(caplog, proxies, headers, said):
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            client_network({"REMOTE_ADDR": "127.0.0.1"} | headers, proxies)
    (record,) = caplog.records
    assert said in record.getMessage()
    assert "203" not in record.getMessage()
    assert "Sam" not in record.getMessage()


def test_a_portal_that_is_set_up_rightly_logs_nothing(caplog):
    with caplog.at_level(logging.DEBUG):
        assert [seen(0, None), seen(1, None), seen(1, "203.0.113.9"), seen(2, "203.0.113.9, ::1")] == [
            "127.0.0.1",
            "127.0.0.1",
            "203.0.113.9",
            "203.0.113.9",
        ]
    assert caplog.records == []
