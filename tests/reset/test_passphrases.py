"""Suggested passphrases are strong, readable, and in the reader's language."""

import math
import re

import pytest

from portal.reset import blocklist, passphrases

LANGUAGES = sorted(passphrases.languages())


def test_english_and_spanish_have_a_list():
    assert {"en", "es"} <= passphrases.languages()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_suggestion_is_worth_64_bits_and_long_enough_to_be_accepted(language):
    source = passphrases.words(language)
    for suggestion in passphrases.suggest(200, language):
        drawn = suggestion.split("-")
        assert set(drawn) <= set(source)
        assert len(drawn) * math.log2(len(source)) >= 64
        assert len(suggestion) >= blocklist.MINIMUM
        assert (
            blocklist.check(suggestion, own_words=["ana@example.com", "Ana Rosa"], organisation="Sol") is None
        )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_has_plain_lower_case_words_that_every_keyboard_can_type_each_once(language):
    source = passphrases.words(language)
    assert len(set(source)) == len(source)
    assert all(re.fullmatch(r"[a-z]{3,}", word) for word in source)


def test_english_needs_five_words_and_the_shorter_spanish_list_six():
    assert passphrases.length("en") == 5
    assert passphrases.length("es") == 6


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["hate", "racism", "pregnant", "virus", "slimy", "scam", "eskimo", "womb", "prison", "theft"]),
        ("es", ["sexo", "muerte", "negro", "gordo", "tonto", "violar", "coger", "raza", "abuso", "misil"]),
    ],
)
def test_words_that_hurt_people_are_not_in_the_lists(language, words):
    assert not set(words) & set(passphrases.words(language))


def test_a_regional_reader_gets_the_list_of_the_language():
    assert passphrases.list_language("es-MX") == "es"
    assert passphrases.list_language("es_419") == "es"
    assert passphrases.list_language("ES") == "es"


@pytest.mark.parametrize("language", ["", "xx", "../words/en", "en/../es", "\0", "README"])
def test_an_unknown_language_reads_english_and_never_another_file(language):
    assert passphrases.list_language(language) == "en"
    with pytest.raises(passphrases.UnknownLanguage):
        passphrases.words(language)


def test_a_thousand_suggestions_are_all_different():
    assert len(set(passphrases.suggest(1000, "en"))) == 1000


def test_every_word_is_drawn_by_the_given_choice():
    drawn = iter(["maple", "orbit", "candle", "brisk", "tulip"])
    assert passphrases.suggest(1, "en", lambda _: next(drawn)) == ["maple-orbit-candle-brisk-tulip"]


def test_every_word_of_the_list_can_come_first():
    source = passphrases.words("es")
    first, last = source[0], source[-1]
    assert passphrases.suggest(1, "es", lambda words: words[0]) == ["-".join([first] * 6)]
    assert passphrases.suggest(1, "es", lambda words: words[-1]) == ["-".join([last] * 6)]


def test_no_suggestions_are_none():
    assert passphrases.suggest(0, "en") == []
