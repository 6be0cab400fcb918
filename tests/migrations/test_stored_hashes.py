"""An earlier version's password hashes, in the clear, are encrypted by the worker; nobody is locked out."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from portal.core.db import new_id
from portal.crypto import keys
from portal.crypto.vault import Cell, WebVault
from portal.identity.account import Profile
from portal.identity.builtin import hashes
from portal.identity.builtin.jobs import encrypt_hashes
from portal.identity.builtin.profiles import pack
from portal.identity.service import hasher_for
from portal.runtime import schema
from tests.migrations import rows
from tests.open_store import OpenAccount, OpenStore
from tests.processes import ROOT
from tests.traces import plans

PEOPLE = 1_234
PASSWORD, CLOSED = "a lantern for eleven owls", "nine quiet otters by the mill"
HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
HASH, CLOSED_HASH = HASHER.hash(PASSWORD), HASHER.hash(CLOSED)
STORE = OpenStore()
# Runs the job in a process that is killed inside its second transaction.
KILLED = """
import os, signal, sys
from sqlalchemy import event
from portal.app import worker_parts
from portal.core.clock import SystemClock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.keys import read_worker
from portal.crypto.vault import WorkerVault
from portal.identity.builtin.jobs import encrypt_hashes

settings = Settings.from_env(os.environ)
db = Database(settings.database_url)
turns = []

def count(_connection, _cursor, statement, *_rest):
    if statement.startswith("UPDATE identity_accounts"):
        turns.append(statement)
        if len(turns) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

