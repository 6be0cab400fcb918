"""Which URLs of the relay and the database production refuses, with all faults reported at once."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from portal.core.settings import Settings, SettingsInvalid

GUIDE = Path(__file__).parents[2] / "docs/guide/configure.md"
GOOD = {
    "PORTAL_BASE_URL": "https://incident.northwind.example",
    "PORTAL_MAIL_URL": "smtp://mailer:kx81-PoQ7-zzRt@relay.northwind.example:587?tls=starttls",
    "PORTAL_MAIL_SENDER": "incident@northwind.example",
    "PORTAL_ORGANISATION": "Northwind",
    "PORTAL_CONTACT_EMAIL": "help@northwind.example",
}


def faults(**changes: str) -> list[str]:
    try:
        Settings.from_env(GOOD | {f"PORTAL_{name}": value for name, value in changes.items()})
    except SettingsInvalid as error:
        return error.faults
    return []


def test_a_good_production_is_taken():
    assert faults() == []
    assert faults(DATABASE_URL="postgresql://portal@localhost/portal") == []
    for password in ("kx81-PoQ7-zzRt", "xK4-2pqz"):
        assert faults(DATABASE_URL=f"postgresql://portal:{password}@db.northwind.example/portal") == []


@pytest.mark.parametrize(
    "password",
    ["xK4-2pq", "password", "Password1!", "changeme", "mailer", "short", "aaaaaaaaaaaa", "12345678"],
)
def test_a_default_or_weak_password_is_refused_and_never_repeated(password):
    (mail,) = faults(MAIL_URL=f"smtp://mailer:{password}@relay.northwind.example:587?tls=starttls")
    (database,) = faults(DATABASE_URL=f"postgresql://mailer:{password}@db.northwind.example/portal")
    assert mail.startswith("PORTAL_MAIL_URL: ")
    assert database.startswith("PORTAL_DATABASE_URL: ")
    if password not in ("short", "password"):  # words of the sentence itself
        assert password not in mail + database


@pytest.mark.parametrize("sign", ["/", "#", "?"])
def test_a_sign_that_ends_an_address_is_told_how_to_stand_in_a_password(sign):
    (fault,) = faults(MAIL_URL=f"smtp://mailer:kx81{sign}PoQ7@relay.northwind.example:587?tls=starttls")
    assert "PoQ7" not in fault
    signs, _, written = fault.partition("with ")[2].partition(" in the user or password as ")
    assert sign in signs.split()
    assert unquote(written) == signs


def test_what_the_guide_gives_as_an_example_is_refused_as_it_stands():
    examples = re.findall(r"(?:smtp|postgresql)://[^\s`']+:[^\s`']+@[^\s`']+", GUIDE.read_text())
    assert len(examples) == 2
    for example in examples:
        name = "MAIL_URL" if example.startswith("smtp") else "DATABASE_URL"
        (fault,) = faults(**{name: example})
        assert "weak password" in fault


@pytest.mark.parametrize("user", ["portal", "portal:"])
def test_a_database_on_another_machine_needs_a_password(user):
    (fault,) = faults(DATABASE_URL=f"postgresql://{user}@db.northwind.example/portal")
    assert "without a password" in fault


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://a@b/c", "nonsense"])
def test_what_is_no_database_that_keeps_anything_is_refused(url):
    assert [fault.partition(":")[0] for fault in faults(DATABASE_URL=url)] == ["PORTAL_DATABASE_URL"]


def test_an_address_of_ours_is_one_that_every_relay_takes():
    settings = Settings.from_env(GOOD | {"PORTAL_MAIL_SENDER": "vorfall@bücher.example"})
    assert settings.mail.sender == "vorfall@xn--bcher-kva.example"
    assert "ASCII characters only" in faults(MAIL_SENDER="störung@northwind.example")[0]


def test_redis_is_said_to_be_none_of_this_version():
    (fault,) = faults(REDIS_URL="redis://localhost:6379/0")
    assert "no Redis" in fault
    assert "6379" not in fault


def test_a_logo_can_be_named_in_a_file_too(tmp_path: Path):
    logo, name = tmp_path / "logo.svg", tmp_path / "name"
    logo.write_text("<svg/>")
    name.write_text(f"{logo}\n")
    assert Settings.from_env(GOOD | {"PORTAL_LOGO_FILE_FILE": str(name)}).site.logo_file == logo


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_everything_that_keeps_it_from_starting_is_said_at_once(command, tmp_path):
    environ = GOOD | {
        "PORTAL_BASE_URL": "http://incident.northwind.example",
        "PORTAL_WEB_KEYS_FILE": str(tmp_path / "none.json"),
        "PORTAL_WORKER_KEYS_FILE": str(tmp_path / "none.json"),
    }
    portal = Path(sys.executable).with_name("portal")
    done = subprocess.run([portal, command], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "PORTAL_BASE_URL: must start with https" in done.stderr
    assert f"KEYS_FILE: cannot read {tmp_path}/none.json (No such" in done.stderr
    assert "Traceback" not in done.stderr
