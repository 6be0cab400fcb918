"""A disk of 12 MB that is full: it is noticed, named, harms nothing that is stored, and heals by itself."""

import pytest

from tests.runtime import small_disk

FULL = "is full; free some space (SQLITE_FULL)"


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    return small_disk.run(tmp_path_factory.mktemp("disk"), 12, "forms")


UNTOUCHED = "Nothing was stored; the active list is untouched.\n"


def test_an_import_that_does_not_fit_is_refused_before_it_starts(forms):
    status, said, stored = forms["import"]
    assert (status, stored) == (1, [0, 0])
    assert said.startswith("Error: The import needs up to 33.6 MB on the disk of /")
    assert said.endswith(f" MB are free. Free some space. {UNTOUCHED}")


@pytest.fixture(scope="module")
def imports(tmp_path_factory):
    return small_disk.run(tmp_path_factory.mktemp("disk"), 64, "imports")


def test_an_import_whose_room_something_else_takes_is_undone_at_once(imports):
    assert imports["too large"][0] == 1
    status, said, stored = imports["taken"]
    assert (status, stored) == (1, [0, 0])
    assert "MB are left on the disk of /" in said
    assert "Nothing was stored: the 4000 people written so far were removed again" in said
    assert imports["left"] == [[200, "database: ok\nworker: degraded\nqueue: ok\nmail: ok\n"], 303]
    assert imports["after"][0] == 0
    assert imports["after"][2] == [1, 40_000]


def test_a_disk_that_forms_fill_is_not_ready_and_ready_again_when_it_has_room(forms):
    assert forms["before"] == [[200, "database: ok\nworker: degraded\nqueue: ok\nmail: ok\n"], 303]
    assert forms["full"] == [[503, "database: failed\n"], 503, "30"]
    assert forms["page"] == 200
    assert forms["stored"] == 1
    assert forms["after"] == [[200, "database: ok\nworker: degraded\nqueue: ok\nmail: ok\n"], 303, 2]


def test_the_logs_name_the_cause_once_and_say_when_it_has_ended(forms):
    assert "web: the database failed (SQLITE_FULL); answered 503" in forms["log"]
    assert forms["log"].count("Nothing can be stored, /readyz answers 503") == 1
    assert "the database stores again" in forms["log"]


def test_commands_name_the_cause_and_the_disk_in_one_sentence(forms):
    status, said = forms["doctor"]
    assert status == 1
    assert "WRONG database: cannot be written: the disk of /" in said
    assert FULL in said
    assert "note  disk of /" in said
    assert "portal.db: 0 bytes free" in said
    status, said = forms["command"]
    assert status == 1
    assert said.startswith("Error: The disk of /")
    assert f"portal.db {FULL}. To find the cause, run: portal doctor" in said


def test_a_backup_without_room_is_one_sentence_and_leaves_no_file(forms):
    status, said, left = forms["backup"]
    assert (status, left, said.count("\n")) == (1, False, 1)
    assert "backup.db could not be written (SQLITE_FULL): the database has" in said
    assert "has 0 bytes left. No backup was made." in said


def test_mails_are_each_sent_once_although_the_disk_fills_in_their_midst(tmp_path):
    seen = small_disk.run(tmp_path, 12, "delivery")
    assert seen["full"] == [503, "database: failed\n"]
    assert "cannot store a delivery result (OperationalError: SQLITE_FULL); retrying" in seen["log"]
    assert seen["states"] == {"sent": 10}
    assert seen["recipients"] == [f"p{number}@northwind.example" for number in range(10)]
    assert seen["after"] == [200, "database: ok\nworker: degraded\nqueue: ok\nmail: ok\n"]


def test_an_upgrade_without_room_changes_nothing_and_says_how_to_go_on(tmp_path):
    seen = small_disk.run(tmp_path, 12, "upgrade")
    status, said = seen["full"]
    assert status == 1
    assert said.startswith("Error: The disk of the database is full, or fails (SQLITE_")
    assert said.endswith(
        "). Nothing was changed. Free as much room as the database itself takes, "
        "then run: portal db upgrade\n"
    )
    assert seen["then"] == "is not at this version; run: portal db upgrade"
    assert seen["after"] == [0, "The database is up to date.\n", None]
