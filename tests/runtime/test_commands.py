"""What an operator runs: keys, doctor, and a server that refuses what it must not hold."""

import os
import sqlite3
from contextlib import closing
from http.client import HTTPConnection

import pytest
from click.testing import CliRunner

from portal.cli import main
from portal.core.settings import SendsMail, Settings
from portal.crypto import keys
from portal.serve import refusals
from tests import databases
from tests.peers.relays import RudeRelay
from tests.processes import free_port, serving

# Commands are the same with either database.
pytestmark = pytest.mark.sqlite


def test_wrong_settings_end_any_command_with_all_faults(run):
    result = run("db", "upgrade", PORTAL_ARGON2="hunter2", PORTAL_TIMEZONE="hunter2")
    assert result.exit_code == 2
    assert "PORTAL_ARGON2:" in result.output
    assert "PORTAL_TIMEZONE:" in result.output
    assert "hunter2" not in result.output


def test_keys_are_made_once(run, tmp_path):
    files = {
        "PORTAL_WEB_KEYS_FILE": str(tmp_path / "new/web.json"),
        "PORTAL_WORKER_KEYS_FILE": str(tmp_path / "new/worker.json"),
        "PORTAL_CONSOLE_KEYS_FILE": str(tmp_path / "new/console.json"),
    }
    first = run("keys", "generate", **files)
    assert first.exit_code == 0
    assert "to offline storage now" in first.output
    before = (tmp_path / "new/worker.json").read_bytes()
    again = run("keys", "generate", **files)
    assert again.exit_code == 1
    assert "never overwritten" in again.output
    assert (tmp_path / "new/worker.json").read_bytes() == before


def test_a_new_session_secret_needs_the_web_keys_alone(run, production_environ, tmp_path):
    file = tmp_path / "keys/web.json"
    before = keys.read_web(file).session_secret
    (tmp_path / "keys/worker.json").unlink()
    result = run("keys", "renew-session", **production_environ | {"PORTAL_MAIL_URL": None})
    assert result.exit_code == 0, result.output
    assert "Restart the web server" in result.output
    after = keys.read_web(file)
    assert before not in result.output + after.session_secret
    assert after.session_fallbacks == (before,)
    file.unlink()
    assert run("keys", "renew-session").exit_code == 1


def test_the_doctor_finds_a_whole_portal_well(run):
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert "WRONG" not in result.output


def test_the_doctor_says_what_a_hash_costs_and_what_this_machine_can_bear(run):
    cheap = run("doctor").output
    assert "m=64,t=1,p=1 takes" in cheap
    assert "PORTAL_ARGON2=m=" in cheap
    assert "a noticeable wait" in run("doctor", PORTAL_ARGON2="m=262144,t=2,p=1").output


def test_the_doctor_names_what_is_wrong_and_how_to_mend_it(run, environ, tmp_path, refusing_port):
    keys.write_pair(*keys.generate(), tmp_path / "other-web.json", tmp_path / "other-worker.json")
    strange = run("doctor", PORTAL_WEB_KEYS_FILE=str(tmp_path / "other-web.json"))
    assert strange.exit_code == 1
    assert "do not match the worker's keys" in strange.output
    (tmp_path / "keys/web.json").chmod(0o644)
    assert "chmod 600" in run("doctor").output
    assert (
        "PORTAL_MAIL_URL"
        in run("doctor", PORTAL_MAIL_URL=f"smtp://127.0.0.1:{refusing_port}?tls=none").output
    )
    assert "portal db upgrade" in run("doctor", PORTAL_DATABASE_URL=f"sqlite:///{tmp_path}/empty.db").output


def test_a_setting_of_a_former_version_stops_nothing_and_the_doctor_says_that_it_can_go(run, tmp_path):
    (tmp_path / "queue.db").write_bytes(b"left over, and not even a database")
    for variable in ("PORTAL_QUEUE_FILE", "PORTAL_QUEUE_FILE_FILE"):
        result = run("doctor", **{variable: str(tmp_path / "queue.db")})
        assert result.exit_code == 0, result.output
        assert f"note  {variable}: is not used by this version; remove it from the settings" in result.output
    assert (tmp_path / "queue.db").read_bytes() == b"left over, and not even a database"
    assert "is not used" not in run("doctor").output
    assert run("doctor", PORTAL_QUEUE="1").exit_code == 2


