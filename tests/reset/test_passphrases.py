"""Suggested passphrases are strong, readable, and in the reader's language."""

import math
import re
import unicodedata

import pytest

from portal.reset import passwords

LANGUAGES = sorted(passwords.languages())


def test_english_and_spanish_have_a_list():
    assert {"en", "es"} <= passwords.languages()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_suggestion_is_worth_64_bits_and_long_enough_to_be_accepted(language):
    source = passwords.words(language)
    for suggestion in passwords.suggest(200, language):
        drawn = suggestion.split("-")
        assert set(drawn) <= set(source)
        assert len(drawn) * math.log2(len(source)) >= 64
        assert len(suggestion) >= 15
        assert (
            passwords.check(suggestion, own_words=["ana@example.com", "Ana Rosa"], organisation="Sol") == ()
        )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_has_plain_lower_case_words_that_every_keyboard_can_type_each_once(language):
    source = passwords.words(language)
    assert len(set(source)) == len(source)
    assert all(re.fullmatch(r"[a-z]{3,}", word) for word in source)


def test_english_needs_five_words_and_the_shorter_spanish_list_six():
    assert passwords.length("en") == 5
    assert passwords.length("es") == 6


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["hate", "racism", "pregnant", "virus", "slimy", "scam", "eskimo", "womb", "prison", "theft"]),
        (
            "en",
            ["sufferer", "penniless", "victim", "widow", "casualty", "worrier", "hacker", "fraud", "expose"],
        ),
        ("es", ["sexo", "muerte", "negro", "gordo", "tonto", "violar", "coger", "raza", "abuso", "misil"]),
        (
            "es",
            ["aborto", "llanto", "viudo", "veneno", "peligro", "ruina", "triste", "virus", "tumba", "timo"],
        ),
    ],
)
def test_words_that_hurt_people_are_not_in_the_lists(language, words):
    assert not set(words) & set(passwords.words(language))


def test_a_regional_reader_gets_the_list_of_the_language():
    assert passwords.list_language("es-MX") == "es"
    assert passwords.list_language("es_419") == "es"
    assert passwords.list_language("ES") == "es"


@pytest.fixture
def own_lists(tmp_path, monkeypatch):
    """Word lists in a folder of the test's own."""
    monkeypatch.setattr(passwords, "WORDS", tmp_path)
    for function in (passwords.languages, passwords.words):
        function.cache_clear()
    yield tmp_path
    for function in (passwords.languages, passwords.words):
        function.cache_clear()


def test_a_list_in_any_alphabet_is_one_file(own_lists):
    greek = ["θάλασσα", "ήλιος", "καράβι", "λεμόνι", "μέλι", "νερό", "ουρανός", "πέτρα"]
    text = unicodedata.normalize("NFD", "\n".join(greek))
    (own_lists / "el.txt").write_text(text, encoding="utf-8")
    assert passwords.list_language("el-CY") == "el"
    (suggestion,) = passwords.suggest(1, "el")
    assert set(suggestion.split("-")) <= set(greek)
    assert suggestion == passwords.normalise(suggestion)
    assert len(suggestion.split("-")) == 22  # of three bits each


@pytest.mark.parametrize("language", ["", "xx", "../words/en", "en/../es", "\0", "README"])
def test_an_unknown_language_reads_english_and_never_another_file(language):
    assert passwords.list_language(language) == "en"
    with pytest.raises(passwords.UnknownLanguage):
        passwords.words(language)


def test_a_thousand_suggestions_are_all_different():
    assert len(set(passwords.suggest(1000, "en"))) == 1000


def test_every_word_is_drawn_by_the_given_choice():
    drawn = iter(["maple", "orbit", "candle", "brisk", "tulip"])
    assert passwords.suggest(1, "en", lambda _: next(drawn)) == ["maple-orbit-candle-brisk-tulip"]


def test_every_word_of_the_list_can_come_first():
    source = passwords.words("es")
    first, last = source[0], source[-1]
    assert passwords.suggest(1, "es", lambda words: words[0]) == ["-".join([first] * 6)]
    assert passwords.suggest(1, "es", lambda words: words[-1]) == ["-".join([last] * 6)]


def test_no_suggestions_are_none():
    assert passwords.suggest(0, "en") == []
