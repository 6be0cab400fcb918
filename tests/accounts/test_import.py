"""`portal accounts import`: every customer is imported once and keeps what they have chosen since."""

import os
import resource
import signal
import subprocess
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner, Result
from sqlalchemy import event, func, select, text, update

from portal.accounts.address import service as addresses
from portal.accounts.importing.parsing import parse_row
from portal.audit import service as audit
from portal.cli import main
from portal.identity.account import Profile
from portal.identity.builtin import passwords
from portal.identity.builtin.models import AccountRow
from portal.runtime.context import Context
from tests.accounts.conftest import STORE
from tests.databases import written_meanwhile
from tests.processes import PORTAL, ROOT
from tests.traces import contents

HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("a password of long ago")
STRONG = PasswordHasher(time_cost=2, memory_cost=128, parallelism=1).hash("another password")
HEADER = "email,password_hash,account_ref,name,locale\n"


def row(email: str, password_hash: str = HASH, ref: str = "", name: str = "", locale: str = "") -> str:
    return ",".join(f'"{value}"' for value in (email, password_hash, ref, name, locale)) + "\n"


@pytest.fixture
def load(tmp_path, settings, clock, db):
    """Run the command on a file with this content."""

    context = Context(settings, clock)
    vars(context)["db"] = db  # so that its connections are closed with the test's

    def run(content: str | bytes, *options: str) -> Result:
        file = tmp_path / "customers.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return CliRunner().invoke(main, ["accounts", "import", str(file), *options], obj=context)

    return run


def report(tmp_path: Path) -> str:
    return (tmp_path / "customers.csv.report.csv").read_text()


def count(db) -> int:
    with db.read() as session:
        return int(session.scalar(text("SELECT count(*) FROM identity_accounts")))


def test_a_customer_who_was_taken_in_signs_in_with_the_old_password(load, db, client, sign_in, worker_vault):
    done = load(HEADER + row("Zoë.Lund@example.com", STRONG, "C-7", "Zoë Lund", "sv_SE"))
    assert done.exit_code == 0, done.output
    assert sign_in("another password", "Zoë.Lund@example.com").status_code == 303
    with db.read() as session:
        (account,) = STORE.find_by_ref(session, worker_vault, "C-7")
        profile = STORE.profile(session, worker_vault, account.id)
    assert (profile.address, profile.name, profile.locale) == ("Zoë.Lund@example.com", "Zoë Lund", "sv-SE")


def test_others_can_write_while_many_come_in(db, environ, tmp_path):
    file = tmp_path / "customers.csv"
    file.write_text(HEADER + "".join(row(f"p{number}@example.com") for number in range(12_000)))
    with subprocess.Popen(
        [PORTAL, "accounts", "import", file],
        env={**os.environ, **environ},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    ) as process:
        seen = written_meanwhile(
            db,
            lambda session: session.scalar(select(func.count()).select_from(AccountRow)),
            running=lambda: process.poll() is None,
        )
    assert process.returncode == 0
    assert (
        len(seen - {0, 12_000}) >= 3
    )  # while it stores; without room for others none of them comes in between


def test_columns_may_come_in_any_order_and_be_left_out(load, db):
    done = load(f'Password_Hash , EMAIL\r\n"{HASH}",ana@example.com\r\n')
    assert done.exit_code == 0, done.output
    assert count(db) == 1