event.listen(db.engine, "after_cursor_execute", count)
encrypt_hashes(worker_parts(settings, db, SystemClock(), WorkerVault(read_worker(settings.keys.worker_file))))
"""


@pytest.fixture
def database_url(empty_db, worker_vault, clock) -> str:
    """A database that an earlier version filled, after the migrations that came since."""
    schema.upgrade(empty_db, "0013_storage_probes")
    accounts = []
    for number in range(PEOPLE):
        profile, account_id = Profile(address(number)), new_id()
        accounts.append(
            {
                "id": account_id,
                "address_index": worker_vault.account_index(profile.address),
                "ref_index": new_id(),
                "profile": worker_vault.encrypt(
                    Cell("identity_accounts", "profile", account_id), pack(profile)
                ),
                "password_hash": HASH,
                "closed_hash": CLOSED_HASH,
                "version": 1,
                "must_reset": False,
                "created_at": clock.now(),
            }
        )
    canary = {
        "id": 1,
        "key_id": worker_vault.key_id.decode(),
        "sealed": worker_vault.encrypt(
            Cell("key_canary", "sealed", b"\1"), worker_vault.proofs(), sizes=(128,)
        ),
        "fingerprint": worker_vault.plain_fingerprint(),
    }
    rows.load(empty_db, {"identity_accounts": accounts, "key_canary": [canary]})
    schema.upgrade(empty_db)
    return empty_db.engine.url.render_as_string(hide_password=False)


def address(number: int) -> str:
    return f"p{number}@northwind.example"


def plain(db) -> int:
    left = (
        "SELECT count(*) FROM identity_accounts JOIN account_state USING (id)"
        " WHERE password_hash LIKE '$%' OR closed LIKE '$%'"
    )
    with db.engine.connect() as connection:
        return int(connection.scalar(text(left)))


def encrypt_all(db, parts) -> None:
    """Let the job run until it has nothing to do: on a busy machine one run does less."""
    for _ in range(PEOPLE // 10):
        encrypt_hashes(parts)
        if not plain(db):
            break
    encrypt_hashes(parts)


def account(db, vault, number: int) -> OpenAccount:
    with db.read() as session:
        found = STORE.find(session, vault, address(number))
    assert found is not None
    return found


def signs_in(app, number: int) -> bool:
    answer = app.test_client().submit("/sign-in/", email=address(number), password=PASSWORD)
    return bool(answer.status_code == 303)


def test_a_job_that_is_killed_locks_nobody_out_and_is_resumed(app, db, environ, worker_parts, web_vault, run):
    assert "ok    password hashes, 1234 accounts for the worker to encrypt\n" in run("doctor").output
    assert signs_in(app, 1)
    killed = subprocess.run([sys.executable, "-c", KILLED], env=environ, cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert plain(db) == PEOPLE - 10
    for number in range(0, PEOPLE, 9):
        found = account(db, web_vault, number)
        assert (found.password_hash, found.closed_hash) == (HASH, CLOSED_HASH)
    assert signs_in(app, 2)
    encrypt_all(db, worker_parts)
    assert plain(db) == 0
    for number in range(0, PEOPLE, 9):
        found = account(db, web_vault, number)
        assert (found.password_hash, found.closed_hash) == (HASH, CLOSED_HASH)
    assert signs_in(app, 3)
    assert list(hashes.check_encrypted(db)) == [("password hashes", None)]
    encrypt_hashes(worker_parts)
    with db.read() as session:
        assert session.scalars(text("SELECT action FROM audit_entries")).all() == [
            "accounts.hashes_encrypted"
        ]


def test_what_is_left_is_found_without_reading_every_account(db):
    if not db.is_sqlite:
        pytest.skip("PostgreSQL decides by the size of the table")

    def look() -> None:
        with db.read() as session:
            hashes.plain_rows(session, 2 * PEOPLE)
            hashes.count_plain(session)

    reads = [
        line.split()[-1] for plan in plans(db, look) for line in plan.splitlines() if "PLAIN" in line.upper()
    ]
    assert sorted(reads) == ["ix_account_state_plain"] * 2 + ["ix_identity_accounts_plain"] * 2
    assert not [
        plan
        for plan in plans(db, look)
        if "SCAN identity_accounts\n" in plan or "SCAN account_state\n" in plan
    ]


def test_the_worker_stops_between_two_turns(db, worker_parts):
    encrypt_hashes(replace(worker_parts, stopping=lambda: plain(db) < PEOPLE))
    assert plain(db) == PEOPLE - 10


def test_afterwards_no_hash_in_the_clear_signs_in_and_the_worker_encrypts_none(
    app, db, worker_parts, web_vault
):
    planted = text("UPDATE identity_accounts SET password_hash = :hash WHERE address_index = :index")
    values = {"hash": HASH, "index": web_vault.account_index(address(1))}
    encrypt_all(db, worker_parts)
    assert signs_in(app, 1)
    with db.write() as session:
        session.execute(planted, values)
    assert not signs_in(app, 1)
    encrypt_hashes(worker_parts)
    assert plain(db) == 1
    assert not signs_in(app, 1)
    assert signs_in(app, 2)


def test_the_fingerprint_that_allows_hashes_in_the_clear_cannot_be_made_without_a_key(
    app, db, worker_parts, web_vault
):
    """Not even by who knows that of another database."""
    encrypt_all(db, worker_parts)
    with db.write() as session:
        session.execute(text("UPDATE identity_accounts SET password_hash = :hash"), {"hash": HASH})
        session.execute(
            text("UPDATE key_canary SET fingerprint = :other"),
            {"other": WebVault(keys.generate()[0]).plain_fingerprint()},
        )
    assert account(db, web_vault, 1).password_hash == ""
    assert not signs_in(app, 1)


def test_a_password_chosen_while_the_job_reads_stays(db, worker_parts, web_vault, clock, settings):
    with db.read() as session:
        read = hashes.plain_rows(session, PEOPLE)
    chosen = hasher_for(settings).hash("sunlit marble otter harbour")
    one, other = account(db, web_vault, 1), account(db, web_vault, 2)
    with db.write() as session:
        STORE.set_password(
            session, web_vault, one.id, expected_version=1, password_hash=chosen, now=clock.now()
        )
        STORE.require_reset(session, [other.id], "everyone", clock.now())
    with db.write() as session:
        hashes.encrypt_rows(session, web_vault, read)
    assert account(db, web_vault, 1).password_hash == chosen
    closed = account(db, web_vault, 2)
    assert (closed.password_hash, closed.closed_hash, closed.must_reset) == (HASH, HASH, True)
    assert plain(db) == 1
    encrypt_all(db, worker_parts)
    assert plain(db) == 0
    assert account(db, web_vault, 1).password_hash == chosen


def test_a_hash_that_is_longer_than_today_s_fits(db, worker_parts, web_vault):
    if not db.is_sqlite:
        pytest.skip("PostgreSQL refused hashes of over 512 characters")
    longest = HASH + "A" * (1_000 - len(HASH))
    with db.write() as session:
        session.execute(text("UPDATE account_state SET closed = :hash"), {"hash": longest})
    encrypt_all(db, worker_parts)
    assert plain(db) == 0
    assert account(db, web_vault, 5).closed_hash == longest


def test_no_file_holds_a_hash_after_a_vacuum(db, worker_parts, run):
    encrypt_all(db, worker_parts)
    vacuum = run("db", "vacuum")
    assert "The database is rewritten." in vacuum.output, vacuum.output
    if db.is_sqlite:
        folder = Path(db.engine.url.database).parent
        files = b"".join(path.read_bytes() for path in folder.glob("empty.db*"))
        assert b"identity_accounts" in files
        assert HASH[30:].encode() not in files
        assert CLOSED_HASH[30:].encode() not in files
