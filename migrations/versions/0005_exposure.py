"""The affected lists."""

import sqlalchemy as sa
from alembic import op

revision = "0005_exposure"
down_revision = "0004_incidents"
branch_labels = None
depends_on = None

LIST_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add versions of lists, which one is active, and their people in the order of their index."""
    op.create_table(
        "exposure_lists",
        sa.Column("id", LIST_ID, nullable=False),
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=True),
        sa.Column("class_counts", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("addresses", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("bad_rows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_exposure_lists"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_exposure_lists_incident_id_number", "exposure_lists", ["incident_id", "number"], unique=True
    )
    op.create_table(
        "exposure_active",
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("list_id", LIST_ID, nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.Column("voucher", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name="pk_exposure_active"),
    )
    op.create_table(
        "exposure_people",
        sa.Column("list_id", LIST_ID, autoincrement=False, nullable=False),
        sa.Column("fold_index", sa.LargeBinary(16), nullable=False),
        sa.Column("person_key", sa.LargeBinary(16), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("list_id", "fold_index", "person_key", name="pk_exposure_people"),
        sqlite_with_rowid=False,
    )
