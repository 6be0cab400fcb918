"""Notify everyone on an active list: begun once, resumed wherever it stopped, counted to the last address."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns.emails import Notice
from portal.campaigns.models import Campaign
from portal.core.db import Database, new_id
from portal.crypto.vault import WorkerVault
from portal.exposure import service as exposure
from portal.identity.port import Store
from portal.incidents import service as incidents
from portal.outbox import service as outbox

log = logging.getLogger("portal.campaigns")

BATCH = 200
ACCOUNTS = 500
MOST_CHOSEN = 500_000  # some 100 MB; whoever comes after them is written to in the list's language


class CountWrong(Exception):
    """The confirmed count is not the number of addresses of the active list."""


@dataclass(frozen=True)
class Ledger:
    """Where every address of a campaign is: the states, `earlier` and `waiting` add up to `addresses`.

    `earlier` are counted where they were written to first, by a notice to an earlier version of the list;
    `waiting` are yet to be written to, and once the campaign has ended, those whose rows were tampered with.
    """

    addresses: int
    earlier: int
    waiting: int
    states: dict[str, int]

    @property
    def adds_up(self) -> bool:
        """Whether nobody is missing and nobody is counted twice."""
        return self.addresses == self.earlier + self.waiting + sum(self.states.values())


def count(session: Session, vault: WorkerVault, incident_id: bytes) -> int:
    """Return how many addresses a notice would go to. Raises ListNotActive."""
    return exposure.needed(session, vault, incident_id).addresses


def begin(
    session: Session, vault: WorkerVault, incident_id: bytes, slug: str, confirmed: int, now: datetime
) -> Campaign:
    """Begin the notice to the active list, or return the one begun before. Raises ListNotActive, CountWrong."""
    version = exposure.needed(session, vault, incident_id)
    if confirmed != version.addresses:
        raise CountWrong
    campaign = session.scalar(
        select(Campaign)
        .where(Campaign.incident_id == incident_id, Campaign.list_id == version.id)
        .with_for_update()
    )
    if campaign is not None and not _vouched(vault, campaign):
        log.error("a notice to this list was put in by somebody without the worker's keys; it is replaced")
        session.delete(campaign)
        session.flush()
        campaign = None
    if campaign is None:
        campaign = Campaign(
            id=new_id(),
            incident_id=incident_id,
            list_id=version.id,
            begun_at=now,
            addresses=version.addresses,
        )
        campaign.row_mac = _row_mac(vault, campaign)
        session.add(campaign)
        session.flush()
        details = {"list": version.number, "addresses": version.addresses}
        audit.record(session, "campaigns.notify", slug, details, now)
        exposure.set_notifying(session, version, goes_out=True)
    return campaign


def chosen_languages(db: Database, vault: WorkerVault, store: Store) -> dict[bytes, str]:
    """Return the languages that people chose on the portal, by account index, for one run of `advance`.

    Reads every account, whoever is on the list: whoever watches the database would else see whom it names.
    """
    chosen: dict[bytes, str] = {}
    after: bytes | None = None
    while True:
        with db.read() as session:
            found, after = store.chosen_languages(session, vault, after, ACCOUNTS)
        chosen |= found
        if len(chosen) >= MOST_CHOSEN:
            log.warning(
                "more than %d people chose a language: some are written to in the list's", MOST_CHOSEN
            )
            return chosen
        if after is None:
            return chosen


def advance(
    session: Session,
    vault: WorkerVault,
    chosen: Mapping[bytes, str],
    campaign_id: bytes,
    now: datetime,
    limit: int = BATCH,
) -> int:
    """Write the next mails of a campaign and move its mark, in one transaction; return how many people were seen.

    Two at once take turns, and an address gets one mail whatever happens. Zero means that the campaign has ended.
    Who chose a language on the portal (`chosen`, by account index) is written to in it, everybody else in the list's.
    """
    campaign = session.get(Campaign, campaign_id, with_for_update=True, populate_existing=True)
    if campaign is None or campaign.ended_at is not None or not _vouched(vault, campaign):
        return 0
    version = exposure.version(session, campaign.list_id)
    people, after = exposure.people_after(session, vault, version, campaign.last_key, limit)
    last = served = campaign.last_key
    if people and last and exposure.same_address(people[0][0], last):
        # Of the people of this address some were seen before; where none of them could be read, nobody was
        # written to.
        served = last if exposure.readable_before(session, vault, version, people[0][0]) else b""
    for key, person in people:
        last = key
        if person is None:
            # One row that was tampered with must not keep the others from their notice; it stays among the
            # waiting.
            log.error("a row of a list does not open: it was altered or moved, and nobody could be notified")
            continue
        if not served or not exposure.same_address(key, served):
            language = chosen.get(vault.account_index(person.address), person.locale)
            unique = vault.list_index("notice", f"{campaign.incident_id.hex()}\0{person.address}")
            added = outbox.enqueue(
                session,
                vault,
                Notice(),
                address=person.address,
                locale=language,
                now=now,
                unique=unique,
                batch=campaign.id,
            )
            if added is None:
                # Where the earlier one failed, it goes out now.
                outbox.send_again(
                    session, vault, unique, Notice(), address=person.address, locale=language, now=now
                )
                campaign.earlier += 1
            else:
                campaign.written += 1
        served = key
    campaign.last_key = last
    if not after:
        campaign.ended_at = now
        exposure.set_notifying(session, version, goes_out=False)
        details = {"list": version.number, "written": campaign.written, "earlier": campaign.earlier}
        slug = incidents.by_id(session, campaign.incident_id).slug
        audit.record(session, "campaigns.written", slug, details, now)
    return len(people)


def check_list(session: Session, vault: WorkerVault, campaign_id: bytes) -> None:
    """See that the list of a campaign can be read. Raises ListDestroyed, VaultError."""
    campaign = session.get_one(Campaign, campaign_id)
    exposure.open_list(vault, exposure.version(session, campaign.list_id))


def unfinished(session: Session, vault: WorkerVault) -> list[bytes]:
    """Return the campaigns that have addresses left to write to; one that nobody vouches for is told in the log."""
    found = []
    for campaign in session.scalars(
        select(Campaign).where(Campaign.ended_at.is_(None)).order_by(Campaign.begun_at)
    ):
        if _vouched(vault, campaign):
            found.append(campaign.id)
        else:
            log.error("a notice was altered or put in by somebody without the worker's keys: it mails nobody")
    return found


def _vouched(vault: WorkerVault, campaign: Campaign) -> bool:
    return compare_digest(campaign.row_mac, _row_mac(vault, campaign))


def _row_mac(vault: WorkerVault, campaign: Campaign) -> bytes:
    return vault.row_mac("campaign", campaign.id, campaign.incident_id, campaign.list_id, campaign.addresses)


def campaigns(session: Session) -> list[Campaign]:
    """Return every campaign, the newest first."""
    return list(session.scalars(select(Campaign).order_by(Campaign.begun_at.desc())))


def list_number(session: Session, campaign: Campaign) -> int:
    """Return which version of its incident's list a campaign goes to."""
    return exposure.version(session, campaign.list_id).number


def ledger(session: Session, campaign: Campaign) -> Ledger:
    """Return where every address of a campaign is."""
    states = outbox.counts(session, batch=campaign.id)
    waiting = campaign.addresses - campaign.written - campaign.earlier
    return Ledger(campaign.addresses, campaign.earlier, waiting, states)
