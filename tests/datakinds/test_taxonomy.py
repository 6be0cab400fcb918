"""The data classes, their severity, and the advice for each."""

import io
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract
from hypothesis import given
from hypothesis import strategies as st

from portal.datakinds import advice, protect, taxonomy
from portal.datakinds.taxonomy import UnknownDataClass, find, worst_first

ALL = taxonomy.load()
NAMES = [data_class.name for data_class in ALL]
KNOWN = {name.casefold() for name in NAMES}
GROUPS = set(
    "sign-in money identity health private-life messages location "
    "contact family person online shopping work devices".split()
)
HEDGES = ("may have", "might have", "no evidence", "out of an abundance", "potentially", "please note")


class TestTheFile:
    def test_it_holds_116_classes_each_name_and_id_once(self):
        assert len(ALL) == 116
        assert len(set(NAMES)) == 116
        assert len({name.casefold() for name in NAMES}) == 116
        assert len({data_class.id for data_class in ALL}) == 116

    @pytest.mark.parametrize(
        ("number", "name"),
        [
            (1, "Account balances"),
            (8, "Auth tokens"),
            (35, "Email addresses"),
            (70, "Passwords"),
            (116, NAMES[-1]),
        ],
    )
    def test_the_ids_that_are_stored_with_people_never_move(self, number, name):
        assert taxonomy.by_id(number).name == name

    def test_every_class_has_a_known_group_a_severity_and_advice(self):
        for data_class in ALL:
            assert data_class.group in GROUPS
            assert data_class.severity in {1, 2, 3, 4, 5}
            assert data_class.advice
            assert len(set(data_class.advice)) == len(data_class.advice)
            assert set(data_class.advice) <= set(advice.load())

    def test_every_group_is_used_and_named(self):
        assert {data_class.group for data_class in ALL} == GROUPS
        assert len({kind.name for kind in protect.kinds()}) == 14

    @pytest.mark.parametrize(
        "name",
        [
            "Passwords",
            "Historical passwords",
            "Auth tokens",
            "Security questions and answers",
            "PINs",
            "Government issued IDs",
            "Passport numbers",
            "Social security numbers",
            "Bank account numbers",
            "Credit cards",
            "Credit card CVV",
            "Biometric data",
            "Personal health data",
            "Sexual orientations",
        ],
    )
    def test_what_lets_a_thief_in_or_cannot_be_undone_is_worst(self, name):
        assert find(name).severity == 5

    @pytest.mark.parametrize("name", ["Salutations", "Time zones", "Avatars", "Astrological signs"])
    def test_what_opens_nothing_is_least(self, name):
        assert find(name).severity == 1

    def test_a_password_is_changed_here_first_and_then_elsewhere(self):
        assert find("Passwords").advice == ("new-password", "reused-password")


class TestFinding:
    def test_case_and_outer_spaces_do_not_matter(self):
        assert find("  email ADDRESSES ") is find("Email addresses")

    @pytest.mark.parametrize(
        "name", ["", "Passwordz", "Email  addresses", "=cmd|' /C calc'!A0", "\0", "x" * 1_000_000]
    )
    def test_an_unknown_name_is_a_named_error_that_does_not_repeat_it(self, name):
        with pytest.raises(UnknownDataClass) as refused:
            find(name)
        assert str(refused.value) == "not a data class of the taxonomy"
        assert refused.value.__suppress_context__

    def test_an_unknown_id_is_a_named_error(self):
        with pytest.raises(UnknownDataClass):
            taxonomy.by_id(0)


class TestWorstFirst:
    def test_a_password_comes_before_all_else(self):
        order = [data_class.name for data_class in worst_first(NAMES)]
        assert order[:2] == ["Passwords", "Auth tokens"]
        assert set(order) == set(NAMES)

    def test_severity_falls_from_first_to_last(self):
        severities = [data_class.severity for data_class in worst_first(NAMES)]
        assert severities == sorted(severities, reverse=True)

    @given(st.permutations(["Names", "Passwords", "Dates of birth", "Email addresses", "Credit cards"]))
    def test_the_order_never_depends_on_how_the_classes_were_listed(self, names):
        assert [data_class.name for data_class in worst_first(names)] == [
            "Passwords",
            "Credit cards",
            "Dates of birth",
            "Email addresses",
            "Names",
        ]

    def test_a_class_listed_twice_stands_once(self):
        assert len(worst_first(["Names", "names"])) == 1


class TestAdvice:
    def test_every_piece_is_used(self):
        used = {key for data_class in ALL for key in data_class.advice}
        assert used == set(advice.load())

    @pytest.mark.parametrize("piece", advice.load().values(), ids=lambda piece: piece.key)
    def test_a_piece_has_a_short_title_and_one_to_four_plain_steps(self, piece):
        assert len(piece.title) <= 45
        assert not piece.title.endswith(".")
        assert 1 <= len(piece.steps) <= 4
        for step in piece.steps:
            assert step.endswith((".", "”."))
            assert len(step) <= 140
            assert max(len(sentence.split()) for sentence in re.split(r"[.:?] ", step)) <= 25
            assert not any(hedge in step.lower() for hedge in HEDGES)

    def test_urgency_is_told_in_words(self):
        told = {(data_class.severity, advice.plan([data_class])[0].urgency) for data_class in ALL}
        assert sorted(severity for severity, _ in told) == [1, 2, 3, 4, 5]
        assert len({words for _, words in told}) == 5
        assert not any(character.isdigit() for _, words in told for character in words)

    def test_what_a_worse_class_already_said_is_not_said_again(self):
        actions = advice.plan(worst_first(["Email addresses", "Names", "Phone numbers"]))
        said = {action.advice.key: [one.name for one in action.data_classes] for action in actions}
        assert list(said) == ["expect-calls", "phone-number", "expect-phishing", "mailbox"]
        assert said["expect-phishing"] == ["Email addresses", "Names"]

    @given(st.lists(st.sampled_from(NAMES), unique=True))
    def test_a_plan_says_every_piece_once_and_leaves_none_out(self, names):
        classes = worst_first(names)
        actions = advice.plan(classes)
        told = [action.advice.key for action in actions]
        assert len(told) == len(set(told))
        assert set(told) == {key for data_class in classes for key in data_class.advice}
        assert {one.name for action in actions for one in action.data_classes} == set(names)
        assert [action.severity for action in actions] == sorted(
            (action.severity for action in actions), reverse=True
        )


@pytest.mark.parametrize(
    ("method", "file", "expected"),
    [
        ("portal.datakinds.extract:data_classes", taxonomy.FILE, set(NAMES)),
        (
            "portal.datakinds.extract:advice",
            advice.FILE,
            {text for piece in advice.load().values() for text in (piece.title, *piece.steps)},
        ),
    ],
)
def test_babel_finds_every_name_and_every_piece_of_advice(method: str, file: Path, expected: set[str]):
    found = list(extract(method, io.BytesIO(file.read_bytes())))
    assert {message for _, message, _, _ in found} == expected
    assert all(line > 0 for line, _, _, _ in found)
