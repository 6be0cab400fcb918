"""Start a notice, pause it, resume it, stop the rest.

Pausing and stopping need no keys: they only hold. Whoever holds writes `hold` and closes the lane of the
notice's mails in one transaction, and from its commit on no worker begins one. The worker then writes the
state, which is under the row MAC. Only the worker's keys can start a notice, or let a held one go on.
"""

import logging
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns import frozen
from portal.campaigns.models import (
    DONE,
    DRAFT,
    ENDED,
    FIRST,
    PAUSE,
    PAUSED,
    RUNNING,
    STOP,
    STOPPED,
    Campaign,
)
from portal.campaigns.series import audience as audiences
from portal.campaigns.series import binding, passes, signing
from portal.crypto.vault import WorkerVault
from portal.exposure import service as exposure
from portal.exposure.models import ExposureList
from portal.incidents import service as incidents
from portal.outbox.bulk import lanes

log = logging.getLogger("portal.campaigns")

Details = dict[str, str | int | bool | None]


class NoticeUnknown(Exception):
    """The incident has no notice with this number."""


class NoticeState(Exception):
    """The notice is in a state in which this cannot be done."""

    def __init__(self, state: str) -> None:
        """Store the state."""
        self.state = state
        super().__init__(state)


class NoticeForged(Exception):
    """The row of the notice was inserted or altered without the worker's keys."""


class CountWrong(Exception):
    """The confirmed count differs from the number of addresses that the notice would go to."""


class ListChanged(Exception):
    """Another version of the list is active than the one for which the notice was drafted."""


def locked(session: Session, incident_id: bytes, number: int | None = None) -> Campaign:
    """Return a notice of an incident, by default its newest, locked. Raises NoticeUnknown."""
    of = select(Campaign).where(Campaign.incident_id == incident_id)
    of = of if number is None else of.where(Campaign.number == number)
    found = session.scalar(of.order_by(Campaign.number.desc()).limit(1).with_for_update())
    if found is None:
        raise NoticeUnknown
    return found


def found(session: Session, incident_id: bytes, number: int) -> Campaign:
    """Return a notice of an incident by its number. Raises NoticeUnknown."""
    mine = (Campaign.incident_id == incident_id) & (Campaign.number == number)
    campaign = session.scalar(select(Campaign).where(mine))
    if campaign is None:
        raise NoticeUnknown
    return campaign


def first_to(session: Session, version: ExposureList, *, lock: bool = False) -> Campaign | None:
    """Return the first notice to everyone on a list that was started and not stopped, or None."""
    begun = select(Campaign).where(
        Campaign.incident_id == version.incident_id,
        Campaign.list_id == version.id,
        Campaign.kind == FIRST,
        Campaign.begun_at.is_not(None),
    )
    begun = begun.order_by(Campaign.number.desc())
    found = session.scalars(begun.with_for_update() if lock else begun)
    whole = (one for one in found if state_of(one) != STOPPED and audiences.of(one).is_whole_list)
    return next(whole, None)


def next_number(session: Session, incident_id: bytes) -> int:
    """Return the number of an incident's next notice."""
    numbers = select(Campaign.number).where(Campaign.incident_id == incident_id)
    return (session.scalar(numbers.order_by(Campaign.number.desc()).limit(1)) or 0) + 1


def state_of(campaign: Campaign) -> str:
    """Return the state of a notice as it is to be shown: a hold counts from when it was asked for."""
    if campaign.hold == STOP and campaign.state != DRAFT:
        return STOPPED
    if campaign.hold == PAUSE and campaign.state in (RUNNING, ENDED):
        return PAUSED
    return campaign.state


def start(
    session: Session, vault: WorkerVault, campaign: Campaign, confirmed: int, now: datetime, by: str = ""
) -> None:
    """Start a drafted notice: the worker queues and sends it. Writes the audit row.

    Raises NoticeState unless it is a draft, NoticeForged, WordsAltered, LeftOutChanged, ListNotActive,
    ListChanged, and
    CountWrong if `confirmed` is not the number of mails that was drafted.
    """
    if campaign.state != DRAFT:
        raise NoticeState(state_of(campaign))
    check(session, vault, campaign)
    if not binding.is_intact(session, vault, campaign):
        raise binding.LeftOutChanged
    version = exposure.needed(session, vault, campaign.incident_id)
    if version.id != campaign.list_id:
        raise ListChanged
    if confirmed != campaign.expected:
        raise CountWrong
    begin(session, vault, campaign, now)
    details: Details = {"notice": campaign.number, "kind": campaign.kind, "list": version.number}
    _record(session, "campaigns.start", campaign, details | {"mails": campaign.expected}, now, by)


def begin(session: Session, vault: WorkerVault, campaign: Campaign, now: datetime) -> None:
    """Let a notice run, and keep its list."""
    campaign.state, campaign.begun_at, campaign.hold = RUNNING, now, None
    if campaign.lane is None:
        campaign.lane = lanes.add(session, campaign.id)
    signing.sign(session, vault, campaign)
    exposure.set_notifying(session, exposure.version(session, campaign.list_id), goes_out=True)


