"""What an operator is told about the files of passwords: before the start, and by `portal doctor`."""

from datetime import UTC, datetime, timedelta

import pytest

from portal.core.clock import FixedClock
from portal.core.settings import PasswordLists, Settings
from portal.reset.stolen import commands as corpus_commands
from portal.serve import refusals
from tests.blocklists.range_server import serving


@pytest.fixture
def given(made):
    files = PasswordLists(made("password", "hunter2"), made("hunter2", name="exposed.pwc"))
    return Settings(passwords=files)


def test_files_that_are_whole_are_well_and_said_to_be_how_old(given, monkeypatch):
    corpus, exposed = given.passwords.corpus_file, given.passwords.exposed_file
    assert list(corpus_commands.check_files(given, True)) == [
        (f"PORTAL_PASSWORD_CORPUS_FILE: {corpus}", None),
        (f"PORTAL_EXPOSED_PASSWORDS_FILE: {exposed}", None),
    ]
    day = datetime(2026, 11, 28, 13, tzinfo=UTC)
    monkeypatch.setattr(corpus_commands, "SystemClock", lambda: FixedClock(day + timedelta(days=364)))
    assert list(corpus_commands.notes(given)) == [
        (str(corpus), "2 passwords, built on 2026-11-28"),
        (str(exposed), "1 password, built on 2026-11-28"),
    ]
    monkeypatch.setattr(corpus_commands, "SystemClock", lambda: FixedClock(day + timedelta(days=366)))
    assert list(corpus_commands.notes(given)) == [
        (str(corpus), "2 passwords, built on 2026-11-28; get a newer list, and build it again"),
        (str(exposed), "1 password, built on 2026-11-28"),
    ]


def test_a_file_that_is_damaged_in_the_middle_is_found(given):
    path = given.passwords.corpus_file
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    found = dict(corpus_commands.check_files(given, True))
    assert "is damaged in shard" in str(found[f"PORTAL_PASSWORD_CORPUS_FILE: {path}"])
    assert found[f"PORTAL_EXPOSED_PASSWORDS_FILE: {given.passwords.exposed_file}"] is None


def test_the_web_server_does_not_start_with_a_file_that_it_cannot_use(production_environ, given):
    path = given.passwords.corpus_file
    environ = production_environ | {"PORTAL_EMBEDDED": "1", "PORTAL_PASSWORD_CORPUS_FILE": str(path)}
    assert refusals(Settings.from_env(environ)) == []
    path.write_bytes(path.read_bytes()[:-1])
    (fault,) = refusals(Settings.from_env(environ))
    assert fault == (
        f"PORTAL_PASSWORD_CORPUS_FILE: {path} has 4145 bytes instead of 4146. Copy it again, to another name "
        "first, and move it into place when it is whole; or build it again."
    )


def test_the_doctor_says_it_in_its_words(doctor, production_environ, given):
    path = given.passwords.corpus_file
    environ = production_environ | {"PORTAL_EMBEDDED": "1", "PORTAL_PASSWORD_CORPUS_FILE": str(path)}
    well = doctor(**environ)
    assert f"ok    PORTAL_PASSWORD_CORPUS_FILE: {path}\n" in well.output
    assert f"{path}: 2 passwords, built on 2026-11-28" in well.output
    path.write_bytes(b"5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:3\n")
    assert f"WRONG PORTAL_PASSWORD_CORPUS_FILE: {path}: is not a file of portal" in doctor(**environ).output


def test_the_doctor_asks_the_service_for_a_password_that_every_list_has():
    with serving("password") as server:
        settings = Settings(passwords=PasswordLists(range_url=server.url, range_seconds=5))
        assert list(corpus_commands.check_files(settings, True)) == [("PORTAL_PASSWORD_RANGE_URL", None)]
        server.digits = []
        ((_, fault),) = corpus_commands.check_files(settings, True)
        assert fault == "it does not know the password 'password'. Is the URL that of range requests?"
        server.fault = "error"
        ((_, fault),) = corpus_commands.check_files(settings, True)
        assert fault == "it answered with status 503. Check the URL, and that this machine may reach it"
