"""Which new passwords are refused, and which must never be."""

import secrets
import string
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.reset import passwords, rejections
from portal.reset.passwords import check, normalise

PERSON = ("ana.lopez+books@example.com", "Ana López Núñez", "A-47110")
HOUSE = "Meridian Books"
LISTS = Path(__file__).parents[2] / "static/words"


def code(password: str, own_words=PERSON, organisation=HOUSE) -> str | None:
    rejections = check(password, own_words=own_words, organisation=organisation)
    return " and ".join(rejection.code for rejection in rejections) or None


class TestLength:
    def test_fifteen_characters_are_enough_and_fourteen_are_not(self):
        assert code("maplecandlebri") == "too-short"
        assert code("maplecandlebris") is None

    def test_nothing_at_all_is_too_short(self):
        assert code("") == "too-short"

    def test_each_code_point_counts_one(self):
        assert code("🦔🌲🎻🥖🛶🧶🪁🫖🧭🪵🐚🥝🪕🎈") == "too-short"
        assert code("🦔🌲🎻🥖🛶🧶🪁🫖🧭🪵🐚🥝🪕🎈🍀") is None

    def test_a_letter_typed_as_letter_and_accent_counts_once(self):
        fourteen = unicodedata.normalize("NFD", "ñandúéçüöäßłøåœ"[:14])
        assert len(fourteen) > 15
        assert code(fourteen) == "too-short"

    def test_256_characters_may_be_used_and_257_may_not(self):
        long = "".join(secrets.choice(string.ascii_letters) for _ in range(257))
        assert code(long[:256]) is None
        assert code(long) == "too-long"

    def test_256_emoji_still_fit(self):
        text = "".join(chr(0x1F300 + place) for place in range(256))
        assert normalise(text) == text

    def test_a_megabyte_is_refused(self):
        megabyte = "é" * 1_000_000
        with pytest.raises(rejections.PasswordTooLong):
            normalise(megabyte)

    def test_a_kilobyte_of_stacked_accents_is_refused(self):
        with pytest.raises(rejections.PasswordTooLong):
            normalise("a" + "\u0301" * 1000)


class TestNormalisation:
    def test_composed_and_decomposed_letters_are_one_password(self):
        composed = "crème brûlée à midi"
        assert normalise(unicodedata.normalize("NFD", composed)) == composed

    def test_nothing_else_is_changed(self):
        kept = "  Two  Spaces, ﬁne Ｗide ſtyle  "
        assert normalise(kept) == kept

    @pytest.mark.parametrize("character", ["\0", "\r", "\n", "\t", "\x1b", "\x7f", "\ud800"])
    def test_control_characters_and_broken_unicode_are_refused_with_a_reason(self, character):
        with pytest.raises(rejections.PasswordRefused) as refused:
            normalise(f"maple candle {character} brisk")
        assert refused.value.rejection.code == "unusable-character"
        assert code(f"maple candle {character} brisk") == "unusable-character"

    def test_an_error_never_repeats_the_password(self):
        for text in ("maple candle brisk\0", "maple candle brisk" * 100):
            with pytest.raises(rejections.PasswordRefused) as refused:
                normalise(text)
            assert "maple" not in str(refused.value)

    @given(st.text(max_size=300))
    def test_any_text_is_either_normalised_for_good_or_refused(self, text):
        try:
            once = normalise(text)
        except rejections.PasswordRefused:
            return
        assert normalise(once) == once
        assert len(once) <= 256
        assert len(once.encode()) <= 1024


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("1qaz2wsx3edc4rfv", "common"),
        ("correct horse battery staple", "common"),
        ("CorrectHorseBatteryStaple", "common"),
        ("To be, or not to be!", "common"),
        ("En un lugar de la Mancha", "common"),
        ("iloveyou1234567890", "common"),
        ("sunflowerbutterfly", "few-words"),
        ("monkeydragonmaster", "few-words"),
        ("contraseña2026!!!!", "common"),
        ("Summer2026Summer!", "few-words"),
        ("tequiero20260214", "common"),
        ("p4$$w0rd-drag0n-99", "few-words"),
        ("ｄｒａｇｏｎｐａｓｓｗｏｒｄ１", "few-words"),
        ("𝐃𝐫𝐚𝐠𝐨𝐧𝐩𝐚𝐬𝐬𝐰𝐨𝐫𝐝𝟏", "few-words"),
        ("dragon............", "common"),
        ("purple elephant dancing", "few-words"),
        ("lantern-orchard-teapot-41", "few-words"),
        ("passwordpassword", "repeated"),
        ("PasswordPASSWORD1", "repeated"),
        ("P@ssw0rdP@ssw0rd!", "repeated"),
        ("blue-horse-blue-horse", "repeated"),
        ("fluffyfluffy2026", "repeated"),
        ("aaaaaaaaaaaaaaaa", "repeated"),
        ("                    ", "repeated"),
        ("🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔🦔", "repeated"),
        ("2026-11-23 2026-11-23", "repeated"),
        ("123456789012345", "sequence"),
        ("098765432109876", "sequence"),
        ("abcdefghijklmno", "sequence"),
        ("zyxwvutsrqponmlk", "sequence"),
        ("абвгдежзийклмноп", "sequence"),
        ("qwertyuiopasdfgh", "sequence"),
        ("azertyuiopqsdfgh", "sequence"),
        ("mnbvcxzlkjhgfdsa", "sequence"),
        ("11112222333344445555", "sequence"),
        ("abc123def456ghi789", "sequence"),
        ("ana.lopez@example.com", "own-words"),
        ("ANALÓPEZNÚÑEZ2026", "own-words"),
        ("lopez-nunez-19740131", "own-words"),
        ("An4L0pezNun3z!!1974", "own-words"),
        ("A-47110-A-47110-x-y", "own-words"),
        ("lopez-password-2026", "own-words"),
        ("meridianbooks2026", "organisation"),
        ("M3ridian-B00ks-2026", "organisation"),
        ("Welcome2Meridian!", "organisation"),
    ],
)
def test_a_password_that_an_attacker_tries_early_is_refused_with_its_reason(password, why):
    assert code(password) == why


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("hunter2", "too-short and common"),
        ("aaaaaaaaaaaaaa", "too-short and repeated"),
        ("ana-lopez", "too-short and own-words"),
        ("meridian-lopez-7", "own-words and organisation"),
        ("lopez\0", "unusable-character and too-short and common and own-words"),
        ("lopezlopezlopez", "repeated and own-words"),
        ("x" * 257 + "\0", "unusable-character and too-long"),
    ],
)
def test_all_reasons_are_given_at_once(password, why):
    assert code(password) == why


