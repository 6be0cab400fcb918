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
from portal.campaigns.models import FIRST, Campaign
from portal.campaigns.series.audience import key_of
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
    """The mails of notices of an incident that ended without being sent: reasons by unique key.

    `notices` are those that make the keys, the newest first, and `list_ids` the list versions that they went
    to.
    """

    reasons: dict[bytes, str]
    notices: tuple[Campaign, ...]
    list_ids: tuple[int, ...]


def missed(
    session: Session, incident_id: bytes, slug: str, now: datetime, number: int | None = None
) -> Missed:
    """Return the mails that ended without being sent, and write the audit row: their people are listed.

    `number` is that of one notice; by default of all of the incident.
    """
    begun = (Campaign.incident_id == incident_id) & Campaign.begun_at.is_not(None)
    of = begun if number is None else begun & (Campaign.number == number)
    newest = (Campaign.begun_at.desc(), Campaign.number.desc())
    found = session.scalars(select(Campaign).where(of).order_by(*newest)).all()
    reasons = outbox.unsent(session, [campaign.id for campaign in found])
    details: dict[str, str | int | bool | None] = {"addresses": len(reasons)}
    audit.record(session, "campaigns.failed", slug, details | ({"notice": number} if number else {}), now)
    # First notices share their keys.
    makers = {campaign.number if campaign.kind != FIRST else 0: campaign for campaign in reversed(found)}
    return Missed(reasons, tuple(reversed(makers.values())), tuple(one.list_id for one in found))


def people(db: Database, vault: WorkerVault, missed: Missed) -> Iterator[Unreached]:
    """Yield the people of these mails, in the order of the list; the newest list that names them decides.

    Where several notices did not reach a person, the reason is the newest one's. Reads whole lists: looking
    the addresses up would show an observer of the database who was not reached. Skips lists that were
    destroyed or do not open, and tampered rows.
    """
    left = dict(missed.reasons)
    for list_id in dict.fromkeys(missed.list_ids):
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
                keys = [key_of(vault, notice, person.address) for notice in missed.notices]
                if mine := [key for key in keys if key in left]:
                    seen.update(mine)
                    yield Unreached(person.address, person.name, person.account_ref, left[mine[0]])
            if not after:
                break
        for unique in seen:
            del left[unique]


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
