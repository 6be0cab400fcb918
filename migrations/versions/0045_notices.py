"""Notices in series with waves; the ledger is kept as mails change, and each notice has a lane."""

import sqlalchemy as sa
from alembic import op

revision = "0045_notices"
down_revision = "0044_drafts"
branch_labels = None
depends_on = None

UNCOUNTED = sa.text("counted <> state")
LIST_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Number the notices of each incident, in the order in which they began; each had one wave.

    In which wave their mails are counted is not known (0): these name none.
    """
    _create()
    op.execute(
        "INSERT INTO notices (id, incident_id, number, kind, list_id, state, hold, format, drafted_at,"
        " begun_at, ended_at, addresses, expected, written, earlier, left_out, outside, audience, per_hour,"
        " next_at, frozen, lane, row_mac)"
        " SELECT id, incident_id, row_number() OVER (PARTITION BY incident_id ORDER BY begun_at, id),"
        " 'first', list_id, CASE WHEN ended_at IS NULL THEN 'running' ELSE 'ended' END, NULL, 0,"
        " begun_at, begun_at, ended_at, addresses, addresses, written, earlier, left_out, 0, '', NULL,"
        " NULL, frozen, 99 + row_number() OVER (ORDER BY begun_at, id), voucher FROM campaigns"
    )
    op.execute(
        'INSERT INTO notice_waves (notice_id, number, worst, least, "limit", not_before, expected, state,'
        " cursor, written, begun_at, ended_at)"
        " SELECT id, 1, 5, 0, NULL, NULL, addresses,"
        " CASE WHEN ended_at IS NULL THEN 'running' ELSE 'done' END, last_key, written, begun_at, ended_at"
        " FROM campaigns"
    )
    no = "0" if op.get_bind().dialect.name == "sqlite" else "false"
    op.execute(f"INSERT INTO outbox_lanes (number, batch, held) SELECT lane, id, {no} FROM notices")  # noqa: S608
    op.execute(
        "UPDATE outbox_mails SET counted = state,"
        " priority = (SELECT number FROM outbox_lanes WHERE outbox_lanes.batch = outbox_mails.batch)"
        " WHERE batch IN (SELECT id FROM notices)"
    )
    op.execute(
        "INSERT INTO outbox_ledger (batch, wave, state, slot, number)"
        " SELECT batch, 0, state, 0, sum(number) FROM ("
        "  SELECT batch, state, count(*) AS number FROM outbox_mails WHERE counted IS NOT NULL"
        "  GROUP BY batch, state"
        "  UNION ALL SELECT batch, state, number FROM outbox_counts WHERE batch IN (SELECT id FROM notices)"
        " ) AS counted GROUP BY batch, state"
    )
    op.drop_table("campaigns")


def _create() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("incident_id", sa.LargeBinary(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("list_id", LIST_ID, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("hold", sa.String(12)),
        sa.Column("format", sa.SmallInteger(), nullable=False),
        sa.Column("drafted_at", TIME, nullable=False),
        sa.Column("begun_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("addresses", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sa.Column("earlier", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("outside", sa.Integer(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("per_hour", sa.Integer()),
        sa.Column("next_at", TIME),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.Column("lane", sa.SmallInteger()),
        sa.Column("row_mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("incident_id", "number", name="uq_notices_incident_id_number"),
    )
    op.create_table(
        "notice_waves",
        sa.Column("notice_id", sa.LargeBinary(16), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("worst", sa.SmallInteger(), nullable=False),
        sa.Column("least", sa.SmallInteger(), nullable=False),
        sa.Column("limit", sa.Integer()),
        sa.Column("not_before", TIME),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("cursor", sa.LargeBinary(32), nullable=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sa.Column("begun_at", TIME),
        sa.Column("ended_at", TIME),
        sa.PrimaryKeyConstraint("notice_id", "number", name="pk_notice_waves"),
    )
    op.create_table(
        "outbox_lanes",
        sa.Column("number", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("batch", sa.LargeBinary(16), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_outbox_lanes"),
        sa.UniqueConstraint("batch", name="uq_outbox_lanes_batch"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbox_ledger",
        sa.Column("batch", sa.LargeBinary(16), nullable=False),
        sa.Column("wave", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "wave", "state", "slot", name="pk_outbox_ledger"),
        sqlite_with_rowid=False,
    )
    op.add_column("outbox_mails", sa.Column("counted", sa.String(12)))
    op.create_index(
        "ix_outbox_mails_uncounted",
        "outbox_mails",
        ["id"],
        sqlite_where=UNCOUNTED,
        postgresql_where=UNCOUNTED,
    )
