"""A field that is odd costs nobody the notice, and no address is guessed from what may be another's."""

import pytest

from portal.core.i18n import best_language
from portal.people_files.mending.row import looks_odd, mend
from portal.people_files.rows import RowRefused, parse_locale

DOTS = "email: two full stops in a row or one at the end of the name, which only some carriers have"
SCIENTIFIC = "a number in scientific notation, left empty: its last digits are lost"
UNKNOWN_LANGUAGE = "not a language that we know, so the default language counts"
COLUMNS = ("email", "account_ref", "name", "locale", "jurisdiction", "data_classes")


def row(email="ann@mail.example", ref="", name="", locale="", jurisdiction="", classes=""):
    return email, ref, name, locale, jurisdiction, classes


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("ann@mail.example\u200b", ["ann@mail.example"]),
        ("\ufeffann@mail.example\u00a0", ["ann@mail.example"]),
        ("an\u00adn@mail.example", ["ann@mail.example"]),
        ("\u202aann@mail.example\u202c", ["ann@mail.example"]),
        ("MAILTO:ann@mail.example?subject=Hi", ["ann@mail.example"]),
        ("<ann@mail.example>", ["ann@mail.example"]),
        ("<mailto:ann@mail.example>", ["ann@mail.example"]),
        ('"Lee, Ann" <ann@mail.example>', ["ann@mail.example"]),
        ("'ann@mail.example'", ["ann@mail.example"]),
        ("“ann@mail.example”", ["ann@mail.example"]),
        ("ann@mail.example.", ["ann@mail.example"]),
        ("o’neil@mail.example", ["o'neil@mail.example"]),
        ("mary‐ann@mail.example", ["mary-ann@mail.example"]),
        ("ann@north–wind.example", ["ann@north-wind.example"]),
        ("a@mail.example;b@mail.example", ["a@mail.example", "b@mail.example"]),
        ("a@mail.example, b@mail.example,", ["a@mail.example", "b@mail.example"]),
        ("a@mail.example b@mail.example", ["a@mail.example", "b@mail.example"]),
        ("a@mail.example\nb@mail.example", ["a@mail.example", "b@mail.example"]),
        ("A <a@mail.example>; B <b@mail.example>", ["a@mail.example", "b@mail.example"]),
        ("a@mail.example;a@mail.example", ["a@mail.example"]),
        ("taro..x@docomo.ne.jp;b@mail.example", ["b@mail.example", "taro..x@docomo.ne.jp"]),
    ],
)
def test_addresses_are_found_in_what_people_paste(cell, found):
    mended, notes = mend(COLUMNS, row(cell, "7", "Ann"), several=True)
    assert [each[0] for each in mended] == found
    assert {each[1:3] for each in mended} == {("7", "Ann")}
    assert notes


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "email: the cell is empty"),
        ("NULL", "email: the cell is empty"),
        ("\u200b", "email: the cell is empty"),
        ("ann lee@mail.example", "email: not a single email address"),
        ("Ann Lee lee@mail.example", "email: not a single email address"),
        ("ann,lee@mail.example", "email: several entries, of which one is no address"),
        ("a@mail.example; n/a", "email: several entries, of which one is no address"),
        ("b@mail.example <a@mail.example>", "email: an address with brackets, and another without"),
        ("ann..lee@mail.example", DOTS),
        ("ﬁona@mail.example", "email: a character that only looks like a plain letter"),
        ("ann@mail", "email: not a single email address"),
        ("\ue0012024-05-01", "email: the cell is a date or a number"),
    ],
)  # fmt: skip
def test_what_may_be_the_end_of_anothers_address_is_not_taken(cell, reason):
    with pytest.raises(RowRefused) as refused:
        mend(COLUMNS, row(cell), several=True)
    assert str(refused.value) == reason


def test_an_account_has_one_address():
    with pytest.raises(RowRefused, match="several addresses, and an account has one"):
        mend(COLUMNS, row("a@mail.example;b@mail.example"), several=False)


