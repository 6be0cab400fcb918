"""Drafts of statements and updates, each save a row; updates that one author published alone."""

import sqlalchemy as sa
from alembic import op

revision = "0044_drafts"
down_revision = "0043_removal_codes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "incidents_drafts",
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("document", sa.String(40), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("aside", sa.Boolean(), nullable=False),
        sa.Column("parts_json", sa.Text(), nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name="fk_incidents_drafts_incident_id_incidents"
        ),
        sa.PrimaryKeyConstraint("incident_id", "document", "revision", name="pk_incidents_drafts"),
    )
    op.create_table(
        "incidents_unconfirmed",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("update_id", sa.LargeBinary(16), nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_by", sa.String(200), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["update_id"],
            ["incidents_updates.id"],
            name="fk_incidents_unconfirmed_update_id_incidents_updates",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_incidents_unconfirmed"),
    )
