"""Notify everyone on an active list: start once, resume after a crash, account for every address."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns import frozen
from portal.campaigns.emails import Words
from portal.campaigns.models import (
    DRAFT,
    ENDED,
    FIRST,
    PAUSED,
    RUNNING,
    Campaign,
    NoticeWords,
    Wave,
)
from portal.campaigns.series import progress, signing, steering, waves
from portal.campaigns.series.audience import Audience
from portal.campaigns.series.passes import BATCH, advance, is_due
from portal.campaigns.series.progress import Ledger, campaigns, ledger, list_number
from portal.campaigns.series.signing import ALTERED, FORGED
from portal.campaigns.series.steering import CountWrong
from portal.core.db import Database, new_id
from portal.crypto.vault import WorkerVault
from portal.exposure import service as exposure
from portal.exposure.models import ExposureList
from portal.identity import state
from portal.outbox.models import QUEUED, SENDING

__all__ = [
    "ALTERED",
    "BATCH",
    "FORGED",
    "CountWrong",
    "Ledger",
    "advance",
    "campaigns",
    "ledger",
    "list_number",
]

log = logging.getLogger("portal.campaigns")

ACCOUNTS = 500
# About 100 MB of memory; further people are notified in the list's language.
MOST_CHOSEN = 500_000


class NoticeHeld(Exception):
    """The first notice to this list is paused."""


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
    """Start the first notice to the active list, or return the one started before, whose words stay.

    It is for the whole list, in one wave. It says `words` by language; without any it is neutral. `silent` is
    the number of addresses that get none because their people are left out. Raises ListNotActive, CountWrong
    if `confirmed` is not the number of the other addresses, NoticeHeld where it is paused, and WordsAltered
    if its frozen words were altered, unless `replace_altered`.
    """
    version = exposure.needed(session, vault, incident_id)
    if confirmed != version.addresses - silent:
        raise CountWrong
    campaign = steering.first_to(session, version, lock=True)
    if campaign is None or not signing.is_signed(session, vault, campaign):
        campaign = _begin(session, vault, version, campaign, confirmed, now, words)
        details = {"list": version.number, "addresses": version.addresses, "left_out": silent}
        audit.record(session, "campaigns.notify", slug, details, now)
    elif words and replace_altered and not signing.words_intact(session, vault, campaign):
        frozen.store(session, vault, campaign.id, signing.audience(campaign), words)
        audit.record(session, "campaigns.freeze-again", slug, {"list": version.number}, now)
    elif not signing.words_intact(session, vault, campaign):
        raise frozen.WordsAltered
    if steering.state_of(campaign) == PAUSED:
        raise NoticeHeld
    return campaign


def _begin(
    session: Session,
    vault: WorkerVault,
    version: ExposureList,
    former: Campaign | None,
    expected: int,
    now: datetime,
    words: Mapping[str, Words] | None,
) -> Campaign:
    """Store a notice to a whole list; one that was altered starts over under its id, as its mails name it."""
    if former is not None:
        log.error(FORGED, former.id.hex(), "it is replaced")
        session.execute(delete(Wave).where(Wave.notice_id == former.id))
        session.delete(former)
        session.flush()
    campaign = Campaign(
        id=new_id() if former is None else former.id,
        incident_id=version.incident_id,
        number=steering.next_number(session, version.incident_id) if former is None else former.number,
        kind=FIRST,
        list_id=version.id,
        state=RUNNING,
        drafted_at=now,
        addresses=version.addresses,
        expected=expected,
        audience=Audience().to_json(),
        frozen=bool(words),
        lane=None if former is None else former.lane,
        row_mac=b"",
    )
    session.add_all([campaign, Wave(notice_id=campaign.id, number=1, expected=expected)])
    steering.begin(session, vault, campaign, now)
    if words:
        frozen.store(session, vault, campaign.id, signing.audience(campaign), words)
    return campaign


@dataclass(frozen=True)
class Begun:
    """A notice that began before: its words by language, none where it is neutral, or None if altered."""

    at: datetime
    waiting: int
    words: dict[str, Words] | None


def begun(session: Session, vault: WorkerVault, incident_id: bytes) -> Begun | None:
    """Return the first notice that began to the active list, or None. Raises ListNotActive."""
    campaign = steering.first_to(session, exposure.needed(session, vault, incident_id))
    if campaign is None or campaign.begun_at is None or not signing.is_signed(session, vault, campaign):
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


def unsent(session: Session, incident_id: bytes, since: datetime) -> list[datetime]:
    """Return when those notices of an incident began, `since` then, of which mails did not leave yet."""
    rows = session.scalars(_began(incident_id, since).order_by(Campaign.begun_at))
    return [
        one.begun_at
        for one in rows
        if one.begun_at and (one.ended_at is None or _leaves(ledger(session, one)))
    ]


def carrying(session: Session, incident_id: bytes) -> list[tuple[int, bool]]:
    """Return the numbers of the notices that may still send what was frozen for them, the first one first.

    True where it is a draft.
    """
    found = []
    for one in reversed(progress.of_incident(session, incident_id)):
        state = steering.state_of(one)
        if state in (RUNNING, PAUSED) or (state == ENDED and _leaves(ledger(session, one))):
            found.append((one.number, False))
        elif state == DRAFT and one.hold is None:
            found.append((one.number, True))
    return found


def _leaves(found: Ledger) -> bool:
    return any(found.states.get(state) for state in (QUEUED, SENDING))


def forget_words(session: Session, incident_id: bytes, since: datetime, now: datetime) -> None:
    """Delete the frozen words of the notices that began `since` then: no mail leaves with them any more.

    Drafts that were made since are discarded, with their words.
    """
    drafts = select(Campaign).where(
        Campaign.incident_id == incident_id, Campaign.state == DRAFT, Campaign.drafted_at >= since
    )
    discarded = session.scalars(drafts).all()
    for draft in discarded:
        steering.stop(session, draft, now, reason="its text was destroyed")
    ids = [one.id for one in (*session.scalars(_began(incident_id, since)), *discarded)]
    session.execute(delete(NoticeWords).where(NoticeWords.notice_id.in_(ids)))


def _began(incident_id: bytes, since: datetime) -> Select[Campaign]:
    return select(Campaign).where(Campaign.incident_id == incident_id, Campaign.begun_at >= since)


def check_list(session: Session, vault: WorkerVault, campaign_id: bytes) -> None:
    """Check that the list of a campaign can be read. Raises ListDestroyed, VaultError."""
    campaign = session.get_one(Campaign, campaign_id)
    exposure.open_list(vault, exposure.version(session, campaign.list_id))


def due(session: Session, vault: WorkerVault, now: datetime) -> list[bytes]:
    """Return the ids of notices of which mails may be queued now; log and skip those that were altered."""
    found = []
    running = select(Campaign).where(Campaign.state == RUNNING, Campaign.hold.is_(None))
    for campaign in session.scalars(running.order_by(Campaign.begun_at)):
        if not signing.is_signed(session, vault, campaign):
            log.error(FORGED, campaign.id.hex(), "it mails nobody")
        elif not signing.words_intact(session, vault, campaign):
            log.error(ALTERED, campaign.id.hex())
        else:
            wave = waves.current(signing.waves_of(session, campaign))
            if wave is not None and is_due(campaign, wave, now):
                found.append(campaign.id)
    return found
