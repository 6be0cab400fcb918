"""A person's language finds the catalogue that fits it, whatever either is called."""

import pytest

from portal.core.i18n import best_language, catalogue, matching_language


@pytest.mark.parametrize(
    ("wanted", "offered", "found"),
    [
        ("es", "en es", "es"),
        ("ES", "en es", "es"),
        ("es_MX", "en es", "es"),
        ("es-419", "en es", "es"),
        ("zh-Hant-TW", "en zh-Hans zh-Hant", "zh-Hant"),
        ("zh-TW", "en zh-Hans zh-Hant", "zh-Hant"),
        ("zh-HK", "en zh-Hans zh-Hant", "zh-Hant"),
        ("zh", "en zh-Hant zh-Hans", "zh-Hans"),
        ("zh-Hant", "en zh-TW", "zh-TW"),
        ("zh-TW", "en zh", None),
        ("pt", "en pt-BR", "pt-BR"),
        ("pt", "pt-PT pt-BR", "pt-BR"),
        ("pt-PT", "pt-BR pt-PT", "pt-PT"),
        ("pt-AO", "en pt", "pt"),
        ("nb", "en no", "no"),
        ("no", "en nb", "nb"),
        ("nb-NO", "en no", "no"),
        ("iw", "en he", "he"),
        ("en-GB", "en-AU en", "en"),
        ("sr-Latn", "en sr", None),
        ("de", "en es", None),
        ("", "en es", None),
        ("*", "en es", None),
        ("x" * 300, "en es", None),
        ("../es", "en es", None),
    ],
)
def test_a_language_is_matched_by_what_it_means(wanted, offered, found):
    tags = tuple(offered.split())
    assert matching_language(wanted, tags) == found
    assert best_language(wanted, tags) == (found or tags[0])


@pytest.mark.parametrize("tag", ["es", "es-MX", "es_MX", "ES"])
def test_the_catalogue_of_a_region_is_that_of_its_language(tag):
    assert catalogue(tag).gettext("Check") == "Comprobar"


def test_the_kinds_of_data_are_found_in_their_own_catalogue_with_all_other_texts():
    assert catalogue("es").gettext("Passwords") == "Contraseñas"
    assert catalogue("en").gettext("Auth tokens") == "Sign-in keys"


def test_where_there_is_no_catalogue_the_text_is_english():
    assert catalogue("de").gettext("Check") == "Check"
