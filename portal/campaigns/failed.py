"""List the people whom a notice did not reach, for letters and calls."""

import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns.models import Campaign
from portal.core.db import Database
from portal.crypto.vault import VaultError, WorkerVault
from portal.exposure import left_out
from portal.exposure import service as exposure
from portal.outbox import service as outbox

HEAD = ("email", "name", "account_ref", "reason")
# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


@dataclass(frozen=True, repr=False)
class Unreached:
    """One person; `reason` is that of the failed mail, or `uncertain` where it may have arrived."""

    address: str
    name: str
    account_ref: str
    reason: str


@dataclass(frozen=True, repr=False)
class Missed:
    """The mails of all notices of an incident that ended without being sent: reasons by unique key.

    `list_ids` are the list versions that the notices went to, newest first.
    """

    incident_id: bytes
    reasons: dict[bytes, str]
    list_ids: tuple[int, ...]


def missed(session: Session, incident_id: bytes, slug: str, now: datetime) -> Missed:
    """Return the mails that ended without being sent, and write the audit row: their people are listed."""
    found = session.scalars(
        select(Campaign).where(Campaign.incident_id == incident_id).order_by(Campaign.begun_at.desc())
    ).all()
    reasons = outbox.unsent(session, [campaign.id for campaign in found])
    audit.record(session, "campaigns.failed", slug, {"addresses": len(reasons)}, now)
    return Missed(incident_id, reasons, tuple(campaign.list_id for campaign in found))


def people(db: Database, vault: WorkerVault, missed: Missed) -> Iterator[Unreached]:
    """Yield the people of these mails, in the order of the list; the newest list that names them decides.

    Reads whole lists: looking the addresses up would show an observer of the database who was not reached.
    Skips lists that were destroyed or do not open, and tampered rows.
    """
    left = dict(missed.reasons)
    for list_id in missed.list_ids:
        seen: set[bytes] = set()
        after = b""
        while left:
            try:
                with db.read() as session:
                    version = exposure.version(session, list_id)
                    page, after = exposure.people_after(session, vault, version, after, exposure.PAGE)
                    readable = [person for _, person in page if person is not None]
                    asked = left_out.of_page(session, vault, version, page)
            except (exposure.ListDestroyed, VaultError):
                break
            for person in (one for one in readable if left_out.who_of(one) not in asked):
                unique = notice_key(vault, missed.incident_id, person.address)
                if unique in left:
                    seen.add(unique)
                    yield Unreached(person.address, person.name, person.account_ref, left[unique])
            if not after:
                break
        for unique in seen:
            del left[unique]


def notice_key(vault: WorkerVault, incident_id: bytes, address: str) -> bytes:
    """Return the unique key of the notice of an incident to an address."""
    return vault.list_index("notice", f"{incident_id.hex()}\0{address}")


def write(path: Path, rows: Iterable[Unreached]) -> int:
    """Write a new CSV file that only its owner can read; return the number of rows. Raises OSError.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    number = 0
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", newline="") as file:
        try:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(HEAD)
            for row in rows:
                out.writerow(_harmless(cell) for cell in astuple(row))
                number += 1
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return number


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell
