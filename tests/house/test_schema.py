"""The migrations build exactly the tables that the code describes."""

import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from portal.core.db import Base, Database
from tests import databases, processes


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        with databases.postgres_without_tables(request.getfixturevalue("postgres")) as url:
            yield url


def test_the_migrated_database_is_what_the_code_expects(empty_url):
    databases.import_models()
    processes.command({"PORTAL_ENVIRONMENT": "test", "PORTAL_DATABASE_URL": empty_url}, "db", "upgrade")
    database = Database(empty_url)
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    database.dispose()
    assert differences == []


def test_upgrading_twice_changes_nothing(empty_url):
    environ = {"PORTAL_ENVIRONMENT": "test", "PORTAL_DATABASE_URL": empty_url}
    for _ in range(2):
        assert "up to date" in processes.command(environ, "db", "upgrade")


def test_only_one_migration_follows_each_other():
    assert len(databases.heads()) == 1


# SQLite numbers the rows of these as they come. Lists, incidents, jobs and the log are written by commands.
# Accounts are imported in the order of their index. The others hold an exact time anyway, which they need,
# and go within hours or days.
NUMBERED = {
    "account_sessions",
    "alembic_version",
    "audit_checkpoints",
    "audit_entries",
    "audit_head",
    "campaigns_subjects",
    "campaigns_words",
    "exposure_active",
    "exposure_lists",
    "identity_accounts",
    "identity_hash_shapes",
    "intake_pace",
    "intake_requests",
    "key_canary",
    "notice_waves",
    "notices",
    "outbox_mails",
    "reset_requirements",
    "scheduled_jobs",
    "storage_probes",
    "subscription_announcements",
    "subscriptions_words",
}


def test_the_order_in_which_people_came_is_in_no_other_table(tmp_path):
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    databases.build(url)
    with sqlite3.connect(tmp_path / "empty.db") as connection:
        tables = connection.execute("SELECT name, wr FROM pragma_table_list WHERE schema = 'main'").fetchall()
    connection.close()
    about_people = {
        name for name, without in tables if not without and not name.startswith(("sqlite_", "incidents"))
    }
    assert about_people == NUMBERED
