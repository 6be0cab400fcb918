"""Ask for, approve, send back and check what needs a second person."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.db import new_id
from portal.core.faults import RowUnreadable, parsed
from portal.core.one_line import is_plain
from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.runtime.parts import WorkerParts
from portal.staff.approvals.models import Approval
from portal.staff.orders import Refused, canonical
from portal.staff.roles import Role

log = logging.getLogger("portal.staff")

EVERYONE = "*"  # whom a required reset is for that is for no list
TABLE = Approval.__tablename__
LIFETIME = timedelta(days=7)
# Among the fields that `perform` gets: the request's own id, so that a second run knows what the first did.
REQUEST = "request"
# Among what is shown: that a text of it was erased since, so it is not what its hash was made of any more.
DESTROYED = "destroyed"
ERASE = "approvals.erase"  # in the audit log
TEXT_LENGTH = 2000  # characters of a reason or a comment


class State(StrEnum):
    """What became of a request. The values enter row MACs: they stay.

    APPROVED: the worker is doing it. FAILED: it was approved, and could not be done; `result` says why.
    """

    OPEN = "open"
    APPROVED = "approved"
    DONE = "done"
    FAILED = "failed"
    SENT_BACK = "sent-back"
    WITHDRAWN = "withdrawn"


# Arguments: session, fields. Returns exactly what is shown and approved, of JSON's types, from columns that
# the console reads too. Raises Refused where it cannot be done.
Describe = Callable[[Session, Mapping[str, str]], dict[str, Any]]
# Arguments: parts, fields with REQUEST, what was shown. Runs outside any transaction; a second run after a
# crash does nothing twice. Returns what to show of the result. Raises Refused.
Perform = Callable[[WorkerParts, Mapping[str, str], Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Action:
    """Something that needs a second person: who may ask for it, and who may approve it.

    `not_for_oneself`: nobody approves it where it is about themselves (`member` in what is shown).
    `page` is the template that shows it, where a list of its facts would not be read; `more` returns what
    that template needs beside `shown`. `warn` gives what an approver of an open request must know too,
    each with a heading or none.
    """

    describe: Describe
    perform: Perform
    ask: frozenset[Role]
    approve: frozenset[Role] = frozenset({Role.APPROVER})
    page: str = ""
    more: Callable[[Session, Mapping[str, Any]], dict[str, Any]] | None = None
    warn: Callable[[Session, Settings, Mapping[str, Any]], Iterable[tuple[str, list[str]]]] | None = None
    not_for_oneself: bool = False


def digest_of(kind: str, fields: Mapping[str, str], shown: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 hash that an approval is bound to: of what is done, and what was shown."""
    content = canonical({"kind": kind, "fields": dict(fields), "shown": dict(shown)})
    return sha256(b"portal approval\0" + content.encode()).digest()


def about(action: Action, approval: Approval, member_id: bytes) -> bool:
    """Return whether a request is about a member who must not approve that for themselves."""
    return action.not_for_oneself and shown_of(approval).get("member") == member_id.hex()


def challenge_of(approval: Approval) -> bytes:
    """Return what the second person's passkey signs: of this request alone, and of exactly what it shows."""
    return sha256(b"portal approval challenge\0" + approval.id + approval.digest).digest()


def ask(
    session: Session,
    vault: WorkerVault,
    action: Action,
    kind: str,
    fields: Mapping[str, str],
    reason: str,
    asked_by: bytes,
    now: datetime,
) -> Approval:
    """Store a request for a second person. Raises Refused.

    An earlier open one for the same is withdrawn, and those of its kind that an edit of the same cancelled.
    """
    shown = action.describe(session, fields)
    text, about = canonical(dict(fields)), _about(shown, fields)
    of_kind = (Approval.kind == kind) & (Approval.state == State.OPEN)
    for earlier in session.scalars(select(Approval).where(of_kind).with_for_update()):
        if earlier.fields == text or (
            readable(earlier)
            and _about(shown_of(earlier), fields_of(earlier)) == about
            and not current(session, action, earlier, now)
        ):
            _decide(session, vault, earlier, State.WITHDRAWN, asked_by, "", now)
    approval = Approval(
        id=new_id(),
        kind=kind,
        fields=text,
        shown=canonical(shown),
        digest=digest_of(kind, fields, shown),
        reason=_plain(reason),
        asked_by=asked_by,
        asked_at=now.replace(microsecond=0),
        state=State.OPEN.value,
        comment="",
        proof="",
        result="",
    )
    approval.row_mac = _mac(vault, approval)
    session.add(approval)
    audit.record(session, "approvals.ask", approval.id.hex(), _details(approval), now)
    return approval


