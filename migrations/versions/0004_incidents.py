"""The statement's versions, the timeline and its wordings, and the number that tells pages to render anew."""

import sqlalchemy as sa
from alembic import op

revision = "0004_incidents"
down_revision = "0003_intake_outbox"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and their one fixed row."""
    op.create_table(
        "incidents",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("slug", sa.String(60), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("titles", sa.JSON(), nullable=False),
        sa.Column("classes", sa.Text(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sa.UniqueConstraint("slug", name="uq_incidents_slug"),
    )
    op.create_table(
        "incidents_statements",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("signed_by", sa.String(200), nullable=False),
        sa.Column("role", sa.String(200), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("apology", sa.Text(), nullable=False),
        sa.Column("sections_json", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_incidents_statements"),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name="fk_incidents_statements_incident_id_incidents"
        ),
        sa.UniqueConstraint(
            "incident_id", "number", "language", name="uq_incidents_statements_incident_id_number_language"
        ),
    )
    op.create_table(
        "incidents_updates",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.LargeBinary(16), nullable=False),
        sa.Column("phase", sa.String(24), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notify", sa.Boolean(), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("voucher", sa.LargeBinary(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_incidents_updates"),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name="fk_incidents_updates_incident_id_incidents"
        ),
        sa.UniqueConstraint("incident_id", "number", name="uq_incidents_updates_incident_id_number"),
        sa.UniqueConstraint("uuid", name="uq_incidents_updates_uuid"),
    )
    op.create_table(
        "incidents_wordings",
        sa.Column("update_id", sa.LargeBinary(16), nullable=False),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("phase", sa.String(24), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("update_id", "number", name="pk_incidents_wordings"),
        sa.ForeignKeyConstraint(
            ["update_id"], ["incidents_updates.id"], name="fk_incidents_wordings_update_id_incidents_updates"
        ),
    )
    content = op.create_table(
        "incidents_content",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incidents_content"),
    )
    op.bulk_insert(content, [{"id": 1, "number": 1}])


def downgrade() -> None:
    """Drop them."""
    for table in (
        "incidents_content",
        "incidents_wordings",
        "incidents_updates",
        "incidents_statements",
        "incidents",
    ):
        op.drop_table(table)
