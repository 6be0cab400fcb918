"""The shipped units, the nightly script, and the roles of PostgreSQL."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.people_files.workbooks import sheet, write
from tests.processes import PORTAL, command

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
pytestmark = pytest.mark.deploy


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_rates_a_unit_as_safe(unit):
    finished = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("unit", sorted((DEPLOY / "systemd").iterdir()), ids=lambda unit: unit.name)
def test_systemd_understands_every_line(unit, tmp_path):
    """Nothing is at /srv/portal here, so the programs are replaced by one that there is."""
    (tmp_path / unit.name).write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text()))
    if unit.suffix == ".timer":
        (tmp_path / f"{unit.stem}.service").write_text("[Service]\nExecStart=/bin/true\n")
    finished = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")


def test_the_web_server_reaches_no_file_of_the_worker():
    unit = (DEPLOY / "systemd/portal-web.service").read_text()
    assert re.findall(r"(?m)^User=(.*)$", unit) == ["portal-web"]
    assert re.findall(r"(?m)^EnvironmentFile=(.*)$", unit) == ["/srv/portal/portal.env"]
    of_the_others = {"keys/worker.json", "keys/console.json", "worker.env", "console.env", "in", "backup"}
    assert {f"-/srv/portal/{path}" for path in of_the_others} <= hidden_by(unit)


def test_the_console_reaches_no_file_of_the_others_and_they_none_of_its_own():
    unit = (DEPLOY / "systemd/portal-console.service").read_text()
    assert re.findall(r"(?m)^User=(.*)$", unit) == ["portal-console"]
    files = re.findall(r"(?m)^EnvironmentFile=(.*)$", unit)
    assert files == ["/srv/portal/portal.env", "/srv/portal/console.env"]
    others = {"keys/worker.json", "keys/web.json", "worker.env", "in", "backup"}
    assert {f"-/srv/portal/{path}" for path in others} == hidden_by(unit)
    assert re.findall(r"(?m)^IPAddress.*$", unit) == ["IPAddressDeny=any", "IPAddressAllow=localhost"]
    for name in ("web", "worker", "nightly"):
        other = (DEPLOY / f"systemd/portal-{name}.service").read_text()
        assert "-/srv/portal/keys/console.json" in hidden_by(other)
    assert "console.env" not in "".join(re.findall(r"(?m)^EnvironmentFile=(.*)$", read_unit("web")))


def read_unit(name):
    return (DEPLOY / f"systemd/portal-{name}.service").read_text()


def hidden_by(unit):
    return set(" ".join(re.findall(r"(?m)^InaccessiblePaths=(.*)$", unit)).split())


@pytest.mark.parametrize(
    ("user", "files"),
    [
        ("", ["portal.env", "worker.env", "console.env"]),
        ("root", ["portal.env", "worker.env", "console.env"]),
        ("portal-web", ["portal.env"]),
        ("portal-console", ["portal.env", "console.env"]),
    ],
)
def test_the_wrapper_gives_each_user_the_settings_of_its_service(tmp_path, user, files):
    """runuser is replaced by one that prints: whom it was asked for, and what it got."""
    (tmp_path / "app").mkdir()
    for name in ("portal.env", "worker.env", "console.env"):
        (tmp_path / name).write_text(f"READ_{name.partition('.')[0].upper()}=1\n")
    fake = tmp_path / "runuser"
    fake.write_text('#!/bin/sh\necho "$2 $5"\nenv | sed -n "s/^READ_\\(.*\\)=1/\\1/p"\n')
    fake.chmod(0o755)
    script = tmp_path / "portal"
    script.write_text((DEPLOY / "portal").read_text().replace("/srv/portal", str(tmp_path)))
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "AS": user}
    said = subprocess.run(
        ["/bin/sh", script, "doctor"], env=environ, capture_output=True, text=True, check=True
    )
    who, *read = said.stdout.splitlines()
    assert who == f"{user or 'portal-worker'} doctor"
    assert sorted(read) == sorted(name.partition(".")[0].upper() for name in files)


def test_the_wrapper_works_without_a_console(tmp_path):
    (tmp_path / "app").mkdir()
    for name in ("portal.env", "worker.env"):
        (tmp_path / name).touch()
    script = tmp_path / "portal"
    text = (DEPLOY / "portal").read_text().replace("/srv/portal", str(tmp_path))
    script.write_text(text.replace("exec runuser", "exec echo"))
    assert subprocess.run(["/bin/sh", script], check=False).returncode == 0


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_lets_threads_lower_their_priority(unit):
    """Whatever else is forbidden: the worker opens requests, and the web server hashes, in such threads."""
    filters = re.findall(r"(?m)^SystemCallFilter=(.*)$", unit.read_text())
    assert filters == ["@system-service", "~@privileged @resources", "setpriority"]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("systemd/portal-web.service", "Environment=GLIBC_TUNABLES=glibc.malloc.hugetlb=1"),
        ("systemd/portal-worker.service", "Environment=GLIBC_TUNABLES=glibc.malloc.hugetlb=1"),
        ("compose/Dockerfile", "ENV GLIBC_TUNABLES=glibc.malloc.hugetlb=1"),
    ],
)
def test_passwords_are_hashed_in_huge_pages(file, line):
    assert line in (DEPLOY / file).read_text().splitlines()


def nightly(environ, tmp_path, folder):
    script = tmp_path / "nightly"
    text = (DEPLOY / "nightly").read_text()
    for shipped, here in (
        ("cd /srv/portal/app ", f"cd {DEPLOY.parent} "),
        ("/srv/portal/app/.venv/bin/portal", str(PORTAL)),
    ):
        assert text.count(shipped) == 1
        text = text.replace(shipped, here)
    script.write_text(text)
    return subprocess.run(
        ["/bin/sh", script, folder],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.sqlite
def test_every_night_a_backup_comes_and_an_old_one_goes(environ, db, tmp_path):
    folder = tmp_path / "backup"
    folder.mkdir()
    for name, days in (
        ("nightly-2026-11-01.db", 20),
        ("nightly-2026-11-20.db", 3),
        ("before-upgrade.db", 90),
    ):
        (folder / name).write_bytes(b"-")
        subprocess.run(["touch", "-d", f"{days} days ago", folder / name], check=True)
    finished = nightly(environ, tmp_path, folder)
    assert finished.returncode == 0, finished.stderr
    left = {path.name for path in folder.iterdir()}
    assert {"nightly-2026-11-20.db", "before-upgrade.db"} < left
    assert "nightly-2026-11-01.db" not in left
    (new,) = left - {"nightly-2026-11-20.db", "before-upgrade.db"}
    assert (folder / new).read_bytes().startswith(b"SQLite format 3")
    assert "The audit log is intact" in finished.stdout


@pytest.mark.sqlite
def test_a_step_that_fails_stops_no_other_and_the_last_good_backups_stay(environ, db, tmp_path):
    folder = tmp_path / "backup"
    folder.mkdir()
    (folder / "nightly-2026-11-01.db").write_bytes(b"-")
    subprocess.run(["touch", "-d", "20 days ago", folder / "nightly-2026-11-01.db"], check=True)
    no_database = {"PORTAL_DATABASE_URL": f"sqlite:///{tmp_path}"}
    finished = nightly(environ | no_database, tmp_path, folder)
    assert finished.returncode == 1
    assert finished.stderr.count("nightly: failed with status 1: ") == 2
    assert "portal audit" in finished.stderr
    assert [path.name for path in folder.iterdir()] == ["nightly-2026-11-01.db"]


def said(environ, *words):
    """What a command says, whatever its status."""
    ended = subprocess.run([PORTAL, *words], env=environ, check=False, capture_output=True, text=True)
    return ended.stdout + ended.stderr


@pytest.mark.sqlite  # of the tests' own databases; this one makes its own, as an operator does
@pytest.mark.postgres
def test_postgresql_is_set_up_for_three_users_without_a_password(postgres, environ, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{postgres.programs}:{os.environ['PATH']}")
    as_root = postgres.url()
    for _ in range(2):  # again after dropping the database to restore it
        create = DEPLOY / "postgresql/create.sql"
        subprocess.run(["psql", "--quiet", as_root, f"--file={create}"], check=True)
    try:
        web, worker, console = (
            environ | {"PORTAL_DATABASE_URL": f"postgresql://{user}@/portal?host={postgres.folder}"}
            for user in ("portal-web", "portal-worker", "portal-console")
        )
        command(web, "db", "upgrade")
        granted = subprocess.run(
            ["psql", "--quiet", postgres.url("portal")],
            input=command(worker, "console", "grants"),
            check=True,
            capture_output=True,
            text=True,
        )
        assert granted.stderr == ""
        command(console, "audit", "list")
        secret = ["psql", console["PORTAL_DATABASE_URL"], "--command=TABLE staff_held"]
        refused = subprocess.run(secret, check=False, capture_output=True, text=True)
        assert "permission denied" in refused.stderr
        looked = said(console, "doctor")
        assert "Traceback" not in looked
        assert "permission" not in looked
    finally:
        for statement in (
            "DROP DATABASE portal",
            'DROP ROLE "portal-web"',
            'DROP ROLE "portal-worker"',
            'DROP ROLE "portal-console"',
            "DROP ROLE portal",
        ):
            subprocess.run(["psql", "--quiet", as_root, f"--command={statement}"], check=True)


def under_the_filter_of(unit, *program):
    words = [sys.executable, "-m", "tests.deploy.sandbox", str(unit), *map(str, program)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("megabytes", "said"),
    [(1024, '"ann@mail.example","Ann"'), (16, " 1\n")],
    ids=["enough memory", "too little"],
)
def test_a_workbook_is_read_under_the_filter_of_the_consoles_unit(tmp_path, megabytes, said):
    """In a child that limits itself, from a file in memory: what the unit forbids must not be needed."""
    people = {"People": sheet(("email", "name"), ("ann@mail.example", "Ann"))}
    file = write(tmp_path / "people.xlsx", people)
    unit = DEPLOY / "systemd/portal-console.service"
    program = (sys.executable, "-m", "tests.deploy.reads_workbook", file, str(megabytes))
    finished = under_the_filter_of(unit, *program)
    assert said in finished.stdout, finished.stdout + finished.stderr


def test_the_filter_of_the_tests_is_that_of_the_unit():
    unit = DEPLOY / "systemd/portal-console.service"
    tried = "import mmap, os\nfor call in (lambda: mmap.mmap(-1, 4096, prot=7), lambda: os.chroot(b'/')):\n"
    tried += " try: call()\n except PermissionError as error: print(error)"
    finished = under_the_filter_of(unit, sys.executable, "-c", tried)
    assert finished.stdout == "[Errno 1] Operation not permitted\n[Errno 1] Operation not permitted: b'/'\n"