def verified(session: Session, vault: WorkerVault, approval_id: bytes) -> Approval:
    """Return a request whose row the worker wrote, locked until the transaction ends. Raises Refused."""
    approval = session.get(Approval, approval_id, with_for_update=True)
    if approval is None:
        raise Refused("no-approval")
    if not genuine(vault, approval):
        log.error(
            "staff: request %s was inserted or altered without the worker's keys, so it does nothing; find "
            "out who can write to the database",
            approval_id.hex(),
        )
        raise Refused("no-approval")
    return approval


def fields_of(approval: Approval) -> dict[str, Any]:
    """Return what a request is for. Raises RowUnreadable, and logs it, where somebody else wrote the row."""
    return parsed(approval.fields, TABLE, approval.id)


def shown_of(approval: Approval) -> dict[str, Any]:
    """Return what a request shows. Raises RowUnreadable, and logs it, where somebody else wrote the row."""
    return parsed(approval.shown, TABLE, approval.id)


def subject_of(approval: Approval) -> str:
    """Return the slug of the incident that a request is about; empty where it is about none."""
    shown = shown_of(approval)
    about = shown.get("incident", shown.get("reset_of", ""))
    slug = str(about.get("slug", "") if isinstance(about, dict) else about)
    return "" if slug == EVERYONE else slug


def readable(approval: Approval) -> bool:
    """Return whether a request's row has the form that the worker writes; logs it where it has not."""
    try:
        return all((fields_of(approval) is not None, shown_of(approval) is not None))
    except RowUnreadable:
        return False


def genuine(vault: WorkerVault, approval: Approval) -> bool:
    """Return whether the worker wrote a request's row, as it is."""
    return compare_digest(bytes(approval.row_mac), _mac(vault, approval))


def destroyed(approval: Approval) -> bool:
    """Return whether a text that a request showed was erased since."""
    return readable(approval) and shown_of(approval).get(DESTROYED) is True


def current(session: Session, action: Action, approval: Approval, now: datetime) -> bool:
    """Return whether what was shown is what would be done now: any edit voids a request."""
    if now - approval.asked_at >= LIFETIME:
        return False
    try:
        fields = fields_of(approval)
        shown = action.describe(session, fields)
    except (Refused, RowUnreadable, KeyError, ValueError):  # but for the first: of an altered row
        return False
    return compare_digest(digest_of(approval.kind, fields, shown), bytes(approval.digest))


def by_validity(
    session: Session, actions: Mapping[str, Action], open_ones: Iterable[Approval], now: datetime
) -> tuple[list[Approval], list[Approval]]:
    """Return those open requests that wait, and those that nobody can approve: an edit cancelled them.

    Rows that somebody else wrote are neither.
    """
    waits: list[Approval] = []
    void: list[Approval] = []
    for one in filter(readable, open_ones):
        action = actions.get(one.kind)
        (waits if action is not None and current(session, action, one, now) else void).append(one)
    return waits, void


def needs_unchanged(
    session: Session, describe: Describe, fields: Mapping[str, str], shown: Mapping[str, Any]
) -> None:
    """Raise Refused unless what would be done is what was shown.

    For `perform`, in the transaction that does it: an approval commits on its own, so something may have
    changed since, while a worker was down or in a request that came at the same time.
    """
    if canonical(describe(session, fields)) != canonical(dict(shown)):
        raise Refused("edited")


def approve(
    session: Session,
    vault: WorkerVault,
    approval: Approval,
    decided_by: bytes,
    proof: Mapping[str, str],
    now: datetime,
) -> None:
    """Store that a request was approved. The caller has checked who approves, what, and the proof."""
    approval.proof = canonical(dict(proof))
    _decide(session, vault, approval, State.APPROVED, decided_by, "", now)


def send_back(
    session: Session, vault: WorkerVault, approval: Approval, decided_by: bytes, comment: str, now: datetime
) -> None:
    """Store that an open request was sent back. Raises Refused where it is not open."""
    _needs_open(approval)
    _decide(session, vault, approval, State.SENT_BACK, decided_by, comment, now)


def withdraw(
    session: Session, vault: WorkerVault, approval: Approval, decided_by: bytes, now: datetime
) -> None:
    """Store that an open request was withdrawn. Raises Refused where it is not open."""
    _needs_open(approval)
    _decide(session, vault, approval, State.WITHDRAWN, decided_by, "", now)


