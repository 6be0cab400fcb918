"""Notify everyone on an active list: start once, resume after a crash, account for every address."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns import frozen
from portal.campaigns.emails import Notice, Words
from portal.campaigns.failed import notice_key
from portal.campaigns.models import Campaign, NoticeWords
from portal.core.db import Database, new_id
from portal.crypto.vault import WorkerVault
from portal.exposure import left_out
from portal.exposure import service as exposure
from portal.exposure.people import Person
from portal.identity import state
from portal.incidents import service as incidents
from portal.outbox import service as outbox
from portal.outbox.models import QUEUED, SENDING

log = logging.getLogger("portal.campaigns")

BATCH = 200
ACCOUNTS = 500
# About 100 MB of memory; further people are notified in the list's language.
MOST_CHOSEN = 500_000

FORGED = "campaigns: notice %s was inserted or altered without the worker's keys; %s"
ALTERED = (
    "campaigns: the frozen text of notice %s was altered or removed without the worker's keys, so it mails "
    "nobody; find out who can write to the database, then: portal campaigns notify SLUG --dry-run"
)


class CountWrong(Exception):
    """The confirmed count differs from the number of addresses of the active list."""


@dataclass(frozen=True)
class Ledger:
    """The addresses of a campaign by state; the others and `states` add up to `addresses`.

    `left_out` counts addresses whose people are all left out on request, `earlier` those notified with an
    earlier list version, whose mails belong to that campaign. `waiting` counts addresses not yet queued;
    after the end of the campaign, those with tampered rows.
    """

    addresses: int
    earlier: int
    left_out: int
    waiting: int
    states: dict[str, int]

    @property
    def adds_up(self) -> bool:
        """Whether no address is missing or counted twice."""
        return self.addresses == self.earlier + self.left_out + self.waiting + sum(self.states.values())


def start(
    session: Session,
    vault: WorkerVault,
    incident_id: bytes,
    slug: str,
    confirmed: int,
    now: datetime,
    words: Mapping[str, Words] | None = None,
    *,
    silent: int = 0,
    replace_altered: bool = False,
) -> Campaign:
    """Start the notice to the active list, or return the one started before, whose words stay as they are.

    It says `words` by language; without any it is neutral. `silent` is the number of addresses that get none
    because their people are left out. Raises ListNotActive, CountWrong if `confirmed` is not the number of
    the other addresses, and WordsAltered if its frozen words were altered, unless
    `replace_altered`.
    """
    version = exposure.needed(session, vault, incident_id)
    if confirmed != version.addresses - silent:
        raise CountWrong
    of_list = (Campaign.incident_id == incident_id) & (Campaign.list_id == version.id)
    campaign = session.scalar(select(Campaign).where(of_list).with_for_update())
    if campaign is not None and not _is_signed(vault, campaign):
        log.error(FORGED, campaign.id.hex(), "it is replaced")
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
            frozen=bool(words),
        )
        campaign.row_mac = _row_mac(vault, campaign)
        session.add(campaign)
        session.flush()
        if words:
            frozen.store(session, vault, campaign.id, _audience(campaign), words)
        details = {"list": version.number, "addresses": version.addresses, "left_out": silent}
        audit.record(session, "campaigns.notify", slug, details, now)
        exposure.set_notifying(session, version, goes_out=True)
    elif words and replace_altered and not _words_intact(session, vault, campaign):
        frozen.store(session, vault, campaign.id, _audience(campaign), words)
        audit.record(session, "campaigns.freeze-again", slug, {"list": version.number}, now)
    elif not _words_intact(session, vault, campaign):
        raise frozen.WordsAltered
    return campaign


@dataclass(frozen=True)
class Begun:
    """A notice that began before: its words by language, none where it is neutral, or None if altered."""

    at: datetime
    waiting: int
    words: dict[str, Words] | None


def begun(session: Session, vault: WorkerVault, incident_id: bytes) -> Begun | None:
    """Return the notice that began to the active list, or None. Raises ListNotActive."""
    version = exposure.needed(session, vault, incident_id)
    of_list = (Campaign.incident_id == incident_id) & (Campaign.list_id == version.id)
    campaign = session.scalar(select(Campaign).where(of_list))
    if campaign is None or not _is_signed(vault, campaign):
        return None
    try:
        words = frozen.read(session, vault, campaign.id) if campaign.frozen else {}
    except frozen.WordsAltered:
        words = None
    return Begun(campaign.begun_at, campaign.waiting, words)


def chosen_languages(db: Database, vault: WorkerVault) -> dict[bytes, str]:
    """Return the languages that people chose on the portal, by account index, for one run of `advance`.

    Reads every account: reading only those on the list would show an observer of the database who is on it.
    """
    chosen: dict[bytes, str] = {}
    after: bytes | None = None
    while True:
        with db.read() as session:
            found, after = state.chosen_languages(session, vault, after, ACCOUNTS)
        chosen |= found
        if len(chosen) >= MOST_CHOSEN:
            log.warning(
                "campaigns: over %d people chose a language; the rest get the notice in the list's",
                MOST_CHOSEN,
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
    """Queue the next mails of a campaign and store its progress; return the number of people processed.

    0 means that the campaign has ended. Runs in the caller's transaction; concurrent calls take turns, and
    each address gets one mail. `chosen` maps account indexes to the language chosen on the portal; everyone
    else is notified in the list's.
    """
    campaign = session.get(Campaign, campaign_id, with_for_update=True, populate_existing=True)
    if campaign is None or campaign.ended_at is not None or not _is_signed(vault, campaign):
        return 0
    version = exposure.version(session, campaign.list_id)
    people, after = exposure.people_after(session, vault, version, campaign.last_key, limit)
    last = served = campaign.last_key
    written = earlier = silent = 0
    asked = left_out.of_page(session, vault, version, people)
    if people and last and exposure.same_address(people[0][0], last):
        # Some people of this address were processed before; if none of their rows was readable, the address
        # has had no mail yet.
        served = last if exposure.readable_before(session, vault, version, people[0][0]) else b""
    for key, person in people:
        last = key
        if person is None:
            continue  # a tampered row must not stop the others; it stays counted as waiting
        if not served or not exposure.same_address(key, served):
            recipient = left_out.recipient(session, vault, version, key, person, asked)
            if recipient is None:
                silent += 1
            elif _queue(session, vault, campaign, recipient, chosen, now):
                written += 1
            else:
                earlier += 1
        served = key
    if tampered := sum(person is None for _, person in people):
        log.error(
            "campaigns: notice %s: list version %d has tampered rows, skipped: %d; import the list again, "
            "activate it, and notify again: nobody gets a second notice",
            campaign.id.hex(),
            version.number,
            tampered,
        )
    campaign.last_key = last
    campaign.written += written
    campaign.earlier += earlier
    campaign.left_out += silent
    if not after:
        campaign.ended_at = now
        exposure.set_notifying(session, version, goes_out=False)
        details = {"list": version.number, "written": campaign.written, "earlier": campaign.earlier}
        details["left_out"] = campaign.left_out
        slug = incidents.by_id(session, campaign.incident_id).slug
        audit.record(session, "campaigns.written", slug, details, now)
    return len(people)


def unsent(session: Session, incident_id: bytes, since: datetime) -> list[datetime]:
    """Return when those notices of an incident began, `since` then, of which mails did not leave yet."""
    rows = session.scalars(_began(incident_id, since).order_by(Campaign.begun_at))
    return [one.begun_at for one in rows if one.ended_at is None or _leaves(ledger(session, one))]


def _leaves(found: Ledger) -> bool:
    return any(found.states.get(state) for state in (QUEUED, SENDING))


def forget_words(session: Session, incident_id: bytes, since: datetime) -> None:
    """Delete the frozen words of the notices that began `since` then: no mail leaves with them any more."""
    ids = [one.id for one in session.scalars(_began(incident_id, since))]
    session.execute(delete(NoticeWords).where(NoticeWords.notice_id.in_(ids)))


def _began(incident_id: bytes, since: datetime) -> Select[Campaign]:
    return select(Campaign).where(Campaign.incident_id == incident_id, Campaign.begun_at >= since)


def _queue(
    session: Session,
    vault: WorkerVault,
    campaign: Campaign,
    person: Person,
    chosen: Mapping[bytes, str],
    now: datetime,
) -> bool:
    """Queue the mail to a person; return whether the address had none from an earlier notice.

    If the earlier mail failed, it is queued again.
    """
    notice = Notice(campaign.id.hex() if campaign.frozen else "")
    language = chosen.get(vault.account_index(person.address), person.locale)
    unique, address = notice_key(vault, campaign.incident_id, person.address), person.address
    added = outbox.enqueue(
        session, vault, notice, address=address, locale=language, now=now, unique=unique, batch=campaign.id
    )
    if added is None:
        outbox.send_again(session, vault, unique, notice, address=address, locale=language, now=now)
    return added is not None


def check_list(session: Session, vault: WorkerVault, campaign_id: bytes) -> None:
    """Check that the list of a campaign can be read. Raises ListDestroyed, VaultError."""
    campaign = session.get_one(Campaign, campaign_id)
    exposure.open_list(vault, exposure.version(session, campaign.list_id))


def unfinished(session: Session, vault: WorkerVault) -> list[bytes]:
    """Return the ids of campaigns with addresses left to notify; log and skip those that were altered."""
    found = []
    for campaign in session.scalars(
        select(Campaign).where(Campaign.ended_at.is_(None)).order_by(Campaign.begun_at)
    ):
        if not _is_signed(vault, campaign):
            log.error(FORGED, campaign.id.hex(), "it mails nobody")
        elif not _words_intact(session, vault, campaign):
            log.error(ALTERED, campaign.id.hex())
        else:
            found.append(campaign.id)
    return found


def _words_intact(session: Session, vault: WorkerVault, campaign: Campaign) -> bool:
    if not campaign.frozen:
        return True
    try:
        frozen.read(session, vault, campaign.id)
    except frozen.WordsAltered:
        return False
    return True


def _is_signed(vault: WorkerVault, campaign: Campaign) -> bool:
    return compare_digest(campaign.row_mac, _row_mac(vault, campaign))


def _audience(campaign: Campaign) -> frozen.Audience:
    return frozen.Audience(campaign.incident_id, campaign.list_id, campaign.addresses)


def _row_mac(vault: WorkerVault, campaign: Campaign) -> bytes:
    audience = _audience(campaign)
    # One more value for a frozen one: neither passes as the other, and former ones keep their MAC.
    return vault.row_mac("campaign", campaign.id, *audience, *(["frozen"] if campaign.frozen else []))


def campaigns(session: Session) -> list[Campaign]:
    """Return all campaigns, newest first."""
    return list(session.scalars(select(Campaign).order_by(Campaign.begun_at.desc())))


def list_number(session: Session, campaign: Campaign) -> int:
    """Return the number of the list version that a campaign goes to."""
    return exposure.version(session, campaign.list_id).number


def ledger(session: Session, campaign: Campaign) -> Ledger:
    """Return the number of addresses of a campaign by state."""
    states = outbox.counts(session, batch=campaign.id)
    return Ledger(campaign.addresses, campaign.earlier, campaign.left_out, campaign.waiting, states)