def test_rows_that_cannot_be_taken_in_are_told_by_line_and_never_by_value(load, db, tmp_path):
    secret = "$y$j9T$SECRETSECRETSECRETSECRET"
    done = load(
        HEADER
        + row("ana@example.com")
        + row("ben@example.com", secret)
        + row("ben@example.com", "a secret password")
        + row("not-an-address-secret")
        + row("cy@example.com", name="a\tb\x07")
        + row("dee@example.com", ref="r" * 101)
        + row("eve@example.com", locale="not a language")
        + row(f"{'f' * 60}@{'n' * 60}.{'n' * 60}.{'n' * 60}.example", name="🦉" * 200)
        + row("gus@example.com", HASH.replace("m=64", "m=262145"))
        + "hal@example.com,too,few\n"
        + row("ida@example.com", HASH.replace("p=1", "p=9")),
        "--yes",
    )
    assert done.exit_code == 0, done.output
    assert report(tmp_path).splitlines() == [
        "line,reason",
        "3,password_hash: yescrypt is not taken",
        "4,password_hash: not a password hash of a known format",
        "5,email: not a single email address",
        "7,account_ref: longer than 100 characters",
        "9,the row is too long",
        "10,password_hash: Argon2id that takes more than 256 MiB of memory",
        "11,the row has more or fewer fields than the header",
        "12,password_hash: Argon2id with numbers that Argon2 does not allow",
    ]
    assert "SECRET" not in done.output + report(tmp_path)
    assert "secret" not in done.output + report(tmp_path)
    assert "name: control characters taken off: 1 (line 6)" in done.output
    unknown = "locale: not a language that we know, so the default language counts: 1 (line 8)"
    assert unknown in done.output
    assert count(db) == 3


def test_a_hash_without_end_costs_its_own_row_alone(load, tmp_path):
    endless = HASH.rpartition("$")[0] + "A" * 65_000 + "$" + HASH.rpartition("$")[2]
    result = load(HEADER + row("ana@example.com") + row("ben@example.com", endless))
    assert (result.exit_code, "accounts: 1." in result.output) == (0, True), result.output
    assert report(tmp_path).splitlines()[1:] == ["3,password_hash: longer than 510 characters"]


def test_the_same_file_twice_changes_nothing(load, db):
    content = HEADER + "".join(row(f"p{number}@example.com", ref=f"C-{number}") for number in range(20))
    assert "New accounts: 20;" in load(content).output
    with db.read() as session:
        before = session.execute(text("SELECT * FROM identity_accounts ORDER BY id")).all()
    done = load(content)
    assert "New accounts: 0; updated, passwords kept: 0; unchanged: 20." in done.output
    with db.read() as session:
        assert session.execute(text("SELECT * FROM identity_accounts ORDER BY id")).all() == before


def test_a_password_chosen_since_survives_an_older_file(load, db, clock, worker_vault):
    content = HEADER + row("ana@example.com", HASH)
    load(content)
    with db.write() as session:
        ana = STORE.find(session, worker_vault, "ana@example.com")
        assert ana is not None
        STORE.set_password(
            session, worker_vault, ana.id, expected_version=1, password_hash=STRONG, now=clock.now()
        )
    load(HEADER + row("ana@example.com", HASH, name="Ana Ruiz"))
    with db.read() as session:
        after = STORE.get(session, worker_vault, ana.id)
    assert after is not None
    assert (after.password_hash, after.version) == (STRONG, 2)


@pytest.mark.parametrize(
    ("days", "first", "later", "accounts"),
    [
        (1, "C-1", "C-1", 1),
        (1, "C-1", "C-2", 1),  # it can still be undone
        (9, "C-1", "C-1", 1),
        (9, "", "", 1),
        (9, "C-1", "", 1),
        (9, "C-1", "C-2", 2),  # another customer has the address now
    ],
)
def test_a_file_with_the_old_address_of_somebody_who_moved_makes_no_second_account(
    load, db, clock, worker_vault, days, first, later, accounts
):
    load(HEADER + row("ana@mail.example", ref=first))
    with db.write() as session:
        account = STORE.find(session, worker_vault, "ana@mail.example")
        assert account is not None
        addresses.change(session, worker_vault, account.id, "ana@home.example", clock.now())
    clock.advance(timedelta(days=days))
    result = load(HEADER + row("ana@mail.example", ref=later))
    assert count(db) == accounts
    said = "Left alone, because their owner has changed the address here since: 1." in result.output
    assert said is (accounts == 1)
    load(HEADER + row("ana@home.example", ref=first))
    assert count(db) == accounts, "the new address is an account like any other"


