"""What people write in one line stays one, and shows itself."""

import pytest

from portal.core.one_line import is_plain


@pytest.mark.parametrize(
    "text", ["", "We’re sorry.", "640\u202fnames", "داده‌های شما", "क्‍ष", "山田\u3000太郎", "⚠\ufe0f Theft"]
)
def test_what_people_write_in_one_line_is_plain(text):
    assert is_plain(text)


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines",
        "bell\a",
        "\u202enraw gnihton",
        "\u2067turned\u2069",
        "hid\u200bden",
        "a\u2028b",
        "\u200c",
        "\u200d \u200d",
        "\u3164",
        "\u2800\u115f",
    ],
)
def test_what_is_hidden_or_turns_the_line_around_is_not(text):
    assert not is_plain(text)
