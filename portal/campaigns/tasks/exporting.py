"""List the people whom a notice did not reach, as a sealed file that one member of staff can take once.

Nothing of it lies in clear on a disk: the pieces are encrypted under a key that the worker alone opens, which
it gives to the session of who asked, and then destroys.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple
from functools import partial
from io import StringIO
from os import urandom
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns import failed
from portal.campaigns.models import PAUSED, RUNNING, STOPPED, Campaign
from portal.campaigns.refusals import REASONS, refused
from portal.campaigns.series import steering
from portal.campaigns.series.progress import ledger, list_number
from portal.campaigns.tasks import service
from portal.campaigns.tasks.models import EXPORT, READY, NoticeTask, TaskChunk
from portal.crypto import tokens
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.outbox.models import BOUNCED, FAILED, UNCERTAIN
from portal.runtime.parts import WorkerParts
from portal.staff.approvals.service import REQUEST, needs_unchanged
from portal.staff.orders import Acting, Refused

CHUNK = 64 * 1024
KEY_BYTES = 32
# Without it a spreadsheet takes the file for an old encoding, and spoils names.
MARK = "\ufeff"
# What was counted when a second person approved a file.
APPROVED = "approved"


def describe(session: Session, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what the second person approves: of whom a file is made. Raises Refused.

    Fields: incident (slug), notice (number), copy (its number), most (whose mail ended, at most). More mails
    fail while somebody looks at the request. Those that were stopped are bound exactly: an author stops them.
    """
    incident, campaign = _found(session, fields)
    counts, most = missed_counts(session, campaign), int(fields["most"])
    if not sum(counts.values()):
        raise Refused("nobody-missed")
    if _ended(counts) > most:
        raise Refused("edited")
    return {
        "incident": incident.slug,
        "notice": campaign.number,
        "list_version": list_number(session, campaign),
        "copy": int(fields["copy"]),
        "missed_at_most": most,
        "missed_not_queued": counts["missed_not_queued"],
    }


