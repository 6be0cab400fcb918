"""What staff order from the console: draft a notice, start it, let a paused one go on.

`describe` says what is shown, approved and hashed; it needs no key. `perform` is run by the worker, after it
has compared the hash. Pausing and stopping need no order.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.campaigns import service
from portal.campaigns.models import FIRST, Campaign
from portal.campaigns.series import drafting, steering
from portal.campaigns.series.audience import Audience
from portal.campaigns.series.waves import Cut, planned
from portal.core.i18n import best_language
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.runtime.parts import WorkerParts


def _campaign(session: Session, fields: Mapping[str, Any]) -> Campaign:
    incident = incidents.by_slug(session, str(fields["incident"]))
    return steering.locked(session, incident.id, int(fields["notice"]))


def describe_start(session: Session, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the second person approves: content, audience, count and waves of a draft.

    `fields` are `incident`, its slug, and `notice`, the number. Raises IncidentUnknown, NoticeUnknown.
    """
    incident = incidents.by_slug(session, str(fields["incident"]))
    return drafting.described(session, steering.found(session, incident.id, int(fields["notice"])))


def perform_start(parts: WorkerParts, fields: Mapping[str, Any], actor: str) -> dict[str, Any]:
    """Start a draft that was approved. Raises what `steering.start` does."""
    with parts.db.write() as session:
        campaign = _campaign(session, fields)
        steering.start(session, parts.vault, campaign, campaign.expected, parts.clock.now(), actor)
        return {"notice": campaign.number, "mails": campaign.expected}


def perform_resume(parts: WorkerParts, fields: Mapping[str, Any], actor: str) -> dict[str, Any]:
    """Let a paused notice go on. Raises what `steering.resume` does."""
    with parts.db.write() as session:
        campaign = _campaign(session, fields)
        steering.resume(session, parts.vault, campaign, parts.clock.now(), actor)
        return {"notice": campaign.number}


def perform_draft(parts: WorkerParts, fields: Mapping[str, Any], actor: str) -> dict[str, Any]:
    """Count whom a notice is for, and freeze what was written. Mails nobody.

    `fields` are those of `wanted`. Raises what `drafting.draft` and `wording.drawn` do.
    """
    from portal.campaigns import wording  # noqa: PLC0415 - slow to import

    settings, now = parts.settings, parts.clock.now()
    audience, cuts, kind = wanted(fields, settings.site.languages)
    with parts.db.read() as session:
        incident = incidents.by_slug(session, str(fields["incident"]))
        version = exposure.needed(session, parts.vault, incident.id)
        since = drafting.checked(session, incident.id, audience)
        own = {str(tag): str(text) for tag, text in dict(fields.get("own") or {}).items()}
        words = wording.drawn(session, parts.vault, settings, incident, now, kind=kind, own=own)
    chosen = service.chosen_languages(parts.db, parts.vault)
    counted = drafting.count(
        parts.db, parts.vault, version, drafting.with_since(audience, since), since, chosen,
        lambda language: best_language(language, settings.site.languages),
    )  # fmt: skip
    waves = planned(counted.severities, cuts, worst_first=bool(fields.get("worst_first")))
    per_hour = int(fields["per_hour"]) if fields.get("per_hour") else None
    plan = drafting.Plan(kind, drafting.with_since(audience, since), tuple(waves), per_hour)
    replaced = int(fields["replaces"]) if fields.get("replaces") else None
    with parts.db.write() as session:
        campaign = drafting.draft(
            session, parts.vault, incident, version, plan, words, now, number=replaced, by=actor
        )
        return {"notice": campaign.number, "mails": counted.mails, "outside": counted.outside}


def wanted(fields: Mapping[str, Any], languages: tuple[str, ...]) -> tuple[Audience, list[Cut], str]:
    """Return audience, cuts into waves and kind that fields ask for.

    These are `kind`, `base`, `since`, `classes`, `languages`, and `waves`: each with `limit` and
    `not_before`, which may be None.
    """
    audience = Audience(
        str(fields.get("base") or "all"),
        int(fields["since"]) if fields.get("since") else None,
        tuple(fields.get("classes") or ()),
        tuple(fields.get("languages") or ()),
        languages,
    )
    cuts = [
        Cut(
            int(wave["limit"]) if wave.get("limit") else None,
            datetime.fromisoformat(wave["not_before"]) if wave.get("not_before") else None,
        )
        for wave in fields.get("waves") or ()
    ]
    return audience, cuts, str(fields.get("kind") or FIRST)
