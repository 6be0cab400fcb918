"""The worker's part: queue the mails of notices, hold them, and give them their words."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from weakref import WeakKeyDictionary

from sqlalchemy.orm import Session

from portal.campaigns import frozen, service
from portal.campaigns.emails import Notice, Words
from portal.campaigns.models import PAUSED, STOPPED, Campaign
from portal.campaigns.series import signing, steering
from portal.core.db import Database
from portal.crypto.vault import VaultError
from portal.exposure.service import ListDestroyed
from portal.outbox.bulk import lanes
from portal.outbox.compose import MailUnfit
from portal.outbox.mail import READ_AGAIN, CurrentWords
from portal.runtime.parts import BeforeHandover, FrozenWords, Handover, LeavingMail, WorkerParts
from portal.runtime.turns import Turns, in_turns

log = logging.getLogger("portal.campaigns")

# A notice with a throttle is continued every few seconds; reading all accounts each time would take longer.
LANGUAGES_KEPT = timedelta(minutes=10)
_languages: WeakKeyDictionary[Database, tuple[datetime, Mapping[bytes, str]]] = WeakKeyDictionary()


def resume(parts: WorkerParts) -> None:
    """Hold the notices that are to be held, then queue the mails of those that go on, a batch at a time."""
    hold(parts)
    with parts.db.read() as session:
        waiting = service.due(session, parts.vault, parts.clock.now())
    for campaign_id in waiting:
        try:
            _go_on(parts, campaign_id)
        except (ListDestroyed, VaultError) as error:  # the other campaigns must not wait for this list
            log.error(
                "campaigns: notice %s stays unfinished, its list cannot be read (%s); see: portal campaigns",
                campaign_id.hex(),
                type(error).__name__,
            )


def hold(parts: WorkerParts) -> None:
    """Write under the row MAC which notices are held, and end the mails of those that were stopped."""
    with parts.db.read() as session:
        held = steering.unacknowledged(session)
        stopped = steering.stopped_lanes(session)
    for campaign_id in held:
        with parts.db.write() as session:
            campaign = session.get(Campaign, campaign_id, with_for_update=True)
            if campaign is not None and campaign_id in steering.unacknowledged(session):
                steering.acknowledge(session, parts.vault, campaign)
    for lane in stopped:
        in_turns(parts, partial(_end_mails, lane))


def _end_mails(lane: int, session: Session, now: datetime, limit: int) -> int:
    return lanes.end_some(session, lane, now, limit)


def _go_on(parts: WorkerParts, campaign_id: bytes) -> None:
    with parts.db.read() as session:
        service.check_list(session, parts.vault, campaign_id)  # fails before all accounts are read
        throttled = session.get_one(Campaign, campaign_id).per_hour is not None
    chosen = _chosen_languages(parts, keep=throttled)
    turns = Turns(parts.db)
    while not parts.stopping():
        with turns.take() as session:
            seen = service.advance(
                session, parts.vault, chosen, campaign_id, parts.clock.now(), limit=turns.rows
            )
        if not seen:
            break


def _chosen_languages(parts: WorkerParts, *, keep: bool) -> Mapping[bytes, str]:
    now = parts.clock.now()
    read_at, chosen = _languages.get(parts.db, (None, {}))
    if keep and read_at is not None and read_at <= now < read_at + LANGUAGES_KEPT:
        return chosen
    _languages.pop(parts.db, None)
    chosen = service.chosen_languages(parts.db, parts.vault)
    if keep:
        _languages[parts.db] = now, chosen
    return chosen


class _States:
    """Whether the mails of notices may leave, as the row MACs say; read again after a second."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[datetime, Handover]] = {}

    def __call__(self, session: Session, mail: LeavingMail, now: datetime, parts: WorkerParts) -> Handover:
        notice_id = str(mail.fields.get("of") or "")
        if not notice_id:
            return Handover.SEND
        found = self._found.get(notice_id)
        if found is None or not found[0] <= now < found[0] + READ_AGAIN:
            found = self._found[notice_id] = now, _may_leave(session, parts, bytes.fromhex(notice_id))
        return found[1]


def _may_leave(session: Session, parts: WorkerParts, notice_id: bytes) -> Handover:
    """Return whether the mails of a notice may leave: not where it is held, even if its lane was opened."""
    campaign = session.get(Campaign, notice_id, populate_existing=True)
    if campaign is None or not signing.is_signed(session, parts.vault, campaign):
        log.error(signing.FORGED, notice_id.hex(), "its mails wait")
        return Handover.LATER
    return Handover.LATER if campaign.state in (PAUSED, STOPPED) else Handover.SEND


def _read_words(session: Session, parts: WorkerParts, notice_id: bytes, language: str) -> Words:
    """Return what a notice says to readers of a language.

    Raises MailUnfit where its words were altered: it mails nobody.
    """
    try:
        found = frozen.read(session, parts.vault, notice_id)
    except frozen.WordsAltered as error:
        log.error(service.ALTERED, notice_id.hex())
        raise MailUnfit(Notice.name) from error
    return frozen.shown(found, language, parts.settings.default_language)


WORDS: dict[str, FrozenWords] = {Notice.name: lambda parts: CurrentWords(parts, _read_words)}
BEFORE_HANDOVER: dict[str, BeforeHandover] = {Notice.stored_purpose(): _States()}
