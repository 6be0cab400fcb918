"""The help of every command: complete, in sentences, and never cut."""

from collections.abc import Iterator

import click
import pytest

from portal import cli

NARROW = 80  # columns of a terminal that nobody has widened


def commands(command: click.Command, *names: str) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(["portal", *names]), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            following = command.get_command(context, name)
            assert following is not None
            yield from commands(following, *names, name)


ALL = dict(commands(cli.main))


@pytest.mark.parametrize("name", ALL)
def test_help_is_whole_in_a_narrow_terminal(name):
    with click.Context(ALL[name], info_name=name, terminal_width=NARROW) as context:
        said = ALL[name].get_help(context)
    assert "..." not in said.replace("[ARGS]...", "")
    assert max(map(len, said.splitlines())) <= NARROW


@pytest.mark.parametrize("name", ALL)
def test_a_command_and_its_options_are_explained_in_sentences(name):
    options = [option for option in ALL[name].params if isinstance(option, click.Option)]
    said = [each.strip() for each in (ALL[name].help or "", *(option.help or "" for option in options))]
    assert [text for text in said if not text.endswith(".") and ": portal " not in text] == []


def test_the_line_of_a_command_in_portals_help_is_that_of_its_own():
    """`portal --help` imports no command, so the lines are written twice."""
    for name, (_, line) in cli.COMMANDS.items():
        own = ALL[f"portal {name}"].help or ""
        assert own.replace("\n", " ").startswith(line), name
