"""What changed between two versions can be read by anyone, and hides nothing."""

import pytest

from portal.incidents.differences import changes, paragraphs


def shown(older: str, newer: str) -> str:
    marks = {"same": "{}", "removed": "[-{}-]", "added": "[+{}+]"}
    return "\n".join(
        "".join(marks[what].format(text) for what, text in pieces) for pieces in changes(older, newer)
    )


def test_words_are_marked_within_a_paragraph():
    assert (
        shown("We may have lost 640 names.", "We lost 1,180 names.")
        == "We[- may have-] lost [-640-][+1,180+] names."
    )


def test_numbers_times_and_addresses_change_as_a_whole():
    older = "1,180 people, at 09:15, tell a@old.example: it ended."
    newer = "1,000 people, at 09:40, tell a@new.example: it ended."
    assert shown(older, newer) == (
        "[-1,180-][+1,000+] people, at [-09:15-][+09:40+], tell [-a@old.example-][+a@new.example+]: it ended."
    )


def test_a_paragraph_that_stayed_is_left_out():
    assert shown("One.\n\nTwo.\n\nThree.", "One.\n\nTwo and a half.\n\nThree.") == "Two[+ and a half+]."


def test_a_rewritten_phrase_reads_as_one():
    assert shown("It was a small fault of ours.", "It was a great failure of ours.") == (
        "It was a [-small fault-][+great failure+] of ours."
    )


def test_a_paragraph_with_nothing_alike_is_shown_whole():
    assert shown("We closed the shop.\n\nStays.", "Passwords were taken too.\n\nStays.") == (
        "[-We closed the shop.-]\n[+Passwords were taken too.+]"
    )


def test_list_items_are_paragraphs():
    assert (
        shown("- names\n- e-mail addresses", "- names\n- passwords\n- e-mail addresses") == "[+• passwords+]"
    )


def test_a_link_that_leads_elsewhere_is_a_change():
    older, newer = "[Check](https://bank.example/) now.", "[Check](https://thief.example/) now."
    assert "bank" in shown(older, newer)
    assert "thief" in shown(older, newer)


def test_marks_that_nobody_sees_are_no_change():
    assert shown("Now\nand *then*.", "Now and **then**.") == ""


def test_code_and_tables_are_compared_too():
    assert shown("```\nold code\n```", "```\nnew code\n```") == "[-old-][+new+] code"
    assert shown("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 3 |") == "[-2-]\n[+3+]"


def test_everything_and_nothing():
    assert shown("", "New.") == "[+New.+]"
    assert shown("Old.", "") == "[-Old.-]"
    assert shown("Same.", "Same.") == ""


def test_each_text_can_be_read_off_the_differences():
    older = "We are sorry, and [ashamed](https://a.example).\n\n1. first\n2. second\n\n> quoted words here"
    newer = "We are very sorry.\n\n1. first\n2. the second\n3. third\n\n> quoted words there"
    pieces = changes(older, newer)
    for side, text in (("removed", older), ("added", newer)):
        read = ["".join(words for what, words in piece if what in ("same", side)) for piece in pieces]
        for line in filter(None, read):
            assert line in list(paragraphs(text))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("the letter of the law\n\n" * 500, "the apology of the firm\n\n" * 500),
        (
            "\n\n".join(f"{n} all other words" for n in range(900)),
            "\n\n".join(f"new {n}" for n in range(900, 1800)),
        ),
        ("a\n\n" * 20_000, "b\n\n" + "a\n\n" * 20_000),
        (
            "the same word and the other word again " * 5_000,
            "the same word and the other word again " * 5_000 + "end",
        ),
        ("the word and " * 190 + "\n\n", "and the word " * 190 + "\n\n"),
    ],
    ids=["alike", "unlike", "short", "long", "turned"],
)
def test_the_largest_texts_are_compared(older, newer):
    pieces = changes(older, newer)
    for side, text in (("removed", older), ("added", newer)):
        read = ["".join(words for what, words in piece if what in ("same", side)) for piece in pieces]
        assert list(filter(None, read)) == list(paragraphs(text))
