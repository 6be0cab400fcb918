"""What the operator's guide prints and `deploy/` holds is what works: settings and commands."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from portal import cli
from portal.core.settings import Settings, SettingsInvalid

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/operators-guide.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
SHIPPED = [(ROOT / "deploy" / name).read_text(encoding="utf-8") for name in ("portal.env", "worker.env")]
SETTINGS = re.findall(r"^#?(PORTAL_[A-Z_]+=.*)$", "".join([*BLOCKS, *SHIPPED]), re.MULTILINE)
COMMANDS = re.findall(r"^(?:AS=\S+ |ExecStart=[^ ].*\W)?portal ([a-z].*)$", "".join(BLOCKS), re.MULTILINE)


@pytest.mark.parametrize("line", SETTINGS)
def test_a_setting_is_read_alike_by_systemd_and_a_shell(line):
    # systemd.exec(5), EnvironmentFile=: within single quotes both take everything as it stands.
    assert re.fullmatch(r"[A-Z_]+=(?:[\w/:.@,+?=-]+|'[^']*')", line)


def test_signs_in_a_password_are_written_as_they_are_read():
    signs, written = re.findall(r"write `([^`\w]+)` as `([^`]+)`", GUIDE)[0]
    assert unquote(written) == signs


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_there_is(line):
    command: click.Command | None = cli.main
    words = line.split()
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None
    options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_shipped_settings_lack_only_the_relays_password():
    environ = dict(line.split("=", 1) for line in "".join(SHIPPED).splitlines() if line.startswith("PORTAL_"))
    environ = {name: value.strip("'") for name, value in environ.items()}
    with pytest.raises(SettingsInvalid) as refused:
        Settings.from_env(environ)
    (fault,) = refused.value.faults
    assert "PORTAL_MAIL_URL" in fault
    assert "weak password" in fault


@pytest.mark.parametrize("name", ["portal", "nightly"])
def test_a_shipped_script_is_one(name):
    script = ROOT / "deploy" / name
    subprocess.run(["/bin/sh", "-n", script], check=True)
    assert script.stat().st_mode & 0o111 == 0o111


def test_the_guide_makes_the_folders_that_nginx_needs():
    """Debian's package brings none of these; without one of them nginx does not start."""
    shipped = (ROOT / "deploy/nginx/portal.conf").read_text(encoding="utf-8")
    made = " ".join(re.findall(r"^install -d (.*)$", "".join(BLOCKS), re.MULTILINE)).split()
    for folder in ("/var/cache/nginx", "/etc/nginx/portal", "/var/www/acme"):
        assert folder in shipped
        assert folder in made
