"""Check every request again: its row, what it covers, who agreed, and a passkey's signature over it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.crypto.vault import WorkerVault
from portal.crypto.webauthn import AnswerInvalid, RelyingParty, origin_of, read_assertion
from portal.staff import members
from portal.staff.approvals import service
from portal.staff.approvals.models import Approval
from portal.staff.approvals.service import State
from portal.staff.held import PutBack
from portal.staff.models import StaffMember

LOGGED = "approvals."
_ASKED = f"{LOGGED}ask"
_ROLES = "staff.roles"
_AGREED = frozenset({State.APPROVED, State.DONE, State.FAILED})
_ROWS = 100


@dataclass(frozen=True)
class _Entry:
    """What the log says last of a request."""

    state: str
    digest: str
    destroyed: bool


def check(session: Session, vault: WorkerVault) -> tuple[dict[str, int], list[str]]:
    """Return how many requests there are, of which kinds of proof, and what is wrong with which of them.

    The session is of `Database.snapshot`, and its log was verified. The log must say the same of each: a row
    of an earlier time has a right row MAC too.
    """
    logged = {
        subject: _Entry(
            _state(action, details), str(details["digest"]), details.get(service.DESTROYED) is True
        )
        for subject, action, details in audit.newest_of_each(session, LOGGED)
    }
    proofs: Counter[str] = Counter()
    destroyed = 0
    faults = []
    for approval in session.scalars(
        select(Approval).order_by(Approval.id).execution_options(yield_per=_ROWS)
    ):
        number = bytes(approval.id).hex()
        how = _proof(approval).get("how", "") if approval.state in _AGREED else ""
        proofs[how] += 1
        destroyed += service.destroyed(approval)
        entry = logged.pop(number, None)
        fault = _fault(vault, approval, how) or _unlogged(approval, entry)
        if fault is not None:
            faults.append(f"request {number} ({approval.kind}) {fault}")
    faults += [
        f"request {number} was removed: the log has it as {entry.state}" for number, entry in logged.items()
    ]
    faults += _members_put_back(session, vault)
    counts = {
        "requests": proofs.total(),
        "signed": proofs["passkey"],
        "codes": proofs["totp"] + proofs["recovery"],
        "alone": proofs["one person"],
        "destroyed": destroyed,
    }
    return counts, faults


def _state(action: str, details: Mapping[str, Any]) -> str:
    """Return the state of a request after an entry of the log."""
    if action == service.ERASE:
        return str(details["state"])
    return State.OPEN if action == _ASKED else action.removeprefix(LOGGED)


def _members_put_back(session: Session, vault: WorkerVault) -> Iterator[str]:
    """Yield whose rows say something else than the roles that the log gave them last, none if removed.

    An earlier row of somebody who was removed has a right row MAC. What is held of staff keeps them out.
    """
    rows = {row.id.hex(): row for row in session.scalars(select(StaffMember))}
    try:
        for each in rows.values():
            if members.put_back(session, vault, members.read(vault.staff, each), each.row_mac):
                yield f"member {each.id.hex()} is not as the worker left them: an earlier row was put back"
    except PutBack:
        yield "what is held of staff (staff_held) was altered without the worker's keys"
    for number, _action, details in audit.newest_of_each(session, _ROLES):
        row, after = rows.get(number), str(details["after"])
        removed = row is None or row.state == members.State.REMOVED
        if removed != (not after) or (row is not None and row.roles != after):
            yield f"member {number} has other roles than the log gave them: an earlier row was put back"


def _fault(vault: WorkerVault, approval: Approval, how: str) -> str | None:
    if not service.genuine(vault, approval):
        return "was inserted or altered without the worker's keys"
    try:
        shown = service.digest_of(approval.kind, json.loads(approval.fields), json.loads(approval.shown))
    except (ValueError, TypeError):
        shown = b""
    if not service.destroyed(approval) and not compare_digest(shown, bytes(approval.digest)):
        return "shows something else than what its hash was made of"
    if approval.state not in _AGREED:
        return None
    if how != "one person" and approval.decided_by == approval.asked_by:
        return "was approved by the person who asked for it"
    if how == "passkey":
        return _signature_fault(approval)
    return None if how in ("totp", "recovery", "one person") else "was approved without a proof"


def _signature_fault(approval: Approval) -> str | None:
    """Return what is wrong with a passkey's answer, or None: for the address at which it was given."""
    proof = _proof(approval)
    try:
        given = read_assertion(proof["answer"])
        if not compare_digest(given.challenge, service.challenge_of(approval)):
            return "has a passkey's signature over something else, such as another request"
        RelyingParty.at(origin_of(proof["answer"]), "").check(given, bytes.fromhex(proof["credential"]))
    except (AnswerInvalid, KeyError, ValueError):
        return "has no signature that its passkey made"
    return None


def _unlogged(approval: Approval, entry: _Entry | None) -> str | None:
    if entry is None:
        return "is not in the log"
    destroyed = service.destroyed(approval)
    if entry.destroyed != destroyed:
        return (
            "shows less than it did, but the log has no text of it as destroyed"
            if destroyed
            else "shows a text that the log has as destroyed: an earlier row was put back"
        )
    if entry != _Entry(approval.state, bytes(approval.digest).hex(), destroyed):
        return f"is {approval.state}, but the log has it as {entry.state}: an earlier row was put back"
    return None


def _proof(approval: Approval) -> Mapping[str, str]:
    try:
        proof = json.loads(approval.proof or "{}")
    except ValueError:
        return {}
    return proof if isinstance(proof, dict) else {}
