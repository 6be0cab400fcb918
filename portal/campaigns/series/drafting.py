"""Draft a notice: count whom it is for, freeze its words, and describe it for the one who approves it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.campaigns import frozen
from portal.campaigns.emails import Words
from portal.campaigns.models import DRAFT, FIRST, Campaign, NoticeWords, Wave
from portal.campaigns.series import audience as audiences
from portal.campaigns.series import binding, signing, steering
from portal.campaigns.series.audience import ALL, NEW, Audience
from portal.campaigns.series.waves import PlannedWave
from portal.core.db import Database, new_id
from portal.crypto.vault import WorkerVault
from portal.datakinds.taxonomy import find
from portal.exposure import service as exposure
from portal.exposure.models import ExposureList
from portal.incidents import service as incidents
from portal.incidents.models import Incident


class SinceMissing(ValueError):
    """The audience refers to another notice, which does not exist, has not begun, or is not named."""


class FormerListGone(Exception):
    """The list of the notice that the audience refers to was destroyed, so nobody knows who is new."""


class AlreadyTold(Exception):
    """A first notice to everyone on this list was started before."""


@dataclass
class Counted:
    """Whom a notice would go to: addresses by severity, and those left out, outside, tampered.

    `severities` is what the waves are made of.
    """

    severities: Counter[int] = field(default_factory=Counter)
    left_out: int = 0
    outside: int = 0
    tampered: int = 0

    @property
    def mails(self) -> int:
        """Return the number of addresses that get a mail."""
        return self.severities.total()


@dataclass(frozen=True)
class Plan:
    """What is drafted, beside the words."""

    kind: str
    audience: Audience
    waves: tuple[PlannedWave, ...]
    per_hour: int | None = None


def checked(session: Session, incident_id: bytes, audience: Audience) -> Campaign | None:
    """Return the notice that an audience refers to, by default the newest; None where it refers to none.

    Raises SinceMissing, FormerListGone.
    """
    for name in audience.classes:
        find(name)
    if audience.base == ALL:
        return None
    begun = select(Campaign).where(Campaign.incident_id == incident_id, Campaign.begun_at.is_not(None))
    if audience.since is not None:
        begun = begun.where(Campaign.number == audience.since)
    found = session.scalar(begun.order_by(Campaign.number.desc()).limit(1))
    if found is None:
        raise SinceMissing
    if audience.base == NEW and exposure.version(session, found.list_id).data_key is None:
        raise FormerListGone
    return found


def count(
    db: Database,
    vault: WorkerVault,
    version: ExposureList,
    audience: Audience,
    since: Campaign | None,
    chosen: Mapping[bytes, str],
    progress: Callable[[int], object] = lambda _people: None,
) -> Counted:
    """Count whom a notice to a list would go to, in transactions of their own that only read.

    Raises ListDestroyed, VaultError.
    """
    done, after = Counted(), b""
    matcher = audiences.Matcher(vault, audience, since, chosen)
    while True:
        with db.read() as session:
            page = audiences.page_after(session, vault, version, after, exposure.PAGE)
            matching = matcher.matching(session, page.addresses)
        done.tampered += page.tampered
        for address in page.addresses:
            if not address.readable:
                continue
            if not address.people:
                done.left_out += 1
            elif address.last not in matching:
                done.outside += 1
            else:
                done.severities[address.severity] += 1
        progress(page.rows)
        if not page.more:
            return done
        after = page.addresses[-1].last


def draft(
    session: Session,
    vault: WorkerVault,
    incident: Incident,
    version: ExposureList,
    plan: Plan,
    words: Mapping[str, Words],
    now: datetime,
    *,
    number: int | None = None,
    by: str = "",
    silent: int = 0,
) -> Campaign:
    """Store a draft with its words, frozen; return it. `number` is that of a draft which it replaces.

    It is bound to who is left out now; `silent` addresses get no mail because of it. The new one has another
    id, so that no frozen words of the former one pass as its own. Writes the audit
    row. Raises NoticeUnknown, NoticeState where that is no draft, and AlreadyTold.
    """
    if number is not None:
        former = steering.locked(session, incident.id, number)
        if former.state != DRAFT or former.hold is not None:
            raise steering.NoticeState(steering.state_of(former))
        _forget(session, former)
    if plan.kind == FIRST and plan.audience.is_whole_list and steering.first_to(session, version) is not None:
        raise AlreadyTold
    campaign = Campaign(
        id=new_id(),
        incident_id=incident.id,
        number=number or steering.next_number(session, incident.id),
        kind=plan.kind,
        list_id=version.id,
        state=DRAFT,
        drafted_at=now,
        addresses=version.addresses,
        expected=sum(wave.expected for wave in plan.waves),
        audience=plan.audience.to_json(),
        per_hour=plan.per_hour,
        frozen=bool(words),
        without=binding.bound(session, vault, incident.id, silent),
        row_mac=b"",
    )
    session.add(campaign)
    for wave_number, wave in enumerate(plan.waves, 1):
        session.add(Wave(notice_id=campaign.id, number=wave_number, **asdict(wave)))
    if words:
        frozen.store(session, vault, campaign.id, signing.audience(campaign), words)
    signing.sign(session, vault, campaign)
    details: steering.Details = {"notice": campaign.number, "kind": plan.kind, "list": version.number}
    details |= {"mails": campaign.expected, "waves": len(plan.waves)} | ({"by": by} if by else {})
    audit.record(session, "campaigns.draft", incident.slug, details, now)
    return campaign


def described(session: Session, campaign: Campaign) -> dict[str, Any]:
    """Return what the one who approves a notice sees: incident, plan and words, all that anybody gets.

    It is made from plain columns, without a key. Whether they are as they were signed is checked when the
    notice starts.
    """
    incident = incidents.by_id(session, campaign.incident_id)
    version = exposure.version(session, campaign.list_id)
    plan = signing.plan(session, campaign) | {"list": version.number, "addresses": campaign.addresses}
    rows = session.scalars(
        select(NoticeWords).where(NoticeWords.notice_id == campaign.id).order_by(NoticeWords.language)
    )
    words = {row.language: frozen.shown_words(row) for row in rows}
    languages = exposure.languages_of(version)
    plan |= {"list_languages": languages} if languages else {}
    return {"incident": incident.slug, "says_what_happened": campaign.frozen} | plan | {"words": words}


def _forget(session: Session, campaign: Campaign) -> None:
    session.execute(delete(NoticeWords).where(NoticeWords.notice_id == campaign.id))
    session.execute(delete(Wave).where(Wave.notice_id == campaign.id))
    session.delete(campaign)
    session.flush()


def with_since(audience: Audience, since: Campaign | None) -> Audience:
    """Return an audience that names the notice which it refers to."""
    return audience if since is None else replace(audience, since=since.number)
