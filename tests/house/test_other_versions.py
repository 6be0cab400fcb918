"""No command works with a database of another version of the portal; each says what to do instead."""

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import event, text

from portal import cli
from portal.core.settings import Settings
from portal.crypto import keys
from portal.runtime import schema
from portal.runtime.context import Context

# What these do is for a database of any version, or for none.
FOR_ANY = {
    "db backup", "db restore", "db upgrade", "demo", "doctor", "keys generate", "keys renew-session",
    "rehearse",
}  # fmt: skip
BEHIND = "is not at this version; run: portal db upgrade."
AHEAD = (
    "is of a newer version of the portal: install that version again, "
    "or restore a backup from before its upgrade."
)
TO_KNOW_THE_VERSION = ("alembic_version", "sqlite_master", "PRAGMA", "BEGIN")


def leaves(command, *names):
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), *names, name)
    else:
        yield " ".join(names), command


COMMANDS = dict(leaves(cli.main))


def words(command, folder):
    """What the command needs on its line."""
    for each in command.params:
        if each.required:
            yield from [each.opts[0]] if isinstance(each, click.Option) else ()
            yield example(each, folder)


def example(parameter, folder):
    match parameter.type:
        case click.Choice(choices=choices):
            return str(choices[0])
        case click.Path():
            return str(folder / ("there.csv" if parameter.type.exists else "new.csv"))
        case kind if isinstance(kind, click.IntRange) or kind is click.INT:
            return "1"
        case _:
            return "01" * 16 if "id" in parameter.name else "november"


@pytest.fixture(scope="module")
def former(tmp_path_factory):
    """A context with a database that lacks the newest migration."""
    folder = tmp_path_factory.mktemp("former")
    (folder / "there.csv").write_text("email\nana@example.com\n", encoding="utf-8")
    keys.write_pair(*keys.generate(), folder / "web.json", folder / "worker.json")
    named = {"ENVIRONMENT": "test", "DATABASE_URL": f"sqlite:///{folder}/portal.db", "EMBEDDED": "1"}
    files = {f"{name.upper()}_KEYS_FILE": str(folder / f"{name}.json") for name in ("web", "worker")}
    context = Context(Settings.from_env({f"PORTAL_{name}": value for name, value in (named | files).items()}))
    schema.upgrade(context.database, schema.revisions()[-2])
    yield context
    context.close()


def statements_and_end(name, context):
    """Run a command as it should be called; return what it asked of the database, and how it ended."""
    folder, statements = context.settings.keys.web_file.parent, []

    def note(_connection, _cursor, statement, *_rest):
        if not any(word in statement for word in TO_KNOW_THE_VERSION):
            statements.append(statement)

    event.listen(context.database.engine, "before_cursor_execute", note)
    try:
        done = CliRunner().invoke(cli.main, [*name.split(), *words(COMMANDS[name], folder)], obj=context)
    finally:
        event.remove(context.database.engine, "before_cursor_execute", note)
    return statements, (done.exit_code, done.output)


@pytest.mark.parametrize("other", [BEHIND, AHEAD])
def test_each_command_refuses_before_it_reads_or_writes_anything(other, former):
    if other == AHEAD:
        with former.database.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999_later'"))
    ended = {name: statements_and_end(name, former) for name in sorted(set(COMMANDS) - FOR_ANY)}
    assert {name: asked for name, (asked, _) in ended.items() if asked} == {}
    refusal = (1, f"Error: The database {former.settings.keys.web_file.parent}/portal.db {other}\n")
    refused = {name for name, (_, end) in ended.items() if end == refusal}
    # The others were asked in a way that they refuse for its own sake, or need no database.
    assert refused >= {
        "accounts import", "audit verify", "campaigns notify", "exposure activate", "exposure import",
        "incidents list", "outbox status", "serve", "worker",
    }  # fmt: skip
