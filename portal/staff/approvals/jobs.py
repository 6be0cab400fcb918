"""The worker's side of approvals: check role, four eyes and proof; then do what was approved."""

import json
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.core.db import Database
from portal.core.faults import error_types, frames
from portal.core.locks.process import process_lock
from portal.runtime.parts import WorkerParts
from portal.staff import members
from portal.staff.approvals import service, telling
from portal.staff.approvals.models import Approval
from portal.staff.approvals.service import Action, State
from portal.staff.emails import SentBack, tell
from portal.staff.members import MemberMissing
from portal.staff.orders import Acting, Order, Refused, by
from portal.staff.roles import Role
from portal.staff.sign_in import proving

log = logging.getLogger("portal.staff")

# An approved request that is not done by then was a crashed worker's, unless one still holds its lock.
STUCK = timedelta(minutes=1)
# A request that is under way for longer is told of, and then every hour.
SLOW, AGAIN = timedelta(minutes=10), timedelta(hours=1)


class UnderWay(Exception):
    """Somebody does this request now."""


def ask(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Ask for a second person; where the company has only one, do it at once.

    Fields: kind, fields (JSON), reason.
    """
    action, kind = _action(parts, fields["kind"]), fields["kind"]
    if not action.ask & acting.member.roles:
        raise Refused("role")
    wanted = {str(name): str(value) for name, value in json.loads(fields["fields"]).items()}
    alone = parts.settings.console.one_person
    now = parts.clock.now()
    told: list[bytes] = []
    with parts.db.write() as session:
        asked_by = acting.member.id
        approval = service.ask(session, parts.vault, action, kind, wanted, fields["reason"], asked_by, now)
        if alone:
            service.approve(session, parts.vault, approval, asked_by, {"how": "one person"}, now)
        else:
            url = f"{parts.settings.console.url}/approvals/{approval.id.hex()}/"
            told = telling.tell_approvers(session, parts, action.approve, asked_by, url)
    if alone:
        return _perform(parts, approval.id)
    return {"approval": approval.id.hex(), "told": [member_id.hex() for member_id in told]}


def approve(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Approve exactly what was shown, and do it. Fields: approval, digest, and passkey or code."""
    now = parts.clock.now()
    with parts.db.write() as session:
        approval = service.verified(session, parts.vault, _id(fields))
        action = _action(parts, approval.kind)
        if not action.approve & acting.member.roles:
            raise Refused("role")
        if approval.asked_by == acting.member.id:
            raise Refused("own")
        if service.about(action, approval, acting.member.id):
            raise Refused("oneself")
        if approval.state != State.OPEN:
            raise Refused("decided")
        _needs_asker(session, parts, action, approval)
        if fields["digest"] != approval.digest.hex() or not service.current(session, action, approval, now):
            raise Refused("edited")
    # A wrong proof is counted: it commits on its own. No recovery code approves: a taken console could have
    # ten made for whoever confirmed lately, and none is signed over what was shown.
    proof = proving.over(parts, acting.member, service.challenge_of(approval), fields, recovery=False)
    with parts.db.write() as session:
        approval = service.verified(session, parts.vault, _id(fields))
        if approval.state != State.OPEN:
            raise Refused("decided")
        if not service.current(session, action, approval, now):
            raise Refused("edited")
        if not action.approve & members.verified(session, parts.vault, acting.member.id).roles:
            raise Refused("role")
        _needs_asker(session, parts, action, approval)
        service.approve(session, parts.vault, approval, acting.member.id, proof, now)
    return _perform(parts, approval.id)


def send_back(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Send a request back with a comment. Fields: approval, comment."""
    with parts.db.write() as session:
        approval = service.verified(session, parts.vault, _id(fields))
        if not _action(parts, approval.kind).approve & acting.member.roles:
            raise Refused("role")
        now = parts.clock.now()
        service.send_back(session, parts.vault, approval, acting.member.id, fields["comment"], now)
        mail = SentBack(f"{parts.settings.console.url}/approvals/{approval.id.hex()}/")
        try:
            tell(session, parts, members.verified(session, parts.vault, approval.asked_by), mail)
        except MemberMissing:
            log.warning("staff: who asked for request %s is gone; nobody was told", approval.id.hex())
    return {}


def withdraw(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Withdraw a request: its author, or an admin. Fields: approval."""
    with parts.db.write() as session:
        approval = service.verified(session, parts.vault, _id(fields))
        if approval.asked_by != acting.member.id and Role.ADMIN not in acting.member.roles:
            raise Refused("role")
        service.withdraw(session, parts.vault, approval, acting.member.id, parts.clock.now())
    return {}


def resume(parts: WorkerParts) -> None:
    """Do what was approved when a worker crashed. Called every minute; none keeps the others waiting."""
    now = parts.clock.now()
    with parts.db.read() as session:
        found = service.unfinished(session, now - STUCK)
    for approval_id, approved_at in found:
        try:
            with _lock(parts, approval_id):
                _run(parts, approval_id)
        except UnderWay:  # it is slow, and no worker crashed
            _tell_slow(approval_id, now - approved_at)
        except Refused as error:
            log.error("staff: request %s could not be done (%s)", approval_id.hex(), error.reason)
        except OSError as error:
            log.error(
                "staff: request %s waits: its lock could not be used (%s: %s); unless another user's worker "
                "is at it, remove what lies at that path",
                approval_id.hex(),
                error.strerror,
                error.filename,
            )


def _tell_slow(approval_id: bytes, since: timedelta) -> None:
    """Warn of a request that is under way for long, and once an hour: a worker may hang."""
    if since >= SLOW and (since - SLOW) % AGAIN < STUCK:
        log.warning(
            "staff: request %s is under way for %d minutes; if its worker does nothing, restart that worker, "
            "and the request is done again",
            approval_id.hex(),
            since // timedelta(minutes=1),
        )


def _perform(parts: WorkerParts, approval_id: bytes) -> dict[str, Any]:
    """Do what was approved, once; where somebody does it now, say so."""
    try:
        with _lock(parts, approval_id):
            return _run(parts, approval_id)
    except UnderWay:
        return {"approval": approval_id.hex(), "state": State.APPROVED.value, "result": {}}


def _lock(parts: WorkerParts, approval_id: bytes) -> AbstractContextManager[None]:
    """Return the lock of a request, which ends with the process that holds it.

    Entering raises UnderWay, or OSError.
    """
    number = int.from_bytes(approval_id[:8], signed=True)
    return process_lock(parts.db, f"request-{approval_id.hex()}-lock", number, UnderWay)


def _run(parts: WorkerParts, approval_id: bytes) -> dict[str, Any]:
    """Do what was approved, as whoever asked for it, and store what became of it. Raises Refused."""
    with parts.db.read() as session:
        approval = service.verified(session, parts.vault, approval_id)
    if approval.state != State.APPROVED:
        raise Refused("decided")
    action = _action(parts, approval.kind)
    doing = replace(parts, db=_acting(parts.db, approval))
    try:
        fields = json.loads(approval.fields) | {service.REQUEST: approval_id.hex()}
        done = action.perform(doing, fields, json.loads(approval.shown))
        state, result = State.DONE, dict(done)
    except Refused as error:
        state, result = State.FAILED, {"reason": error.reason, **error.values}
    except Exception as error:  # noqa: BLE001 - its state must not stay "approved" for ever
        log.error(
            "staff: request %s (%s) failed (%s)%s",
            approval_id.hex(),
            approval.kind,
            error_types(error),
            frames(error),
        )
        state, result = State.FAILED, {"reason": "fault"}
    with parts.db.write() as session:
        approval = service.verified(session, parts.vault, approval_id)
        # PostgreSQL frees the lock of a lost connection: a second run then fails at what is done, and it is.
        if approval.state == State.APPROVED or (state is State.DONE and approval.state == State.FAILED):
            service.finish(session, parts.vault, approval, state, result, parts.clock.now())
        else:
            state, result = State(approval.state), json.loads(approval.result)
    return {"approval": approval_id.hex(), "state": state.value, "result": result}


def _needs_asker(session: Session, parts: WorkerParts, action: Action, approval: Approval) -> None:
    """Raise Refused where whoever asked left, or may not ask for it any more: it is done in their name."""
    try:
        asker = members.verified(session, parts.vault, approval.asked_by)
    except MemberMissing as error:
        raise Refused("asker") from error
    if not (asker.active and action.ask & asker.roles):
        raise Refused("asker")


def _id(fields: Mapping[str, str]) -> bytes:
    try:
        return bytes.fromhex(fields["approval"])
    except ValueError as error:
        raise Refused("no-approval") from error


def _acting(database: Database, approval: Approval) -> Database:
    approved = by(approval.decided_by or b"")
    return database.acting({"by": by(approval.asked_by), "approved_by": approved})


def _action(parts: WorkerParts, kind: str) -> Action:
    action: Action | None = parts.actions.get(kind)
    if action is None:
        raise Refused("no-approval")
    return action


ORDERS = {
    "ask": Order(ask, step_up=True, counted=True),
    "approve": Order(approve),
    "send-back": Order(send_back),
    "withdraw": Order(withdraw),
}
