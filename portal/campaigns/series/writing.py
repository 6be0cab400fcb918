"""Draft a notice from the fields of a form or a command, with the worker's keys."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.campaigns import service
from portal.campaigns.emails import Words
from portal.campaigns.models import FIRST, WORST, Campaign
from portal.campaigns.series import drafting
from portal.campaigns.series.audience import Audience
from portal.campaigns.series.waves import Cut, planned
from portal.exposure import left_out
from portal.exposure import service as exposure
from portal.exposure.models import ExposureList
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.runtime.parts import WorkerParts


@dataclass(frozen=True)
class Opened:
    """What is to be drafted, before anybody is counted. `rows` are those that counting reads."""

    fields: Mapping[str, Any]
    incident: Incident
    version: ExposureList
    since: Campaign | None
    audience: Audience
    cuts: tuple[Cut, ...]
    kind: str
    worst_first: bool
    words: Mapping[str, Words]
    rows: int


def draft(parts: WorkerParts, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Count whom a notice is for, and freeze what was written. Mails nobody. See `opened` for the fields."""
    found = opened(parts, fields)
    done = counted(parts, found)
    with parts.db.write() as session:
        return store(session, parts, found, done)


def opened(parts: WorkerParts, fields: Mapping[str, Any]) -> Opened:
    """Check what is to be drafted.

    `fields` are `incident`, its slug, those of `wanted`, `own` (words by language), `worst_first`, `per_hour`
    and `replaces` (a draft's number). Raises what `drafting.checked` and `wording.drawn` do.
    """
    from portal.campaigns import wording  # noqa: PLC0415 - slow to import

    settings = parts.settings
    audience, cuts, kind = wanted(fields, settings.site.languages)
    with parts.db.read() as session:
        incident = incidents.by_slug(session, str(fields["incident"]))
        version = exposure.needed(session, parts.vault, incident.id)
        since = drafting.checked(session, incident.id, audience)
        own = {str(tag): str(text) for tag, text in dict(fields.get("own") or {}).items()}
        now = parts.clock.now()
        words = wording.drawn(session, parts.vault, settings, incident, now, kind=kind, own=own)
        worst_first = bool(fields.get("worst_first"))
        whole = audience.is_whole_list and not worst_first
        rows = left_out.number(session, incident.id) if whole else version.entries
    audience = drafting.with_since(audience, since)
    return Opened(fields, incident, version, since, audience, tuple(cuts), kind, worst_first, words, rows)


def counted(
    parts: WorkerParts, found: Opened, progress: Callable[[int], object] = lambda _rows: None
) -> drafting.Counted:
    """Count whom a notice would go to; `progress` gets the rows that were read since the last call."""
    if found.audience.is_whole_list and not found.worst_first:  # however long the list is
        silent = left_out.matches(parts.db, parts.vault, found.version, progress).addresses
        return drafting.Counted(Counter({WORST: found.version.addresses - silent}), left_out=silent)
    return drafting.count(
        parts.db,
        parts.vault,
        found.version,
        found.audience,
        found.since,
        service.chosen_languages(parts.db, parts.vault) if found.audience.languages else {},
        progress,
    )


def store(session: Session, parts: WorkerParts, found: Opened, done: drafting.Counted) -> dict[str, Any]:
    """Store the draft. Raises what `drafting.draft` does."""
    waves = planned(done.severities, found.cuts, worst_first=found.worst_first)
    fields = found.fields
    campaign = drafting.draft(
        session,
        parts.vault,
        found.incident,
        found.version,
        drafting.Plan(found.kind, found.audience, tuple(waves), _number(fields.get("per_hour"))),
        found.words,
        parts.clock.now(),
        number=_number(fields.get("replaces")),
        by=str(fields.get("by") or ""),
        silent=done.left_out,
    )
    return {"notice": campaign.number, "mails": done.mails, "outside": done.outside}


def wanted(fields: Mapping[str, Any], languages: tuple[str, ...]) -> tuple[Audience, list[Cut], str]:
    """Return audience, cuts into waves and kind that fields ask for.

    These are `kind`, `base`, `since`, `classes`, `languages`, and `waves`: each with `limit` and
    `not_before`, which may be None.
    """
    audience = Audience(
        str(fields.get("base") or "all"),
        _number(fields.get("since")),
        tuple(fields.get("classes") or ()),
        tuple(fields.get("languages") or ()),
        languages,
    )
    cuts = [
        Cut(
            _number(wave.get("limit")),
            datetime.fromisoformat(wave["not_before"]) if wave.get("not_before") else None,
        )
        for wave in fields.get("waves") or ()
    ]
    return audience, cuts, str(fields.get("kind") or FIRST)


def _number(value: Any) -> int | None:
    return int(value) if value else None
