"""Members of staff who are customers too: what the thief of the web server makes of their rows."""

from dataclasses import replace

from portal.core.clock import SystemClock
from portal.runtime.context import Context
from portal.staff import members, sessions
from portal.staff.approvals import service as approvals
from portal.staff.roles import Role
from portal.staff.sign_in import credentials, invitations
from tests.peers.loot import Customer, Loot, nothing_joins, shape

ROLES = frozenset({Role.AUTHOR, Role.APPROVER})
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


def staff_say_nothing(loot: Loot) -> None:
    """All rows of staff look alike, whoever is affected, and join with nothing but their member."""
    for table, count in (("staff_members", 2), ("staff_credentials", 4), ("staff_sessions", 2)):
        rows = loot.tables[table]
        assert len(rows) == count
        assert len({shape(row | dict.fromkeys(OF_MEMBER)) for row in rows}) == count // 2  # kinds
        own = [{name: value for name, value in row.items() if name not in OF_MEMBER} for row in rows]
        nothing_joins(replace(loot, tables=loot.tables | {table: own}), table)