@pytest.mark.parametrize("missing", ["web", "worker"])
def test_either_side_is_well_with_its_own_keys_alone(run, tmp_path, missing):
    (tmp_path / f"keys/{missing}.json").unlink()
    assert run("doctor", PORTAL_EMBEDDED="0").exit_code == 0
    both = run("doctor", PORTAL_EMBEDDED="1")
    assert both.exit_code == 1
    assert f"WRONG {missing} keys: PORTAL_{missing.upper()}_KEYS_FILE: cannot read {tmp_path}/" in both.output
    (tmp_path / "keys/web.json").unlink(missing_ok=True)
    (tmp_path / "keys/worker.json").unlink(missing_ok=True)
    assert run("doctor", PORTAL_EMBEDDED="0").exit_code == 1


def test_a_worker_without_its_keys_says_what_it_needs(run, tmp_path):
    (tmp_path / "keys/worker.json").unlink()
    result = run("worker")
    assert result.exit_code == 1
    assert "worker's keys" in result.output


def test_the_doctor_says_when_all_visitors_behind_a_proxy_count_as_one(run, doctor, production_environ):
    said = "WRONG proxies: PORTAL_TRUSTED_PROXIES is 0"
    assert said not in doctor(**production_environ).output
    result = doctor(**production_environ | {"PORTAL_TRUSTED_PROXIES": "0"})
    assert result.exit_code == 1
    assert said in result.output
    assert "all visitors count as one" in result.output
    assert said not in run("doctor", PORTAL_TRUSTED_PROXIES="0").output


def test_only_the_web_server_s_user_is_well_without_a_relay(run, doctor, production_environ, tmp_path):
    without = production_environ | {"PORTAL_MAIL_URL": None}
    for ended, code in ((doctor(**without), 1), (run("worker", **without), 2)):
        assert ended.exit_code == code
        assert "PORTAL_MAIL_URL: is required" in ended.output
    (tmp_path / "keys/worker.json").unlink()
    result = doctor(**without)
    assert result.exit_code == 0, result.output
    assert "mail relay" not in result.output


@pytest.mark.parametrize("wrong", ["missing", "unreadable by either"])
def test_nobody_is_asked_for_the_relay_s_password_because_of_a_key_file(
    doctor, production_environ, tmp_path, wrong
):
    (tmp_path / "keys/web.json").unlink()
    if wrong == "unreadable by either":
        (tmp_path / "keys/worker.json").unlink()
    result = doctor(**production_environ | {"PORTAL_MAIL_URL": None, "PORTAL_EMBEDDED": "1"})
    assert result.exit_code == 1
    assert "WRONG mail relay: not checked; fix the keys first" in result.output
    assert "PORTAL_MAIL_URL" not in result.output


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"MAIL": b"530 5.7.0 authentication required"}, "rejects the sender"),
        ({"connect": b"421 not now"}, "rejects the connection"),
    ],
)
def test_a_relay_that_would_refuse_every_mail_is_found_out(run, answers, said):
    with RudeRelay(answers) as relay:
        result = run("doctor", PORTAL_MAIL_URL=f"smtp://{relay.server.host}:{relay.server.port}?tls=none")
    assert result.exit_code == 1
    assert f"WRONG mail relay: {said}" in result.output


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("smtp://127.0.0.1:{port}?tls=none", "refuses the connection"),
        ("smtp://no-such-host.invalid:25?tls=none", "has a host name that does not resolve"),
    ],
)
def test_a_relay_that_is_not_there_is_said_to_be_so(run, refusing_port, url, said):
    assert f"WRONG mail relay: {said}" in run("doctor", PORTAL_MAIL_URL=url.format(port=refusing_port)).output


