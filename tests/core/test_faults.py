"""What a log says of an unexpected error: types and places, and nothing that was stored or typed."""

from sqlalchemy.exc import OperationalError

from portal.core.faults import error_types, frames


def caught(error, cause=None):
    try:
        raise error from cause
    except type(error) as raised:
        return raised


def test_an_error_is_described_by_its_type_its_cause_and_its_places_alone():
    error = caught(ValueError("sam@example.com"), KeyError("secret"))
    assert error_types(error) == "ValueError: KeyError"
    (place,) = frames(error).strip().splitlines()
    assert place.endswith(" in caught")
    assert "test_faults.py:" in place
    assert "sam@example.com" not in frames(error)


def test_a_database_that_is_gone_is_named_by_its_driver_s_error_and_fills_no_log():
    error = caught(OperationalError("SELECT 1", {}, TimeoutError("secret")))
    assert error_types(error) == "OperationalError: TimeoutError"
    assert frames(error) == ""


def test_an_error_without_a_cause_says_so():
    assert error_types(caught(RuntimeError())) == "RuntimeError: -"
