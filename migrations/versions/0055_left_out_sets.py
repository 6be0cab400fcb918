"""Bind a notice to who is left out of it."""

import sqlalchemy as sa
from alembic import op

revision = "0055_left_out_sets"
down_revision = "0054_audit_actions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, which the worker fills at the first change, and the column, empty for former notices."""
    op.create_table(
        "exposure_left_out_sets",
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("history", sa.Text(), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name="pk_exposure_left_out_sets"),
        sqlite_with_rowid=False,
    )
    op.add_column("notices", sa.Column("without", sa.Text(), nullable=False, server_default=""))