@pytest.mark.parametrize(
    ("cells", "at", "value", "note"),
    [
        (row(name="M&uuml;ller &amp; S&#246;hne"), 2, "Müller & Söhne", "HTML entities decoded"),
        (row(name="Ann&nbsp;Lee"), 2, "Ann Lee", "HTML entities decoded"),
        (row(name="M&amp;uuml;ller"), 2, "Müller", "HTML entities decoded"),
        (row(name="An\u200bn\u00a0Lee"), 2, "Ann Lee", "invisible characters or no-break spaces taken off"),
        (row(name="MÃ¼ller"), 2, "Müller", "decoded twice, like Ã¼ for ü, mended"),
        (row(name="Oâ€™Neil"), 2, "O’Neil", "decoded twice, like Ã¼ for ü, mended"),
        (row(name="MÃƒÂ¼ller"), 2, "Müller", "decoded twice, like Ã¼ for ü, mended"),
        (row(name="Ren\ufffd"), 2, "Ren\ufffd", "damaged, with a replacement character (U+FFFD)"),
        (row(name="nan"), 2, "", "a placeholder like NULL, nan or #N/A, read as empty"),
        (row(name="An\x07n"), 2, "Ann", "control characters taken off"),
        (row(name="N" * 201), 2, "N" * 200, "longer than 200 characters, cut"),
        (row(ref="#N/A"), 1, "", "a placeholder like NULL, nan or #N/A, read as empty"),
        (row(ref="1.23457E+11"), 1, "", SCIENTIFIC),
        (row(ref="1,23457E+11"), 1, "", SCIENTIFIC),
        (row(ref="12345.0"), 1, "12345", "a number like 12345.0, read as 12345"),
        (row(ref="\u200eK-7"), 1, "K-7", "invisible characters or no-break spaces taken off"),
        (row(locale="Elvish"), 3, "und", UNKNOWN_LANGUAGE),
        (row(locale="Kim"), 3, "und", UNKNOWN_LANGUAGE),
        (row(locale="german"), 3, "de", "the name of a language, read as its code"),
        (row(locale="de_DE.UTF-8"), 3, "de_DE", "read without what follows the language, as in de_DE.UTF-8"),
        (row(jurisdiction="x" * 61), 4, "", "has control characters or more than 60 characters, left empty"),
        (row(classes="None"), 5, "", "a placeholder like NULL, nan or #N/A, read as empty"),
    ],
)  # fmt: skip
def test_the_person_is_kept_and_the_field_mended_or_left_empty(cells, at, value, note):
    (mended,), notes = mend(COLUMNS, cells, several=True)
    assert mended[at] == value
    assert notes == [f"{COLUMNS[at]}: {note}"]
    expected = list(cells)
    expected[at] = value
    assert list(mended) == expected


@pytest.mark.parametrize(
    "name",
    ["Jennifer Null", "Null", "AT&T", "Zoë O’Neil", "Ångström", "Ñandú", "João Ávila", "山田　太郎",
     "\u200fمريم", "👩‍👩‍👧", "Â", "Ã", "Müller–Lüdenscheidt", "Straße „Süd“", "NIÑ”", "e+1"],
)  # fmt: skip
def test_names_that_are_right_stay_as_they_are(name):
    (mended,), notes = mend(COLUMNS, row(name=name), several=True)
    assert (mended[2], notes) == (" ".join(name.split()), [])


@pytest.mark.parametrize(
    ("cell", "tag"),
    [
        ("Spanish", "es"), ("español", "es"), ("ESPANOL ", "es"), ("Spanisch", "es"), ("castellano", "es"),
        ("Deutsch", "de"), ("alemán", "de"), ("русский", "ru"), ("中文", "zh"), ("Norwegian", "no"),
        ("español (México)", "es-MX"), ("Português (Brasil)", "pt-BR"), ("English (US)", "en-US"),
        ("Chinese (Traditional)", "zh-Hant"), ("slovenčina", "sk"), ("HRVATSKI", "hr"), ("한국어", "ko"),
        ("עברית", "he"), ("Українська", "uk"), ("Tiếng Việt", "vi"), ("हिन्दी", "hi"), ("srpski", "sr-Latn"),
        ("한국어 (KR)", "ko-KR"),
    ],
)  # fmt: skip
def test_a_language_is_understood_by_its_name(cell, tag):
    (mended,), notes = mend(COLUMNS, row(locale=cell), several=True)
    assert (mended[3], notes) == (tag, ["locale: the name of a language, read as its code"])


@pytest.mark.parametrize(
    "cell", [*"ladino Klingon Anna xx-YY.utf8".split(), "Unknown language", "español (Atlantis)", "n" * 900]
)
def test_what_means_several_languages_or_none_is_unknown(cell):
    (mended,), notes = mend(COLUMNS, row(locale=cell), several=True)
    assert (mended[3], notes) == ("und", [f"locale: {UNKNOWN_LANGUAGE}"])


@pytest.mark.parametrize(
    ("cell", "has"),
    [
        ("prs", "fa"),
        ("prs_AF", "fa"),
        ("drw", "fa"),
        ("tnf", "fa"),
        ("sh", "sr"),
        ("hbs", "sr"),
        ("swc", "sw"),
    ],
)
def test_a_code_that_a_language_of_the_site_serves_is_kept(cell, has):
    assert best_language(parse_locale(cell), ("en", has)) == has
    assert mend(COLUMNS, row(locale=cell), several=True)[1] == []


@pytest.mark.parametrize("ref", ["12E4", "1E5", "7e+8-B", "1.0.0", "12345", "A.0"])
def test_references_that_are_right_stay_as_they_are(ref):
    (mended,), notes = mend(COLUMNS, row(ref=ref), several=True)
    assert (mended[1], notes) == (ref, [])


@pytest.mark.parametrize(
    "cells",
    [
        row(name="M&uuml;ller"), row(name="An\u200bn"), row(name="MÃ¼ller"), row(name="Ren\ufffd"),
        row(name="nan"), row(ref="1.2E+11"), row(ref="12345.0"), row(ref="\ue0012024-05-01"),
        row(classes="#N/A"),
    ],
)  # fmt: skip
def test_rows_that_would_pass_are_noticed(cells):
    assert looks_odd(cells)


def test_most_rows_are_not_looked_at_twice():
    for name in ("Ann Lee", "Zoë O’Neil", "山田 太郎"):
        assert not looks_odd(row("ann.lee+shop.0@mail.example", "K-7", name, "en", "DE", "Names;Passwords"))