def test_a_profile_that_does_not_open_is_written_anew_and_keeps_nobody_out(
    load, db, clock, worker_vault, caplog
):
    load(HEADER + row("ana@example.com"))
    with db.write() as session:
        ana = STORE.find(session, worker_vault, "ana@example.com")
        assert ana is not None
        STORE.set_password(
            session, worker_vault, ana.id, expected_version=1, password_hash=STRONG, now=clock.now()
        )
        session.execute(update(AccountRow).values(profile=b"spoilt" * 50, ref_index=b"spoilt" + bytes(10)))
    many = "".join(row(f"p{number}@example.com") for number in range(600))
    done = load(HEADER + row("ana@example.com", ref="C-1", name="Ana Ruiz") + many)
    assert done.exit_code == 0, done.output
    assert "New accounts: 600; updated, passwords kept: 1;" in done.output
    assert "does not decrypt" in caplog.text
    assert "ana" not in caplog.text.lower()
    with db.read() as session:
        assert STORE.profile(session, worker_vault, ana.id) == Profile("ana@example.com", "Ana Ruiz")
        (found,) = STORE.find_by_ref(session, worker_vault, "C-1")
        password = passwords.of(session, worker_vault, found.id)
    assert password is not None
    assert (password.stored, found.version) == (STRONG, 2)


def test_a_dry_run_stores_nothing_and_says_the_same(load, db, tmp_path):
    content = HEADER + row("ana@example.com") + row("nobody")
    dry = load(content, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "accounts: 1." in dry.output
    assert "Invalid rows, skipped: 1." in dry.output
    assert "Compared. New accounts: 1; updated, passwords kept: 0; unchanged: 0." in dry.output
    assert "This was a dry run: nothing was stored." in dry.output
    assert count(db) == 0
    with db.read() as session:
        assert audit.verify(session).entries == 0


def test_a_dry_run_compares_with_what_is_there(load, db, clock, worker_vault):
    load(HEADER + "".join(row(f"{name}@example.com") for name in ("ana", "ben", "cy", "dee")))
    with db.write() as session:
        ana = STORE.find(session, worker_vault, "ana@example.com")
        assert ana is not None
        STORE.set_password(
            session, worker_vault, ana.id, expected_version=1, password_hash=STRONG, now=clock.now()
        )
    before = contents(db)
    file = (
        row("ana@example.com", STRONG) + row("ben@example.com", ref="C-1") + row("cy@example.com", name="Cy")
    )
    dry = load(HEADER + file + row("dee@example.com") + row("eve@example.com", ""), "--dry-run")
    assert "Compared. New accounts: 1; updated, passwords kept: 2; unchanged: 2." in dry.output
    assert "Owners who have chosen a password here since, which stays: 1." in dry.output
    assert "which they ask for at /reset/: 1." in dry.output
    assert contents(db) == before


def test_an_import_is_in_the_log_in_counts(load, db):
    load(HEADER + row("ana@example.com") + row("nobody"))
    with db.read() as session:
        (details,) = session.scalars(text("SELECT details FROM audit_entries"))
        assert audit.verify(session).entries == 1
    assert details == '{"added":1,"bad_rows":1,"changed":0,"duplicates":0,"must_choose":0,"unchanged":0}'


def test_unknown_people_get_the_costs_of_the_file_at_once(load, db, web_vault):
    load(HEADER + row("ana@example.com", STRONG))
    with db.read() as session:
        assert "m=128,t=2,p=1" in str(STORE.dummy_hash(session, web_vault, "nobody@example.com"))


def test_places_in_the_table_tell_nothing_about_places_in_the_file(load, db, web_vault):
    addresses = [f"p{number:03}@example.com" for number in range(600)]
    load(HEADER + "".join(map(row, addresses)))
    with db.read() as session:
        placed = [
            bytes(index) for (index,) in session.execute(text("SELECT address_index FROM identity_accounts"))
        ]
    indexes = [web_vault.account_index(address) for address in addresses]
    assert set(placed) == set(indexes)
    assert placed != indexes
    rowid_order = "rowid" if db.is_sqlite else "ctid"
    with db.read() as session:
        physical = [
            bytes(index)
            for (index,) in session.execute(
                text(f"SELECT address_index FROM identity_accounts ORDER BY {rowid_order}")
            )
        ]
    assert physical == sorted(indexes)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", 1),
        (b"\xef\xbb\xbf" + HEADER.encode(), 2),
        (HEADER.encode("utf-16"), 2),
        (b"ana@example.com,hash\n", 1),
        (b"password_hash,name\n,Ana\n", 1),
        (b"email,password_hash,shoe_size\na@example.com,x,43\n", 1),
        (b"email,password_hash,email\na@example.com,x,b\n", 1),
        (HEADER.encode() + b"\xff\xfe,\n", 2),
        (HEADER.encode() + row("a@example.com").encode() + b"b\0@example.com,,,,\n", 3),
        (HEADER.encode() + b'"open@example.com,x,,,\n', 2),
        (HEADER.encode() + b"x" * 200_000, 2),
        (HEADER.encode(), 2),
        (HEADER.encode() + b"nobody,,,,\n", 2),
        (HEADER.encode() + row("a@example.com").encode() + b"b@example.com,$argon2id$v=1", 3),
    ],
    ids=["empty", "bom", "utf-16", "no header", "no addresses", "unknown column", "column twice", "latin-1",
         "nul", "open quote", "long line", "no rows", "no good row", "cut off"],
)  # fmt: skip
def test_a_file_that_is_no_list_is_refused_whole_with_the_line(load, db, content, line):
    done = load(content)
    undecided = b"shoe_size" in content or b"\xff\xfe," in content
    assert done.exit_code == (2 if undecided else 1)
    assert f"line {line}:" in done.output
    assert "Nothing was stored." in done.output
    assert "Traceback" not in done.output
    assert count(db) == 0


