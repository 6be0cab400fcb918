"""The database's version: which migrations it has had, and which this version of the portal needs."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from portal.kit.db import Database

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"
BEHIND = "is not at this version; run: portal db upgrade"


def alembic_config() -> Config:
    """Return how migrations are found."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def upgrade(db: Database) -> None:
    """Bring the database to this version. Safe to repeat."""
    with db.engine.connect() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(db: Database) -> bool:
    """Tell whether the database is at this version of the portal. Raises DBAPIError."""
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == _newest()


@cache
def _newest() -> str | None:
    return ScriptDirectory.from_config(alembic_config()).get_current_head()