def pause(session: Session, campaign: Campaign, now: datetime, by: str = "", reason: str = "") -> None:
    """Hold a notice: from the commit on none of its mails begins to leave. Needs no keys.

    What a worker has handed to the relay by then cannot be called back. Writes the audit row. Raises
    NoticeState unless it is running, or its mails are leaving.
    """
    if state_of(campaign) not in (RUNNING, ENDED) or not _has_rest(session, campaign):
        raise NoticeState(state_of(campaign))
    campaign.hold = PAUSE
    lanes.hold(session, campaign.id, held=True)
    details: Details = {"notice": campaign.number}
    _record(session, "campaigns.pause", campaign, details | ({"reason": reason} if reason else {}), now, by)


def resume(
    session: Session,
    vault: WorkerVault,
    campaign: Campaign,
    now: datetime,
    by: str = "",
    *,
    alone: bool = True,
) -> None:
    """Let a paused notice go on, also where other people are left out meanwhile. Writes the audit row.

    Raises NoticeState unless it is paused, NoticeForged, WordsAltered, and, unless somebody may do
    it `alone`, OwnChange where `by` changed who is left out.
    """
    if state_of(campaign) != PAUSED:
        raise NoticeState(state_of(campaign))
    check(session, vault, campaign)
    binding.bind_again(session, vault, campaign, "" if alone else by)
    campaign.hold, campaign.state = None, RUNNING if campaign.ended_at is None else ENDED
    signing.sign(session, vault, campaign)
    lanes.hold(session, campaign.id, held=False)
    _record(session, "campaigns.resume", campaign, {"notice": campaign.number}, now, by)


def stop(
    session: Session,
    campaign: Campaign,
    now: datetime,
    by: str = "",
    reason: str = "",
    *,
    lets_list_go: bool = True,
) -> None:
    """Stop the rest of a notice for good. Needs no keys. Writes the audit row.

    The worker then ends the mails that wait: they count as failed, `stopped`. It lets the list go, too, where
    the console may not write that. A draft is discarded. Raises NoticeState where nothing is left to stop.
    """
    state = state_of(campaign)
    if state == STOPPED or (state != DRAFT and not _has_rest(session, campaign)):
        raise NoticeState(state)
    campaign.hold = STOP
    campaign.ended_at = campaign.ended_at or now
    if state == DRAFT:
        campaign.state = STOPPED
    else:
        lanes.hold(session, campaign.id, held=True)
        if lets_list_go:
            passes.let_list_go(session, campaign, exposure.version(session, campaign.list_id))
    details: Details = {"notice": campaign.number}
    _record(session, "campaigns.stop", campaign, details | ({"reason": reason} if reason else {}), now, by)


def check(session: Session, vault: WorkerVault, campaign: Campaign) -> None:
    """Check that a notice is as it was signed. Raises NoticeForged, WordsAltered."""
    if not signing.is_signed(session, vault, campaign):
        raise NoticeForged
    if not signing.words_intact(session, vault, campaign):
        raise frozen.WordsAltered


def acknowledge(session: Session, vault: WorkerVault, campaign: Campaign) -> None:
    """Write under the row MAC that a notice is held.

    One that was altered is not signed: it mails nobody in any case.
    """
    state = PAUSED if campaign.hold == PAUSE else STOPPED
    signed = signing.is_signed(session, vault, campaign)
    campaign.state = state
    if state == STOPPED:
        for wave in signing.waves_of(session, campaign):
            wave.state = wave.state if wave.state == DONE else STOPPED
        passes.let_list_go(session, campaign, exposure.version(session, campaign.list_id))
    if signed:
        signing.sign(session, vault, campaign)
    else:
        log.error(signing.FORGED, campaign.id.hex(), "it mails nobody")
    session.flush()


def unacknowledged(session: Session) -> list[bytes]:
    """Return the ids of notices that are to be held and whose state does not say so yet."""
    held = (Campaign.hold == PAUSE) & (Campaign.state != PAUSED)
    held |= (Campaign.hold == STOP) & (Campaign.state != STOPPED)
    return list(session.scalars(select(Campaign.id).where(held)))


def stopped_lanes(session: Session) -> list[int]:
    """Return the lanes of stopped notices whose mails have not all ended."""
    found = session.scalars(select(Campaign.lane).where(Campaign.hold == STOP, Campaign.lane.is_not(None)))
    return [lane for lane in found if lane is not None and lanes.waiting(session, lane)]


def _has_rest(session: Session, campaign: Campaign) -> bool:
    return campaign.ended_at is None or (campaign.lane is not None and lanes.waiting(session, campaign.lane))


def _record(
    session: Session,
    action: str,
    campaign: Campaign,
    details: Details,
    now: datetime,
    by: str,
) -> None:
    slug = incidents.by_id(session, campaign.incident_id).slug
    audit.record(session, action, slug, details | ({"by": by} if by else {}), now)
