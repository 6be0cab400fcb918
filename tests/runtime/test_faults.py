"""Whatever fails, an operator reads one sentence that says what to do, and nothing of what was stored."""

import socket
import sqlite3

import pytest

from portal.demo.example import CONTENT

# What a command says is the same on either database.
pytestmark = pytest.mark.sqlite

SLUG = "order-archive"
EVERY_COMMAND = [
    "serve", "worker", "incidents list", f"incidents show {SLUG}", f"incidents publish {SLUG}",
    f"incidents create {SLUG} --title T --classes Names", f"incidents statement {SLUG} STATEMENT",
    f"incidents preview {SLUG} --output /dev/null",
    f"incidents update {SLUG} --phase resolved --title T FILE",
    "accounts import FILE", f"exposure import {SLUG} FILE", f"exposure list {SLUG}",
    f"exposure activate {SLUG} 1", f"exposure purge {SLUG} 1", f"reset require {SLUG}",
    "reset require --everyone", "campaigns",
    f"campaigns notify {SLUG}", "outbox status", "outbox retry", "audit verify",
]  # fmt: skip


@pytest.fixture
def people_file(tmp_path):
    path = tmp_path / "affected.csv"
    path.write_text("email\nsam@example.com\n")
    return path


def words_of(command, file):
    files = {"FILE": str(file), "STATEMENT": str(CONTENT / "statement-1.md")}
    return [files.get(word, word) for word in command.split()]


def ended_with_a_sentence(result):
    return (
        result.exit_code == 1
        and isinstance(result.exception, SystemExit)
        and "Traceback" not in result.output
    )


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_a_database_that_was_not_upgraded_is_said_to_be_so(run, tmp_path, people_file, command):
    words = words_of(command, people_file)
    result = run(*words, PORTAL_DATABASE_URL=f"sqlite:///{tmp_path}/empty.db")
    assert ended_with_a_sentence(result), result.output
    assert "run: portal db upgrade" in result.output


@pytest.mark.parametrize("command", [*EVERY_COMMAND, "db upgrade", "doctor"])
@pytest.mark.parametrize("kind", ["postgresql", "a folder", "no such disk"])
def test_a_database_that_is_not_there_is_said_to_be_so(
    run, tmp_path, people_file, refusing_port, command, kind
):
    words = words_of(command, people_file)
    urls = {
        "postgresql": f"postgresql://nobody:a-long-secret@127.0.0.1:{refusing_port}/portal",
        "a folder": f"sqlite:///{tmp_path}",
        "no such disk": "sqlite:////proc/no/such/portal.db",
    }
    result = run(*words, PORTAL_DATABASE_URL=urls[kind])
    assert ended_with_a_sentence(result), result.output
    assert ("WRONG database" if command == "doctor" else "portal doctor") in result.output
    assert "a-long-secret" not in result.output


def test_a_list_that_does_not_open_ends_a_notice_before_it_begins(run, tmp_path, people_file):
    for words in (
        ("incidents", "create", SLUG, "--title", "Theft", "--classes", "Names"),
        ("incidents", "statement", SLUG, str(CONTENT / "statement-1.md")),
        ("incidents", "publish", SLUG, "--confirm", "--accept", "class-mismatch"),
        ("exposure", "import", SLUG, str(people_file), "--activate"),
    ):
        assert run(*words).exit_code == 0
    connection = sqlite3.connect(tmp_path / "portal.db")
    connection.execute("UPDATE exposure_lists SET data_key = x'00'")
    connection.commit()
    connection.close()
    result = run("campaigns", "notify", SLUG, "--confirm", "1")
    assert ended_with_a_sentence(result)
    assert "does not decrypt" in result.output


def test_a_version_beyond_all_numbers_is_a_mistake_of_typing(run):
    for command in ("activate", "purge"):
        result = run("exposure", command, SLUG, "9" * 30)
        assert result.exit_code == 2
        assert "VERSION" in result.output


def test_a_port_that_is_taken_is_named_before_the_server_starts(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run("serve", PORTAL_LISTEN=f"127.0.0.1:{taken.getsockname()[1]}")
    assert ended_with_a_sentence(result)
    assert "PORTAL_LISTEN: cannot listen on 127.0.0.1 port" in result.output
    assert "(Address already in use)" in result.output
    assert "PORTAL_LISTEN" in run("serve", PORTAL_LISTEN="192.0.2.1:8000", PORTAL_ENVIRONMENT="test").output
