"""Destroy what is left of an erased text: its drafts, and what requests for a second person show of it."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.core.faults import parsed
from portal.crypto.vault import WorkerVault
from portal.incidents import service
from portal.incidents.drafts import edits, entries, files, releasing, statements
from portal.incidents.drafts.models import Draft
from portal.incidents.models import Incident
from portal.incidents.publishing.withdrawing import ERASED
from portal.staff.approvals import service as approvals
from portal.staff.approvals.models import Approval

log = logging.getLogger("portal.incidents")

# Kinds of requests that show texts of an incident; a notice freezes the statement in its words.
_PUBLISH, _POST, _NOTICE = "statement.publish", "update.post", "notice.start"
Shown = Mapping[str, Any]
# Argument: a request. Returns what is left of what it shows; all of it where it shows nothing of the text.
Left = Callable[[Approval], Shown]


def of_version(
    session: Session,
    vault: WorkerVault,
    slug: str,
    number: int,
    since: datetime,
    by: bytes | None,
    now: datetime,
) -> None:
    """Destroy all drafts of the statement, and what requests show of a version that was erased.

    Nobody knows which words leak, and a draft may have them still, in any language. So of requests only
    those texts stay that another version has word for word. `since` is when the version became public:
    notices that were asked for from then on may hold it. Raises IncidentUnknown.
    """
    incident = service.locked(session, slug)
    _delete_drafts(session, incident, lambda name: statements.language_of(name) is not None)

    def left(approval: Approval) -> Shown:
        shown = approvals.shown_of(approval)
        if approval.kind == _NOTICE:
            return shown | {"words": {}} if approval.asked_at >= since else shown
        texts = [_without_text(session, incident, number, one) for one in shown["statements"]]
        return shown | {"statements": texts}

    _destroy(session, vault, slug, (_PUBLISH, _NOTICE), left, by, now)


def of_update(
    session: Session, vault: WorkerVault, slug: str, number: int, by: bytes | None, now: datetime
) -> None:
    """Destroy the drafts of an update that was erased, and what requests show of it.

    Raises IncidentUnknown.
    """
    incident = service.locked(session, slug)
    keys = {edits.key_of(number)} | {
        _key(one) for one in _requests(session, vault, slug, (_POST,)) if _made(one) == number
    }
    _delete_drafts(session, incident, lambda name: name in {entries.document(key) for key in keys})

    def left(approval: Approval) -> Shown:
        shown = approvals.shown_of(approval)
        if approval.kind == _PUBLISH:
            updates = [_without_words(one) if one["number"] == number else one for one in shown["updates"]]
            return shown | {"updates": updates}
        if _key(approval) not in keys:
            return shown
        before = {"before": _without_words(shown["before"])} if "before" in shown else {}
        return _without_words(shown) | before

    _destroy(session, vault, slug, (_PUBLISH, _POST), left, by, now)


def _destroy(
    session: Session,
    vault: WorkerVault,
    slug: str,
    kinds: tuple[str, ...],
    left: Left,
    by: bytes | None,
    now: datetime,
) -> None:
    for approval in _requests(session, vault, slug, kinds):
        if (rest := left(approval)) != approvals.shown_of(approval):
            approvals.destroy(session, vault, approval, rest, by, now)
    session.flush()


def _requests(session: Session, vault: WorkerVault, slug: str, kinds: tuple[str, ...]) -> list[Approval]:
    """Return the requests about an incident that the worker wrote, locked until the transaction ends."""
    found = []
    for one in session.scalars(select(Approval).where(Approval.kind.in_(kinds)).with_for_update()):
        if not approvals.genuine(vault, one):
            number = bytes(one.id).hex()
            log.error("request %s was altered without the worker's keys, so nothing of it is erased", number)
        elif approvals.subject_of(one) == slug:
            found.append(one)
    return found


def _delete_drafts(session: Session, incident: Incident, which: Callable[[str], bool]) -> None:
    """Delete drafts with all their saves, and those that were set aside."""
    of_incident = Draft.incident_id == incident.id
    names = [
        name for name in session.scalars(select(Draft.document).where(of_incident).distinct()) if which(name)
    ]
    session.execute(delete(Draft).where(of_incident, Draft.document.in_(names)))
    session.expire_all()


def _without_text(session: Session, incident: Incident, number: int, text: Shown) -> Shown:
    """Return what a request shows of a version; without its text, unless that is another version's."""
    if text["version"] != number and releasing.stored(session, incident, text) is not None:
        return text
    return {**text, **dict.fromkeys((*files.LINES, files.APOLOGY), ERASED), "sections": []}


def _without_words(update: Shown) -> dict[str, Any]:
    """Return what a request shows of an update, without title and text in each language."""
    return {**update, "texts": [[language, ERASED, ERASED] for language, _title, _body in update["texts"]]}


def _key(approval: Approval) -> str:
    """Return the key of the draft that a request is to post."""
    return str(approvals.fields_of(approval).get("draft", "")).rpartition(":")[0]


def _made(approval: Approval) -> int | None:
    """Return the number of the update that an approved request made."""
    number = parsed(approval.result, approvals.TABLE, approval.id).get("update")
    return number if isinstance(number, int) else None
