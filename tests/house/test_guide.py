"""What the operator's guide prints is what works: its settings, its commands and its nginx."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from portal import cli

GUIDE = (Path(__file__).parents[2] / "docs/operators-guide.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
SETTINGS = re.findall(r"^PORTAL_[A-Z_]+=.*$", "".join(BLOCKS), re.MULTILINE)
COMMANDS = re.findall(r"^(?:AS=\S+ |ExecStart=[^ ].*\W)?portal ([a-z].*)$", "".join(BLOCKS), re.MULTILINE)


@pytest.mark.parametrize("line", SETTINGS)
def test_a_setting_is_read_alike_by_systemd_and_a_shell(line):
    # systemd.exec(5), EnvironmentFile=: within single quotes both take everything as it stands.
    assert re.fullmatch(r"[A-Z_]+=(?:[\w/:.@,+-]+|'[^']*')", line)


def test_signs_in_a_password_are_written_as_they_are_read():
    signs, written = re.findall(r"write `([^`\w]+)` as `([^`]+)`", GUIDE)[0]
    assert unquote(written) == signs


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_there_is(line):
    command: click.Command = cli.main
    words = line.split()
    while isinstance(command, click.Group):
        assert words[0] in command.commands
        command = command.commands[words.pop(0)]
    options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_portal_of_roots_shell_is_a_script():
    (script,) = (block for block in BLOCKS if block.startswith("#!/bin/sh"))
    subprocess.run(["/bin/sh", "-n"], input=script, text=True, check=True)
