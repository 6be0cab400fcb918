"""Room for encrypted password hashes, and an index of those that are not. The worker encrypts them.

SQLite enforces no length of a text.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014_stored_hashes"
down_revision = "0013_storage_probes"
branch_labels = None
depends_on = None

PLAIN = sa.text("(password_hash LIKE '$%' OR closed_hash LIKE '$%')")


def upgrade() -> None:
    """Widen both columns, without rewriting the table."""
    if op.get_bind().dialect.name != "sqlite":
        for column in ("password_hash", "closed_hash"):
            op.alter_column("identity_accounts", column, type_=sa.String(1500), existing_type=sa.String(512))
    op.create_index(
        "ix_identity_accounts_plain", "identity_accounts", ["id"], sqlite_where=PLAIN, postgresql_where=PLAIN
    )
