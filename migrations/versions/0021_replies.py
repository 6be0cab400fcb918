"""Prepared answers lie by their keys on SQLite, and say the day of what a person did, not the second.

PostgreSQL's files are sorted by the same key: migration 0016 marked the table for `portal db vacuum`.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0021_replies"
down_revision = "0020_notice_words"
branch_labels = None
depends_on = None

replies = sa.table("intake_replies", sa.column("purpose"), sa.column("created_at"), sa.column("spent_at"))


def upgrade() -> None:
    """Shorten the times that are there, and store the table by its key."""
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"

    def day(column: Any) -> Any:
        if sqlite:
            return sa.func.date(column).concat(" 00:00:00.000000")
        return sa.func.date_trunc("day", column, "UTC")

    spent = sa.update(replies).where(replies.c.spent_at.is_not(None))
    connection.execute(spent.values(spent_at=day(replies.c.spent_at)))
    # Those of a required reset were made at the time that stands in the account's row.
    resets = sa.update(replies).where(replies.c.purpose == "reset")
    connection.execute(resets.values(created_at=day(replies.c.created_at)))
    if sqlite:
        with op.batch_alter_table(
            "intake_replies", recreate="always", table_kwargs={"sqlite_with_rowid": False}
        ):
            pass
