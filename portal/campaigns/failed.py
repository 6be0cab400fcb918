"""List the people whom a notice did not reach, for letters and calls."""

import csv
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns import service
from portal.campaigns.models import FIRST, STOPPED, Campaign
from portal.campaigns.series import audience as audiences
from portal.campaigns.series import passes, steering
from portal.campaigns.series.audience import key_of
from portal.core.db import Database
from portal.crypto.vault import VaultError, WorkerVault
from portal.exposure import service as exposure
from portal.outbox import service as outbox
from portal.outbox.bulk.adding import on_the_way

# The reason of people whose mail was not queued when their notice was stopped.
NOT_QUEUED = "not-queued"
HEAD = ("email", "name", "account_ref", "reason")
# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
# Where the decimal point is a comma, as in Spanish, Excel parts lines at semicolons, inside a cell too.
_PARTED = re.compile(r"([;\t\r\n][ \"]*)(?=[=+\-@＝＋－＠])")


@dataclass(frozen=True, repr=False)
class Unreached:
    """One person; `reason` is that of the failed mail, `uncertain` or `not-queued`."""

    address: str
    name: str
    account_ref: str
    reason: str


@dataclass(frozen=True, repr=False)
class Missed:
    """The mails of notices of an incident that ended without being sent: reasons by unique key.

    `stopped` are those that were stopped: of them, people whose mail was not queued yet got none either.

    `notices` are those that make the keys, the newest first, and `list_ids` the list versions that they went
    to.
    """

    reasons: dict[bytes, str]
    notices: tuple[Campaign, ...]
    list_ids: tuple[int, ...]
    stopped: tuple[Campaign, ...] = ()


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
    stopped = tuple(one for one in found if steering.state_of(one) == STOPPED)
    return Missed(reasons, tuple(reversed(makers.values())), tuple(one.list_id for one in found), stopped)


def people(
    db: Database,
    vault: WorkerVault,
    missed: Missed,
    progress: Callable[[int], object] = lambda _rows: None,
) -> Iterator[Unreached]:
    """Yield these people, in the order of the list; the newest list that names them decides.

    Where several notices did not reach a person, the reason is the newest one's. Reads whole lists: looking
    the addresses up would show an observer of the database who was not reached. Skips lists that were
    destroyed or do not open, and tampered rows. `progress` gets the number of rows of each page.
    """
    left, told = dict(missed.reasons), set(missed.reasons)
    chosen = service.chosen_languages(db, vault) if _by_language(missed.stopped) else {}
    for list_id in dict.fromkeys(missed.list_ids):
        rests = [_Rest(db, vault, one, chosen) for one in missed.stopped if one.list_id == list_id]
        seen: set[bytes] = set()
        after = b""
        while left or rests:
            try:
                with db.read() as session:
                    version = exposure.version(session, list_id)
                    page = audiences.page_after(session, vault, version, after, exposure.PAGE)
                    waiting = [rest.of(session, page.addresses, told) for rest in rests]
            except (exposure.ListDestroyed, VaultError):
                break
            progress(page.rows)
            for address in (one for one in page.addresses if one.people):
                exact = address.people[0].address
                mine = [key for key in (key_of(vault, each, exact) for each in missed.notices) if key in left]
                unqueued = [each[address.last] for each in waiting if address.last in each]
                if mine or unqueued:
                    seen.update(mine, unqueued)
                    reason = left[mine[0]] if mine else NOT_QUEUED
                    for person in address.people:
                        yield Unreached(person.address, person.name, person.account_ref, reason)
            if not page.more:
                break
            after = page.addresses[-1].last
        told |= seen
        for unique in seen:
            left.pop(unique, None)


class _Rest:
    """Says who of a page was in the audience of a notice that was stopped before their mail was queued."""

    def __init__(
        self, db: Database, vault: WorkerVault, campaign: Campaign, chosen: Mapping[bytes, str]
    ) -> None:
        """Store the notice, and whom it was for."""
        audience = audiences.of(campaign)
        with db.read() as session:
            since = passes.since(session, campaign, audience)
        self._vault, self._campaign = vault, campaign
        self._matcher = audiences.Matcher(vault, audience, since, chosen)

    def of(
        self, session: Session, addresses: list[audiences.Address], told: Collection[bytes]
    ) -> dict[bytes, bytes]:
        """Return their unique keys, by the key of the last row of their address."""
        matching = self._matcher.matching(session, addresses)
        keys = {
            one.last: key_of(self._vault, self._campaign, one.people[0].address)
            for one in addresses
            if one.last in matching
        }
        known = on_the_way(session, keys.values())
        return {last: key for last, key in keys.items() if key not in known and key not in told}


def _by_language(stopped: Iterable[Campaign]) -> bool:
    return any(audiences.of(one).languages for one in stopped)


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
                out.writerow(harmless(cell) for cell in astuple(row))
                number += 1
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return number


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: it begins with an apostrophe where it must.

    So does what follows a semicolon, a tab or a line's end in it, at which some spreadsheets part the line.
    """
    return _PARTED.sub(r"\1'", f"'{cell}" if cell.startswith(FORMULA) else cell)
