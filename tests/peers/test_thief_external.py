"""A thief with everything but the worker's keys, where the accounts are in a table of the company's own.

Of the portal's own accounts such a thief learns who has one. Of these nobody learns that from the portal, not
even who has the company's ids too: neither from what a sign-in leaves, nor while it is under way.
"""

import hashlib
import random
from dataclasses import replace
from datetime import timedelta
from time import monotonic, sleep

import pytest
from sqlalchemy import delete

from portal.identity.models import AccountState
from portal.identity.sealed.jobs import Jobs
from portal.identity.sealed.models import SealedJob
from portal.worker import drain
from tests.identity import contract
from tests.identity.shops import Table, cheap_hash
from tests.peers.loot import (
    BY_TIME,
    COMPUTABLE,
    Customer,
    Loot,
    confirmed,
    found_in,
    nothing_joins,
    rows_of,
    shape,
    shapes,
)

RIGHT, WRONG = "the tide rises at nine", "no password of anybody's"
PEOPLE = 40
# Who never signs in at the portal, and strangers to the company; addresses of all lengths.
SILENT = [f"silent{'.very' * (n % 4)}.long{n}@customers.example" for n in range(PEOPLE)]
STRANGERS = [f"stranger{'.very' * (n % 4)}.long{n}@elsewhere.example" for n in range(PEOPLE)]
ACTIVE = [f"active{n}@customers.example" for n in range(6)]


@pytest.fixture
def company(tmp_path) -> Table:
    """A table as Django makes it, in a database that the thief has not taken with the portal."""
    (tmp_path / "company").mkdir()
    (tmp_path / "company/shop.db").touch()
    table = Table(f"sqlite:///{tmp_path}/company/shop.db", "django", cheap_hash)
    table.create()
    table.add([contract.Customer(each, RIGHT, f"Name of {each}") for each in (*SILENT, *ACTIVE)])
    return table


@pytest.fixture
def environ(environ, company):
    return environ | {
        "PORTAL_IDENTITY_STORE": "sql",
        "PORTAL_IDENTITY_SQL_URL": company.url,
        "PORTAL_IDENTITY_SQL_TABLE": "auth_user",
        "PORTAL_IDENTITY_SQL_NAME": "first_name",
        "PORTAL_IDENTITY_SQL_REFERENCE": "username",
        "PORTAL_IDENTITY_SQL_ACTIVE": "is_active",
        "PORTAL_RATE_INTAKE_IP": "100000 per hour",
        "PORTAL_RATE_SIGN_IN_IP": "100000 per hour",
    }


@pytest.fixture
def sealed(worker_parts):
    """The worker's threads for sealed jobs; a job waits until `step` is called."""
    jobs = Jobs(worker_parts)
    jobs.step()
    yield jobs
    jobs.close()


def hand_over(app, address, password=WRONG):
    """Type a password into the sign-in form; return the browser, and the page that waits for the verdict."""
    visitor = app.test_client()
    answer = visitor.submit("/sign-in/", email=address, password=password)
    assert answer.status_code == 303, answer.text
    assert answer.location.startswith("/sign-in/wait/")
    return visitor, answer.location


def finish(db, sealed):
    """Let the worker do the jobs that wait, and let their first second pass."""
    sealed.step()
    end = monotonic() + 20
    while _unanswered(db):
        assert monotonic() < end, "no verdict came"
        sleep(0.01)
    with db.write() as session:
        for job in session.query(SealedJob):
            for column in ("asked_at", "claimed_at", "answered_at"):
                setattr(job, column, getattr(job, column) - timedelta(seconds=1))


def _unanswered(db):
    with db.read() as session:
        return session.query(SealedJob).filter(SealedJob.verdict.is_(None)).count()


def customers(company):
    """Everybody whom the thief knows, with what the portal hands to its index: the store and its id."""
    ids = dict(company.run("SELECT email, id FROM auth_user"))
    known = [(address, ids.get(address, "")) for address in (*SILENT, *ACTIVE, *STRANGERS)]
    return [
        Customer(address, f"Name of {address}", f"sql\0{its_id}", affected=False) for address, its_id in known
    ]


def taken(db, tmp_path) -> Loot:
    """What lies in the portal's database, its files and the web keys at this moment."""
    tables = rows_of(db)
    files = [path for path in tmp_path.iterdir() if path.name.startswith("portal.db")]
    content = b"\0".join(path.read_bytes() for path in (*files, tmp_path / "keys/web.json"))
    content += b"\0".join(
        value if isinstance(value, bytes) else str(value).encode()
        for rows in tables.values()
        for row in rows
        for value in row.values()
    )
    return Loot(content, tables, tmp_path / "keys/web.json")


