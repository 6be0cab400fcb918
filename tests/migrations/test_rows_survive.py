"""Each migration carries loaded rows through, and so do all that follow it."""

import pytest

from portal.core.shipped import MIGRATIONS
from portal.runtime import schema
from tests.migrations import rows

HERE = {path.stem for path in (MIGRATIONS.parent / "tests/migrations").glob("[0-9]*.py")}


def test_each_migration_has_its_rows():
    assert {path.stem for path in (MIGRATIONS / "versions").glob("*.py")} == set(rows.REVISIONS)
    assert set(rows.REVISIONS) == HERE


@pytest.mark.parametrize("revision", rows.REVISIONS)
def test_loaded_rows_survive_a_migration_and_all_that_follow(empty_db, revision):
    number = rows.REVISIONS.index(revision)
    before, following = rows.REVISIONS[:number], rows.REVISIONS[number:]
    if before:
        schema.upgrade(empty_db, before[-1])
    loaded = rows.written_by(before)
    rows.load(empty_db, loaded)
    assert rows.gaps(empty_db, loaded) == []
    assert rows.stored(empty_db) == rows.carried(loaded)

    schema.upgrade(empty_db, revision)
    assert rows.stored(empty_db) == rows.carried(loaded, revision)

    schema.upgrade(empty_db)
    assert rows.stored(empty_db) == rows.carried(loaded, *following)


def test_what_this_version_writes_is_ready_for_the_next_migration(empty_db):
    loaded = rows.written_by(rows.REVISIONS)
    schema.upgrade(empty_db)
    rows.load(empty_db, loaded)
    assert rows.gaps(empty_db, loaded) == []
    assert rows.stored(empty_db) == rows.carried(loaded)
