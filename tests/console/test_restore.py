"""A backup has staff and what they approved; the console's key file is made again from the worker's."""

import re

import pytest

from portal.core.db import Database
from portal.crypto import keys
from portal.crypto.vault import ConsoleVault
from portal.staff import members
from portal.staff.sign_in import invitations

# PostgreSQL's own tool restores it, with every table.
pytestmark = pytest.mark.sqlite


def test_staff_are_as_they_were_and_a_new_key_file_finds_them(run, environ, tmp_path, worker_vault, clock):
    file, copy = tmp_path / "keys/console.json", tmp_path / "copy"
    changed = {"PORTAL_CONSOLE_KEYS_FILE": str(file)}
    invited = run("staff", "invite", "admin", "ann@northwind.example", "--name", "Ann", **changed)
    (token,) = re.findall(r"/invitation/(\w+)/", invited.stdout)
    assert run("db", "backup", str(copy), **changed).exit_code == 0
    assert run("staff", "invite", "admin", "ben@northwind.example", **changed).exit_code == 0
    restored = run("db", "restore", str(copy), **changed)
    assert restored.exit_code == 0, restored.output
    assert not file.exists()
    assert run("keys", "console", **changed).exit_code == 0
    assert run("audit", "verify", **changed).exit_code == 0
    database = Database(environ["PORTAL_DATABASE_URL"])
    with database.write() as session:
        found = members.listed(session, ConsoleVault(keys.read_console(file)))
        assert [(one.address, one.name) for one in found] == [("ann@northwind.example", "Ann")]
        invited = invitations.find(session, worker_vault, token, found[0].added_at)
        assert invited.member.address == "ann@northwind.example"
    database.dispose()
