"""What each text promised of more news: one that is withdrawn takes along its own, and nothing else."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0062_what_texts_promised"
down_revision = "0061_reason_language"
branch_labels = None
depends_on = None

INCIDENTS = sa.table(
    "incidents",
    sa.column("id", sa.LargeBinary),
    sa.column("more_by", sa.DateTime(timezone=True)),
    sa.column("promised_by", sa.String),
    sa.column("promised_before", sa.DateTime(timezone=True)),
    sa.column("promises", sa.JSON),
)


def upgrade() -> None:
    """Add the column, and write into it what was known of the last two promises."""
    op.add_column("incidents", sa.Column("promises", sa.JSON(), server_default="[]", nullable=False))
    known = INCIDENTS.c
    rows = op.get_bind().execute(sa.select(known.id, known.more_by, known.promised_by, known.promised_before))
    for incident_id, more_by, by, before in rows.all():
        promises = [] if before is None else [_promise(None, before)]
        if more_by is not None or by is not None:
            promises.append(_promise(by, more_by))
        if promises:
            op.execute(sa.update(INCIDENTS).where(known.id == incident_id).values(promises=promises))
    op.drop_column("incidents", "promised_by")
    op.drop_column("incidents", "promised_before")


def _promise(by: str | None, at: datetime | None) -> dict[str, str | None]:
    if at is None:
        return {"by": by, "more_by": None, "new": "yes"}
    utc = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)  # SQLite holds UTC without a zone
    return {"by": by, "more_by": utc.isoformat(), "new": "yes"}