def most_ended(session: Session, campaign: Campaign) -> int:
    """Return how many addresses whose mail ended somebody is asked for: more while a notice goes out."""
    ended = _ended(missed_counts(session, campaign))
    goes_out = steering.state_of(campaign) in (RUNNING, PAUSED)
    return ended + (ended + 100 if goes_out else ended // 10 + 10)


def _ended(counts: Mapping[str, int]) -> int:
    return counts["missed_failed"] + counts["missed_uncertain"]


def missed_counts(session: Session, campaign: Campaign) -> dict[str, int]:
    """Return how many addresses a notice did not reach, or perhaps not, from kept counts."""
    found = ledger(session, campaign)
    stopped = steering.state_of(campaign) == STOPPED
    return {
        "missed_failed": found.states.get(FAILED, 0) + found.states.get(BOUNCED, 0),
        "missed_uncertain": found.states.get(UNCERTAIN, 0),
        "missed_not_queued": found.waiting if stopped else 0,
    }


def perform(parts: WorkerParts, fields: Mapping[str, str], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Have the file made that was approved; a second run, after a crash, makes no other."""
    task_id = bytes.fromhex(fields[REQUEST])
    with parts.db.write() as session:
        if session.get(NoticeTask, task_id) is None:
            needs_unchanged(session, describe, fields, shown)
            incident, campaign = _found(session, fields)
            counts = {name: shown[name] for name in ("missed_at_most", "missed_not_queued")}
            content = {name: fields[name] for name in ("incident", "notice", "copy")} | {APPROVED: counts}
            service.begin(
                session, parts.vault, EXPORT, incident.id, content, parts.clock.now(),
                notice=campaign.number, task_id=task_id,
            )  # fmt: skip
    return {"notice": int(fields["notice"])}


def order_take(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what opens a file, to who asked for it, once. Fields: task."""
    now = parts.clock.now()
    try:
        task_id = bytes.fromhex(fields["task"])
    except (KeyError, ValueError) as error:
        raise Refused("file-gone") from error
    with parts.db.write() as session:
        task = service.verified(session, parts.vault, task_id)
        key = service.take(session, parts.vault, task, acting.by, now)
        slug = incidents.by_id(session, task.incident_id).slug
        details: dict[str, str | int | bool | None] = {
            "notice": task.notice,
            "people": task.people,
            "request": task.id.hex(),
        }
        audit.record(session, "campaigns.file-taken", slug, details, now)
        return {"key": key.hex(), "chunks": task.chunks, "people": task.people}


def make(
    parts: WorkerParts, task: NoticeTask, show: Callable[..., None]
) -> Callable[[Session, NoticeTask], str]:
    """Write the sealed pieces of a task's file; return what stores its end.

    Raises Refused, also where more people were missed since it was approved: the author could stop the notice
    meanwhile, and so put everyone who still waits for it on the list.
    """
    fields = json.loads(task.fields)
    key, rows, number = urandom(KEY_BYTES), 0, 0
    with parts.db.write() as session:
        incident, campaign = _found(session, fields)
        missed = failed.missed(session, incident.id, incident.slug, parts.clock.now(), campaign.number)
        if _more(session, campaign, missed, fields[APPROVED]):
            raise Refused("edited")
        total = exposure.version(session, campaign.list_id).entries
        session.execute(delete(TaskChunk).where(TaskChunk.task_id == task.id))  # of a worker that crashed

    def counted() -> Iterator[failed.Unreached]:
        nonlocal rows
        for row in failed.people(parts.db, parts.vault, missed, lambda read: show(read, total)):
            rows += 1
            yield row

    for piece in pieces(counted()):
        sealed = tokens.lock(key, piece, CHUNK, f"portal people export {task.id.hex()} {number}")
        chunk = TaskChunk(task_id=task.id, number=number, content=sealed)
        show(0, total, more=partial(_add, chunk))
        number += 1

    def store(_session: Session, row: NoticeTask) -> str:
        row.people, row.chunks = rows, number
        row.file_key = parts.vault.encrypt(service.key_cell(row), key, service.KEY_SIZES)
        return READY

    return store


def _add(chunk: TaskChunk, session: Session) -> None:
    session.add(chunk)


def pieces(rows: Iterable[failed.Unreached]) -> Iterator[bytes]:
    """Yield the bytes of a CSV file of people, at most CHUNK at a time, each line in one piece."""
    text = StringIO(newline="")
    text.write(MARK)
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow(failed.HEAD)
    held = text.getvalue().encode()
    for row in rows:
        text.seek(0)
        text.truncate()
        out.writerow(failed.harmless(cell) for cell in astuple(row))
        line = text.getvalue().encode()
        if len(held) + len(line) > CHUNK:
            yield held
            held = b""
        held += line
    yield held


def opened(key: bytes, task_id: bytes, number: int, content: bytes) -> bytes:
    """Return a piece of a file. Raises Unopenable where somebody altered it."""
    return tokens.unlock(key, content, f"portal people export {task_id.hex()} {number}")


def _more(session: Session, campaign: Campaign, missed: failed.Missed, approved: Mapping[str, int]) -> bool:
    """Return whether a notice misses more people than were approved; kept counts may be late."""
    unqueued = missed_counts(session, campaign)["missed_not_queued"]
    return len(missed.reasons) > approved["missed_at_most"] or unqueued > approved["missed_not_queued"]


def _found(session: Session, fields: Mapping[str, str]) -> tuple[Incident, Campaign]:
    try:
        incident = incidents.by_slug(session, fields["incident"])
        campaign = steering.found(session, incident.id, int(fields["notice"]))
    except tuple(REASONS) as error:
        raise refused(error) from error
    except (KeyError, ValueError) as error:
        raise Refused("no-notice") from error
    if campaign.begun_at is None:
        raise Refused("no-notice")
    return incident, campaign