def destroy(
    session: Session,
    vault: WorkerVault,
    approval: Approval,
    left: Mapping[str, Any],
    by: bytes | None,
    now: datetime,
) -> None:
    """Overwrite what a genuine request shows by what is left; an open one is withdrawn by a member or nobody.

    Its hash stays, because the log names it.
    """
    if approval.state == State.OPEN:
        _decide(session, vault, approval, State.WITHDRAWN, by, "", now)
    approval.shown = canonical(dict(left) | {DESTROYED: True})
    approval.row_mac = _mac(vault, approval)
    details = _details(approval) | {"state": str(approval.state)}
    audit.record(session, ERASE, approval.id.hex(), details, now)


def finish(
    session: Session,
    vault: WorkerVault,
    approval: Approval,
    state: State,
    result: Mapping[str, Any],
    now: datetime,
) -> None:
    """Store what became of an approved request."""
    approval.state, approval.result = state.value, canonical(dict(result))
    approval.row_mac = _mac(vault, approval)
    audit.record(session, f"approvals.{state.value}", approval.id.hex(), _details(approval), now)


def unfinished(session: Session, before: datetime) -> list[tuple[bytes, datetime]]:
    """Return the requests that were approved before a time, and not done since, each with when it was.

    A worker crashed, or is slow.
    """
    of_crash = (Approval.state == State.APPROVED) & (Approval.decided_at < before)
    rows = session.execute(select(Approval.id, Approval.decided_at).where(of_crash))
    return [(approval_id, approved_at) for approval_id, approved_at in rows if approved_at]


def waiting(session: Session) -> list[Approval]:
    """Return the open requests, the oldest first; nothing is verified."""
    open_ones = select(Approval).where(Approval.state == State.OPEN)
    return list(session.scalars(open_ones.order_by(Approval.asked_at)))


def newest(session: Session, limit: int = 50) -> list[Approval]:
    """Return the newest requests, the last first; nothing is verified."""
    return list(session.scalars(select(Approval).order_by(Approval.asked_at.desc()).limit(limit)))


def find(session: Session, kind: str, fields: Mapping[str, str]) -> Approval | None:
    """Return the newest request for exactly this, or None; nothing is verified."""
    same = (Approval.kind == kind) & (Approval.fields == canonical(dict(fields)))
    return session.scalar(select(Approval).where(same).order_by(Approval.asked_at.desc()).limit(1))


def find_waiting(
    session: Session, actions: Mapping[str, Action], kind: str, fields: Mapping[str, str], now: datetime
) -> Approval | None:
    """Return the request for exactly this that waits and can be approved, or None; nothing is verified."""
    found = find(session, kind, fields)
    action = actions.get(kind)
    if found is None or action is None or found.state != State.OPEN:
        return None
    return found if current(session, action, found, now) else None


def _about(shown: Mapping[str, Any], fields: Mapping[str, str]) -> tuple[Any, str]:
    """Return what two requests share that are about the same: an incident or one draft of it, or a member."""
    about = shown.get("incident", shown.get("reset_of", shown.get("member")))
    draft, _, _revision = str(fields.get("draft", "")).rpartition(":")
    return about.get("slug") if isinstance(about, dict) else about, draft


def _needs_open(approval: Approval) -> None:
    if approval.state != State.OPEN:
        raise Refused("decided")


def _plain(text: str) -> str:
    """Return a reason or a comment, in which nothing is hidden or turned around. Raises Refused."""
    if not all(map(is_plain, text.splitlines())):
        raise Refused("plain-text")
    return text[:TEXT_LENGTH]


def _decide(
    session: Session,
    vault: WorkerVault,
    approval: Approval,
    state: State,
    decided_by: bytes | None,
    comment: str,
    now: datetime,
) -> None:
    approval.state, approval.decided_by = state.value, decided_by
    approval.decided_at, approval.comment = now.replace(microsecond=0), _plain(comment)
    approval.row_mac = _mac(vault, approval)
    audit.record(session, f"approvals.{state.value}", approval.id.hex(), _details(approval), now)


def _details(approval: Approval) -> dict[str, str | int | bool | None]:
    details: dict[str, str | int | bool | None] = {"kind": approval.kind, "digest": approval.digest.hex()}
    if approval.decided_by is not None:
        details["asked_by"] = f"staff {approval.asked_by.hex()}"
        details["alone"] = approval.asked_by == approval.decided_by
    if destroyed(approval):
        details[DESTROYED] = True
    return details


def _mac(vault: WorkerVault, approval: Approval) -> bytes:
    decided = approval.decided_at
    return vault.row_mac(
        "staff approval",
        approval.id,
        approval.kind,
        approval.fields,
        approval.shown,
        approval.digest,
        approval.reason,
        approval.asked_by,
        int(approval.asked_at.timestamp()),
        approval.state,
        approval.decided_by or b"",
        0 if decided is None else int(decided.timestamp()),
        approval.comment,
        approval.proof,
        approval.result,
    )
