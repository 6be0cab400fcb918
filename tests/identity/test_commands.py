"""`portal identity check` tries a store and says what it cannot do; `grants` prints what it needs."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import make_url

from portal.audit.models import AuditEntry
from portal.identity import external
from portal.identity.ports import StoreFault, Verdict
from portal.identity.sql.grants import statements
from tests.commands import context, portal
from tests.identity.contract import NEW, OLD, Customer
from tests.identity.shops import Table, cheap_hash, open_shop

__all__ = ["context", "portal"]
pytestmark = pytest.mark.sqlite  # the portal's own database plays no part
ANA, BEN = "ana@example.com", "ben@example.org"
SQLITE = pytest.mark.parametrize("company_url", ["sqlite"], indirect=True)
POSTGRES = pytest.mark.parametrize(
    "company_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)

BOTH = pytest.mark.parametrize(
    "company_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def company(table, context) -> Table:
    """Laravel's tables on SQLite, and the portal's settings for them."""
    company = table("laravel")
    sql = replace(company.mapping, format="argon2id")
    context.settings = replace(
        context.settings, identity=replace(context.settings.identity, store="sql", sql=sql)
    )
    return company


@pytest.fixture
def password_file(tmp_path):
    file = tmp_path / "password"
    file.write_text(f"{OLD}\n")
    return file


@SQLITE
def test_it_counts_accounts_shared_addresses_and_hashes_that_nobody_signs_in_with(company, portal):
    company.add([Customer(ANA), Customer(ANA.upper()), Customer(BEN), Customer("cleo@example.net", None)])
    company.put(BEN, "password", "5f4dcc3b5aa765d61d8327deb882cf99")
    said = portal("identity", "check").stdout
    assert "Store: sql\n  can verify passwords\n" in said
    assert "CANNOT" not in said
    assert "Accounts: 4\n  1 address has more than one account: nobody there can choose" in said
    assert "  2: Argon2id, m=64,t=1,p=1\n" in said
    assert "  1: no password (nobody signs in with it)\n" in said
    assert "  1: MD5." in said
    assert "declare it, like PORTAL_IDENTITY_SQL_DIGEST='md5(password)' (nobody signs" in said
    assert "--digest" not in said
    assert not [word for word in (ANA, BEN, "5f4dcc", "$argon2id$") if word in said]
    told = json.loads(portal("identity", "check", "--json").stdout)
    assert (told["store"], told["accounts"], told["shared_addresses"], told["tried"]) == ("sql", 4, 1, None)
    assert told["can"]["end_sessions"] is True
    assert {"format": "no password", "accounts": 1, "verified": False} in told["hashes"]
    assert told["inactive"] == 0


@BOTH
def test_inactive_accounts_are_counted_apart_since_their_hashes_count_too(company, portal):
    company.add([Customer(ANA), Customer(BEN)])
    company.put(BEN, "deleted_at", "2026-01-01 00:00:00")
    said = portal("identity", "check").stdout
    assert "Accounts: 1 active, 1 inactive\n" in said
    assert "  2: Argon2id, m=64,t=1,p=1\n" in said
    told = json.loads(portal("identity", "check", "--json").stdout)
    assert (told["accounts"], told["inactive"]) == (1, 1)


@SQLITE
def test_it_tries_everything_on_a_test_account_and_puts_its_password_back(
    company, portal, password_file, db, tmp_path
):
    company.add([Customer(ANA, reference="1001"), Customer(BEN)])
    others = company.column(BEN, "password")
    words = ("identity", "check", "--account", ANA, "--password-file", password_file)
    before = company.column(ANA, "password")
    assert "--yes" in portal(*words, status=2).output
    assert "--password-file" in portal(*words[:4], "--yes", status=2).output
    assert company.column(ANA, "password") == before
    said = portal(*words, "--yes").stdout
    for capability in (
        "find people by their customer number", "verify passwords", "set new passwords", "lock old passwords",
        "refuse a locked password as the new one", "end sessions in your product", "the password is back",
    ):  # fmt: skip
        assert f"  {capability}: works\n" in said
    assert ANA not in said
    assert company.column(ANA, "password") != before
    assert company.column(BEN, "password") == others
    with open_shop(company, tmp_path) as shop:
        assert shop.store.verify(shop.one(ANA).id, OLD) is Verdict.FITS
    with db.read() as session:
        assert [row.action for row in session.query(AuditEntry)] == ["identity.check"]


@SQLITE
def test_what_fails_is_named_and_ends_with_status_1(company, portal, password_file):
    company.add([Customer(ANA, reference="1001")])
    company.run(
        "CREATE TRIGGER full BEFORE DELETE ON sessions "
        "BEGIN SELECT RAISE(ABORT, 'constraint of the company'); END"
    )
    company.open_session(ANA)
    words = ("identity", "check", "--account", ANA, "--password-file", password_file, "--yes")
    said = portal(*words, status=1).stdout
    assert "  verify passwords: works\n" in said
    assert "  set new passwords: the company's database answered with error SQLITE_CONSTRAINT" in said
    assert company.column(ANA, "password").startswith("$argon2id$")
    told = json.loads(portal(*words, "--json", status=1).stdout)
    assert {"capability": "verify", "fault": None} in told["tried"]


@SQLITE
def test_nothing_is_tried_on_an_account_that_is_not_clearly_the_test_s(company, portal, tmp_path):
    company.add([Customer(ANA), Customer(BEN), Customer(BEN.upper())])
    before = company.run("SELECT * FROM users")
    (tmp_path / "wrong").write_text(NEW)
    words = ("identity", "check", "--password-file", tmp_path / "wrong", "--yes", "--account")
    assert "does not accept the password" in portal(*words, ANA, status=1).output
    assert "2 accounts have this address" in portal(*words, BEN, status=1).output
    assert "0 accounts have this address" in portal(*words, "dan@example.com", status=1).output
    portal(*words, "nobody", status=2)
    assert company.run("SELECT * FROM users") == before


@SQLITE
def test_a_fault_of_the_store_is_one_sentence(company, portal):
    company.run("ALTER TABLE users RENAME COLUMN password TO secret")
    assert "The table 'users' has no column 'password' (PORTAL_IDENTITY_SQL_HASH)" in (
        portal("identity", "check", status=1).output
    )


@SQLITE
def test_the_doctor_and_a_starting_worker_name_what_is_wrong_with_the_table(company, context, caplog):
    assert [*external.check(context.settings, True)] == [("identity store", None)]
    external.tell_trouble(context.settings)
    assert caplog.messages == []
    company.run("ALTER TABLE users RENAME COLUMN password TO secret")
    wrong = replace(context.settings, base_url="http://127.0.0.1:8001")  # those of another process
    ((_, fault),) = external.check(wrong, True)
    assert "no column 'password' (PORTAL_IDENTITY_SQL_HASH)" in str(fault)
    external.tell_trouble(wrong)
    assert "nobody can sign in or choose a password" in caplog.text


def test_stores_without_a_table_say_what_they_cannot_do(portal, context):
    said = portal("identity", "check").stdout
    assert "CANNOT" not in said
    assert "  can end sessions here, and not in your product\n" in said
    assert "'builtin'" in portal("identity", "grants", status=1).output
    context.settings = replace(context.settings, identity=replace(context.settings.identity, store="sql"))
    assert "PORTAL_IDENTITY_SQL_URL is required" in portal("identity", "grants", status=1).output
    context.settings = replace(context.settings, identity=replace(context.settings.identity, store="link"))
    assert portal("identity", "check").stdout.count("CANNOT") == 7
    assert "Leave out --account" in portal("identity", "check", "--account", ANA, status=1).output


def test_the_grants_name_each_column_once(portal, context, company_url_of_postgres):
    mapped = Table(company_url_of_postgres, "laravel", cheap_hash).mapping
    sql = replace(mapped, table="Shop.users", id="ID", name="", factor="")
    context.settings = replace(
        context.settings, identity=replace(context.settings.identity, store="sql", sql=sql)
    )
    assert portal("identity", "grants").stdout.splitlines() == [
        "GRANT CONNECT ON DATABASE shop TO portal;",
        'GRANT USAGE ON SCHEMA "Shop" TO portal;',
        "GRANT USAGE ON SCHEMA public TO portal;",
        'GRANT SELECT ("ID", email, password, customer_number, deleted_at) ON "Shop".users TO portal;',
        'GRANT UPDATE (password, remember_token) ON "Shop".users TO portal;',
        "GRANT SELECT (user_id) ON public.sessions TO portal;",
        "GRANT DELETE ON public.sessions TO portal;",
        '-- if remember_token has numbers: GRANT SELECT (remember_token) ON "Shop".users TO portal;',
    ]
    assert 'TO "Store";' in portal("identity", "grants", "--role", "Store").stdout


@pytest.fixture
def company_url_of_postgres() -> str:
    return "postgresql://portal:a-long-password@db.example.com/shop"


@POSTGRES
def test_each_right_that_is_granted_is_needed(table, tmp_path, company_role):
    company = table("laravel")
    for statement in statements(company.mapping, company_role):
        company.run(statement)
    rights = company.run(
        "SELECT privilege_type || ' (' || column_name || ')', table_name "
        f"FROM information_schema.column_privileges WHERE grantee = '{company_role}' "
        "UNION SELECT 'DELETE', 'sessions' ORDER BY 1, 2"
    )
    assert len(rights) == 11
    company.add([Customer(ANA, reference="1001")])
    role = replace(company.mapping, url=str(make_url(company.url).set(username=company_role)))
    with open_shop(company, tmp_path, url=role.url) as shop:
        live(shop)
        for right, name in rights:
            company.run(f"REVOKE {right} ON {name} FROM {company_role}")
            with pytest.raises(StoreFault, match="see: portal identity grants"):
                live(shop)
            company.run(f"GRANT {right} ON {name} TO {company_role}")
        live(shop)


def live(shop) -> None:
    """Do with one account what the portal does."""
    ana = shop.one(ANA)
    shop.store.find_by_reference(["1001"])
    shop.store.verify(ana.id, OLD)
    shop.store.require_change([ana.id], shop.keep)
    shop.store.set_password(ana.id, OLD)
    shop.store.end_sessions([ana.id])
