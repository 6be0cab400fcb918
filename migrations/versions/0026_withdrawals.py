"""Published texts can be withdrawn, drafts scheduled, and a holding statement says when more follows."""

import sqlalchemy as sa
from alembic import op

revision = "0026_withdrawals"
down_revision = "0025_references"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table; nothing is withdrawn, scheduled or promised."""
    op.add_column("incidents", sa.Column("more_by", sa.DateTime(timezone=True), nullable=True))
    for table in ("incidents_statements", "incidents_updates"):
        op.add_column(table, sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
        op.add_column(table, sa.Column("withdrawn_for", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("text_hash", sa.LargeBinary(32), nullable=True))
    op.create_table(
        "incidents_schedules",
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name="fk_incidents_schedules_incident_id_incidents"
        ),
        sa.PrimaryKeyConstraint("incident_id", name="pk_incidents_schedules"),
    )
