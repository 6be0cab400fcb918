"""Members of staff who are customers too: what the thief of the web server makes of their rows."""

from dataclasses import replace
from io import BytesIO

from portal.checklist import service as checklist
from portal.checklist.proofs import service as files
from portal.core.clock import SystemClock
from portal.incidents import service as incidents
from portal.reset.runs import service as runs
from portal.runtime.context import Context
from portal.staff import members, sessions
from portal.staff.approvals import service as approvals
from portal.staff.roles import Role
from portal.staff.sign_in import credentials, invitations
from tests.peers.loot import Customer, Loot, nothing_joins, shape

ROLES = frozenset({Role.AUTHOR, Role.APPROVER})
NOTE, PROOF = "zznote of the insurer", b"zzproof of 20 bytes."
# They lead from a member's rows to the member.
OF_MEMBER = ("id", "member_id", "asked_by")


def employ(context: Context, customers: list[Customer]) -> None:
    """Make customers staff: with a password, recovery codes, a session, an invitation and a request."""
    vault, now = context.worker_vault(), SystemClock().now()
    nothing = approvals.Action(lambda *_: {"roles": "author"}, lambda *_: {}, ask=ROLES)
    for one in customers:
        with context.db.write() as session:
            member = members.add(session, vault, one.address, ROLES, "en", now, one.name)
            credentials.set_password(session, vault, member.id, "$argon2id$hash", now)
            credentials.make_recovery_codes(session, vault, member.id, now)
            invitations.new(session, vault, member, replaces=False, now=now)
            member = members.activate(session, vault, member, one.name, "en")
            sessions.begin(session, vault, member, "passkey", "Firefox", now)
            fields = {"of": member.id.hex()}
            approvals.ask(session, vault, nothing, "staff.roles", fields, "", member.id, now)
    _leave_work(context, member.id)


def _leave_work(context: Context, member_id: bytes) -> None:
    """Leave a checklist with a proof, and a count for a required reset."""
    vault, clock = context.worker_vault(), SystemClock()
    now, content = clock.now(), BytesIO(b"%PDF-1.7\n" + PROOF)
    with context.db.write() as session:
        incident = incidents.every(session)[0]
        item = checklist.Item("insurer", 1, member_id, now, now, NOTE, NOTE)
        checklist.change(session, vault, incident, item, now)
        runs.begin(session, vault, incident.slug, 400, now)
    place = files.Place(context.db, vault.staff, clock)
    file_id = files.receive(place, incident, "insurer", "Zzletter.pdf", content.read, member_id)
    files.keep(context.db, vault, file_id.hex(), member_id, incident.slug, now)


def work_says_nothing(loot: Loot) -> None:
    """A checklist says who does what until when; its notes and proofs are sealed, and a count is a count."""
    for hidden in (NOTE.encode(), PROOF, b"Zzletter"):
        assert hidden not in loot.content
    (item,), (file,), (chunk,), (run,) = (
        loot.tables[name]
        for name in ("checklist_items", "checklist_files", "checklist_file_chunks", "reset_runs")
    )
    assert {name for name, value in item.items() if isinstance(value, bytes)} == {
        *("incident_id", "owner", "content", "row_mac")
    }
    # The worker does the run at once: its count is of all whose account it looked at.
    assert (len(item["content"]), len(file["content"]), file["size"], run["total"]) == (540, 540, 29, 611)
    assert file["id"] == chunk["file_id"]
    for table, row in (("checklist_files", file), ("reset_runs", run)):
        own = {name: value for name, value in row.items() if name not in ("incident_id", "added_by", "id")}
        nothing_joins(replace(loot, tables=loot.tables | {table: [own]}), table)


def staff_say_nothing(loot: Loot) -> None:
    """All rows of staff look alike, whoever is affected, and join with nothing but their member."""
    work_says_nothing(loot)
    for table, count in (("staff_members", 2), ("staff_credentials", 4), ("staff_sessions", 2)):
        rows = loot.tables[table]
        assert len(rows) == count
        assert len({shape(row | dict.fromkeys(OF_MEMBER)) for row in rows}) == count // 2  # kinds
        own = [{name: value for name, value in row.items() if name not in OF_MEMBER} for row in rows]
        nothing_joins(replace(loot, tables=loot.tables | {table: own}), table)
