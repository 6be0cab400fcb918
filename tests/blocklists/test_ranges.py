"""Range requests: five digits leave, and whatever the service does, the portal goes on and says so."""

import pytest

from portal.blocklists.lists import Blocklists, Judgement
from portal.blocklists.ranges import RangeService, RangeUnavailable
from portal.core.settings import PasswordLists
from tests.blocklists.range_server import serving


@pytest.fixture
def ranges():
    with serving("password", "hunter2") as server:
        yield server


def test_five_digits_of_the_hash_leave_and_nothing_else_of_the_password(ranges):
    service = RangeService(ranges.url, 5)
    assert service.holds("password")
    assert not service.holds("another password")
    (path, headers), (other, _) = ranges.asked
    assert (path, other) == ("/range/5BAA6", "/range/3466A")
    assert headers["Add-Padding"] == "true"
    assert sorted(headers) == ["Accept-Encoding", "Add-Padding", "Host", "User-Agent"]
    assert headers["User-Agent"] == "portal"


def test_padding_is_no_find(ranges):
    ranges.digits = []
    service = RangeService(ranges.url, 5)
    real, ranges.answer = (
        ranges.answer,
        lambda prefix: real(prefix) + b"\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:0",
    )
    assert not service.holds("password")


def test_an_answer_is_kept_for_who_types_the_same_again(ranges):
    service = RangeService(ranges.url, 5)
    assert [service.holds("password") for _ in range(3)] == [True, True, True]
    assert len(ranges.asked) == 1
    for number in range(70):
        service.holds(f"word {number}")
    assert service.holds("password")
    assert len(ranges.asked) == 72, "only so many answers are kept"


FAULTS = {
    "silent": "no whole answer in 0.3 seconds",
    "drips": "no whole answer in 0.3 seconds",
    "cut": "the connection failed (ProtocolError)",
    "endless": "its answer is cut, or is not one of range requests",
    "moved": "it answered with status 302",
    "error": "it answered with status 503",
    "page": "its answer is cut, or is not one of range requests",
    "empty": "its answer is cut, or is not one of range requests",
    "large": "its answer is cut, or is not one of range requests",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_said_and_never_taken_for_an_answer(ranges, fault):
    service = RangeService(ranges.url, 0.3 if FAULTS[fault].startswith("no") else 30)
    ranges.fault = fault
    with pytest.raises(RangeUnavailable) as said:
        service.holds("password")
    assert str(said.value) == FAULTS[fault]
    assert len(ranges.asked) == 1, "a redirect is not followed, and nothing is tried again"


@pytest.mark.parametrize("fault", ["cut", "endless", "moved", "error", "page", "empty", "large"])
def test_after_a_fault_it_is_asked_again(ranges, fault):
    service = RangeService(ranges.url, 30)
    ranges.fault = fault
    with pytest.raises(RangeUnavailable):
        service.holds("password")
    ranges.fault = ""
    assert service.holds("password")


def test_nobody_is_there():
    with serving() as server:
        url = server.url
    with pytest.raises(RangeUnavailable, match=r"the connection failed \(NewConnectionError\)"):
        RangeService(url, 30).holds("password")


def test_only_so_many_wait_at_once_and_the_others_go_on_at_once(ranges):
    service = RangeService(ranges.url, 30)
    for _ in range(4):
        service._free.acquire()  # as if one were under way
    with pytest.raises(RangeUnavailable, match="4 requests are already waiting for it"):
        service.holds("password")
    service._free.release()
    assert service.holds("password")
    assert service.holds("hunter2"), "a request that is over makes room"


def test_a_password_that_could_not_be_looked_up_is_unchecked_and_logged_without_it(ranges, caplog):
    lists = Blocklists(PasswordLists(range_url=ranges.url, range_seconds=5))
    assert lists.judge("hunter2") == Judgement(stolen=True)
    assert lists.judge("another") == Judgement()
    ranges.fault = "error"
    assert lists.judge("password") == Judgement(unchecked=True)
    assert lists.judge("refused anyway", ask=False) == Judgement()
    (said,) = caplog.messages
    assert "PORTAL_PASSWORD_RANGE_URL could not be asked: it answered with status 503; a new password" in said
