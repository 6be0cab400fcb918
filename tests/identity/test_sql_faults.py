"""What the store `sql` says of a company's database that is away, slow, locked, changed or wrong."""

import os
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest
from sqlalchemy import text

from portal.identity.ports import OutcomeUnknown, StoreFault, StoreUnavailable, Verdict
from portal.identity.sql import server
from tests import databases
from tests.identity.contract import NEW, OLD, Customer
from tests.identity.shops import Table, cheap_hash, open_shop

ANA = "ana@example.com"
BACKENDS = (  # of this test's database: other processes of the run share the server
    "SELECT pid FROM pg_stat_activity "
    "WHERE application_name = 'breach portal' AND datname = current_database()"
)
WORDS = (ANA, OLD, NEW, "hunter22")
POSTGRES = pytest.mark.parametrize(
    "company_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
SQLITE = pytest.mark.parametrize("company_url", ["sqlite"], indirect=True)


@pytest.fixture
def laravel(table) -> Table:
    return table("laravel")


def said(raised) -> str:
    """Return what an error says, which names no value."""
    assert not [word for word in WORDS if word in str(raised.value)]
    return str(raised.value)


def test_a_column_that_vanishes_is_named_and_found_again_when_it_is_back(laravel, tmp_path):
    with open_shop(laravel, tmp_path) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        laravel.run("ALTER TABLE users RENAME COLUMN password TO secret")
        for call in (
            lambda: shop.store.verify(ana.id, OLD),
            lambda: shop.store.set_password(ana.id, NEW),
            lambda: shop.store.require_change([ana.id], shop.keep),
            lambda: shop.store.find([ANA]),
        ):
            with pytest.raises(StoreFault) as raised:
                call()
            assert "'users' has no column 'password' (PORTAL_IDENTITY_SQL_HASH)" in said(raised)
        laravel.run("ALTER TABLE users RENAME COLUMN secret TO password")
        assert shop.store.verify(ana.id, OLD) is Verdict.FITS
        assert shop.keeps == {}


@pytest.mark.parametrize(
    ("mapped", "named"),
    [
        ({"table": "customers"}, "no table 'customers' (PORTAL_IDENTITY_SQL_TABLE)"),
        ({"email": "mail"}, "no column 'mail' (PORTAL_IDENTITY_SQL_EMAIL)"),
        ({"active": "not gone_at"}, "no column 'gone_at' (PORTAL_IDENTITY_SQL_ACTIVE)"),
        ({"sessions_table": "visits"}, "no table 'visits' (PORTAL_IDENTITY_SQL_SESSIONS_TABLE)"),
        ({"sessions_user": "who"}, "no column 'who' (PORTAL_IDENTITY_SQL_SESSIONS_USER)"),
        ({"version": "deleted_at"}, "'deleted_at' (PORTAL_IDENTITY_SQL_VERSION) must have whole numbers"),
    ],
)
def test_a_wrong_mapping_is_named_before_anything_is_read(laravel, tmp_path, mapped, named):
    laravel.add([Customer(ANA)])
    with open_shop(laravel, tmp_path, **mapped) as shop:
        with pytest.raises(StoreFault) as raised:
            shop.store.find([ANA])
        assert named in said(raised)


def test_a_hash_that_is_too_long_for_its_column_changes_nothing(laravel, tmp_path):
    short = "ALTER TABLE users DROP COLUMN password", "ALTER TABLE users ADD COLUMN password varchar(60)"
    for statement in short:
        laravel.run(statement)
    laravel.add([Customer(ANA, password=None)])
    laravel.put(ANA, "password", "as it was")
    with open_shop(laravel, tmp_path) as shop:
        ana = shop.one(ANA)
        for call in (
            lambda: shop.store.set_password(ana.id, NEW),
            lambda: shop.store.require_change([ana.id], shop.keep),
        ):
            with pytest.raises(StoreFault) as raised:
                call()
            assert "'password' takes 60 characters" in said(raised)
    assert laravel.column(ANA, "password") == "as it was"


def test_a_database_that_is_away_is_unavailable(tmp_path):
    closed = "postgresql://shop:hunter22@127.0.0.1:1/shop"
    for url in (closed, f"sqlite:///{tmp_path}/nothing/company.db", f"sqlite:///{tmp_path}/missing.db"):
        with open_shop(Table(url, "laravel", cheap_hash), tmp_path) as shop:
            for call in (lambda: shop.store.find([ANA]), lambda: shop.store.set_password("1", NEW)):
                with pytest.raises(StoreUnavailable) as raised:
                    call()
                said(raised)
    assert not (tmp_path / "missing.db").exists()


@pytest.mark.postgres
def test_a_wrong_password_in_the_url_is_a_fault_for_an_operator(postgres, company_postgres, tmp_path):
    databases.execute(postgres, "CREATE ROLE stranger LOGIN PASSWORD 'the right one'")
    try:
        for url in (
            company_postgres.replace("postgres@", "stranger:hunter22@"),
            company_postgres.replace("postgres@", "nobody_of_this_name@"),
            company_postgres.replace("?host", "_of_another_name?host"),
        ):
            with open_shop(Table(url, "laravel", cheap_hash), tmp_path) as shop:
                with pytest.raises(StoreFault) as raised:
                    shop.store.find([ANA])
                assert "PORTAL_IDENTITY_SQL_URL is wrong" in said(raised)
    finally:
        databases.execute(postgres, "DROP ROLE stranger")


def test_an_id_is_the_stores_own_writing_of_it_and_no_other(table, tmp_path):
    django = table("django")
    with open_shop(django, tmp_path) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        assert ana.id == "1"
        for other in (" 1", "1 ", "+1", "01", "0_1", "\u0661", "1\0", "1.0"):
            assert shop.store.get([other]) == []
            assert shop.store.verify(other, OLD) is Verdict.WRONG
            with pytest.raises(StoreFault):
                shop.store.set_password(other, NEW)
        assert shop.store.verify(ana.id, OLD) is Verdict.FITS


@pytest.mark.postgres
def test_a_database_without_an_encoding_is_read_as_utf_8_and_an_odd_row_hides_no_other(postgres, tmp_path):
    name = f"portal_{token_hex(6)}"
    databases.execute(postgres, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'")
    try:
        laravel = Table(f"{postgres.url(name)}&client_encoding=utf8", "laravel", cheap_hash)
        laravel.create()
        laravel.add([Customer(each, OLD) for each in (ANA, "jos\u00e9@example.com", "odd@example.com")])
        laravel.run("UPDATE users SET name = E'\\xff', email = E'o\\xff@example.com' WHERE id = 3")
        with open_shop(replace(laravel, url=postgres.url(name)), tmp_path) as shop:
            found = shop.store.find([ANA, "jos\u00e9@example.com"])
            assert [each.address for each in found] == [ANA, "jos\u00e9@example.com"]
            assert len(shop.store.page(None, 9)) == 3
            assert shop.store.verify(found[1].id, OLD) is Verdict.FITS
            assert shop.store.require_change([each.id for each in shop.store.page(None, 9)], shop.keep) == 3
    finally:
        databases.execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@SQLITE
def test_what_is_no_text_in_sqlite_hides_no_other(laravel, tmp_path):
    laravel.add([Customer(ANA), Customer("odd@example.com")])
    laravel.run("UPDATE users SET name = CAST(x'ff' AS TEXT), password = x'00ff' WHERE id = 2")
    with open_shop(laravel, tmp_path) as shop:
        assert [each.address for each in shop.store.page(None, 9)] == [ANA, "odd@example.com"]
        assert shop.store.find(["odd@example.com"])[0].name == "\ufffd"
        assert shop.store.verify("2", OLD) is Verdict.WRONG


@POSTGRES
def test_what_the_databases_encoding_lacks_is_nobodys_and_hides_no_other(table, tmp_path):
    django = table("django")
    django.add([Customer(ANA, OLD, reference="1001")])
    latin = replace(django, url=f"{django.url}&client_encoding=latin1")
    with open_shop(latin, tmp_path) as shop:
        assert [found.address for found in shop.store.find(["\u7528\u6237@example.com", ANA])] == [ANA]
        found = shop.store.find_by_reference(["\u7528", "10\0", "1001"])
        assert [one.address for one in found] == [ANA]


def test_a_row_that_somebody_else_holds_is_left_as_it_is(laravel, tmp_path):
    with open_shop(laravel, tmp_path, seconds=1) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        with laravel.engine.connect() as other:
            if laravel.url.startswith("sqlite"):
                other.exec_driver_sql("BEGIN IMMEDIATE")
            other.execute(text("UPDATE users SET name = 'held'"))
            for call in (
                lambda: shop.store.set_password(ana.id, NEW),
                lambda: shop.store.require_change([ana.id], shop.keep),
                lambda: shop.store.end_sessions([ana.id]),
            ):
                with pytest.raises(StoreUnavailable) as raised:
                    call()
                said(raised)
        assert shop.store.verify(ana.id, OLD) is Verdict.FITS


@POSTGRES
def test_a_connection_that_broke_or_hangs_in_the_pool_is_replaced(laravel, tmp_path):
    with open_shop(laravel, tmp_path) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        laravel.run(f"SELECT pg_terminate_backend(pid) FROM ({BACKENDS}) AS idle")
        assert shop.store.find([ANA]) == [ana]
        ((backend,),) = laravel.run(BACKENDS)
        os.kill(backend, signal.SIGSTOP)
        try:
            assert shop.store.find([ANA]) == [ana]
        finally:
            os.kill(backend, signal.SIGCONT)


@POSTGRES
def test_a_server_that_hangs_in_a_statement_is_left_when_the_time_is_over(laravel, tmp_path):
    stopped: list[int] = []
    with open_shop(laravel, tmp_path, seconds=2) as shop, ThreadPoolExecutor() as threads:
        (ana,) = shop.with_customers(Customer(ANA))
        with laravel.engine.connect() as product:
            product.execute(text("UPDATE users SET name = 'held'"))
            reset = threads.submit(shop.store.set_password, ana.id, NEW)
            while not stopped:
                if reset.done():  # on a busy machine its time was over before it was seen to wait
                    reset = threads.submit(shop.store.set_password, ana.id, NEW)
                stopped += product.scalars(text(f"{BACKENDS} AND wait_event_type = 'Lock'")).all()
                product.execute(text("SELECT pg_stat_clear_snapshot()"))
            os.kill(stopped[0], signal.SIGSTOP)
            try:
                with pytest.raises(StoreUnavailable):
                    reset.result()
            finally:
                os.kill(stopped[0], signal.SIGCONT)
        assert shop.store.verify(ana.id, OLD) is Verdict.FITS


@SQLITE
def test_a_slow_statement_of_sqlite_is_interrupted(laravel, tmp_path):
    laravel.run("ALTER TABLE users RENAME TO people")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    laravel.run(f"CREATE VIEW users AS SELECT * FROM people WHERE id > ({endless})")
    with open_shop(laravel, tmp_path, seconds=0.2) as shop, pytest.raises(StoreUnavailable):
        shop.store.find([ANA])


@POSTGRES
def test_a_commit_without_an_answer_is_an_unknown_outcome(laravel, tmp_path):
    with open_shop(laravel, tmp_path) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        laravel.run(
            "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
        )
        laravel.run(
            "CREATE CONSTRAINT TRIGGER cut AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION cut()"
        )
        for call in (
            lambda: shop.store.set_password(ana.id, NEW),
            lambda: shop.store.require_change([ana.id], shop.keep),
            lambda: shop.store.end_sessions([ana.id]),
        ):
            with pytest.raises(OutcomeUnknown) as raised:
                call()
            said(raised)
        laravel.run("DROP TRIGGER cut ON users")
        assert shop.store.verify(ana.id, OLD) is Verdict.FITS
        shop.store.set_password(ana.id, NEW)
        assert shop.store.verify(ana.id, NEW) is Verdict.FITS


@POSTGRES
def test_a_password_that_the_product_changes_meanwhile_is_not_overwritten(laravel, tmp_path):
    with open_shop(laravel, tmp_path) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        with laravel.engine.connect() as product, ThreadPoolExecutor() as threads:
            product.execute(text("UPDATE users SET password = 'of the product'"))
            reset = threads.submit(shop.store.set_password, ana.id, NEW)
            while not product.scalar(text(f"{BACKENDS} AND wait_event_type = 'Lock'")):
                assert not reset.done(), "it was never seen to wait"
                product.execute(text("SELECT pg_stat_clear_snapshot()"))
            product.commit()
            with pytest.raises(StoreUnavailable):
                reset.result()
        assert laravel.column(ANA, "password") == "of the product"


def test_a_password_that_was_changed_while_it_is_closed_is_closed_too(laravel, tmp_path):
    with open_shop(laravel, tmp_path) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        changes = iter([NEW, None])

        def keep(closed) -> None:
            shop.keep(closed)
            if (newer := next(changes)) is not None:
                laravel.put(ANA, "password", cheap_hash(newer))

        assert shop.store.require_change([ana.id], keep) == 1
        assert {shop.store.verify(ana.id, each) for each in (OLD, NEW)} == {Verdict.WRONG}
        assert shop.store.was_closed(ana.id, NEW, shop.keeps[ana.id])


def test_an_account_that_does_not_count_is_not_there_but_can_be_closed(laravel, tmp_path):
    with open_shop(laravel, tmp_path) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        laravel.put(ANA, "deleted_at", "2026-11-01 10:00:00")
        assert (shop.store.find([ANA]), shop.store.get([ana.id]), shop.store.page(None, 9)) == ([], [], [])
        assert shop.store.verify(ana.id, OLD) is Verdict.WRONG
        assert shop.store.require_change([ana.id], shop.keep) == 1
        laravel.put(ANA, "deleted_at", None)
        assert shop.store.find([ANA]) == [ana]
        assert shop.store.verify(ana.id, OLD) is Verdict.WRONG


def test_an_account_with_a_second_factor_is_not_signed_in_here(laravel, tmp_path):
    with open_shop(laravel, tmp_path) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        laravel.put(ANA, "two_factor_confirmed_at", "2026-11-01 10:00:00")
        assert shop.store.verify(ana.id, OLD) is Verdict.NEEDS_FACTOR
        assert shop.store.verify(ana.id, NEW) is Verdict.WRONG


def test_an_account_without_an_address_is_passed_over(table, tmp_path):
    django = table("django")
    django.add([Customer(ANA), Customer("", reference="no address")])
    with open_shop(django, tmp_path) as shop:
        assert [each.address for each in shop.store.page(None, 9)] == [ANA]
        assert shop.store.find([""]) == []


def test_the_token_that_signs_people_in_is_drawn_for_each_account(laravel, tmp_path):
    with open_shop(laravel, tmp_path) as shop:
        people = shop.with_customers(Customer(ANA), Customer("ben@example.org"))
        shop.store.require_change([each.id for each in people], shop.keep)
        tokens = {laravel.column(each.address, "remember_token") for each in people}
        assert {len(token) for token in tokens} == {60}
        assert len(tokens) == 2


@POSTGRES
def test_an_idle_connection_is_closed(laravel, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.05)
    with open_shop(laravel, tmp_path) as shop:
        shop.store.find([ANA])
        assert laravel.run(BACKENDS)
        while laravel.run(BACKENDS):
            threading.Event().wait(0.02)
        assert shop.store.find([ANA]) == []


@SQLITE
def test_what_is_no_database_is_a_fault(laravel, tmp_path):
    other = tmp_path / "other.db"
    other.write_bytes(b"no database, but a file of another program that is long enough to be read" * 99)
    with open_shop(replace(laravel, url=f"sqlite:///{other}"), tmp_path) as shop, pytest.raises(StoreFault):
        shop.store.find([ANA])


def test_the_schema_stays_as_it_is(laravel, tmp_path):
    def schema() -> list:
        if laravel.url.startswith("sqlite"):
            with sqlite3.connect(Path(laravel.url.removeprefix("sqlite:///"))) as raw:
                return raw.execute("SELECT * FROM sqlite_master").fetchall()
        return laravel.run("SELECT table_name, column_name, data_type FROM information_schema.columns "
                           "WHERE table_schema = 'public' ORDER BY 1, 2")  # fmt: skip

    before = schema()
    with open_shop(laravel, tmp_path) as shop:
        (ana,) = shop.with_customers(Customer(ANA))
        shop.store.require_change([ana.id], shop.keep)
        shop.store.set_password(ana.id, NEW)
        shop.store.end_sessions([ana.id])
    assert schema() == before
