"""Data classes are found by every word that people have for them, and typed in the words that readers see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.datakinds import names, taxonomy
from portal.datakinds.names import find, parse_classes, search, shown, suggestions
from portal.datakinds.taxonomy import UnknownDataClass

ALL = taxonomy.load()
NAMES = [one.name for one in ALL]


class TestTheFile:
    def test_every_class_has_words_in_both_languages_and_nothing_else_has(self):
        assert set(names.synonyms()) == set(NAMES)
        assert all(word.strip() == word != "" for words in names.synonyms().values() for word in words)

    def test_no_two_classes_read_alike_in_any_language(self):
        for language in ("en", "es"):
            seen = [shown(one, language).casefold() for one in ALL]
            assert len(set(seen)) == 116
        for one in ALL:  # nor does one read as the name of another
            for language in ("en", "es"):
                assert find(shown(one, language)) is one

    def test_a_word_that_names_a_class_is_no_synonym_of_another(self):
        for name, words in names.synonyms().items():
            for word in words:
                try:
                    assert find(word).name == name
                except UnknownDataClass:
                    continue


class TestFinding:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("credit cards", "Credit cards"),
            ("Card numbers", "Credit cards"),
            ("Números de tarjetas", "Credit cards"),
            ("numeros de tarjetas", "Credit cards"),
            ("Old  passwords", "Historical passwords"),
            ("Family members’ names", "Family members' names"),
            ("Family members", "Family structure"),
            ("Direcciones de correo", "Email addresses"),
        ],
    )
    def test_the_name_and_what_readers_see_are_both_taken(self, text, name):
        assert find(text).name == name

    @pytest.mark.parametrize("text", ["Emails", "", "Passwordz", "=cmd|' /C calc'!A0", "\0", "x" * 1_000_000])
    def test_nothing_else_is(self, text):
        with pytest.raises(UnknownDataClass):
            find(text)

    @pytest.mark.parametrize(
        ("word", "first"),
        [
            ("Emails", "Email addresses"),
            ("e-mail", "Email addresses"),
            ("E‑Mail", "Email addresses"),  # U+2011
            ("correos", "Email addresses"),
            ("correo electronico", "Email addresses"),
            ("DOB", "Dates of birth"),
            ("IBAN", "Bank account numbers"),
            ("DNI", "Government issued IDs"),
            ("teléfono", "Phone numbers"),
            ("Direcciones", "Physical addresses"),
            ("salary", "Income levels"),
            ("pasword", "Passwords"),
            ("Adresses", "Physical addresses"),
        ],
    )
    def test_words_that_people_have_for_it_lead_to_it(self, word, first):
        assert search(word)[0].name == first

    def test_emails_are_addresses_and_not_their_texts(self):
        assert suggestions("Emails") == ("Email addresses",)

    def test_a_word_that_may_be_either_names_both(self):
        assert set(suggestions("logins")) == {"Passwords", "Usernames"}

    def test_half_a_word_finds_all_that_begin_so(self):
        found = {one.name for one in search("email add")}
        assert found == {"Email addresses", "Recovery email addresses"}

    def test_nonsense_finds_nothing_and_nothing_finds_all(self):
        assert search("xyzzy") == []
        assert suggestions("xyzzy") == suggestions(" ") == ()
        assert len(search("")) == 116


class TestLists:
    def test_a_list_keeps_its_order_and_has_each_class_once(self):
        parsed = parse_classes("Passwords; Names;passwords ;Email addresses;;Nombres")
        assert [one.name for one in parsed] == ["Passwords", "Names", "Email addresses"]

    @pytest.mark.parametrize("text", ["", " ", ";", " ; ;; "])
    def test_an_empty_list_has_no_classes(self, text):
        assert parse_classes(text) == ()

    @pytest.mark.parametrize("text", ["Passwords, Names", "Passwords|Names", "Passwords | Names,"])
    def test_commas_and_bars_are_understood(self, text):
        assert {one.name for one in parse_classes(text)} == {"Names", "Passwords"}

    def test_a_name_with_a_comma_is_one_name(self):
        assert [one.name for one in parse_classes("Titles, like Mr or Ms;Names")] == ["Salutations", "Names"]

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("Names;Emails", "'Emails' is not a data class. Did you mean Email addresses?"),
            ("Names, Emails", "'Emails' is not a data class. Did you mean Email addresses?"),
            ("Password", "'Password' is not a data class. Did you mean Passwords?"),
            ("logins", "'logins' is not a data class. Did you mean Passwords or Usernames?"),
            ("Shoe polish", "'Shoe polish' is not a data class."),
        ],
    )
    def test_an_unknown_word_is_quoted_with_what_was_meant(self, text, told):
        with pytest.raises(UnknownDataClass) as refused:
            parse_classes(text)
        assert str(refused.value) == told

    @pytest.mark.parametrize("text", ["Names;ana@example.com", "Names;+34600111222", "Names;" + "x" * 41])
    def test_what_may_be_somebodys_data_is_told_by_its_place_and_not_repeated(self, text):
        with pytest.raises(UnknownDataClass, match=r"^name 2 is not a data class of the taxonomy$"):
            parse_classes(text)

    @given(st.lists(st.sampled_from(NAMES)))
    def test_any_list_of_names_comes_back_as_itself(self, listed):
        assert {one.name for one in parse_classes(";".join(listed))} == set(listed)

    @given(st.text(max_size=60))
    def test_any_text_is_a_list_or_a_named_error(self, text):
        try:
            found = len(parse_classes(text))
        except UnknownDataClass:
            return
        assert found <= 116
