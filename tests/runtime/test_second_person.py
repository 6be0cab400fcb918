"""PORTAL_CLI_APPROVAL=required: commands that act on people or publish leave it to the console."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from portal import cli
from portal.audit.models import AuditEntry
from portal.core.settings.console import Console
from tests.commands import context, portal

__all__ = ["context", "portal"]

# What a command refuses does not depend on the database.
pytestmark = pytest.mark.sqlite
URL = "https://console.northwind.example"
ACTS = (
    "campaigns failed november --output {file}.out",
    "campaigns notify november",
    "campaigns notify november --confirm 3",
    "campaigns resume november",
    "campaigns start november --confirm 3",
    "exposure activate november 1",
    "exposure import november {file} --activate",
    "exposure purge november 1",
    "incidents discreet november on",
    "incidents happened november 2026-10-28",
    "incidents publish november --confirm",
    "incidents publish november --confirm --at 2026-12-01",
    "incidents title november Theft --language en",
    "incidents update november {file} --phase contained --title More",
    "reset require november",
    "reset require --everyone",
)
LOOKS = (
    "campaigns notify november --dry-run",
    "exposure import november {file}",
    "campaigns stop november --reason wrong",
    "exposure list november",
    "incidents classes november Names",
    "incidents publish november",
    "incidents show november",
    "reset require november --dry-run",
)


@pytest.fixture
def asked(portal, context, tmp_path):
    """Run a command where the console alone may act; say whether it refused for that, and what it said."""
    portal("incidents", "create", "november", "--title", "T", "--classes", "Names")
    (tmp_path / "people.csv").write_text("email\nann@northwind.example\n")

    def ask(words, status=1, **console):
        context.settings = replace(context.settings, console=Console(url=URL, **console))
        arguments = words.format(file=tmp_path / "people.csv").split()
        result = CliRunner().invoke(cli.main, arguments, obj=context)
        assert status in (None, result.exit_code), result.output
        return result.output

    return ask


@pytest.mark.parametrize("words", ACTS)
def test_a_command_that_acts_refuses_and_names_the_console(asked, words):
    said = asked(words, commands_need_approval=True)
    assert "needs a second person here (PORTAL_CLI_APPROVAL=required). Nothing was done." in said
    assert said.endswith(f"Ask for approval in the console: {URL}\n")


def test_and_does_nothing(asked, db):
    for words in ACTS:
        asked(words, commands_need_approval=True)
    with db.read() as session:
        assert [entry.action for entry in session.query(AuditEntry)] == ["incidents.create"]


@pytest.mark.parametrize("words", LOOKS)
def test_a_command_that_looks_or_stores_a_draft_is_not_refused(asked, words):
    assert "second person" not in asked(words, None, commands_need_approval=True)


def test_where_commands_are_audited_only_they_act(asked):
    asked("exposure import november {file} --activate", status=0, commands_need_approval=False)
