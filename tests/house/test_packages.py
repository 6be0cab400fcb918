"""What `make test` installs: never without saying so before, and at a terminal only after asking."""

import os
import pty
import shutil
import subprocess

import pytest

from tests.processes import ROOT

SCRIPTS = ("browser.sh", "nginx.sh")
# What the scripts themselves run, beside what they look for.
TOOLS = ("cat", "chmod", "dirname", "mkdir", "mktemp", "rm")


@pytest.fixture
def machine(tmp_path):
    """A Debian that has none of what the tests need, and notes what apt-get and Playwright were told."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in TOOLS:
        (programs / name).symlink_to(str(shutil.which(name)))
    for name in (programs / "apt-get", tmp_path / ".venv/bin/playwright"):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_text(f'#!/bin/sh\necho "{name.name} $*" >>{tmp_path}/told\nexit 1\n')
        name.chmod(0o755)
    return tmp_path


def run(machine, script, *, user, at_terminal=None, setting=None):
    """Run a script as root (0) or not; `at_terminal` is what somebody types there. Returns what it said."""
    program = machine / "bin/id"
    program.write_text(f"#!/bin/sh\necho {user}\n")
    program.chmod(0o755)
    environ = {"PATH": str(machine / "bin"), "HOME": str(machine)}
    if setting is not None:
        environ["PORTAL_TEST_INSTALL"] = setting
    words = ["/bin/sh", f"scripts/{script}"]
    if at_terminal is None:
        done = subprocess.run(
            words, cwd=machine, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 1
        return done.stdout + done.stderr
    ours, theirs = pty.openpty()
    os.write(ours, at_terminal)
    with subprocess.Popen(
        words, cwd=machine, env=environ, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        try:
            while more := os.read(ours, 4096):
                said += more
        except OSError:  # the terminal's end
            pass
    os.close(ours)
    assert process.returncode == 1
    return said.decode()


def told(machine):
    file = machine / "told"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("script", SCRIPTS)
def test_root_without_a_terminal_is_told_and_gets_it(machine, script):
    said = run(machine, script, user=0)
    assert told(machine)[0] == "apt-get update"
    assert said.startswith("Installing ")
    assert "apt-get install " in said.splitlines()[0]


@pytest.mark.parametrize("script", SCRIPTS)
def test_root_at_a_terminal_is_asked_before_anything_runs(machine, script):
    said = run(machine, script, user=0, at_terminal=b"n\nn\n")
    assert told(machine) == []
    assert "Install now? [y/N]" in said
    run(machine, script, user=0, at_terminal=b"y\nn\n")
    assert told(machine) == ["apt-get update"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_setting_refuses_and_the_command_is_named(machine, script):
    for at_terminal in (None, b""):
        said = run(machine, script, user=0, at_terminal=at_terminal, setting="no")
        assert told(machine) == []
        assert "PORTAL_TEST_INSTALL=no" in said
        assert "as root on Debian:  apt-get install " in said


@pytest.mark.parametrize("script", SCRIPTS)
def test_who_is_not_root_is_told_the_command_and_no_package_is_asked_for(machine, script):
    said = run(machine, script, user=1000)
    assert not [line for line in told(machine) if line.startswith("apt-get")]
    assert "as root on Debian:  apt-get install " in said
