"""Every file of people has the same rules for the same cells, and no refusal says what a cell holds."""

import pytest

from portal.accounts.importing.parsing import parse_row
from portal.exposure.people import RowParser
from portal.people_files.rows import RowRefused
from tests.accounts.test_import import HASH

LONG_DOMAIN = f"{'n' * 60}.{'n' * 60}.{'n' * 60}.example"


def of_a_list(email="ann@northwind.example", ref="", name="", locale=""):
    return RowParser(1).parse((email, ref, name, locale, "", ""))


def of_accounts(email="ann@northwind.example", ref="", name="", locale=""):
    return parse_row((email, HASH, ref, name, locale))


@pytest.mark.parametrize("parse", [of_a_list, of_accounts])
@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"email": " "}, "email: the cell is empty"),
        ({"email": "ann"}, "email: not a single email address"),
        ({"email": "x" * 300 + "@northwind.example"}, "email: too long for an email address"),
        ({"ref": "9" * 101}, "account_ref: longer than 100 characters"),
        ({"ref": "9\x1f9"}, "account_ref: contains a control character"),
        ({"name": "N" * 201}, "name: longer than 200 characters"),
        ({"name": "An\x07n"}, "name: contains a control character"),
        ({"name": "An\x07n" * 100}, "name: contains a control character"),
        ({"locale": "english please"}, "locale: not a language tag like en or pt-BR"),
        ({"locale": "e"}, "locale: not a language tag like en or pt-BR"),
        (
            {
                "email": f"{'x' * 60}@{LONG_DOMAIN}",
                "ref": "🦉" * 100,
                "name": "🦉" * 200,
            },
            "the row is too long",
        ),
    ],
)
def test_a_cell_is_refused_in_the_same_words(parse, cells, reason):
    for _ in range(2):  # a second time too, where what was parsed once is remembered
        with pytest.raises(RowRefused) as refused:
            parse(**cells)
        assert str(refused.value) == reason


@pytest.mark.parametrize("locale", ["", " en ", "pt_BR", "zh-Hant-TW"])
@pytest.mark.parametrize("name", ["", "Zoë O’Neil", "👩‍👩‍👧", "\u200fمريم"])
def test_what_people_are_called_and_speak_is_taken(locale, name):
    profile = of_accounts(name=name, locale=locale).profile
    packed = of_a_list(name=name, locale=locale)[-1].decode().split("\x1f")
    assert (
        (profile.name, profile.locale) == (packed[2], packed[3]) == (name, locale.strip().replace("_", "-"))
    )
