"""Days instead of times, and no row numbers, where either leads from what a person did to their row.

PostgreSQL has no such numbers, but an order of rows in its files: `portal db vacuum` sorts by these keys.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016_days"
down_revision = "0015_lanes"
branch_labels = None
depends_on = None

TABLES = {
    "intake_caps": "pk_intake_caps",
    "rate_buckets": "pk_rate_buckets",
    "rotation_choices": "pk_rotation_choices",
    "sign_in_doors": "pk_sign_in_doors",
    "sign_in_waits": "pk_sign_in_waits",
    "subscription_suppressions": "pk_subscription_suppressions",
    "subscriptions": "pk_subscriptions",
}
SORTED = TABLES | {
    "account_sessions": "pk_account_sessions",
    "identity_accounts": "uq_identity_accounts_address_index",
    "intake_replies": "pk_intake_replies",
    "intake_requests": "pk_intake_requests",
}


caps = sa.table("intake_caps", sa.column("ends_at"))
requests = sa.table("intake_requests", sa.column("asked_at"), sa.column("state"))
choices = sa.table("rotation_choices", sa.column("counted_from"), sa.column("next_due_at"))
resets = sa.table("reset_requirements", sa.column("started_at"))
accounts = sa.table("identity_accounts", sa.column("password_changed_at"), sa.column("chosen_by_mail_at"))


def upgrade() -> None:
    """Shorten the times that are there, and store the tables by their keys."""
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"

    def day(column: Any, later: int = 0) -> Any:
        if sqlite:
            return sa.func.date(column, f"+{later} day").concat(" 00:00:00.000000")
        days = sa.cast(f"{later} days", sa.Interval())
        return sa.func.date_trunc("day", column, "UTC") + days

    chosen = accounts.c.chosen_by_mail_at
    # A choice stays on the same side of each required reset.
    between = (resets.c.started_at <= chosen) & (resets.c.started_at > day(chosen))
    since = sa.select(sa.func.max(resets.c.started_at)).where(between).scalar_subquery()
    for statement in (
        sa.update(caps).values(ends_at=day(caps.c.ends_at, 1)),
        sa.update(requests).values(asked_at=day(requests.c.asked_at)).where(requests.c.state == "held"),
        sa.update(choices).values(
            counted_from=day(choices.c.counted_from), next_due_at=day(choices.c.next_due_at)
        ),
        sa.update(accounts)
        .values(chosen_by_mail_at=sa.func.coalesce(since, day(chosen)))
        .where(chosen.is_not(None)),
        sa.update(accounts)
        .values(password_changed_at=day(accounts.c.password_changed_at))
        .where(accounts.c.password_changed_at.is_not(None)),
    ):
        connection.execute(statement)
    if not sqlite:
        for table, index in SORTED.items():
            connection.exec_driver_sql(f"ALTER TABLE {table} CLUSTER ON {index}")
        return
    for table in TABLES:
        with op.batch_alter_table(table, recreate="always", table_kwargs={"sqlite_with_rowid": False}):
            pass
