"""People can be left out of an incident's notices on request, and the ledger counts their addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0027_left_out"
down_revision = "0026_withdrawals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; nobody is left out."""
    op.create_table(
        "exposure_left_out",
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("person_index", sa.LargeBinary(16), nullable=False),
        sa.Column("person", sa.LargeBinary(), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "person_index", name="pk_exposure_left_out"),
        sqlite_with_rowid=False,
    )
    op.add_column("campaigns", sa.Column("left_out", sa.Integer(), nullable=False, server_default="0"))
