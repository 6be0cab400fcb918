"""A store's secret in a file: the doctor says who can read it and must not, and what mends that."""

import os
from pathlib import Path
from pwd import getpwall

import pytest

from portal.core.settings import KeyFiles, SendsMail, Settings
from portal.identity import external
from portal.runtime.doctor import secret_files

WEB, WORKER, GROUP = 64_101, 64_102, 64_100

pytestmark = pytest.mark.sqlite  # no database plays a part
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")


@pytest.fixture
def keys(tmp_path) -> KeyFiles:
    """Two key files, each with its own user where that can be."""
    files = KeyFiles(tmp_path / "web.json", tmp_path / "worker.json")
    for file, user in ((files.web_file, WEB), (files.worker_file, WORKER)):
        file.touch(0o400)
        if os.geteuid() == 0:
            os.chown(file, user, GROUP)
    return files


@pytest.fixture
def secret(tmp_path) -> Path:
    file = tmp_path / "the secret"
    file.touch()
    return file


def test_a_missing_file_is_told_elsewhere(keys, tmp_path):
    assert secret_files.fault_of(tmp_path / "missing", keys) is None


@as_root
@pytest.mark.parametrize(
    ("owner", "mode", "who"),
    [
        (WORKER, 0o400, None),
        (WORKER, 0o660, None),
        (WORKER, 0o604, "other users"),
        (WEB, 0o400, "the web server's user"),
        (WEB, 0o040, None),
        (0, 0o644, "other users"),
        (0, 0o600, None),
    ],
)
def test_who_can_read_it_is_said_with_the_command_that_mends_it(keys, secret, owner, mode, who):
    os.chown(secret, owner, GROUP)
    secret.chmod(mode)
    said = secret_files.fault_of(secret, keys)
    if who is None:
        assert said is None
        return
    quoted = f"'{secret}'"
    mends = f"run: chmod 400 {quoted}"
    if owner != WORKER:
        mends = f"run as root: chown {WORKER} {quoted} && chmod 400 {quoted}"
    assert said == f"{who} can read {secret}; {mends}"


@as_root
def test_a_group_of_the_web_servers_user_counts(keys, secret):
    web = next(entry for entry in getpwall() if entry.pw_uid)
    os.chown(keys.web_file, web.pw_uid, -1)
    os.chown(secret, WORKER, web.pw_gid)
    secret.chmod(0o400)
    assert secret_files.fault_of(secret, keys) is None
    secret.chmod(0o440)
    assert secret_files.fault_of(secret, keys) == (
        f"the web server's user can read {secret}; run: chmod 400 '{secret}'"
    )


def test_the_doctor_asks_about_the_secret_of_the_chosen_store(secret, environ):
    secret.write_text("whsec_" + "hunter22" * 4)
    secret.chmod(0o644)
    given = {
        "STORE": "http",
        "HTTP_URL": "http://127.0.0.1:9",
        "HTTP_CAPABILITIES": "verify,set-password",
        "HTTP_SECRET_FILE": str(secret),
    }
    environ |= {f"PORTAL_IDENTITY_{name}": value for name, value in given.items()}
    for sends_mail in (SendsMail.YES, SendsMail.NO):  # the web server's user is told too
        settings = Settings.from_env(environ, sends_mail=sends_mail)
        told = dict(external.check(settings, True))["PORTAL_IDENTITY_HTTP_SECRET_FILE"]
        assert str(told).startswith(f"other users can read {secret}; run")
        assert "hunter22" not in str(told)
