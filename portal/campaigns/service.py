"""Notify everyone on an active list: begun once, resumed wherever it stopped, counted to the last address."""

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns.emails import Notice
from portal.campaigns.models import Campaign
from portal.exposure import service as exposure
from portal.exposure.models import ExposureList
from portal.kit.vault import WorkerVault
from portal.outbox import service as outbox

log = logging.getLogger("portal.campaigns")

BATCH = 200
PAUSE_SECONDS = 0.05  # after each batch, so that on SQLite others get the lock too


class CountWrong(Exception):
    """The confirmed count is not the number of addresses of the active list."""


@dataclass(frozen=True)
class Ledger:
    """Where every address of a campaign is: the states, `earlier` and `waiting` add up to `addresses`.

    `earlier` got the notice by an earlier version of the list; `waiting` are yet to be written to, and once the
    campaign has ended, those whose rows were tampered with.
    """

    addresses: int
    earlier: int
    waiting: int
    states: dict[str, int]

    @property
    def adds_up(self) -> bool:
        """Whether nobody is missing and nobody is counted twice."""
        return self.addresses == self.earlier + self.waiting + sum(self.states.values())


def count(session: Session, incident_id: bytes) -> int:
    """Return how many addresses a notice would go to. Raises ListNotActive."""
    return _active(session, incident_id).addresses


def begin(session: Session, incident_id: bytes, slug: str, confirmed: int, now: datetime) -> Campaign:
    """Begin the notice to the active list, or return the one begun before. Raises ListNotActive, CountWrong."""
    version = _active(session, incident_id)
    if confirmed != version.addresses:
        raise CountWrong
    campaign = session.scalar(
        select(Campaign).where(Campaign.incident_id == incident_id, Campaign.list_id == version.id).with_for_update()
    )
    if campaign is None:
        campaign = Campaign(incident_id=incident_id, list_id=version.id, begun_at=now, addresses=version.addresses)
        session.add(campaign)
        session.flush()
        details = {"list": version.number, "addresses": version.addresses}
        audit.record(session, "campaigns.notify", slug, details, now)
    return campaign


def advance(session: Session, vault: WorkerVault, campaign_id: bytes, now: datetime, limit: int = BATCH) -> int:
    """Write the next mails of a campaign and move its mark, in one transaction; return how many people were seen.

    Two at once take turns, and an address gets one mail whatever happens. Zero means that the campaign has ended.
    """
    campaign = session.get(Campaign, campaign_id, with_for_update=True, populate_existing=True)
    if campaign is None or campaign.ended_at is not None:
        return 0
    version = session.get_one(ExposureList, campaign.list_id)
    people, after = exposure.people_after(session, vault, version, campaign.last_key, limit)
    last = served = campaign.last_key
    for key, person in people:
        last = key
        if person is None:
            # One row that was tampered with must not keep the others from their notice; it stays among the waiting.
            log.error("a row of a list does not open: it was altered or moved, and nobody could be notified")
            continue
        if not served or not exposure.same_address(key, served):
            unique = vault.list_index("notice", f"{campaign.incident_id.hex()}\0{person.address}")
            added = outbox.enqueue(
                session,
                vault,
                Notice(),
                address=person.address,
                locale=person.locale,
                now=now,
                unique=unique,
                batch=campaign.id,
            )
            if added is None:
                campaign.earlier += 1
            else:
                campaign.written += 1
        served = key
    campaign.last_key = last
    if not after:
        campaign.ended_at = now
        details = {"list": version.number, "written": campaign.written, "earlier": campaign.earlier}
        audit.record(session, "campaigns.written", campaign.incident_id.hex(), details, now)
    return len(people)


def unfinished(session: Session) -> list[bytes]:
    """Return the campaigns that have addresses left to write to."""
    return list(session.scalars(select(Campaign.id).where(Campaign.ended_at.is_(None)).order_by(Campaign.begun_at)))


def campaigns(session: Session) -> list[Campaign]:
    """Return every campaign, the newest first."""
    return list(session.scalars(select(Campaign).order_by(Campaign.begun_at.desc())))


def ledger(session: Session, campaign: Campaign) -> Ledger:
    """Return where every address of a campaign is."""
    states = outbox.counts(session, batch=campaign.id)
    waiting = campaign.addresses - campaign.written - campaign.earlier
    return Ledger(campaign.addresses, campaign.earlier, waiting, states)


def _active(session: Session, incident_id: bytes) -> ExposureList:
    version = exposure.active(session, incident_id)
    if version is None:
        raise exposure.ListNotActive
    return version
