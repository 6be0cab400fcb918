"""Small files that companies sent: each goes in at the first try, or is told how."""

import shlex

import pytest

from tests.people_files.conftest import MADE

pytestmark = pytest.mark.sqlite  # nothing here depends on the database
UNNEEDED = ("Salutation", "Date of birth", "Country", "Newsletter", "Phone", "Comment")
DECIDED = [word for name in UNNEEDED for word in ("--ignore", name)] + [
    "--map", "First name=name", "--map", "Last name=name",
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "read_as"),
    [
        ("semicolon.csv", "columns separated by semicolons"),
        ("sep-line.csv", "columns separated by semicolons"),
        ("tab.csv", "columns separated by tabs"),
        ("header-e-mail.csv", "email (guessed from its name)"),
        ("header-email-address.csv", "email (guessed from its name)"),
    ],
)
def test_what_was_guessed_is_shown_first_and_then_taken(take, people, file, read_as):
    asked = take(file, status=2)
    assert read_as in asked.stdout
    assert "--yes" in asked.stderr
    assert people() == []
    taken = take(file, "--yes")
    assert read_as in taken.stdout
    assert taken.stdout.count(f"{file}: 1 row; people: 1; addresses: 1.") == 1
    assert [(person.address, person.name) for person in people()] == [("a@example.com", "A")]


def test_an_unnamed_empty_column_is_nothing(take, people):
    assert "was read as" not in take("trailing-column.csv").output
    assert [person.name for person in people()] == ["A"]


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("excel-semicolon-cp1252.csv", ("--encoding", "cp1252")),
        ("excel-unicode-text.txt", ()),
        ("utf8-comma-extra.csv", ()),
    ],
)
def test_one_message_names_all_that_must_be_decided(take, people, file, options):
    told = take(file, status=2).stderr
    assert ("--encoding cp1252" in told) == bool(options)
    for name in (*UNNEEDED, "First name", "Last name"):
        assert f"\n    {name:<28} ?" in told
    assert "\n    E-mail                       email (guessed from its name)" in told
    command = told.rstrip().rpartition("\n")[2].split(" --report ")[1].partition(" ")[2]
    words = shlex.split(command)
    assert words == [*options, *words[len(options) :]]
    assert [word for word in words if word in UNNEEDED] == list(UNNEEDED)
    take(file, *words, status=2)  # the preview
    take(file, *words, "--yes")
    taken = [(person.account_ref, person.name, person.address) for person in people()]
    assert len(taken) == 9
    assert ("100000", "Käthe Øster", "kaethe.oster0@mail.example") in taken
    assert ("100003", "Björn Øster", "bjoern.oster3@mail.example") in taken


def test_a_header_that_is_mapped_by_hand_is_taken_and_nothing_else_is_stored(take, people):
    taken = take("excel-semicolon-cp1252.csv", "--encoding", "cp1252", *DECIDED, "--yes")
    assert "Phone                        left out" in taken.stdout
    assert {person.jurisdiction for person in people()} == {""}
    assert not any("1975" in repr(person) or "+44" in repr(person) for person in people())


def test_what_was_pasted_into_an_address_is_taken_off_and_counted(take, people):
    taken = take("pasted.csv", "--yes").stdout
    assert [(person.address, person.name) for person in people()] == [
        ("F@mail.example", "F"),
        ("a@example.com", "A"),
        ("b@example.com", "B"),
        ("c@example.com", "C"),
        ("d@example.com", "C"),
        ("e@example.com", "E"),
    ]
    assert "pasted.csv: 5 rows; people: 5; addresses: 6.\n" in taken
    assert "a name around the address taken off: 2 (lines 2, 3)" in taken
    assert "several addresses in one cell, taken as one row each: 1 (line 4)" in taken
    assert "a full stop after the address taken off: 1 (line 5)" in taken
    assert "rejected" not in taken


def test_several_addresses_are_of_one_person_unless_one_has_a_row_of_its_own(take, people, portal):
    content = (
        b"email,name\na@example.com;b@example.com,Ann\nc@example.com;d@example.com,Cy\nd@example.com,Di\n"
    )
    taken = take(content + b"b@example.com;a@example.com,Ann\n", "--yes", "--activate").stdout
    assert "people.csv: 4 rows; people: 3; addresses: 4.\n" in taken
    assert "Version 1 is active. People: 3; addresses: 4." in taken
    assert "people 3  addresses 4" in portal("exposure", "list", "november").stdout
    assert len(people()) == 4


def test_dots_that_only_some_carriers_have_are_a_reason_of_their_own(take, people, tmp_path):
    taken = take("docomo.csv").stdout
    reason = "email: two full stops in a row or one at the end of the name, which only some carriers have"
    assert f"    {reason}: 2\n" in taken
    assert (tmp_path / "report.csv").read_text().splitlines()[1:] == [f'2,"{reason}"', f'3,"{reason}"']
    take(b"email\ntaro..suzuki@docomo.ne.jp\nhana.@ezweb.ne.jp\nx..y@s.ezweb.ne.jp\n")
    assert [person.address for person in people()] == [
        "hana.@ezweb.ne.jp", "taro..suzuki@docomo.ne.jp", "x..y@s.ezweb.ne.jp",
    ]  # fmt: skip


def test_damaged_names_are_mended_and_counted(take, people):
    taken = take("mojibake.csv", "--yes").stdout
    assert "name: decoded twice, like Ã¼ for ü, mended: 1 (line 2)" in taken
    assert "name: damaged, with a replacement character (U+FFFD): 1 (line 3)" in taken
    assert [person.name for person in people()] == ["Müller", "Ren\ufffd"]


def test_a_class_is_quoted_with_its_line_and_what_was_probably_meant(take, people, tmp_path):
    taken = take("classes.csv").stdout
    assert "'Password' is not a data class. Did you mean Passwords?: 1" in taken
    assert "'E-mail addresses' is not a data class. Did you mean Email addresses?: 1" in taken
    assert [line[:2] for line in (tmp_path / "report.csv").read_text().splitlines()[1:]] == ["4,", "6,"]
    by_address = {person.address: person.classes.bit_count() for person in people()}
    assert by_address == {"a@example.com": 2, "b@example.com": 2, "d@example.com": 2, "f@example.com": 2}


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("one.xlsx", ("--yes",)),
        ("one-unicode.txt", ("--yes",)),
        ("one-cp1252.csv", ("--encoding", "cp1252", "--yes")),
        ("one.csv.gz", ()),
        ("one.csv", ()),
    ],
)
def test_the_same_people_come_from_every_format(take, people, file, options):
    taken = take(MADE / file, *options)
    assert f"{file}: 2 rows; people: 2; addresses: 2." in taken.stdout
    assert [(person.address, person.account_ref, person.name) for person in people()] == [
        ("bjoern@mail.example", "12346", 'Björn; "B." Jensen'),
        ("kaethe@mail.example", "12345", "Käthe Øster"),
    ]
