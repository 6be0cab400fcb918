"""Every broken configuration that operators have had: the doctor finds it, and says how to mend it."""

import json
import os
import shutil
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from portal.cli import main
from portal.core.clock import FixedClock, SystemClock
from portal.core.db import Database
from portal.runtime.heartbeat import Heart
from tests import databases
from tests.peers.relays import RudeRelay
from tests.runtime.test_two_users import WORKER, as_user

# What depends on the database is said below.
pytestmark = pytest.mark.sqlite
PASSWORD = "a-long-secret-9"


@pytest.fixture
def examine(doctor, production_environ):
    """Run the doctor on a portal in production that is well but for what is changed."""

    def run(*words, **changed):
        return doctor(*words, **production_environ | {"PORTAL_EMBEDDED": "1"} | changed)

    return run


def line(result, name):
    """The one line about something that is wrong."""
    assert result.exit_code in {1, 2}, result.output
    (found,) = [each for each in result.output.splitlines() if each.startswith(f"WRONG {name}: ")]
    assert PASSWORD not in result.output
    return found.removeprefix(f"WRONG {name}: ")


def test_a_portal_that_is_well_has_nothing_wrong(examine):
    result = examine(PORTAL_DKIM_SELECTOR="relay1")
    assert result.exit_code == 0, result.output
    assert "WRONG" not in result.output
    for name in ("settings", "database", "mail relay", "sender's domain", "SPF", "DMARC", "DKIM", "clock"):
        assert f"ok    {name}\n" in result.output


def test_as_json_it_is_one_object_that_says_the_same(examine):
    result = examine("--json", PORTAL_TRUSTED_PROXIES="0")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["state"] == "wrong"
    wrong = [check for check in told["checks"] if check["state"] == "wrong"]
    assert [check["check"] for check in wrong] == ["proxies"]
    assert "PORTAL_TRUSTED_PROXIES is 0" in wrong[0]["message"]
    assert {check["state"] for check in told["checks"]} == {"ok", "wrong", "note"}


class TestSettings:
    @pytest.mark.parametrize(
        ("variable", "value", "said"),
        [
            ("BASE_URL", "http://incident.northwind.example", "must start with https"),
            ("BASE_URL", "https://incident.northwind.example/portal", "without a path"),
            ("TIMEZONE", "Europe/Nowhere", "must be an IANA time zone, like Europe/Madrid"),
            ("LOGO_FILE", "/nowhere/logo.png", "must be an existing PNG"),
            ("LANGUAGES", "en,fr", "has a language without a catalogue; this version has en, es"),
            ("DATABASE_URL", "postgresql://portal:portal@db.northwind.example/portal", "has a weak password"),
            ("MAIL_URL", f"smtp://u:{PASSWORD}@relay.example?tls=none", "must use TLS"),
            ("ORGANIZATION", "Northwind", "unknown setting; is it misspelled?"),
            ("DKIM_SELECTOR", "relay1 ", "must be a selector, like relay1"),
        ],
    )
    def test_that_are_wrong_are_named_with_the_line_that_sets_them(
        self, examine, tmp_path, variable, value, said
    ):
        file = tmp_path / "portal.env"
        file.write_text(f"# ours\nPORTAL_EMBEDDED=1\nPORTAL_{variable}='{value}'\n")
        result = examine("--env-file", str(file), **{f"PORTAL_{variable}": value})
        assert said in result.output
        assert PASSWORD not in result.output
        if variable != "MAIL_URL":
            assert result.exit_code == 2
            assert line(result, "settings").startswith(f"PORTAL_{variable}: ")
            assert line(result, "settings").endswith(f"({file}, line 3)")
            assert "note  everything else: not checked; fix the settings first" in result.output

    def test_with_windows_line_ends_are_said_to_have_them_once(self, examine):
        result = examine(PORTAL_ORGANISATION="Northwind\r", PORTAL_CONTACT_PHONE="+1 555 0100\r")
        assert line(result, "settings") == (
            "PORTAL_CONTACT_PHONE: ends with a carriage return (and 1 more): the file that sets it has "
            r"Windows line ends (CRLF); run on that file: sed -i 's/\r$//' FILE"
        )

    def test_that_a_container_took_with_quotes_or_export_are_found(self, examine):
        result = examine(PORTAL_ORGANISATION="'Northwind Ltd'")
        assert "PORTAL_ORGANISATION has its quotes as part of the value" in line(result, "settings")
        result = examine(**{"export PORTAL_TIMEZONE": "Europe/Madrid"})
        assert "so PORTAL_TIMEZONE is not set; remove `export`" in line(result, "settings")


