"""Tokens and codes: what is locked under them, and how people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.crypto import tokens


@given(st.binary(max_size=64), st.binary(min_size=1, max_size=40))
def test_what_is_locked_opens_with_its_secret_at_one_length(text, secret):
    blob = tokens.lock(secret, text, 64, "answer")
    assert len(blob) == 64 + 32
    assert tokens.unlock(secret, blob, "answer") == text


@pytest.mark.parametrize(
    ("secret", "info"), [(b"other", "answer"), (b"secret", "code answer"), (b"", "answer")]
)
def test_another_secret_or_another_use_opens_nothing(secret, info):
    with pytest.raises(tokens.Unopenable):
        tokens.unlock(secret, tokens.lock(b"secret", b"text", 64, "answer"), info)


@pytest.mark.parametrize("blob", [b"", b"x" * 11, b"x" * 12, b"x" * 200])
def test_a_blob_that_is_none_opens_nothing(blob):
    with pytest.raises(tokens.Unopenable):
        tokens.unlock(b"secret", blob, "answer")


def test_what_does_not_fit_is_refused_before_it_shows_by_its_length():
    with pytest.raises(ValueError, match="fixed size"):
        tokens.lock(b"secret", b"x" * 65, 64, "answer")


@pytest.mark.parametrize("typed", ["abcd2345", "ABCD-2345", " abcd 2345\n", "Abcd–2345", "a b c d.2 3 4 5"])
def test_a_code_is_read_as_people_type_it(typed):
    assert tokens.normalise_code(typed) == "abcd2345"


def test_digits_that_no_code_has_are_read_as_the_letters_they_look_like():
    assert tokens.normalise_code("0182-3456") == "olb23456"


@pytest.mark.parametrize(
    "text",
    ["", "a", "a" * 31, "a" * 33, "A" * 32, "a" * 31 + "1", "ａ" * 32, "a" * 31 + "\n", "../" + "a" * 29],
)
def test_what_is_no_token_does_not_look_like_one(text):
    assert not tokens.looks_like_token(text)


def test_a_code_is_shown_in_groups():
    assert tokens.grouped("abcd2345") == "ABCD-2345"