@pytest.mark.parametrize("command", [("db", "upgrade"), ("doctor",), ("outbox", "status")])
def test_a_database_of_a_newer_portal_is_said_to_be_so(run, tmp_path, sqlite_template, command):
    file = tmp_path / "newer.db"
    url = databases.sqlite_copy(sqlite_template, file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_of_tomorrow'")
    result = run(*command, PORTAL_DATABASE_URL=url)
    assert result.exit_code == 1
    assert "is of a newer version of the portal" in result.output
    assert "portal db upgrade" not in result.output
    assert "Traceback" not in result.output


class TestServe:
    def test_in_production_it_refuses_where_it_can_open_the_worker_s_keys(self, production_environ, run):
        (fault,) = refusals(Settings.from_env(production_environ))
        assert fault.startswith("PORTAL_WORKER_KEYS_FILE")
        result = run("serve", **production_environ)
        assert result.exit_code == 1
        assert "PORTAL_EMBEDDED=1" in result.output

    def test_it_may_where_that_was_decided_or_where_it_cannot(self, production_environ, tmp_path):
        assert refusals(Settings.from_env(production_environ | {"PORTAL_EMBEDDED": "1"})) == []
        (tmp_path / "keys/worker.json").unlink()
        assert refusals(Settings.from_env(production_environ)) == []

    def test_it_refuses_without_keys_and_with_the_worker_s(self, production_environ, tmp_path):
        worker = production_environ["PORTAL_WORKER_KEYS_FILE"]
        assert len(refusals(Settings.from_env(production_environ | {"PORTAL_WEB_KEYS_FILE": worker}))) == 2
        (tmp_path / "keys/web.json").unlink()
        assert refusals(Settings.from_env(production_environ | {"PORTAL_EMBEDDED": "1"}))[0].startswith(
            "PORTAL_WEB_KEYS_FILE"
        )

    def test_it_refuses_where_it_can_read_the_secret_of_a_store(self, production_environ, tmp_path):
        (tmp_path / "keys/worker.json").unlink()
        (tmp_path / "secret").write_text("whsec_" + "hunter22" * 4)

        def refused(**given):
            environ = production_environ | {f"PORTAL_{name}": value for name, value in given.items()}
            return refusals(Settings.from_env(environ, sends_mail=SendsMail.NO))

        (fault,) = refused(IDENTITY_HTTP_SECRET="whsec_" + "hunter22" * 4)
        assert fault.startswith("PORTAL_IDENTITY_HTTP_SECRET: ")
        assert "hunter22" not in fault
        (fault,) = refused(IDENTITY_HTTP_SECRET_FILE=str(tmp_path / "secret"))
        assert fault.startswith("PORTAL_IDENTITY_HTTP_SECRET: ")
        (fault,) = refused(IDENTITY_SQL_URL="postgresql://portal:hunter22@shop/shop")
        assert fault.startswith("PORTAL_IDENTITY_SQL_URL: ")
        assert refused(IDENTITY_HTTP_SECRET_FILE=str(tmp_path / "of-the-worker")) == []
        assert refused(IDENTITY_HTTP_SECRET="whsec_" + "hunter22" * 4, EMBEDDED="1") == []

    def test_it_serves_with_the_web_keys_alone_and_without_a_relay(self, production_environ, tmp_path):
        (tmp_path / "keys/worker.json").unlink()
        del production_environ["PORTAL_MAIL_URL"]
        production_environ["PORTAL_MAIL_URL_FILE"] = str(tmp_path / "of-the-worker")
        port = free_port()
        with serving(
            production_environ | {"PORTAL_LISTEN": f"127.0.0.1:{port}", "PORTAL_ENVIRONMENT": "test"},
            tmp_path / "log",
        ):
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            for path, status in (
                ("/readyz", 200),
                ("/check/", 200),
                ("/is-it-real/", 200),
                ("/nothing/", 404),
            ):
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
                assert (answer.status, bool(body)) == (status, True)
            connection.request("POST", "/check/", body=b"email=" + b"a" * 1_000_000)
            assert connection.getresponse().status in {400, 413}
            connection.close()


def test_default_paths_start_at_the_working_directory_and_messages_name_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unset = {name: None for name in os.environ if name.startswith("PORTAL_")}

    def said(*words):
        return CliRunner().invoke(main, words, env=unset | {"PORTAL_ENVIRONMENT": "test"}).output

    refused = (
        f"Error: The database {tmp_path}/var/portal.db is not at this version; run: portal db upgrade.\n"
    )
    assert said("incidents", "list") == refused
    assert said("db", "upgrade") == "The database is up to date.\n"
    assert f"PORTAL_WORKER_KEYS_FILE: cannot read {tmp_path}/var/keys/worker.json (No such" in said("worker")
    assert f"For the worker:     {tmp_path}/var/keys/worker.json\n" in said("keys", "generate")
    assert (tmp_path / "var/keys/web.json").is_file()
