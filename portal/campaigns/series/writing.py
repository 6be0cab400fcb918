"""Draft a notice from the fields of a form or a command, with the worker's keys."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portal.campaigns import service
from portal.campaigns.models import FIRST, WORST
from portal.campaigns.series import drafting
from portal.campaigns.series.audience import Audience
from portal.campaigns.series.waves import Cut, planned
from portal.exposure import left_out
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.runtime.parts import WorkerParts


def draft(parts: WorkerParts, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Count whom a notice is for, and freeze what was written. Mails nobody.

    `fields` are `incident`, its slug, those of `wanted`, `own` (words by language), `worst_first`, `per_hour`
    and `replaces` (a draft's number). Raises what `drafting.draft` and `wording.drawn` do.
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
    audience = drafting.with_since(audience, since)
    worst_first = bool(fields.get("worst_first"))
    if audience.is_whole_list and not worst_first:  # however long the list is
        silent = left_out.matches(parts.db, parts.vault, version).addresses
        counted = drafting.Counted(Counter({WORST: version.addresses - silent}), left_out=silent)
    else:
        counted = drafting.count(
            parts.db,
            parts.vault,
            version,
            audience,
            since,
            service.chosen_languages(parts.db, parts.vault) if audience.languages else {},
        )
    waves = planned(counted.severities, cuts, worst_first=worst_first)
    plan = drafting.Plan(kind, audience, tuple(waves), _number(fields.get("per_hour")))
    with parts.db.write() as session:
        campaign = drafting.draft(
            session,
            parts.vault,
            incident,
            version,
            plan,
            words,
            now,
            number=_number(fields.get("replaces")),
            by=str(fields.get("by") or ""),
        )
        return {"notice": campaign.number, "mails": counted.mails, "outside": counted.outside}


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
