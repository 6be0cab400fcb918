"""Open the list and queue the mails of a wave: one pass over it, which any process can continue."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns.emails import Notice
from portal.campaigns.models import DONE, ENDED, PAUSE, RUNNING, Campaign, Wave
from portal.campaigns.series import audience as audiences
from portal.campaigns.series import binding, signing, waves
from portal.crypto.vault import WorkerVault
from portal.exposure import service as exposure
from portal.exposure.models import ExposureList
from portal.exposure.people import Person
from portal.incidents import service as incidents
from portal.outbox import service as outbox
from portal.outbox.bulk import lanes, ledger

log = logging.getLogger("portal.campaigns")

BATCH = 200
LEFT_OUT_CHANGED = "left-out people changed"
# How often the worker continues a notice that has a throttle.
STEP = timedelta(seconds=10)
HOUR = timedelta(hours=1)


@dataclass
class _Done:
    """What one turn of a pass did: addresses by outcome, and where it stopped."""

    seen: int = 0
    written: int = 0
    earlier: int = 0
    left_out: int = 0
    outside: int = 0
    cursor: bytes = b""
    full: bool = False


def advance(
    session: Session,
    vault: WorkerVault,
    chosen: Mapping[bytes, str],
    campaign_id: bytes,
    now: datetime,
    limit: int = BATCH,
) -> int:
    """Queue the next mails of a notice and store its progress; return the number of addresses processed.

    0 means that nothing is left to do now: it has ended, is held, or waits for its time. Runs in the caller's
    transaction; concurrent calls take turns, and each address gets one mail. `chosen` maps account indexes to
    the language chosen on the portal; everyone else is notified in the list's. `limit` is about how many
    people are read. Raises ListDestroyed, VaultError.
    """
    campaign = session.get(Campaign, campaign_id, with_for_update=True)
    if campaign is None or campaign.state != RUNNING or campaign.hold is not None:
        return 0
    if not signing.is_signed(session, vault, campaign):
        return 0
    every = signing.waves_of(session, campaign)
    wave = waves.current(every)
    if wave is None or not is_due(campaign, wave, now):
        return 0
    if not binding.is_intact(session, vault, campaign):
        _pause(session, campaign, now)
        return 0
    if wave.begun_at is None:
        wave.begun_at, wave.cursor = now, waves.beginning(every, wave)
    wave.state = RUNNING
    version = exposure.version(session, campaign.list_id)
    page = audiences.page_after(session, vault, version, wave.cursor, limit)
    done = _process(session, vault, chosen, campaign, wave, version, page, now)
    _warn(campaign, wave, version, page)
    if campaign.per_hour:
        # What was not used up while the worker did something else may be made up for, but for one step only.
        begin = max(campaign.next_at or now, now - STEP)
        campaign.next_at = begin + HOUR * done.written / campaign.per_hour
    wave.cursor, wave.written = done.cursor, wave.written + done.written
    for name in ("written", "earlier", "left_out", "outside"):
        setattr(campaign, name, getattr(campaign, name) + getattr(done, name))
    if done.full or (not page.more and done.seen == len(page.addresses)):
        wave.state, wave.ended_at = DONE, now
        if waves.current(every) is None:
            _end(session, vault, campaign, version, now)
    ledger.add(session, campaign.id, wave.number, done.written)
    return done.seen or int(wave.state == DONE and campaign.state == RUNNING)


def _pause(session: Session, campaign: Campaign, now: datetime) -> None:
    """Hold a notice of which others are left out than was approved, until an approver lets it go on."""
    campaign.hold = PAUSE
    lanes.hold(session, campaign.id, held=True)
    slug = incidents.by_id(session, campaign.incident_id).slug
    details: dict[str, str | int | bool | None] = {"notice": campaign.number, "reason": LEFT_OUT_CHANGED}
    audit.record(session, "campaigns.pause", slug, details, now)
    log.warning(
        "campaigns: notice %s pauses: other people are left out than was approved; an approver lets it go "
        "on, in the console or by: portal campaigns resume %s",
        campaign.id.hex(),
        slug,
    )


def is_due(campaign: Campaign, wave: Wave, now: datetime) -> bool:
    """Return whether the time of a wave and the throttle of its notice let the next mails be queued."""
    not_yet = (wave.not_before, campaign.next_at if campaign.per_hour else None)
    return all(at is None or at <= now for at in not_yet)


def _process(
    session: Session,
    vault: WorkerVault,
    chosen: Mapping[bytes, str],
    campaign: Campaign,
    wave: Wave,
    version: ExposureList,
    page: audiences.Page,
    now: datetime,
) -> _Done:
    audience = audiences.of(campaign)
    matcher = audiences.Matcher(vault, audience, since(session, campaign, audience), chosen)
    mine = [one for one in page.addresses if one.readable and wave.least <= one.severity <= wave.worst]
    matching = matcher.matching(session, mine)
    done, most = _Done(cursor=wave.cursor), _most(campaign, wave)
    for address in page.addresses:
        if most is not None and done.written >= most:
            break
        done.seen += 1
        known = _was_processed(session, vault, wave, version, address)
        done.cursor = address.last
        # A tampered row must not stop the others; its address stays counted as waiting.
        if known or not address.readable or not wave.least <= address.severity <= wave.worst:
            continue
        if not address.people:
            done.left_out += 1
        elif address.last not in matching:
            done.outside += 1
        else:
            person = address.people[0]
            language = matcher.language(person)
            new = _queue(session, vault, campaign, wave, person, language, now)
            done.written += new
            done.earlier += not new
    done.full = wave.limit is not None and wave.written + done.written >= wave.limit
    return done


def since(session: Session, campaign: Campaign, audience: audiences.Audience) -> Campaign | None:
    """Return the notice that an audience refers to, or None."""
    if audience.since is None:
        return None
    same = (Campaign.incident_id == campaign.incident_id) & (Campaign.number == audience.since)
    return session.scalar(select(Campaign).where(same))


def _most(campaign: Campaign, wave: Wave) -> int | None:
    """Return how many mails may be queued in this turn, or None for any number."""
    limits = [] if wave.limit is None else [wave.limit - wave.written]
    if campaign.per_hour:
        limits.append(max(1, int(campaign.per_hour * (STEP / HOUR))))
    return min(limits, default=None)


def _was_processed(
    session: Session, vault: WorkerVault, wave: Wave, version: ExposureList, address: audiences.Address
) -> bool:
    """Return whether an earlier version of the portal had stopped between the people of this address.

    If none of their rows before was readable, the address has had no mail yet.
    """
    if not wave.cursor or not exposure.same_address(address.first, wave.cursor):
        return False
    return exposure.readable_before(session, vault, version, address.first)


def _queue(
    session: Session,
    vault: WorkerVault,
    campaign: Campaign,
    wave: Wave,
    person: Person,
    language: str,
    now: datetime,
) -> bool:
    """Queue the mail to a person; return whether the address had none that tells the same.

    If the earlier mail failed, it is queued again, in the lane of this notice.
    """
    notice_id = campaign.id.hex()
    notice = Notice(notice_id if campaign.frozen else "", notice_id, wave.number)
    unique, address = audiences.key_of(vault, campaign, person.address), person.address
    added = outbox.enqueue(
        session, vault, notice, address=address, locale=language, now=now, unique=unique, batch=campaign.id,
        lane=campaign.lane,
    )  # fmt: skip
    if added is None:
        outbox.send_again(
            session, vault, unique, notice, address=address, locale=language, now=now, lane=campaign.lane
        )
    return added is not None


def _warn(campaign: Campaign, wave: Wave, version: ExposureList, page: audiences.Page) -> None:
    if page.tampered and wave.number == 1:
        log.error(
            "campaigns: notice %s: list version %d has tampered rows, skipped: %d; import the list again, "
            "activate it, and notify again: nobody gets a second notice",
            campaign.id.hex(),
            version.number,
            page.tampered,
        )


def _end(
    session: Session, vault: WorkerVault, campaign: Campaign, version: ExposureList, now: datetime
) -> None:
    campaign.state, campaign.ended_at = ENDED, now
    signing.sign(session, vault, campaign)
    let_list_go(session, campaign, version)
    details = {"list": version.number, "written": campaign.written, "earlier": campaign.earlier}
    details |= {"left_out": campaign.left_out, "notice": campaign.number}
    details |= {"outside": campaign.outside} if campaign.outside else {}
    slug = incidents.by_id(session, campaign.incident_id).slug
    audit.record(session, "campaigns.written", slug, details, now)


def let_list_go(session: Session, campaign: Campaign, version: ExposureList) -> None:
    """Let the list of a notice be destroyed, unless another notice needs it."""
    others = session.scalars(
        select(Campaign).where(Campaign.list_id == campaign.list_id, Campaign.id != campaign.id)
    )
    if not any(each.needs_list for each in others):
        exposure.set_notifying(session, version, goes_out=False)