class TestFileOfSettings:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("A=1\nexport PORTAL_TIMEZONE=UTC\n", "line 2: remove `export`; systemd ignores a line with it"),
            ("A=1\nPORTAL_TIMEZONE=UTC\r\nB=2\r\n", "line 2: ends as on Windows (CRLF), and so do 2 in all"),
            ("\ufeffPORTAL_TIMEZONE=UTC\n", "line 1: begins with a byte order mark"),
            ("PORTAL_TIMEZONE = UTC\n", "line 1: remove the spaces around the = of PORTAL_TIMEZONE"),
            ("PORTAL_ORGANISATION=Example Ltd\n", "line 1: put single quotes around the value"),
            (f'P="{PASSWORD}$HOME"\n', "line 1: put single quotes around the value of P: a shell replaces $"),
            ("P=a&b\n", "line 1: put single quotes around the value of P: a shell and systemd read it"),
            ("P='it's'\n", "line 1: the quotes of P do not match"),
            ("P=1\n#\nP=2\n", "line 3: P is set in line 1 too; remove one"),
            ("PORTAL_TIMEZONE\n", "line 1: is no NAME=VALUE"),
        ],
    )
    def test_that_systemd_and_a_shell_read_differently_is_found_with_its_line(
        self, examine, tmp_path, content, said
    ):
        file = tmp_path / "portal.env"
        file.write_bytes(content.encode())
        assert line(examine("--env-file", str(file)), f"env file {file}").startswith(said)

    def test_that_is_shipped_is_well(self, examine):
        files = [str(file) for file in sorted(Path("deploy").glob("*.env"))]
        assert len(files) == 3
        result = examine(*(word for file in files for word in ("--env-file", file)))
        assert result.exit_code == 0, result.output
        assert result.output.count("ok    env file deploy/") == 3

    def test_in_another_coding_or_that_is_not_there_is_said_to_be_so(self, examine, tmp_path):
        file = tmp_path / "portal.env"
        assert line(examine("--env-file", str(file)), f"env file {file}").startswith(
            "cannot be read (No such"
        )
        file.write_text("P=1\n", encoding="utf-16")
        assert line(examine("--env-file", str(file)), f"env file {file}") == "is in UTF-16; save it as UTF-8"


