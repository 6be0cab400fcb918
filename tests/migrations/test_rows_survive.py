"""Each migration carries loaded rows through, and so do all that follow it."""

import pytest

from portal.core.shipped import MIGRATIONS
from portal.runtime import schema
from tests.migrations import rows

HERE = {path.stem for path in (MIGRATIONS.parent / "tests/migrations").glob("[0-9]*.py")}


def test_each_migration_has_its_rows():
    assert {path.stem for path in (MIGRATIONS / "versions").glob("*.py")} == set(rows.REVISIONS)
    assert set(rows.REVISIONS) == HERE


def test_loaded_rows_survive_each_migration_in_its_turn(empty_db):
    """With the rows of every revision: what each of them wrote goes through all that follow."""
    loaded: rows.Rows = {}
    for revision in rows.REVISIONS:
        schema.upgrade(empty_db, revision)
        tables = rows.schema_of(empty_db)
        assert rows.stored(empty_db, tables) == rows.carried(loaded, revision), revision
        loaded = rows.written_by([revision], after=loaded)
        rows.load(empty_db, loaded, tables)
        assert rows.gaps(loaded, tables) == [], revision
        assert rows.stored(empty_db, tables) == rows.carried(loaded), revision


# The first with rows of people, one of the middle, and the last before staff had a console.
@pytest.mark.parametrize("revision", ["0009_reset", "0029_account_state", "0043_removal_codes"])
def test_loaded_rows_survive_many_migrations_at_once(empty_db, revision):
    following = rows.REVISIONS[rows.REVISIONS.index(revision) + 1 :]
    loaded = rows.written_by(rows.REVISIONS[: -len(following)])
    schema.upgrade(empty_db, revision)
    rows.load(empty_db, loaded)
    schema.upgrade(empty_db)
    assert rows.stored(empty_db) == rows.carried(loaded, *following)
