"""The worker's side of files that prove an item: keep one that came, open one, delete one."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from portal.checklist.proofs import service as files
from portal.checklist.proofs.service import FileGone, FileRefused
from portal.checklist.service import CHANGES
from portal.runtime.parts import WorkerParts
from portal.staff.orders import Acting, Order, Refused


def keep(parts: WorkerParts, acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Keep a file that arrived. Fields: file, slug."""
    try:
        now = parts.clock.now()
        files.keep(parts.db, parts.vault, fields["file"], acting.member.id, fields["slug"], now)
    except FileRefused as error:
        raise Refused(error.code) from error
    except FileGone as error:
        raise Refused("file-gone") from error
    return {}


def hand_over(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the key of a file, for one answer of the console. Fields: file, slug."""
    try:
        key = files.hand_over(parts.db, parts.vault, fields["file"], fields["slug"], parts.clock.now())
    except FileGone as error:
        raise Refused("file-gone") from error
    return {"key": b64encode(key).decode()}


def remove(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Delete a file. Fields: file, slug."""
    try:
        files.remove(parts.db, fields["file"], fields["slug"], parts.clock.now())
    except FileGone as error:
        raise Refused("file-gone") from error
    return {}


def tidy(parts: WorkerParts) -> None:
    """Delete files that nobody keeps, and what is left of incidents that are gone."""
    with parts.db.read() as session:
        over = files.over(session, parts.clock.now())
    for file_id in over:
        files.delete_file(parts.db, file_id)
    with parts.db.write() as session:
        files.forget_items(session)


ORDERS = {
    "checklist-file-keep": Order(keep, CHANGES, counted=True),
    "checklist-file-open": Order(hand_over, CHANGES, step_up=True),
    "checklist-file-remove": Order(remove, CHANGES, step_up=True),
}