def says_nothing(loot, company):
    """No address, name or number of anybody is in it, and nothing that the web keys make of one."""
    everybody = customers(company)
    assert not found_in(loot.content, everybody)
    assert confirmed(loot, everybody) <= COMPUTABLE - {("identity_accounts", "address_index")}


def difference(db, before):
    """The rows that came since, by their tables, without their random bytes and times."""
    after = shapes(db)
    came = {table: after[table] - before[table] for table in after if table not in BY_TIME}
    return {table: rows for table, rows in came.items() if rows}


def test_a_try_and_a_link_leave_the_same_whether_or_not_there_is_an_account(
    app, db, company, sealed, worker_parts, smtp, tmp_path
):
    """Looked at while a job waits, with its verdict, when that is read, and when the link is mailed."""
    seen = []
    for address in (*SILENT[:4], *STRANGERS[:4]):
        before, moments = shapes(db), []
        visitor, page = hand_over(app, address)
        moments.append(difference(db, before))
        says_nothing(taken(db, tmp_path), company)
        finish(db, sealed)
        moments.append(difference(db, before))
        says_nothing(taken(db, tmp_path), company)
        assert visitor.get(page).status_code == 400
        moments.append(difference(db, before))
        assert visitor.submit("/reset/", email=address).status_code == 303
        drain(worker_parts)
        assert len(smtp.to(address)) == 1
        moments.append(difference(db, before))
        says_nothing(taken(db, tmp_path), company)
        seen.append(moments)
    first, *others = seen
    assert ["sealed_jobs" in moment for moment in first] == [True, True, False, False]
    assert ["sign_in_doors" in moment for moment in first] == [False, True, True, True]
    assert "intake_replies" in first[-1]
    for other in others:
        assert other == first
    assert rows_of(db)["account_state"] == []


def test_a_job_and_its_verdict_do_not_tell_the_right_password_from_a_wrong_one(
    app, db, company, sealed, tmp_path
):
    """Neither while it waits nor when it is answered: all that are there have one shape, and join nothing."""
    tries = [(each, password) for each in (*SILENT[:3], *STRANGERS[:3]) for password in (RIGHT, "x" * 200)]
    random.Random(5).shuffle(tries)
    for address, password in tries:
        hand_over(app, address, password)
    for answered in (False, True):
        if answered:
            finish(db, sealed)
        loot = taken(db, tmp_path)
        jobs = loot.tables["sealed_jobs"]
        assert len(jobs) == len(tries)
        assert len({shape(job) for job in jobs}) == 1
        says_nothing(loot, company)
        # Every job says which process may open it.
        own = [{name: value for name, value in job.items() if name != "key_id"} for job in jobs]
        own = [{name: value for name, value in job.items() if value != b""} for job in own]
        nothing_joins(replace(loot, tables=loot.tables | {"sealed_jobs": own}), "sealed_jobs")


def test_the_rows_of_who_signed_in_say_that_somebody_did_and_not_who(app, db, company, sealed, tmp_path):
    browsers = [hand_over(app, address, RIGHT) for address in ACTIVE]
    for address in SILENT[:6]:
        hand_over(app, address)
    finish(db, sealed)
    for visitor, page in browsers:
        assert visitor.get(page).status_code == 303
    loot = taken(db, tmp_path)
    rows = loot.tables["account_state"]
    assert len(rows) == len(ACTIVE)
    assert len({shape(row) for row in rows}) == 1
    says_nothing(loot, company)


def test_the_thief_would_see_an_account_that_can_be_computed(app, db, company, web_vault, tmp_path):
    ids = dict(company.run("SELECT email, id FROM auth_user"))
    for leak in (
        web_vault.account_index(SILENT[0]),
        web_vault.bucket(f"sql\0{ids[SILENT[0]]}"),
        hashlib.sha256(f"sql\0{ids[SILENT[0]]}".encode()).digest()[:16],
    ):
        with db.write() as session:
            session.execute(delete(AccountState))
            session.add(AccountState(id=leak, store="sql", version=1, must_reset=False))
        found = confirmed(taken(db, tmp_path), customers(company))
        assert ("account_state", "id") in found
