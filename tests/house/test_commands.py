"""The commands as a whole: each is in the guide, ends with the status that the guide names, and completes."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from portal import cli
from tests.commands import context, portal

__all__ = ["context", "portal"]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guide/commands.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def walk(command, *names):
    """The names of commands that do something."""
    if isinstance(command, click.Group):
        if names and command.invoke_without_command:
            yield " ".join(names)
        inside = click.Context(command)
        for name in command.list_commands(inside):
            yield from walk(command.get_command(inside, name), *names, name)
    else:
        yield " ".join(names)


def test_the_guides_table_has_every_command_once():
    rows = re.findall(r"^\| `portal ([a-z -]+?)(?: [A-Z].*| on)?` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(walk(cli.main))


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("incidents list", 0),
        ("outbox status", 0),
        ("audit verify", 0),
        ("intake discard", 0),
        ("--version", 0),
        ("incidents show none", 1),
        ("exposure list none", 1),
        ("exposure activate none 1", 1),
        ("campaigns notify none --confirm 1", 1),
        ("outbox retry --reason none", 1),
        ("reset require none", 1),
        ("status", 1),  # no worker has run
        ("nonsense", 2),
        ("incidents create", 2),
        ("incidents create x --title T --classes nothing", 2),
        ("outbox pause", 2),
        ("exposure activate none first", 2),
        ("exposure import none missing.csv", 2),
        ("reset require", 2),
        ("campaigns notify none", 2),
        ("support find ann@example.com", 2),
        ("audit verify --holds nonsense", 2),
    ],
)
def test_a_command_ends_with_the_status_that_the_guide_names(line, status, portal):
    portal(*line.split(), status=status)


def test_wrong_settings_end_with_status_2(run):
    assert run("incidents", "list", PORTAL_BASE_URL="nonsense").exit_code == 2


COMPLETE = """
eval "$(_PORTAL_COMPLETE=bash_source portal)"
complete -p portal
COMP_WORDS=(portal su)
COMP_CWORD=1
_portal_completion portal
COMP_WORDS=(portal support find --re)
COMP_CWORD=3
_portal_completion portal
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_completes_without_settings_keys_or_database(tmp_path):
    done = subprocess.run(
        ["bash", "-c", COMPLETE],
        env={"PATH": f"{BIN}:/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[1:] == ["support", "--reason"]
    assert "_portal_completion portal" in done.stdout
    assert list(tmp_path.iterdir()) == []


FIRST_WORD = """
import sys
from portal import cli
context = cli.main.make_context("portal", [], resilient_parsing=True)
print(*[item.value for item in cli.main.shell_complete(context, "in")])
print([name for name in sys.modules if name.startswith(("portal.", "sqlalchemy"))])
"""


def test_the_first_word_completes_without_importing_a_command():
    done = subprocess.run(
        [sys.executable, "-c", FIRST_WORD], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["incidents intake", "['portal.cli']"]
