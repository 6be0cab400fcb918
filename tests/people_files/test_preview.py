"""Nothing that was guessed, mapped or mended is stored before somebody saw it."""

import json
import os
import pty
import select
import subprocess

import pytest

from portal.datakinds.taxonomy import find
from tests.people_files.conftest import SLUG
from tests.processes import PORTAL, ROOT

pytestmark = pytest.mark.sqlite  # nothing here depends on the database
PLAIN = b"name,email\nAnn,ann@mail.example\n"
GUESSED = PLAIN.replace(b",", b";")


@pytest.mark.parametrize(
    "content",
    [PLAIN, b"\xef\xbb\xbf" + PLAIN, PLAIN.replace(b"\n", b"\r\n"), PLAIN.replace(b"name", b"Name")],
)
def test_a_file_with_the_columns_of_the_guide_goes_in_unasked(take, people, content):
    assert "was read as" not in take(content).output
    assert [person.name for person in people()] == ["Ann"]


def test_a_dry_run_shows_the_preview_and_needs_no_yes(take, people):
    shown = take(GUESSED, "--dry-run").stdout
    assert "people.csv was read as text in UTF-8, columns separated by semicolons." in shown
    assert shown.count("people.csv: 1 row; people: 1; addresses: 1.") == 1
    assert people() == []


def test_the_preview_shows_three_rows_and_nobody(take):
    rows = b"".join(
        b"%s;p%d@mail.example;\n" % (name, at) for at, name in enumerate((b"Ann", b"Bo", b"Cy", b"Di"))
    )
    shown = take(b"Full name;e_mail;Sprache\n" + rows, status=2).stdout
    assert "Full name                    name (guessed from its name)           A…  B…  C…\n" in shown
    assert "email (guessed from its name)          p…@m….example  p…@m….example  p…@m….example\n" in shown
    assert "Ann" not in shown
    assert "mail.example" not in shown


@pytest.mark.parametrize(("answer", "stored", "status"), [(b"y\n", 1, 0), (b"n\n", 0, 1), (b"\n", 0, 1)])
def test_a_terminal_is_asked(take, people, environ, tmp_path, answer, stored, status):
    del take
    (tmp_path / "people.csv").write_bytes(GUESSED)
    ours, theirs = pty.openpty()
    command = [PORTAL, "exposure", "import", SLUG, tmp_path / "people.csv"]
    with subprocess.Popen(
        command, env={**os.environ, **environ}, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = b""
        while b"[y/N]" not in seen:
            assert select.select([ours], [], [], 60)[0], seen
            seen += os.read(ours, 10_000)
        os.write(ours, answer)
        assert process.wait(60) == status
    os.close(ours)
    assert b"Is that right?" in seen
    assert len(people()) == stored


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ("--map", "Phone=email"),
            "--map 'Phone': the file has no such column. Its columns: 'name', 'email'.",
        ),
        (("--map", "name=phone"), "--map 'name=phone': the columns are email, account_ref, name, locale,"),
        (("--map", "name"), "'name' is not HEADER=COLUMN."),
        (("--ignore", "Phone"), "--ignore 'Phone': the file has no such column."),
        (("--map", "name=name", "--ignore", "name"), "'name' is in --map and in --ignore."),
        (("--map", "name=email", "--map", "email=email"), "--map gives more than one column to 'email'."),
        (("--encoding", "klingon"), "'klingon' is no text encoding. Usual ones: cp1252"),
        (("--encoding", "utf-7"), "'utf-7' is no text encoding."),
        (("--sheet", "People"), "--sheet is for workbooks (XLSX), and this file is none."),
    ],
)
def test_an_option_that_does_not_fit_says_how_it_is_written(take, people, options, told):
    assert told in take(PLAIN, *options, status=2).stderr
    assert people() == []


def test_a_column_is_left_out_only_by_its_own_name(take, people):
    content = b"email,Phone,Mobile phone\nann@mail.example,1,2\n"
    told = take(content, "--ignore", "Phone", "--yes", status=2).stderr
    assert "    Phone                        left out" in told
    assert "    Mobile phone                 ?" in told
    assert people() == []
    take(content, "--ignore", "phone", "--ignore", "column 3", "--yes")
    assert len(people()) == 1


def test_two_columns_that_both_look_like_the_address_are_not_chosen_between(take, people):
    content = b"E-Mail,Mail Address\nann@mail.example,bob@mail.example\n"
    told = take(content, "--yes", status=2).stderr
    assert "No column is 'email', which is required." in told
    take(content, "--map", "Mail Address=email", "--ignore", "E-Mail", "--yes")
    assert [person.address for person in people()] == ["bob@mail.example"]


def test_a_column_that_is_mapped_to_a_name_leaves_no_other_to_be_guessed(take, people):
    content = b"email,Nombre,Apellidos\nann@mail.example,Ann,Lee\n"
    assert "Nombre                       ?" in take(content, "--map", "Apellidos=name", status=2).stderr
    take(content, "--map", "Nombre=name", "--map", "Apellidos=name", "--yes")
    assert [person.name for person in people()] == ["Ann Lee"]


def test_a_first_line_that_is_a_person_is_not_repeated(take):
    told = take(b"ann@mail.example,Ann\nbob@mail.example,Bob\n", status=1).output
    assert "there is no header" in told
    assert "Ann" not in told


def test_a_value_below_no_name_is_not_lost_silently(take, people):
    told = take(b"email,\nann@mail.example,\nbob@mail.example,Bob\n", status=1).stderr
    assert "line 3: column 2 has no name in the header, and holds something here" in told
    assert "--ignore 'column 2'" in told
    assert people() == []
    take(b"email,\nann@mail.example,\nbob@mail.example,Bob\n", "--ignore", "column 2", "--yes")
    assert len(people()) == 2


def test_json_holds_what_the_preview_says_and_the_preview_goes_to_standard_error(take, people):
    told = take(GUESSED + b"NULL;\nB;b@mail.example.\n", "--yes", "--json")
    data = json.loads(told.stdout)
    assert "people.csv was read as" in told.stderr
    assert data["columns"] == [
        {"header": "name", "column": "name", "how": "exact"},
        {"header": "email", "column": "email", "how": "exact"},
    ]
    assert data["bad_rows_because"] == [{"reason": "email: the cell is empty", "rows": 1}]
    assert data["mended"] == [
        {"what": "email: a full stop after the address taken off", "rows": 1, "first_lines": [4]}
    ]
    assert (data["rows"], data["people"], data["version"], data["active"]) == (3, 2, 1, False)
    assert len(people()) == 2


def test_a_word_that_nobody_knows_is_given_its_meaning_by_an_option(take, people):
    content = b"email,data_classes\nann@mail.example,Passwort\n"
    refused = take(content, status=1)
    assert "exposure import" in refused.stderr
    assert "--means Passwort=KIND" in refused.stderr
    assert "'Passwort=Hats' is not WORD=KIND" in take(content, "--means", "Passwort=Hats", status=2).stderr
    take(content, "--means", "passwort=Passwords", "--widen")
    assert [person.classes for person in people()] == [1 << find("Passwords").id]
