"""What staff order about lists: show what was found in a file, read or store it, leave people out."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.core.addresses import AddressInvalid, mask, normalise
from portal.core.faults import parsed
from portal.crypto.vault import VaultError
from portal.datakinds.names import find
from portal.exposure import left_out, service
from portal.exposure.left_out import NotLeftOut, Who
from portal.exposure.uploads import plans, receiving
from portal.exposure.uploads.models import Upload
from portal.exposure.uploads.plans import NotNow, Plan
from portal.exposure.uploads.receiving import UploadGone
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.people_files.reading import MOST_UNKNOWN
from portal.runtime.parts import WorkerParts
from portal.staff.orders import Acting, Order, Refused
from portal.staff.roles import Role

# Of the people who are left out, as many are shown.
SHOWN = 200
LOOK = timedelta(minutes=5)
MAX_TEXT = 320
MAX_WORD = 40


def show_found(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what was found in a file, with its masked samples. Fields: incident, upload."""
    with parts.db.write() as session:
        incident, upload = _upload(session, fields)
        found = plans.findings(parts.vault, upload)
        if found.get("columns"):  # masked, and read all the same
            _record_look(session, incident.slug, upload.id.hex(), acting.by, parts.clock.now())
    try:
        plan = plans.plan_of(parts.vault, upload)
    except VaultError:
        plan = Plan()
    return {"found": found | {"encoding": plan.encoding, "meanings": plan.meanings}}


def _record_look(session: Session, slug: str, upload: str, by: str, now: datetime) -> None:
    """Record who looked at a file's rows; looking again within five minutes is one look."""
    for look in audit.recent_of(session, slug, "exposure.samples", now - LOOK):
        told = parsed(look.details, "audit_entries", look.number)
        if (told.get("by"), told.get("upload")) == (by, upload):
            return
    audit.record(session, "exposure.samples", slug, {"upload": upload}, now)


def read_again(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Read a file as decided. Fields: incident, upload, encoding; mapped, ignored, meanings (JSON)."""
    try:
        mapped = tuple((int(number), str(column)) for number, column in json.loads(fields["mapped"]))
        ignored = tuple(int(number) for number in json.loads(fields["ignored"]))
        meanings = tuple(
            (str(word)[:MAX_WORD], find(str(kind)).name) for word, kind in json.loads(fields["meanings"])
        )
    except (ValueError, TypeError, LookupError) as error:
        raise Refused("upload-columns") from error
    if len(meanings) > MOST_UNKNOWN:
        raise Refused("upload-columns")
    encoding = fields.get("encoding", "")[:40]
    plan = Plan(acting.by, encoding=encoding, mapped=mapped, ignored=ignored, meanings=meanings)
    return _decide(parts, fields, plan)


def store(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Store a file as it was read. Fields: incident, upload, widen and silence, each `yes` or nothing."""
    plan = Plan(
        acting.by, store=True, widen=fields.get("widen") == "yes", silence=fields.get("silence") == "yes"
    )
    return _decide(parts, fields, plan)


def show_left_out(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return who is left out of an incident's notices, masked, and how many of them are on the list.

    Fields: incident.
    """
    with parts.db.write() as session:
        incident = _incident(session, fields)
        active = service.active(session, incident.id)
        audit.record(session, "exposure.except-list", incident.slug, {}, parts.clock.now())
    people = sorted(left_out.every(parts.db, parts.vault, incident.id))
    few = len(people) <= SHOWN
    matches = left_out.matches(parts.db, parts.vault, active) if active is not None and few else None
    return {
        "people": len(people),
        "shown": [[mask(address), f"{ref[:1]}…{ref[-1:]}" if ref else ""] for address, ref in people[:SHOWN]],
        "on_list": matches.people if matches else None,
        "silent": matches.addresses if matches else None,
    }


def leave_out(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Leave one person out of an incident's notices. Fields: incident, address, ref, reason."""
    who, reason = _who(fields), fields.get("reason", "")
    if reason not in left_out.REASONS:
        raise Refused("left-out-reason")
    with parts.db.write() as session:
        incident = _incident(session, fields)
        new = left_out.add(session, parts.vault, incident, [who], parts.clock.now(), reason)
    return {"new": bool(new)}


def notify_again(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Notify one person again. Fields: incident, address, ref."""
    who = _who(fields)
    with parts.db.write() as session:
        try:
            left_out.remove(session, parts.vault, _incident(session, fields), who, parts.clock.now())
        except NotLeftOut:
            raise Refused("not-left-out") from None
    return {}


def _decide(parts: WorkerParts, fields: Mapping[str, str], plan: Plan) -> dict[str, Any]:
    with parts.db.write() as session:
        _, upload = _upload(session, fields)
        try:
            plans.decide(session, parts.vault, upload, plan, parts.clock.now())
        except (NotNow, ValueError):
            raise Refused("upload-busy") from None
    return {}


def _upload(session: Session, fields: Mapping[str, str]) -> tuple[Incident, Upload]:
    incident = _incident(session, fields)
    try:
        return incident, receiving.find(session, incident.id, bytes.fromhex(fields["upload"]))
    except (UploadGone, ValueError, KeyError):
        raise Refused("upload-gone") from None


def _incident(session: Session, fields: Mapping[str, str]) -> Incident:
    try:
        return incidents.by_slug(session, fields["incident"])
    except (incidents.IncidentUnknown, KeyError):
        raise Refused("list-unknown") from None


def _who(fields: Mapping[str, str]) -> Who:
    try:
        return normalise(fields["address"][:MAX_TEXT]), fields.get("ref", "").strip()[:MAX_TEXT]
    except (AddressInvalid, KeyError):
        raise Refused("no-address") from None


SENDS = frozenset({Role.AUTHOR})
SEES = SENDS | {Role.APPROVER, Role.PRIVACY}
ORDERS = {
    "list-found": Order(show_found, SEES),
    "list-read": Order(read_again, SENDS),
    "list-store": Order(store, SENDS),
    "left-out-show": Order(show_left_out, SENDS, step_up=True),
    "left-out-add": Order(leave_out, SENDS, step_up=True),
    "left-out-remove": Order(notify_again, SENDS, step_up=True),
}
