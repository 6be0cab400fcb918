"""A command imports what it needs: starting it must not cost more than what it does."""

import json
import subprocess
import sys

import pytest
from alembic.script import ScriptDirectory

from portal import cli
from portal.runtime import schema
from tests.processes import ROOT

# Slow to import, and needed by the server, the worker, a migration or the other database alone.
SLOW = (
    "alembic", "asyncpg", "babel.support", "flask", "granian", "jinja2", "limits", "psycopg",
    "werkzeug",
)  # fmt: skip
MOST_MODULES = 246  # beside SQLAlchemy and click, half of the time; 20 are settings and formats of hashes
# Imports every command beside the two that every command needs, each in a process of its own.
PROGRAM = """
import json, os, sys
import click, sqlalchemy.orm
before = set(sys.modules)
from portal import cli
for name in cli.COMMANDS:
    sys.stdout.flush()
    if not os.fork():
        import portal.core.settings, portal.runtime.context
        cli.load(cli.COMMANDS[name][0])
        print(json.dumps([name, sorted(set(sys.modules) - before)]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def imported():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", sorted(set(cli.COMMANDS) - {"demo", "rehearse"}))  # these run everything
def test_a_command_imports_nothing_slow_that_it_does_not_need(imported, name):
    slow = [module for module in imported[name] if module in SLOW]
    assert slow == []
    assert len(imported[name]) <= MOST_MODULES


HELP = """
import sys
from portal import cli
cli.main(["--help"], standalone_mode=False)
print([name for name in sys.modules if name.startswith(("portal.", "sqlalchemy"))])
"""


def test_help_imports_no_command():
    done = subprocess.run([sys.executable, "-c", HELP], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['portal.cli']"


def test_help_says_of_each_command_what_the_command_says_itself():
    for name, (path, line) in cli.COMMANDS.items():
        command = cli.load(path)
        assert (command.name, command.get_short_help_str(200)) == (name, line)


def test_revisions_are_known_without_alembic_as_alembic_knows_them():
    walked = ScriptDirectory.from_config(schema.alembic_config()).walk_revisions()
    assert list(schema.revisions()) == [each.revision for each in walked][::-1]
