"""Orders: what the console asks the worker to do, for a member whose session the worker verifies itself."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.core.faults import RowUnreadable
from portal.crypto.vault import PageVault
from portal.runtime.parts import SealedHandler, WorkerParts
from portal.staff import held, sessions
from portal.staff.members import Member
from portal.staff.roles import ANY, Role
from portal.web import limits

PREFIX = "staff."
# How often a member stores something new on one day, such as drafts or requests: far more than anybody does.
DAILY = "200 per day"
# What the console is told, beside what a handler says itself.
OVER = {"outcome": "session-over"}
ROLE = {"outcome": "role"}
STEP_UP = {"outcome": "step-up"}


class Refused(Exception):
    """An order that cannot be done; `reason` is a code that the console has words for, `values` fill them."""

    def __init__(self, reason: str, **values: str | int) -> None:
        """Store the code and its values."""
        self.reason, self.values = reason, values
        super().__init__(reason)


@dataclass(frozen=True)
class Acting:
    """Who gives an order: the member, the session's id, and when and how they last confirmed that it is them.

    `how` is the kind of credential: "passkey", "totp" or "recovery".
    """

    member: Member
    session_id: bytes
    proved_at: datetime
    how: str

    @property
    def by(self) -> str:
        """Return what the audit log says of who did it."""
        return by(self.member.id)


# Arguments: parts, whose database records who acts; who; the fields. Runs outside any transaction.
Run = Callable[[WorkerParts, Acting, Mapping[str, str]], dict[str, Any]]


@dataclass(frozen=True)
class Order:
    """What one kind of order needs: one of these roles, and whether the member confirmed lately.

    One that is `counted` leaves rows for good: a member gives it as often a day as DAILY says, all together.
    The console counts what it stores itself.
    """

    run: Run
    roles: frozenset[Role] = ANY
    step_up: bool = False
    counted: bool = False


def by(member_id: bytes) -> str:
    """Return what the audit log says of a member who did something."""
    return f"staff {member_id.hex()}"


def handler(order: Order) -> SealedHandler:
    """Return the handler of sealed jobs that checks the session, role and step-up, and runs the order."""

    def handle(_job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
        now = parts.clock.now()
        rest, least = dict(fields), held.floor(parts)
        try:
            with parts.db.read() as session:
                held.not_below(session, parts, least)
                member, session_id, proved_at, how = sessions.verified(
                    session, parts.vault, rest.pop("session", ""), now
                )
        except (sessions.SessionOver, held.PutBack):
            return OVER
        if not order.roles & member.roles:
            return ROLE
        if order.step_up and now - proved_at >= sessions.STEP_UP + sessions.GRACE:
            return STEP_UP
        if order.counted:
            with parts.db.write() as session:
                if not within_day(session, parts.vault, member.id, now):
                    return {"outcome": "refused", "reason": "many-today", "values": {}}
        acting = Acting(member, session_id, proved_at, how)
        try:
            done = order.run(replace(parts, db=parts.db.acting({"by": acting.by})), acting, rest)
        except Refused as error:
            return {"outcome": "refused", "reason": error.reason, "values": dict(error.values)}
        except RowUnreadable as error:
            return {"outcome": "refused", "reason": "row", "values": {"place": error.place}}
        return {"outcome": "done"} | done

    return handle


def within_day(session: Session, vault: PageVault, member_id: bytes, now: datetime) -> bool:
    """Count that a member stores something new; return whether they may yet today."""
    return limits.hit(session, vault, DAILY, "staff stores", member_id.hex(), now=now).allowed


def handlers(orders: Mapping[str, Order]) -> dict[str, SealedHandler]:
    """Return the handlers of orders by their kinds of sealed job; `orders` has them by name."""
    return {f"{PREFIX}{name}": handler(order) for name, order in orders.items()}


def checked_first(run: SealedHandler, refused: Mapping[str, Any]) -> SealedHandler:
    """Return a handler for whoever is not signed in, which refuses where what is held of staff is older."""

    def handle(job_id: bytes, fields: Mapping[str, str], parts: WorkerParts) -> dict[str, Any]:
        least = held.floor(parts)
        try:
            with parts.db.read() as session:
                held.not_below(session, parts, least)
            return run(job_id, fields, parts)
        except held.PutBack:
            return dict(refused)

    return handle


def canonical(content: Any) -> str:
    """Return JSON that is the same for the same content: sorted, without spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
