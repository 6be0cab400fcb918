"""${message}."""

# Import nothing of the portal, and spell types out: sa.LargeBinary(16), sa.DateTime(timezone=True).
import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    ${upgrades if upgrades else "pass"}
