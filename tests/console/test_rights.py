"""The console's role in PostgreSQL reads what its pages show, and writes nothing that the worker acts on.

All tests of the console on PostgreSQL connect as this role (`as_console`), the worker behind it as the owner.
"""

from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from portal.cli import main
from portal.console import checks, rights
from portal.incidents import service as incidents
from portal.runtime.context import Context
from tests.databases import as_console
from tests.staff.test_roles import OPEN, address

# Only PostgreSQL has roles.
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]
# Every table that the role may write, and how; the others not at all.
WRITES = {
    "audit_entries": {"INSERT"},
    "checklist_file_chunks": {"INSERT", "DELETE"},
    "checklist_files": {"INSERT", "DELETE"},
    "incidents_drafts": {"INSERT", "DELETE"},
    "list_upload_chunks": {"INSERT"},
    "list_upload_keys": {"INSERT", "DELETE"},
    "list_uploads": {"INSERT", "UPDATE"},
    "rate_buckets": {"INSERT", "UPDATE"},
    "sealed_jobs": {"INSERT", "DELETE"},
    "site_contents": {"INSERT"},
    "staff_sessions": {"DELETE"},
}
# Single columns of others.
COLUMNS = {
    *(("audit_head", "digest"), ("audit_head", "number")),
    *(("checklist_files", "chunks"), ("checklist_files", "size")),
    ("incidents", "created_at"),  # who locks a row needs one
    *(("notices", "ended_at"), ("notices", "hold"), ("notices", "state")),
    ("outbox_lanes", "held"),
    ("site_contents", "added_at"),
    ("staff_sessions", "seen_at"),
}
# People, accounts, credentials and what is held of them: it does not even read these.
UNREAD = {
    *("account_sessions", "account_state", "cases", "exposure_left_out", "exposure_people"),
    *("identity_accounts", "key_canary", "passkeys", "recovery_codes", "rotation_choices"),
    *("staff_challenges", "staff_credentials", "staff_held", "staff_invitations"),
}
_TABLES = """
SELECT relname, wanted FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) wanted
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
AND has_table_privilege('test_console', oid, wanted)
"""
_COLUMNS = """
SELECT table_name, column_name FROM information_schema.column_privileges
WHERE grantee = 'test_console' AND privilege_type = 'UPDATE'
"""


def test_the_role_writes_these_tables_and_columns_alone(db):
    with db.read() as session:
        given = session.execute(text(_TABLES)).all()
        columns = {tuple(row) for row in session.execute(text(_COLUMNS))}
    writes: dict[str, set[str]] = {}
    for table, right in given:
        if right != "SELECT":
            writes.setdefault(table, set()).add(right)
    assert writes == WRITES
    assert {each for each in columns if "UPDATE" not in WRITES.get(each[0], ())} == COLUMNS
    assert not UNREAD & {table for table, right in given if right == "SELECT"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE staff_members SET roles = 'admin'",
        "DELETE FROM staff_members",
        "INSERT INTO staff_sessions SELECT * FROM staff_sessions",
        "UPDATE staff_sessions SET proved_at = now()",
        "SELECT content FROM staff_credentials",
        "UPDATE staff_held SET number = 1",
        "UPDATE staff_approvals SET state = 'approved'",
        "UPDATE incidents SET state = 'published'",
        "UPDATE incidents_statements SET apology = 'x'",
        "UPDATE notices SET audience = 'x'",
        "UPDATE exposure_lists SET people = 1",
        "SELECT count(*) FROM exposure_people",
        "SELECT proof FROM outbox_mails",
        "UPDATE outbox_mails SET state = 'queued'",
        "UPDATE audit_entries SET details = '{}'",
        "DELETE FROM audit_entries",
        "UPDATE checklist_items SET version = 1",
        "CREATE TABLE mine (id int)",
    ],
)
def test_the_database_refuses_what_is_the_workers(db, statement):
    own = as_console(db)
    with own.engine.connect() as connection, pytest.raises(ProgrammingError, match="InsufficientPrivilege"):
        connection.execute(text(statement))
    own.dispose()


def test_every_page_and_form_works_with_these_rights(office):
    """None of them needs another one: that would be a fault, or 503."""
    with office.db.write() as session:
        incidents.create(session, "november", "The incident", ("Names",), office.clock.now())
    browser = office.as_role("author", "approver", "support", "privacy", "admin")
    faults = []
    for rule in office.app.url_map.iter_rules():
        path = address(rule.rule.replace("<slug>", "november").replace("<language>", "en"))
        if rule.rule not in OPEN and "GET" in rule.methods:
            answer = browser.get(path)
            faults += [path] if answer.status_code >= 500 else []
    assert faults == []


def test_the_command_prints_what_the_owner_runs(db, settings, clock):
    context = Context(settings, clock)
    context.db = context.database = db
    result = CliRunner().invoke(main, ["console", "grants", "--role", "web-b"], obj=context)
    lines = result.output.splitlines()
    assert lines[:2] == [
        'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "web-b";',
        'GRANT USAGE ON SCHEMA public TO "web-b";',
    ]
    assert 'GRANT SELECT, UPDATE (seen_at), DELETE ON staff_sessions TO "web-b";' in lines


def test_doctor_notes_a_role_that_can_read_or_write_more_than_it_should(db, settings, tmp_path):
    own = as_console(db)
    url = own.engine.url.render_as_string(hide_password=False)
    keys = replace(settings.keys, worker_file=tmp_path / "none")
    as_user = replace(settings, database_url=url, keys=keys)
    assert checks._rights_beyond(as_user) is None
    with db.write() as session:
        session.execute(text("GRANT UPDATE ON staff_members TO test_console"))
    try:
        said = checks._rights_beyond(as_user)
    finally:
        with db.write() as session:
            session.execute(text("REVOKE UPDATE ON staff_members FROM test_console"))
            session.execute(text("GRANT SELECT ON staff_members TO test_console"))
        own.dispose()
    assert said == (
        "the role test_console can read or write 1 table more than it should, such as staff_members; "
        "take its rights away: portal console grants, see docs/guide/console.md"
    )
    with db.write() as session:
        session.execute(text("GRANT SELECT ON exposure_people TO test_console"))
        assert rights.too_many(session, "test_console") == ["exposure_people"]
        session.execute(text("REVOKE SELECT ON exposure_people FROM test_console"))
        assert rights.too_many(session, "nobody-at-all") is None


@pytest.mark.parametrize(
    ("right", "table"),
    [
        ("SELECT (content)", "staff_credentials"),
        ("UPDATE (roles)", "staff_members"),
        ("UPDATE (state)", "incidents"),
        ("INSERT (id)", "staff_sessions"),
        ("SELECT (proof)", "outbox_mails"),
    ],
)
def test_a_right_to_a_single_column_is_noticed_too(db, right, table):
    as_console(db).dispose()
    with db.write() as session:
        assert rights.too_many(session, "test_console") == []
        session.execute(text(f"GRANT {right} ON {table} TO test_console"))
        assert rights.too_many(session, "test_console") == [table]
        session.rollback()
