"""`--json` is the same for every command that tells a state: one option, one document on standard output."""

import json
import re

import click
import pytest
from sqlalchemy import update

from portal import cli
from portal.cases import sealed
from portal.cases import service as cases
from portal.cases.models import Case
from portal.cases.sealed import Contact
from portal.exposure import importing
from portal.incidents import service as incidents
from portal.runtime.heartbeat import Heart
from tests.commands import context, portal

__all__ = ["context", "portal"]
NAMES = {"doctor", "import", "list", "show", "status", "verify"}
SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# What has names of its own for keys: states, data classes, reasons, relays, languages.
OWN_KEYS = {"classes", "failed_because", "waiting_because", "mails_per_second", "languages", "states"}
A_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


def walk(command, *names):
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), *names, name)
    elif names and names[-1] in NAMES:
        yield " ".join(names), command


TELLING = dict(walk(cli.main))


def option_of(command):
    return next((each for each in command.params if "--json" in each.opts), None)


def test_every_command_that_tells_a_state_offers_json_in_the_same_words():
    options = {name: option_of(command) for name, command in TELLING.items()}
    assert {name for name, option in options.items() if option is None} == set()
    assert {option.help for option in options.values() if option} == {"Print JSON instead of text."}
    assert {option.name for option in options.values() if option} == {"as_json"}


@pytest.fixture
def small(db, clock, tmp_path, worker_vault, portal):
    """A database with an incident and its list, a case, and a worker."""
    with db.write() as session:
        created = incidents.create(session, "november", "A theft", ("Names",), clock.now())
    file = tmp_path / "people.csv"
    file.write_text("email,name\nana@example.com,Ana\n", encoding="utf-8")
    source = importing.Source(
        created.id, created.class_names, file, tmp_path / "report.csv", must_be_whole=False
    )
    importing.import_list(db, worker_vault, clock, source, lambda *_: None)
    portal("exposure", "activate", "november", 1)
    Heart(db, clock).beat()
    with db.write() as session:
        opened = cases.open_case(session, worker_vault, "by phone", "en", clock.now())
        contact = sealed.seal_contact(worker_vault, CASE, Contact("by phone", "en", "2026-11-23T09:00:00Z"))
        session.execute(update(Case).where(Case.number == opened.number).values(number=CASE, contact=contact))
    return file


ACCOUNTS = 'email,password_hash\nana@example.com,"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNo"\n'
CASE = "1234567890"
ARGUMENTS = {
    "campaigns status": ("november",),
    "cases show": (CASE, "--reason", "ticket 1"),
    "accounts import": ("accounts.csv",),
    "exposure import": ("november", "people.csv"),
    "exposure except list": ("november",),
    "exposure list": ("november",),
    "incidents show": ("november",),
}


@pytest.mark.sqlite  # the same code prints it
@pytest.mark.parametrize("name", [*sorted(TELLING), "campaigns", "identity check", "support looks"])
def test_it_is_one_document_with_plain_keys_and_times(name, small, portal):
    given = [small.with_name(word) if word.endswith(".csv") else word for word in ARGUMENTS.get(name, ())]
    small.with_name("accounts.csv").write_text(ACCOUNTS, encoding="utf-8")
    said = portal(*name.split(), *given, "--json").stdout
    read = json.loads(said)
    assert isinstance(read, dict | list)
    assert said == json.dumps(read, indent=2, ensure_ascii=False) + "\n"
    assert_plain(read)


def assert_plain(value, key=""):
    match value:
        case dict():
            for name, each in value.items():
                assert key in OWN_KEYS or SNAKE_CASE.fullmatch(name), name
                assert_plain(each, name)
        case list():
            for each in value:
                assert_plain(each, key)
        case str():
            assert not A_TIME.match(value) or re.fullmatch(r"[\d-]{10}T[\d:]{8}Z", value), (key, value)
            assert "@" not in value or value == "help@northwind.example"  # the company's own
