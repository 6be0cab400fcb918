"""What the portal keeps of an account gets a table of its own, so that another store may hold the rest.

SQLite copies the accounts once, in the order that they have; PostgreSQL only forgets the columns.
"""

import sqlalchemy as sa
from alembic import op

revision = "0029_account_state"
down_revision = "0028_days"
branch_labels = None
depends_on = None

KEPT = ("id", "address_index", "ref_index", "profile", "password_hash", "created_at")
MOVED = (
    "version",
    "must_reset",
    "reset_reason",
    "reset_required_at",
    "password_changed_at",
    "chosen_by_mail_at",
)
ACCOUNTS = sa.table("identity_accounts", *map(sa.column, ("rowid", "closed_hash", *KEPT, *MOVED)))
PLAIN = sa.text("password_hash LIKE '$%'")
PLAIN_CLOSED = sa.text("closed LIKE '$%'")


def upgrade() -> None:
    """Move the columns. A migration holds no keys: what is encrypted moves as it is."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    hash_length = 512 if sqlite else 1500  # as earlier migrations left them
    states = op.create_table(
        "account_state",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("store", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("must_reset", sa.Boolean(), nullable=False),
        sa.Column("reset_reason", sa.String(100), nullable=True),
        sa.Column("reset_required_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("chosen_by_mail_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed", sa.String(hash_length), nullable=True),
        sa.Column("owner", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account_state"),
        sqlite_with_rowid=False,
    )
    there = ACCOUNTS.c
    moved = sa.select(there.id, sa.literal("builtin"), there.closed_hash, *(there[name] for name in MOVED))
    op.execute(sa.insert(states).from_select(["id", "store", "closed", *MOVED], moved.order_by(there.id)))
    op.create_index(
        "ix_account_state_plain",
        "account_state",
        ["id"],
        sqlite_where=PLAIN_CLOSED,
        postgresql_where=PLAIN_CLOSED,
    )
    op.drop_index("ix_identity_accounts_plain", "identity_accounts")
    if sqlite:
        _copy_accounts()
    else:
        with op.batch_alter_table("identity_accounts") as accounts:
            for column in (*MOVED, "closed_hash"):
                accounts.drop_column(column)
        op.execute("ALTER TABLE account_state CLUSTER ON pk_account_state")
    op.create_index(
        "ix_identity_accounts_plain", "identity_accounts", ["id"], sqlite_where=PLAIN, postgresql_where=PLAIN
    )


def _copy_accounts() -> None:
    """Copy once what stays: SQLite would rewrite the table for each column that it drops."""
    copy = op.create_table(
        "identity_accounts_kept",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("address_index", sa.LargeBinary(16), nullable=False),
        sa.Column("ref_index", sa.LargeBinary(16), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("password_hash", sa.String(512), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity_accounts"),
        sa.UniqueConstraint("address_index", name="uq_identity_accounts_address_index"),
    )
    kept = sa.select(*(ACCOUNTS.c[name] for name in KEPT)).order_by(ACCOUNTS.c.rowid)
    op.execute(sa.insert(copy).from_select(list(KEPT), kept))
    op.drop_table("identity_accounts")
    op.rename_table("identity_accounts_kept", "identity_accounts")
    op.create_index("ix_identity_accounts_ref_index", "identity_accounts", ["ref_index"])