@pytest.mark.parametrize(
    "password",
    [
        "maple-candle-brisk",
        "grandmother's kitchen",
        "correct horse battery staples in a row",
        "Ana keeps seven violet otters",
        "meridian of the quiet otters",
        "8273649172635481",
        "password managers are a relief",
        "drei kleine Igel im Heu",
        "tres erizos en el pajar",
        "пять ежей под сосной",
        "森の中で五匹のハリネズミが眠っている",
        "خمسة قنافذ تحت الشجرة",
        "  leading and trailing spaces  ",
        "'; DROP TABLE people; --",
        "<script>alert(1)</script>",
    ],
)
def test_a_password_with_something_of_its_own_is_accepted(password):
    assert code(password) is None


@pytest.mark.parametrize("size", [15, 20, 64, 256])
@pytest.mark.parametrize(
    "alphabet",
    [string.ascii_letters + string.digits, string.ascii_letters + string.digits + string.punctuation],
)
def test_what_a_password_manager_makes_is_accepted(alphabet, size):
    refused = [
        password
        for password in ("".join(secrets.choice(alphabet) for _ in range(size)) for _ in range(300))
        if code(password)
    ]
    assert len(refused) <= 2, refused


def test_no_kind_of_character_is_ever_required():
    for password in ("maplecandlebrisk", "MAPLECANDLEBRISK", "8273649172635481", "!)(*&^%@#:{}<?|~"):
        assert code(password) is None


def test_an_own_word_inside_a_longer_password_is_no_reason_to_refuse():
    assert code("lopez likes violet otters") is None


def test_without_own_words_and_organisation_the_rest_still_holds():
    assert code("passwordpassword", own_words=(), organisation="") == "repeated"
    assert code("maple-candle-brisk", own_words=("", " ", "@"), organisation="") is None


def test_a_reason_and_a_way_on_stand_in_every_rejection():
    all_of_them = [value for value in vars(rejections).values() if isinstance(value, rejections.Rejection)]
    assert len({rejection.code for rejection in all_of_them}) == len(all_of_them) == 14
    for rejection in all_of_them:
        assert rejection.reason.endswith(".")
        assert rejection.guidance.endswith(".")


@given(st.text(max_size=300), st.lists(st.text(max_size=40), max_size=4), st.text(max_size=40))
def test_no_text_makes_the_check_fail(password, own_words, organisation):
    rejections = check(password, own_words=own_words, organisation=organisation)
    assert len({rejection.code for rejection in rejections}) == len(rejections)


@given(st.text(alphabet="abcdefgh 019-@é", min_size=15, max_size=40))
def test_the_way_an_accent_was_typed_never_changes_the_verdict(password):
    assert code(unicodedata.normalize("NFD", password)) == code(unicodedata.normalize("NFC", password))


def test_every_line_of_the_list_is_in_the_form_that_passwords_are_compared_in():
    lines = (LISTS / "common-passwords.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 40_000
    assert len(set(lines)) == len(lines)
    assert [line for line in lines if passwords.folded(line) != line] == []
    phrases = (LISTS / "famous-phrases.txt").read_text(encoding="ascii").split()
    assert [phrase for phrase in phrases if not phrase.isalnum() or phrase != phrase.lower()] == []


class TestOtherAlphabets:
    """A list, a phrase and a keyboard in another alphabet are lines of the same files."""

    @pytest.fixture(autouse=True)
    def lists(self, tmp_path, monkeypatch):
        cached = (passwords._common, passwords._lengths, passwords._phrases, passwords.touching)
        (tmp_path / "common-passwords.txt").write_text("Йогурт\nлюбимый\nstraße\n", encoding="utf-8")
        (tmp_path / "famous-phrases.txt").write_text("бытьилинебыть\n", encoding="utf-8")
        (tmp_path / "keyboards.txt").write_text("йцукенгшщзхъ фывапролджэ ячсмитьбю\n", encoding="utf-8")
        monkeypatch.setattr(passwords, "LISTS", tmp_path)
        for function in cached:
            function.cache_clear()
        yield
        for function in cached:
            function.cache_clear()

    @pytest.mark.parametrize(
        ("password", "expected"),
        [
            ("йогурт1234567890", "common"),
            (unicodedata.normalize("NFD", "ЙОГУРТ1234567890"), "common"),
            ("йогурт-любимый-2026", "few-words"),
            ("STRASSE123456789", "common"),
            ("Быть или не быть?", "common"),
            ("йцукенгшщзхъ123", "sequence"),
            ("абвгдежзийклмно", "sequence"),
            ("маяк-облако-тетрадь-самовар", None),
        ],
    )
    def test_they_are_judged_as_the_latin_ones_are(self, password, expected):
        assert code(password) == expected
