"""Members of staff who are customers too: what the thief of the web server makes of their rows."""

from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from secrets import token_bytes

from portal.campaigns.tasks import service as tasks
from portal.campaigns.tasks.models import TaskChunk
from portal.checklist import service as checklist
from portal.checklist.proofs import service as files
from portal.core.clock import SystemClock
from portal.crypto import tokens
from portal.exposure import left_out
from portal.incidents import service as incidents
from portal.reset.runs import service as runs
from portal.runtime.context import Context
from portal.site.saved import service as saved
from portal.staff import members, sessions
from portal.staff.approvals import service as approvals
from portal.staff.approvals.models import Told
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
    _leave_console_work(context, customers)


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


def _leave_console_work(context: Context, customers: list[Customer]) -> None:
    """Leave people out of notices, a file of people, a saved contact and legal page, and a gathered mail.

    One of the customers is affected; both are left out, and the file could hold either.
    """
    vault, now, settings = context.worker_vault(), SystemClock().now(), context.settings
    with context.db.write() as session:
        incident = incidents.every(session)[0]
        left_out.add(session, vault, incident, [(one.address, one.ref) for one in customers], now, "died")
        task = tasks.begin(session, vault, "export", incident.id, {"copy": "1"}, now, notice=1)
        key = token_bytes(32)
        task.file_key = vault.encrypt(tasks.key_cell(task), key, (64,))
        tasks.change(vault, task, "ready", now)
        people = "\n".join(f"{one.address},{one.ref},{one.name}" for one in customers).encode()
        sealed = tokens.lock(key, people, 64 * 1024, f"portal people export {task.id.hex()} 0")
        session.add(TaskChunk(task_id=task.id, number=0, content=sealed))
        digest = saved.store_content(session, b"# Privacy\n\nzzprivacy", now)
        saved.change(session, vault, settings, "privacy.en", digest, base=0, by="staff x", now=now)
        saved.change(session, vault, settings, "contact_hours", "Mon-Fri", base=0, by="staff x", now=now)
        member = members.with_role(session, vault, Role.APPROVER)[0]
        session.add(Told(member_id=member.id, until=now + timedelta(minutes=15), more=True))


def console_work_says_nothing(loot: Loot) -> None:
    """Who is left out, and whom a file lists, is as many rows of one length, and joins with nothing."""
    left = loot.tables["exposure_left_out"]
    assert len(left) == 2
    assert len({shape(row | {"incident_id": b""}) for row in left}) == 1
    (every,) = loot.tables["exposure_left_out_sets"]
    assert (every["people"], every["version"]) == (2, 1)
    (task,), (chunk,) = loot.tables["notice_tasks"], loot.tables["notice_task_chunks"]
    assert (len(task["file_key"]), len(chunk["content"])) == (64 + 28, 64 * 1024 + 32)
    assert chunk["task_id"] == task["id"]
    assert [row["name"] for row in loot.tables["site_changes"]] == ["privacy.en", "contact_hours"]
    (content,) = loot.tables["site_contents"]
    assert b"zzprivacy" in content["content"], "it is public"
    (held,) = loot.tables["staff_held"]
    assert len(held["content"]) % (1 + 16 + 16) == 0
    assert {row["more"] for row in loot.tables["staff_told"]} <= {True}
    for table, row in (
        *(("exposure_left_out", one) for one in left),
        ("exposure_left_out_sets", every),
        ("notice_tasks", task),
        ("site_changes", loot.tables["site_changes"][0]),
        ("staff_held", held),
    ):
        own = {name: value for name, value in row.items() if name not in ("incident_id", "id")}
        nothing_joins(replace(loot, tables=loot.tables | {table: [own]}), table)


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
    console_work_says_nothing(loot)
    for table, count in (("staff_members", 2), ("staff_credentials", 4), ("staff_sessions", 2)):
        rows = loot.tables[table]
        assert len(rows) == count
        assert len({shape(row | dict.fromkeys(OF_MEMBER)) for row in rows}) == count // 2  # kinds
        own = [{name: value for name, value in row.items() if name not in OF_MEMBER} for row in rows]
        nothing_joins(replace(loot, tables=loot.tables | {table: own}), table)
