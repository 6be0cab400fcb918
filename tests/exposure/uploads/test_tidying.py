"""What nobody goes on with is destroyed: first its key, then its rows."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.exposure import actions
from portal.exposure import jobs as exposure_jobs
from portal.exposure.models import ExposedPerson, ListComparison
from portal.exposure.uploads import jobs, receiving
from portal.exposure.uploads.models import Upload, UploadChunk, UploadKey, UploadLines
from portal.staff.orders import Refused

SECOND = {"incident": "november", "version": "2"}
PLAIN = b"email,account_ref\nana@mail.example,C-1\nben@mail.example,C-2\nbad,C-3\n"


def rows(desk) -> tuple[int, ...]:
    """How many uploads, keys, chunks and pages of lines are stored."""
    with desk.db.read() as session:
        return tuple(
            session.scalar(select(func.count()).select_from(table)) or 0
            for table in (Upload, UploadKey, UploadChunk, UploadLines)
        )


def test_an_upload_that_stopped_is_destroyed_after_a_day(desk, clock, small_chunks):
    small_chunks(10)
    upload = desk.begin(len(PLAIN))
    desk.piece(upload, PLAIN, 0, arrives=40)
    clock.at += timedelta(hours=23)
    jobs.tidy(desk.parts)
    assert rows(desk)[0] == 1
    clock.at += timedelta(hours=2)
    jobs.tidy(desk.parts)
    assert rows(desk) == (0, 0, 0, 0)


def test_a_file_that_nobody_decides_about_is_destroyed_after_two_days(desk, clock):
    desk.read(PLAIN)
    clock.at += timedelta(hours=47)
    jobs.tidy(desk.parts)
    assert rows(desk) == (1, 1, 1, 1)
    clock.at += timedelta(hours=2)
    jobs.tidy(desk.parts)
    assert rows(desk) == (0, 0, 0, 0)


def test_of_a_stored_file_only_counts_and_line_numbers_are_kept_for_a_month(desk, clock):
    upload, _ = desk.read(PLAIN)
    desk.decide(upload, store=True)
    jobs.tidy(desk.parts)
    assert rows(desk) == (1, 0, 0, 1)
    clock.at += timedelta(days=31)
    jobs.tidy(desk.parts)
    assert rows(desk) == (0, 0, 0, 0)


def test_a_discarded_file_goes_with_the_next_run(desk, clock):
    upload, _ = desk.read(PLAIN)
    with desk.db.write() as session:
        receiving.discard(session, session.get_one(Upload, upload.id), clock.now())
    assert rows(desk)[1] == 0
    jobs.tidy(desk.parts)
    assert rows(desk) == (0, 0, 0, 0)


def described(desk, describe, version=2):
    with desk.db.read() as session:
        return describe(session, {"incident": "november", "version": str(version)})


@pytest.fixture
def second_version(desk):
    """Version 1 is active with two people; version 2 lacks one of them, has one more, and a bad row."""
    desk.lists.live("ana@mail.example,C-1,,,,\nzoe@mail.example,C-9,,,,\n")
    upload, _ = desk.read(PLAIN)
    return desk.decide(upload, store=True)


def test_who_approves_an_activation_sees_what_becomes_of_whom(desk, second_version):
    assert described(desk, actions.describe_activation) == {
        "incident": "november",
        "version": 2,
        "people": 2,
        "addresses": 2,
        "classes": {"Email addresses": 2, "Names": 2},
        "bad_rows": 1,
        "languages": {"": 2},
        "compared": {
            "version": 1,
            "people": 2,
            "new": 1,
            "gone": 1,
            "changed": 0,
            "loses_many": True,
        },
    }
    done = actions.activate(desk.parts, SECOND, described(desk, actions.describe_activation))
    assert done == {"version": 2, "people": 2}


def test_an_activation_with_a_forged_comparison_is_not_done(desk, second_version):
    with desk.db.write() as session:
        session.scalars(select(ListComparison)).one().gone = 0
    shown = described(desk, actions.describe_activation)
    assert shown["compared"]["gone"] == 0
    with pytest.raises(Refused, match="list-not-compared"):
        actions.activate(desk.parts, SECOND, shown)
    desk.work()
    assert described(desk, actions.describe_activation)["compared"]["gone"] == 1


def test_a_version_of_the_command_line_is_compared_by_the_worker(desk):
    desk.lists.live("ana@mail.example,C-1,,,,\nzoe@mail.example,C-9,,,,\n")
    desk.lists.take_in(PLAIN)
    with pytest.raises(Refused, match="list-not-compared"):
        described(desk, actions.describe_activation)
    desk.work()
    assert described(desk, actions.describe_activation)["compared"]["new"] == 1


@pytest.mark.parametrize(
    ("version", "describe", "code"),
    [
        ("1", actions.describe_activation, "list-active"),
        ("1", actions.describe_purge, "list-active"),
        ("3", actions.describe_activation, "list-unknown"),
        ("x", actions.describe_purge, "list-unknown"),
    ],
)
def test_what_is_not_possible_cannot_be_asked_for(desk, second_version, version, describe, code):
    with pytest.raises(Refused, match=code):
        described(desk, describe, version)


def test_a_purged_version_loses_its_key_at_once_and_its_rows_with_the_next_run(desk, second_version):
    assert described(desk, actions.describe_purge)["people"] == 2
    assert actions.purge(desk.parts, SECOND, described(desk, actions.describe_purge))["version"] == 2
    with pytest.raises(Refused, match="list-destroyed"):
        described(desk, actions.describe_activation)
    exposure_jobs.clear(desk.parts)
    with desk.db.read() as session:
        assert session.scalar(select(func.count()).select_from(ExposedPerson)) == 2
