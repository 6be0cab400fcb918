"""What the tests of the shared floor share: commands, run as an operator runs them."""

import os

import pytest
from click.testing import CliRunner

from portal.cli import main
from tests import databases


@pytest.fixture
def run(environ):
    """Run a command as an operator does; gives the result."""

    def command(*words, **changed):
        surroundings = {name: None for name in os.environ if name.startswith("PORTAL_")} | environ | changed
        return CliRunner().invoke(main, words, env=surroundings)

    return command


@pytest.fixture
def one_database(sqlite_template, tmp_path):
    """For what is the same with either database."""
    return databases.sqlite_copy(sqlite_template, tmp_path / "portal.db")
