"""Addresses: twins stay strangers, tricks are refused, and nobody's own letters are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core import addresses
from portal.core.addresses import AddressInvalid, folded, mask, normalise, sign_in_name


@pytest.mark.parametrize(
    ("typed", "exact"),
    [
        ("sam@example.com", "sam@example.com"),
        ("  Sam.O'Neil+news@Example.COM\r\n", "Sam.O'Neil+news@example.com"),
        ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
        ("zoe\u0301@example.com", "zoé@example.com"),
        ("sam@faß.de", "sam@xn--fa-hia.de"),
        ("sam@xn--fa-hia.de", "sam@xn--fa-hia.de"),
        ("sam@ＥＸＡＭＰＬＥ。ｃｏｍ", "sam@example.com"),
        ("straße@example.com", "straße@example.com"),
        ("a@b-c.example", "a@b-c.example"),
        ("taro..x@docomo.ne.jp", "taro..x@docomo.ne.jp"),
        ("hana.@EZWEB.ne.jp", "hana.@ezweb.ne.jp"),
        ("x...y.@s.vodafone.ne.jp", "x...y.@s.vodafone.ne.jp"),
        ("oʼниль@example.com", "oʼниль@example.com"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
    ],
)
def test_an_address_has_one_exact_form(typed, exact):
    assert normalise(typed) == exact


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sıd@example.com", "sid@example.com"),
        ("straße@example.com", "strasse@example.com"),
        ("sam@faß.de", "sam@fass.de"),
        ("zoé@example.com", "zoe@example.com"),
        ("аnna@example.com", "anna@example.com"),  # the first letter is Cyrillic
        ("İd@example.com", "id@example.com"),
    ],
)
def test_twins_are_different_people(one, other):
    assert normalise(one) != normalise(other)
    assert folded(normalise(one)) != folded(normalise(other))
    assert sign_in_name(normalise(one)) != sign_in_name(normalise(other))


@pytest.mark.parametrize(
    "twin", ["ſam@example.com", "ﬁona@example.com", "ｓam@example.com", "sam①@example.com"]
)
def test_letters_that_only_look_plain_are_refused_with_a_reason(twin):
    with pytest.raises(AddressInvalid, match="look like plain letters"):
        normalise(twin)


def test_the_kelvin_sign_is_the_letter_that_unicode_says_it_is_and_the_mail_goes_there():
    # Canonically equal: the mail leaves to the plain address, so whoever owns only the twin gets nothing.
    assert normalise("\u212aim@example.com") == "Kim@example.com"
    assert folded("\u212aim@example.com") != folded("Kim@example.com")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "sam", "@", "@example.com", "sam@", "sam@example", "sam@@example.com", "sam@a@example.com",
        "sam@example.com\0", "sam\0@example.com", "sam\r\nBcc: all@example.com", "sam@exam\nple.com",
        "sam\r@example.com", "sam%0abcc:x@example.com", "sam%0D%0A@example.com", "sam%00@example.com",
        "sam@example.com,eve@example.com", "sam,eve@example.com", "sam@example.com;eve@example.com",
        "sam@example.com eve@example.com", "<sam@example.com>", "Sam <sam@example.com>", '"sam"@example.com',
        "=?utf-8?q?sam=40evil.example=3e=00?=@example.com", "sam@=?utf-8?q?example.com?=",
        "sam@example..com", ".sam@example.com", "sam.@example.com", "sa..m@example.com", "sam@-example.com",
        "sam@example-.com", "sam@exa_mple.com", "sam@127.0.0.1", "sam@[127.0.0.1]", "sam@example.com.",
        "sam@xn--a.example", "sam@" + "a" * 64 + ".com", "a" * 65 + "@example.com", "é" * 33 + "@example.com",
        "sam\u200d@example.com", "sam\u202e@example.com", "sam\u00a0@example.com", "sam\ue000@example.com",
        "\ud800@example.com", "sam@\ud800.com", "sam＠example.com", "sam@example.com\u2028x",
    ],
)  # fmt: skip
def test_what_is_not_one_address_is_refused_and_never_repeated(text):
    with pytest.raises(AddressInvalid) as refused:
        normalise(text)
    assert "example.com" not in str(refused.value).replace("name@example.com", "")


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "a@" * 500_000, "é" * 1_000_000, "a" * 250 + "@example.com"]
)
def test_a_megabyte_is_too_long_at_once(text):
    with pytest.raises(AddressInvalid, match="too long"):
        normalise(text)


def test_an_address_has_254_bytes_at_most():
    longest = "a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".exa"
    assert len(longest) == 254
    assert normalise(longest) == longest
    with pytest.raises(AddressInvalid, match="too long"):
        normalise(longest + "m")


@given(st.text(max_size=300))
def test_whatever_is_typed_gives_one_stable_form_or_a_reason(text):
    try:
        address = normalise(text)
    except AddressInvalid:
        return
    assert normalise(address) == address
    assert len(address.encode()) <= 254
    assert not set(address) & set('\r\n\0 ,<>"')


@given(st.emails())
def test_ordinary_addresses_are_taken_or_use_forms_that_no_provider_gives_out(address):
    local, _, domain = address.rpartition("@")
    if "=?" in local or "%" in local or "xn--" in domain.lower() or domain.rpartition(".")[2].isdigit():
        return
    assert normalise(address) == f"{local}@{domain.lower()}"


@pytest.mark.parametrize(
    ("spelling", "mailbox"),
    [
        ("S.a.m+shop@gmail.com", "sam@gmail.com"),
        ("sam@googlemail.com", "sam@gmail.com"),
        ("Sam+shop@outlook.com", "sam@outlook.com"),
        ("s.am@outlook.com", "s.am@outlook.com"),
        ("s.am+shop@example.com", "s.am+shop@example.com"),
        ("+tag@gmail.com", "+tag@gmail.com"),
    ],
)
def test_spellings_are_folded_only_where_the_provider_says_so(spelling, mailbox):
    assert folded(spelling) == mailbox


@given(st.text(max_size=60), st.sampled_from(["example.com", "gmail.com", "outlook.com"]))
def test_a_fold_leaves_every_letter_that_is_not_ascii_as_it_is(local, domain):
    try:
        address = normalise(f"{local}@{domain}")
    except AddressInvalid:
        return
    wide = [letter for letter in address.partition("+")[0] if not letter.isascii()]
    for form in (folded(address), sign_in_name(address)):
        assert [letter for letter in form.partition("+")[0] if not letter.isascii()] == wide


@pytest.mark.parametrize("local", ["straße", "ıan", "İan", "ΣΊΓΜΑΣ", "JÖRG"])
def test_letters_whose_case_is_a_matter_of_language_are_not_folded(local):
    kept = f"{local}@example.com".replace("JÖRG", "jÖrg")
    address = normalise(f"{local}@example.com")
    assert sign_in_name(address) == folded(address) == kept


def test_a_mask_tells_its_owner_and_nobody_else():
    assert mask("sam.smith@example.co.uk") == "s…@e….uk"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Ana.Ruiz+x@gmial.com", "Ana.Ruiz+x@gmail.com"),
        ("ana@hotmial.com", "ana@hotmail.com"),
        ("ana@yaho.com", "ana@yahoo.com"),
        ("ana@outlook.con", "ana@outlook.com"),
        ("ana@gmail.com", None),
        ("ana@mail.com", None),
        ("ana@yahoo.es", None),
        ("gmial.com@northwind.example", None),
    ],
)
def test_an_address_at_a_domain_that_is_often_mistyped_has_one_that_was_meant(typed, meant):
    assert addresses.probably_meant(typed) == meant


def test_no_domain_that_is_meant_is_itself_asked_about():
    file = Path(__file__).parents[2] / "static/words/mistyped-domains.txt"
    lines = [line for line in file.read_text("ascii").splitlines() if not line.startswith("#")]
    typed, meant = zip(*(line.split(" ") for line in lines), strict=True)
    assert len(set(typed)) == len(typed) > 100
    assert not set(typed) & set(meant)
    assert all(addresses.normalise(f"ana@{domain}") == f"ana@{domain}" for domain in (*typed, *meant))


@pytest.mark.parametrize(
    ("typed", "character"),
    [("o’neil@example.com", "’"), ("o‘neil@example.com", "‘"), ("o´neil@example.com", "´"),
     ("oʼneil@example.com", "ʼ"), ("mary‐ann@example.com", "‐"), ("mary‑ann@example.com", "‑"),
     ("mary–ann@example.com", "–"), ("mary−ann@example.com", "−"), ("ann@my—shop.example", "—")],
)  # fmt: skip
def test_a_typographic_mark_is_refused_by_its_name_and_nothing_else_is_repeated(typed, character):
    with pytest.raises(AddressInvalid) as refused:
        normalise(typed)
    assert refused.value.values["character"] == character
    message = str(refused.value) % refused.value.values
    assert ("apostrophe" in message) == (refused.value.values["plain"] == "'")
    assert normalise(addresses.plain_marks(typed)) == typed.replace(character, refused.value.values["plain"])


@pytest.mark.parametrize(
    "text",
    ["taro..x@example.com", "hana.@docomo.example", "..taro@docomo.ne.jp", ".@docomo.ne.jp",
     "té..x@docomo.ne.jp", "taro..x@notdocomo.ne.jp", f"{'x..' * 22}@docomo.ne.jp"],
)  # fmt: skip
def test_dots_are_taken_only_where_carriers_had_them(text):
    with pytest.raises(AddressInvalid):
        normalise(text)


@pytest.mark.parametrize(
    ("address", "sent_to"),
    [
        ("taro..x@docomo.ne.jp", '"taro..x"@docomo.ne.jp'),
        ("hana.@ezweb.ne.jp", '"hana."@ezweb.ne.jp'),
        ("o'neil.x@example.com", "o'neil.x@example.com"),
    ],
)
def test_a_local_part_with_such_dots_is_quoted_for_smtp(address, sent_to):
    assert addresses.quoted(address) == sent_to
