"""What `portal doctor` finds wrong with a console, and what it only notes."""

import os
from datetime import timedelta

import pytest

from portal.core.clock import SystemClock
from portal.crypto import keys
from portal.staff import members
from portal.staff.approvals import service as approvals
from portal.staff.people import jobs
from portal.staff.roles import Role
from portal.staff.sign_in import invitations

# What depends on the database is in the fields that both have.
pytestmark = pytest.mark.sqlite
KIND = "staff.invite"
URL = "https://console.northwind.example"


@pytest.fixture
def file(tmp_path, worker_keys):
    file = tmp_path / "keys/console.json"
    keys.write((file, keys.for_console(worker_keys)))
    return file


@pytest.fixture
def invite(db, worker_vault):
    """Invite an admin; they join if `joins`, or their invitation ends if `late`."""

    def run(address, *, joins=True, late=False, role=Role.ADMIN):
        now = SystemClock().now() - timedelta(days=9 if late else 0)
        with db.write() as session:
            member = members.add(session, worker_vault, address, {role}, "en", now)
            invitations.new(session, worker_vault, member, replaces=False, now=now)
            if joins:
                members.activate(session, worker_vault, member, "Ann", "en")
            invitations.purge(session, SystemClock().now())

    return run


@pytest.fixture
def examine(doctor, production_environ, file, names):
    """Run the doctor where there is a console; return the lines about it."""
    names.records["console.northwind.example", "A"] = ["10.8.0.1"]

    def run(**changed):
        environ = {
            "PORTAL_CONSOLE_URL": URL,
            "PORTAL_CONSOLE_KEYS_FILE": str(file),
            "PORTAL_EMBEDDED": "1",
        }
        said = doctor(**production_environ | environ | changed).output.splitlines()
        about = ("console", "admins", "invitations", "approvals", "settings: PORTAL_CONSOLE")
        return [line for line in said if line[6:].startswith(about)]

    return run


def test_a_console_with_two_admins_in_an_own_network_is_well(examine, invite):
    invite("ann@northwind.example")
    invite("ben@northwind.example")
    assert examine() == [
        "ok    console keys",
        "ok    admins",
        "ok    invitations",
        "ok    console's address",
    ]


def test_a_portal_without_a_console_is_told_nothing_of_it(examine, invite):
    invite("ann@northwind.example")
    assert examine(PORTAL_CONSOLE_URL=None) == []


def test_fewer_than_two_admins_are_too_few_unless_the_company_is_one_person(examine, invite):
    invite("ann@northwind.example")
    invite("kim@northwind.example", role=Role.APPROVER)
    invite("ben@northwind.example", joins=False)
    (said,) = [line for line in examine() if "admins" in line]
    assert said == (
        "WRONG admins: 1 admin can sign in, so nobody can agree to what an admin asks for, or let one in "
        "again; invite another: portal staff invite admin ADDRESS"
    )
    alone = examine(PORTAL_APPROVALS="one")
    assert "ok    admins" in alone
    (note,) = [line for line in alone if "approvals" in line]
    assert note.startswith("note  approvals: PORTAL_APPROVALS is one: nobody checks what is published")


def test_somebody_whose_invitation_ended_is_missed(examine, invite):
    invite("ann@northwind.example")
    invite("ben@northwind.example", joins=False)
    assert "ok    invitations" in examine()
    invite("cid@northwind.example", joins=False, late=True)
    (said,) = [line for line in examine() if "invitations" in line]
    assert said == (
        "WRONG invitations: 1 person was invited and did not join in time; who: portal staff list; "
        "for a new link: portal staff recover ADDRESS"
    )


def test_a_key_file_that_is_missing_open_or_of_other_keys_is_named_with_the_command(examine, file):
    file.chmod(0o640)
    assert examine()[0] == f"WRONG console keys: other users can read {file}; run: chmod 600 {file}"
    file.unlink()
    assert examine()[0].endswith("(No such file or directory); run: portal keys console")
    keys.write((file, keys.for_console(keys.generate()[1])))
    said = examine()[0]
    assert said.startswith(
        f"WRONG console keys: {file} is of another worker's keys, so the worker takes none"
    )
    assert said.endswith("portal keys console")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_key_file_of_the_web_servers_user_is_said_to_be(examine, file, tmp_path):
    for name in ("console.json", "web.json"):
        os.chown(tmp_path / "keys" / name, 64_101, -1)
    said = examine(PORTAL_EMBEDDED="0")[0]
    assert said == (
        f"WRONG console keys: the web server's user owns {file}; run as root: chown portal-console {file}"
    )


@pytest.mark.parametrize("address", ["10.8.0.1", "fd00::1", "192.168.3.4"])
def test_an_address_of_an_own_network_is_well(examine, names, address):
    names.records.pop(("console.northwind.example", "A"))
    names.records["console.northwind.example", "AAAA" if ":" in address else "A"] = [address]
    assert examine()[-1] == "ok    console's address"


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_an_address_of_the_internet_is_noted(examine, names, address):
    kind = "AAAA" if ":" in address else "A"
    names.records["console.northwind.example", kind] = [address]
    assert examine()[-1] == (
        f"note  console's address: console.northwind.example is {address}, an address of the internet: the "
        "console is for your own network or VPN. Give it an address there, and let nginx listen at that one "
        "(deploy/nginx/console.conf)"
    )


def test_an_address_without_tls_is_refused_with_the_settings(examine):
    (said,) = examine(PORTAL_CONSOLE_URL="http://console.northwind.example")
    assert said.startswith("WRONG settings: PORTAL_CONSOLE_URL: ")


def test_a_request_that_nobody_can_approve_any_more_invites_nobody(examine, db, worker_vault, invite):
    for name in ("ann", "ben"):
        invite(f"{name}@northwind.example")
    now = SystemClock().now()
    with db.write() as session:
        member = members.add(session, worker_vault, "eve@northwind.example", {Role.AUTHOR}, "en", now)
        fields = {"member": member.id.hex()}
        asked = approvals.ask(session, worker_vault, jobs.ACTIONS[KIND], KIND, fields, "", b"1" * 16, now)
    assert "ok    invitations" in examine()
    with db.write() as session:
        session.merge(asked).asked_at = now - timedelta(days=8)
    assert any(line.startswith("WRONG invitations: 1 person was invited") for line in examine())
