"""What the console's role may do in PostgreSQL: read what its pages show, and write what is its own.

It reads no person, no account, no credential and no key, and it writes nothing that the worker acts on: that
goes into a sealed job. What the worker trusts has MACs besides; these rights are the second wall.
"""

import re
from collections.abc import Iterable, Mapping

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.orm import Session

ROLE = "portal-console"  # of deploy/postgresql/create.sql
READ = "SELECT"
# A statement that locks a row needs the right to change one of its columns. This one is on no public page;
# checklists count their 72 hours from it where nobody said when the incident was found out.
LOCKS = "SELECT, UPDATE (created_at)"
RIGHTS: Mapping[str, str] = {
    # What it writes: drafts, files on their way, orders, limits, and when a session was seen.
    "incidents_drafts": "SELECT, INSERT, DELETE",
    "list_uploads": "SELECT, INSERT, UPDATE",
    "list_upload_chunks": "SELECT, INSERT",
    "list_upload_keys": "SELECT, INSERT, DELETE",
    "checklist_files": "SELECT, INSERT, UPDATE (size, chunks), DELETE",
    "checklist_file_chunks": "SELECT, INSERT, DELETE",
    "site_contents": "SELECT, INSERT, UPDATE (added_at)",
    "rate_buckets": "SELECT, INSERT, UPDATE",
    "sealed_jobs": "SELECT, INSERT, DELETE",
    "staff_sessions": "SELECT, UPDATE (seen_at), DELETE",
    "incidents": LOCKS,
    # What needs no second person and no worker: to pause and stop a notice, and the log of that.
    "notices": "SELECT, UPDATE (ended_at, hold, state)",
    "outbox_lanes": "SELECT, UPDATE (held)",
    "audit_entries": "SELECT, INSERT",
    "audit_head": "SELECT, UPDATE (number, digest)",
    # What its pages show.
    "alembic_version": READ,
    "campaigns_words": READ,
    "checklist_items": READ,
    "exposure_active": READ,
    "exposure_comparisons": READ,
    "exposure_left_out_sets": READ,
    "exposure_lists": READ,
    "incidents_schedules": READ,
    "incidents_statements": READ,
    "incidents_unconfirmed": READ,
    "incidents_updates": READ,
    "incidents_wordings": READ,
    "list_upload_lines": READ,
    "mail_pauses": READ,
    "mail_relays": READ,
    "notice_tasks": READ,
    "notice_task_chunks": READ,
    "notice_waves": READ,
    "outbox_counts": READ,
    "outbox_ledger": READ,
    "reset_requirements": READ,
    "reset_runs": READ,
    "site_changes": READ,
    "staff_approvals": READ,
    "staff_members": READ,
    "worker_heartbeats": READ,
    "worker_keys": READ,
    # Of these it counts rows.
    "outbox_mails": (
        "SELECT (id, purpose, state, priority, reason, attempts, created_at, due_at, finished_at, payload)"
    ),
    "subscription_suppressions": READ,
    "subscriptions": "SELECT (incident_id, suppression)",
}
_KNOWN = text("SELECT rolname FROM pg_roles WHERE rolname = :role")
# Rights to whole tables, and those to single columns, which PostgreSQL keeps apart.
_HAS = text(
    "SELECT relname, wanted, '' AS named "
    "FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS wanted "
    "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
    "AND has_table_privilege(:role, oid, wanted) "
    "UNION ALL SELECT relname, wanted, attname::text "
    "FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped, "
    "unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS wanted "
    "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
    "AND NOT has_table_privilege(:role, pg_class.oid, wanted) "
    "AND has_column_privilege(:role, pg_class.oid, attnum, wanted)"
)
_RIGHT = re.compile(r"([A-Z]+)(?: \(([^)]*)\))?")
_quote = dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]


def statements(tables: Iterable[str], role: str) -> list[str]:
    """Return what gives a role exactly these rights to the tables, as their owner runs it."""
    to = _quote(role)
    known = set(tables)
    return [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {to};",
        f"GRANT USAGE ON SCHEMA public TO {to};",
        *(
            f"GRANT {rights} ON {_quote(table)} TO {to};"
            for table, rights in RIGHTS.items()
            if table in known
        ),
    ]


def too_many(session: Session, role: str) -> list[str] | None:
    """Return the tables that a role may read or write beyond its rights, or None where there is none."""
    if session.scalar(_KNOWN, {"role": role}) is None:
        return None
    found = session.execute(_HAS, {"role": role})
    return sorted({table for table, right, column in found if not _granted(table, right, column)})


def _granted(table: str, right: str, column: str) -> bool:
    """Return whether the role shall have a right to a column, or to the whole table where that is empty."""
    columns = dict(_RIGHT.findall(RIGHTS.get(table, ""))).get(right)
    return columns is not None and (not columns or column in columns.split(", "))