@pytest.fixture
def open_folder():
    """A folder that every user may enter, unlike pytest's own."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    folder = Path(tempfile.mkdtemp(prefix="portal-doctor-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_worker(environ, report):
    """What the doctor says to another user, who owns nothing of this."""
    report.touch()
    report.chmod(0o666)

    def look():
        unset = {name: None for name in os.environ if name.startswith("PORTAL_")}
        changed = {"PORTAL_ENVIRONMENT": "test", "PORTAL_BASE_URL": "http://localhost:8000"}
        report.write_text(CliRunner().invoke(main, ["doctor"], env=unset | environ | changed).output)

    as_user(WORKER, look)
    return report.read_text()


class TestDatabase:
    def test_in_a_folder_that_this_user_cannot_enter_names_the_folder(self, production_environ, open_folder):
        inside = open_folder / "var"
        inside.mkdir(mode=0o700)
        url = f"sqlite:///{inside}/portal.db"
        output = as_worker(production_environ | {"PORTAL_DATABASE_URL": url}, open_folder / "said")
        said = f"this user ({WORKER}) cannot enter {inside} (mode 0700 of root:root); as root: chgrp "
        assert f"WRONG database: {said}portal {inside} && chmod 2770 {inside}" in output, output
        assert "(SQLITE_CANTOPEN)" in output

    def test_that_is_not_upgraded_or_whose_folder_is_missing_says_the_command(self, examine, tmp_path):
        result = examine(PORTAL_DATABASE_URL=f"sqlite:///{tmp_path}/empty.db")
        assert line(result, "database") == "is not at this version; run: portal db upgrade"
        result = examine(PORTAL_DATABASE_URL="sqlite:////proc/nowhere/portal.db")
        assert "/proc/nowhere" in line(result, "database")

    def test_that_is_read_only_says_which_file(self, examine, tmp_path, monkeypatch):
        url = f"sqlite:///file:{tmp_path}/portal.db?mode=ro&uri=true"
        assert "must name a file" in line(examine(PORTAL_DATABASE_URL=url), "settings")
        monkeypatch.setattr(Database, "write_at_once", _read_only(tmp_path / "portal.db"))
        assert line(examine(), "database").endswith(
            "(SQLITE_READONLY): see 'Two users' in the operator's guide"
        )

    @pytest.mark.parametrize(
        ("folder_mode", "file_mode", "cause"),
        [
            (0o755, 0o644, "SQLITE_READONLY_DIRECTORY"),
            (0o777, 0o644, "SQLITE_READONLY"),
            (0o755, 0o666, "SQLITE_READONLY_DIRECTORY"),
            (0o777, 0o600, "SQLITE_CANTOPEN"),
        ],
    )
    def test_that_this_user_may_not_write_says_so(
        self, production_environ, sqlite_template, open_folder, folder_mode, file_mode, cause
    ):
        file = open_folder / "var/portal.db"
        file.parent.mkdir()
        url = databases.sqlite_copy(sqlite_template, file)
        file.chmod(file_mode)
        file.parent.chmod(folder_mode)
        output = as_worker(production_environ | {"PORTAL_DATABASE_URL": url}, open_folder / "said")
        (said,) = [each for each in output.splitlines() if each.startswith("WRONG database: ")]
        assert f"this user must be able to write {open_folder}/var" in said
        assert said.endswith(f"({cause}): see 'Two users' in the operator's guide")

    def test_with_rows_of_tomorrow_tells_that_a_clock_was_wrong(self, examine, db):
        Heart(db, FixedClock(datetime.now(UTC) + timedelta(days=1))).beat()
        assert "and this machine's clock says" in line(examine(), "clock")

    @pytest.mark.parametrize(
        ("ahead", "word"), [(timedelta(days=1), "ahead of"), (timedelta(days=-1), "behind")]
    )
    def test_on_a_disk_with_another_clock_tells_by_how_much(self, db, ahead, word):
        from portal.runtime.doctor import clocks

        said = str(clocks.difference(ahead.total_seconds(), "the database server"))
        assert said.startswith(
            f"this machine's clock is 1 day, 0:00:00 {word} that of the database server; set"
        )


def _read_only(file):
    """As a disk that was mounted read-only lets nobody write."""

    def write_at_once(self):
        broken = Database(f"sqlite:///{file}")
        with closing(broken.engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA query_only=ON")
        return broken.write()

    return write_at_once


class TestPostgres:
    """What the driver says, without the password."""

    pytestmark = pytest.mark.postgres

    @pytest.fixture
    def stranger(self, postgres):
        databases.execute(postgres, "DROP ROLE IF EXISTS stranger")
        databases.execute(postgres, "CREATE ROLE stranger LOGIN PASSWORD 'another-secret'")
        yield f"postgresql://stranger:{PASSWORD}@/postgres?host={postgres.folder}"
        databases.execute(postgres, "DROP ROLE stranger")

    def test_that_refuses_the_password(self, examine, stranger):
        said = line(examine(PORTAL_DATABASE_URL=stranger), "database")
        assert 'FATAL: password authentication failed for user "stranger"' in said
        assert said.endswith("; set that user's password in PORTAL_DATABASE_URL, or in PostgreSQL")

    def test_that_has_no_such_database(self, examine, postgres):
        said = line(examine(PORTAL_DATABASE_URL=postgres.url("nowhere")), "database")
        assert 'FATAL: database "nowhere" does not exist' in said
        assert said.endswith("; create it: deploy/postgresql/create.sql, or createdb")

    def test_that_is_down(self, examine, refusing_port):
        url = f"postgresql://portal:{PASSWORD}@127.0.0.1:{refusing_port}/portal"
        said = line(examine(PORTAL_DATABASE_URL=url), "database")
        assert "Connection refused" in said
        assert said.endswith("is PostgreSQL running there? systemctl status postgresql")


class TestWorker:
    def test_that_was_stopped_or_is_gone_is_missed_and_a_living_one_is_well(self, examine, db):
        heart = Heart(db, SystemClock())
        heart.beat()
        assert "ok    worker\n" in examine().output
        heart.stop()
        said = line(examine(), "worker")
        assert said.startswith("no worker runs: the last one was stopped at ")
        assert "systemctl start portal-worker" in said

    def test_that_never_ran_is_a_note_until_the_web_server_has(self, examine, db):
        assert "note  worker: no worker has run on this database yet; start it with" in examine().output
        from portal.runtime.storage_check import write_row

        write_row(db, "web")
        assert "no worker has run on this database yet" in line(examine(), "worker")

    def test_of_another_version_is_to_be_restarted(self, examine, db, monkeypatch):
        with monkeypatch.context() as former:
            former.setattr("portal.runtime.heartbeat.version", lambda _name: "0.0.9")
            Heart(db, SystemClock()).beat()
        assert "one of version 0.0.9 runs" in line(examine(), "worker")


class TestRelay:
    @pytest.mark.parametrize(
        ("reply", "said"),
        [
            (b"535 5.7.8 Error: authentication failed", "(535 5.7.8 Error: authentication failed)"),
            (f"535 no user u with {PASSWORD}".encode(), "(535)"),
        ],
    )
    def test_that_refuses_the_password_is_quoted_without_it(self, examine, reply, said):
        with RudeRelay({"EHLO": b"250-rude\r\n250 AUTH PLAIN", "AUTH": reply}) as relay:
            url = f"smtp://customer:{PASSWORD}@127.0.0.1:{relay.server.port}?tls=none"
            found = line(examine(PORTAL_MAIL_URL=url), "mail relay")
        assert found == f"rejects the user or password {said}; see PORTAL_MAIL_URL"

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("smtp://127.0.0.1:{}?tls=none", "refuses the connection: nothing listens on this port"),
            ("smtp://127.0.0.1:{relay}?tls=tls", "does not speak TLS on this port"),
        ],
    )
    def test_of_a_wrong_address_is_named(self, examine, smtp, refusing_port, url, said):
        found = line(examine(PORTAL_MAIL_URL=url.format(refusing_port, relay=smtp.port)), "mail relay")
        assert found.startswith(said)


class TestDomainOfTheSender:
    def test_that_is_not_that_of_the_links_looks_like_phishing(self, examine):
        found = line(examine(PORTAL_BASE_URL="https://northwind-incident.example"), "sender's domain")
        assert found.startswith(
            "emails come from northwind.example, and their links lead to northwind-incident."
        )
        assert found.endswith("serve the portal at an address below northwind.example")
        assert "ok    sender's domain" in examine(PORTAL_MAIL_SENDER="a@mail.northwind.example").output

    @pytest.mark.parametrize(
        ("records", "said"),
        [
            (None, "northwind.example has no SPF record. Add a TXT record"),
            (['"v=spf1 -all"', '"v=spf1 ~all"'], "northwind.example has 2 SPF records"),
            (['"v=spf1 +all"'], "lets everyone send in its name; end it with -all"),
            (['"v=spf1 include:gone.example -all"'], "include:gone.example names gone.example, which has no"),
            (['"v=spf1 include:northwind.example -all"'], "leads back to itself"),
            ([f'"v=spf1 {"a mx exists:x.example " * 4} -all"'], "needs more than 10 look-ups"),
        ],
    )
    def test_whose_spf_receivers_ignore_is_named(self, examine, names, records, said):
        del names.records["northwind.example", "TXT"]
        if records:
            names.records["northwind.example", "TXT"] = records
        assert said in line(examine(), "SPF")

    def test_whose_spf_leads_on_without_end_is_followed_for_ten_look_ups(self, examine, names):
        del names.records["northwind.example", "TXT"]
        names.records["northwind.example", "TXT"] = ['"v=spf1 include:n0.example -all"']
        for number in range(1200):
            names.records[f"n{number}.example", "TXT"] = [f'"v=spf1 include:n{number + 1}.example -all"']
        assert "needs more than 10 look-ups" in line(examine(), "SPF")

    def test_whose_records_would_write_on_the_screen_is_shown_without_that(self, examine, names):
        names.records["northwind.example", "TXT"] = [r'"v=spf1 include:\027[2Jgone.example -all"']
        result = examine()
        assert "include:?[2Jgone.example" in line(result, "SPF")
        assert "\x1b" not in result.output

    def test_without_dmarc_is_named_and_one_that_asks_nothing_is_noted(self, examine, names):
        names.records["_dmarc.northwind.example", "TXT"] = ['"v=DMARC1; p=none"']
        assert (
            "note  DMARC: _dmarc.northwind.example asks receivers to accept forged mail" in examine().output
        )
        del names.records["_dmarc.northwind.example", "TXT"]
        found = line(examine(PORTAL_MAIL_SENDER="a@mail.northwind.example"), "DMARC")
        assert 'Add a TXT record at _dmarc.northwind.example, such as "v=DMARC1; p=quarantine"' in found

    def test_whose_dkim_key_is_missing_or_revoked_is_named(self, examine, names):
        assert "note  DKIM: not checked; set PORTAL_DKIM_SELECTOR" in examine().output
        found = line(examine(PORTAL_DKIM_SELECTOR="other"), "DKIM")
        assert found.startswith("there is no key at other._domainkey.northwind.example")
        names.records["relay1._domainkey.northwind.example", "TXT"] = ['"v=DKIM1; p="']
        assert "is revoked" in line(examine(PORTAL_DKIM_SELECTOR="relay1"), "DKIM")

    def test_is_not_judged_where_no_name_server_answers(self, examine, names, monkeypatch):
        monkeypatch.setattr("portal.runtime.doctor.names.SECONDS", 0.3)
        names.mute = True
        result = examine()
        assert result.exit_code == 0, result.output
        assert "note  SPF, DMARC and DKIM: not checked: no name server answers" in result.output
        assert "note  front: not checked: no name server answers" in result.output