def test_without_the_workers_keys_nothing_is_read(load, settings, clock, db):
    settings.keys.worker_file.unlink()
    done = load(HEADER + row("ana@example.com"))
    assert done.exit_code == 1
    assert "worker's keys" in done.output
    assert count(db) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # a dry run writes to neither
def test_memory_does_not_grow_with_the_file(load):
    peaks = []
    for rows in (2_000, 8_000):
        content = HEADER + "".join(
            row(f"person{number}@example.com", name="N" * 150) for number in range(rows)
        )
        tracemalloc.start()
        try:
            assert load(content, "--dry-run").exit_code == 0
            peaks.append(tracemalloc.get_traced_memory()[1] - len(content))  # the test's own copy of the file
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2**19, peaks


@pytest.mark.parametrize(
    "database_url", ["sqlite"], indirect=True
)  # PostgreSQL's disk cannot be filled in a test
def test_a_disk_that_fills_up_is_told_and_the_next_run_goes_on(load, db):
    content = HEADER + "".join(row(f"p{number}@example.com") for number in range(3000))
    pages = 0

    def fill(connection, *_rest) -> None:
        connection.execute(f"PRAGMA max_page_count={pages or 1_000_000}")

    with db.read() as session:
        pages = session.scalar(text("PRAGMA page_count")) + 300
    event.listen(db.engine, "checkout", fill)
    stopped = load(content)
    assert stopped.exit_code == 1
    assert "portal.db is full; free some space (SQLITE_FULL). " in stopped.output
    assert "Traceback" not in stopped.output
    assert 0 < count(db) < 3000
    assert f"{count(db)} of 3000 accounts are stored, and kept. Run the same command again" in stopped.output
    pages = 0
    assert load(content).exit_code == 0
    assert count(db) == 3000


def test_a_disk_without_room_for_sorting_stores_nothing(environ, db, tmp_path):
    file = tmp_path / "customers.csv"
    file.write_text(
        HEADER + "".join(row(f"p{number}@example.com", name="N" * 150) for number in range(10_000))
    )

    def cap() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    done = subprocess.run(
        [PORTAL, "accounts", "import", file],
        env={**os.environ, **environ}, cwd=ROOT, preexec_fn=cap, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Nothing was stored." in done.stderr
    assert "Traceback" not in done.stderr
    assert count(db) == 0


def test_an_account_whose_language_nobody_knows_has_none():
    languages = [parse_row(("eve@example.com", "", "", "", cell)).profile.locale for cell in ("und", "es_MX")]
    assert languages == ["", "es-MX"]
