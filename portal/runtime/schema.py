"""The database's version: which migrations it has had, and which this version of the portal needs."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from portal.core.db import Database

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"
BEHIND = "is not at this version; run: portal db upgrade"
AHEAD = "is of a newer version of the portal: install that version again, or restore a copy from before its upgrade"


class DatabaseNewer(Exception):
    """The database has had a migration that this version of the portal does not know."""


def alembic_config() -> Config:
    """Return how migrations are found."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def upgrade(db: Database) -> None:
    """Bring the database to this version. Safe to repeat. Raises DatabaseNewer, DBAPIError."""
    if fault_of(db) == AHEAD:
        raise DatabaseNewer
    with db.engine.connect() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def fault_of(db: Database) -> str | None:
    """Return what is wrong with the database's version, in words that follow its name, or None. Raises DBAPIError."""
    with db.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == _revisions()[0]:
        return None
    return BEHIND if current is None or current in _revisions() else AHEAD


@cache
def _revisions() -> tuple[str, ...]:
    """Return every migration that this version knows, the newest first."""
    return tuple(one.revision for one in ScriptDirectory.from_config(alembic_config()).walk_revisions())
