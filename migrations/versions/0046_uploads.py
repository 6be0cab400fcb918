"""Uploads of lists through the console, and how versions of lists compare."""

import sqlalchemy as sa
from alembic import op

revision = "0046_uploads"
down_revision = "0045_notices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; `portal db vacuum` sorts them by their random keys on PostgreSQL."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "list_uploads",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("purpose", sa.String(10), nullable=False),
        sa.Column("form", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("mark", sa.LargeBinary(16), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.LargeBinary(16), nullable=True),
        sa.Column("stage", sa.String(10), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("bad_rows", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("plan", sa.LargeBinary(), nullable=True),
        sa.Column("findings", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_list_uploads"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_list_uploads_state_changed_at", "list_uploads", ["state", "changed_at"])
    op.create_index("ix_list_uploads_incident_id", "list_uploads", ["incident_id"])
    op.create_table(
        "list_upload_keys",
        sa.Column("upload_id", sa.LargeBinary(16), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "first", name="pk_list_upload_keys"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "list_upload_chunks",
        sa.Column("upload_id", sa.LargeBinary(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "number", name="pk_list_upload_chunks"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "list_upload_lines",
        sa.Column("upload_id", sa.LargeBinary(16), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("reason", sa.SmallInteger(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "page", name="pk_list_upload_lines"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "exposure_comparisons",
        sa.Column("list_id", number, autoincrement=False, nullable=False),
        sa.Column("other_id", number, autoincrement=False, nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("list_id", "other_id", name="pk_exposure_comparisons"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name != "sqlite":
        # Sealed content does not shrink: PostgreSQL need not try.
        op.execute("ALTER TABLE list_upload_chunks ALTER COLUMN content SET STORAGE EXTERNAL")
