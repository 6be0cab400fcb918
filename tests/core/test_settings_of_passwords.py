"""The settings of stolen passwords: where they are looked up."""

import pytest

from portal.core.settings import Settings
from tests.core.test_settings import GOOD, faults


@pytest.mark.parametrize("name", ["PASSWORD_CORPUS_FILE", "EXPOSED_PASSWORDS_FILE"])
def test_a_file_of_passwords_must_exist(name, tmp_path):
    assert faults(**{name: str(tmp_path / "none.pwc")}) == [
        f"PORTAL_{name}: must be an existing file, written by: portal passwords build"
    ]
    (tmp_path / "there.pwc").write_bytes(b"")
    passwords = Settings.from_env(GOOD | {f"PORTAL_{name}": str(tmp_path / "there.pwc")}).passwords
    assert (passwords.corpus_file or passwords.exposed_file) == tmp_path / "there.pwc"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://api.example.com/range/", "must start with https; http only on this machine"),
        ("https://user:word@api.example.com/", "must be like https://api.example.com/range/"),
        ("https://api.example.com/range/?mode=ntlm", "must be like https://api.example.com/range/"),
        ("api.example.com", "must be like https://api.example.com/range/"),
    ],
)
def test_a_service_of_range_requests_is_a_plain_url_over_https(url, what):
    assert faults(PASSWORD_RANGE_URL=url) == [f"PORTAL_PASSWORD_RANGE_URL: {what}"]


def test_nothing_is_asked_unless_a_service_is_named_and_then_for_two_seconds():
    assert Settings.from_env(GOOD).passwords.range_url == ""
    named = Settings.from_env(
        GOOD | {"PORTAL_PASSWORD_RANGE_URL": "https://api.example.com/range/"}
    ).passwords
    assert (named.range_url, named.range_seconds) == ("https://api.example.com/range/", 2)
    assert faults(PASSWORD_RANGE_SECONDS="0") == [
        "PORTAL_PASSWORD_RANGE_SECONDS: must be a number from 1 to 10"
    ]


def test_a_file_and_a_service_are_alternatives(tmp_path):
    (tmp_path / "stolen.pwc").write_bytes(b"")
    given = {"PASSWORD_CORPUS_FILE": str(tmp_path / "stolen.pwc"), "PASSWORD_RANGE_URL": "https://a.example/"}
    assert faults(**given) == [
        "PORTAL_PASSWORD_RANGE_URL: is set beside PORTAL_PASSWORD_CORPUS_FILE; remove one"
    ]
