"""Publish drafts exactly as a second person approved them, by the services of `portal incidents publish`.

`described` is what is shown and approved; `release` compares it once more in the transaction that publishes.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.settings import Settings
from portal.crypto.vault import WorkerVault
from portal.incidents import announcing, service, writing
from portal.incidents.checker.findings import Weight
from portal.incidents.differences import Difference, of_statements
from portal.incidents.drafts import files, statements
from portal.incidents.drafts.statements import Opened, open_draft
from portal.incidents.models import Incident, Statement, Update
from portal.incidents.publishing import checks, scheduling
from portal.incidents.publishing.checks import Placed
from portal.incidents.publishing.plan import DraftUpdate, Plan, plan

Described = dict[str, Any]
# Arguments: session, incident id. Returns how many people get an update of the incident.
Subscribers = Callable[[Session, bytes], int]


class NotReleasable(ValueError):
    """Drafts cannot be published like this; `reason` is a code, `values` fill its words."""

    def __init__(self, reason: str, **values: str | int) -> None:
        """Store the code and its values."""
        self.reason, self.values = reason, values
        super().__init__(f"{reason}: {values}" if values else reason)


@dataclass(frozen=True)
class Release:
    """What an author wants to publish: the statement's drafts by language, each as it was saved once.

    `updates` are the numbers of draft updates. `classes` says whether the data classes that wait go along.
    `at` is when, None for at once; `more_by` is what a holding statement promises, or what a whole one that
    follows it keeps of that; it `ends` the promise otherwise. `most` is the largest number of people who may
    be mailed: some subscribe until then.
    """

    slug: str
    drafts: tuple[tuple[str, int], ...]
    updates: tuple[int, ...] = ()
    classes: bool = False
    at: datetime | None = None
    more_by: datetime | None = None
    accepted: tuple[str, ...] = ()
    most: int = 0
    ends: bool = False

    @property
    def fields(self) -> dict[str, str]:
        """Return it as texts, so that it can be sealed and stored."""
        return {
            "slug": self.slug,
            "drafts": " ".join(f"{language}:{revision}" for language, revision in self.drafts),
            "updates": " ".join(str(number) for number in self.updates),
            "classes": "yes" if self.classes else "",
            "at": written(self.at),
            "more_by": written(self.more_by),
            "accepted": " ".join(sorted(set(self.accepted))),
            "most": str(self.most),
            **({"ends": "yes"} if self.ends else {}),
        }

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> "Release":
        """Return what was written as `fields`. Raises NotReleasable."""
        try:
            drafts = [one.rpartition(":") for one in fields["drafts"].split()]
            return cls(
                slug=fields["slug"],
                drafts=tuple((language, int(revision)) for language, _, revision in drafts),
                updates=tuple(int(number) for number in fields["updates"].split()),
                classes=fields["classes"] == "yes",
                at=_read(fields["at"]),
                more_by=_read(fields["more_by"]),
                accepted=tuple(fields["accepted"].split()),
                most=int(fields["most"]),
                ends=fields.get("ends") == "yes",
            )
        except (KeyError, ValueError) as error:
            raise NotReleasable("fields") from error


def described(session: Session, release: Release) -> Described:
    """Return exactly what a release makes public, and how many it may mail, of JSON's types.

    Raises NotReleasable where a draft was saved since, or there is nothing to publish.
    """
    incident = incident_of(session, release.slug)
    opened = chosen(session, incident, release)
    planned = plan(session, release.slug)
    updates = _updates(planned, release)
    classes = planned.classes if release.classes else None
    if not (opened or updates or classes):
        raise NotReleasable("nothing")
    _refuse_promise(release, holding=is_holding(opened), stake=at_stake(session, incident, opened))
    promised = {"promised": written(incident.more_by)} if incident.more_by else {}
    return {
        "incident": facts(incident),
        "statements": [_statement(one) for one in opened],
        "updates": [_update(one) for one in updates],
        "classes": list(incident.class_names) if classes is None else list(classes),
        "at": written(release.at),
        "more_by": written(release.more_by),
        **promised,
        **({"ends": True} if release.ends else {}),
        "accepted": sorted(set(release.accepted)),
        "mailed_at_most": release.most if any(one.mailed for one in updates) else 0,
    }


def is_holding(opened: Iterable[Opened]) -> bool:
    """Return whether texts are a holding statement, which promises a time."""
    return any(one.holding for one in opened)


def at_stake(session: Session, incident: Incident, opened: Iterable[Opened]) -> bool:
    """Return whether texts replace those that promised a time, so that somebody says what becomes of it.

    A translation of the newest version replaces none.
    """
    texts = list(opened)
    if incident.more_by is None or is_holding(texts):
        return False
    newest = service.newest_public(session, incident)
    return any(one.number > newest for one in texts)


def _refuse_promise(release: Release, *, holding: bool, stake: bool) -> None:
    """Raise NotReleasable where a promise lacks, is lost unsaid, or is nothing that these texts make."""
    if holding and release.more_by is None:
        raise NotReleasable("promise-missing")
    if stake and (release.more_by is None) != release.ends:
        raise NotReleasable("promise-open")
    if release.at is not None and release.more_by is not None and release.more_by <= release.at:
        raise NotReleasable("promise-early")
    if (release.more_by is not None and not (holding or stake)) or (release.ends and not stake):
        raise NotReleasable("promise-alone")


def changes_of(session: Session, shown: Mapping[str, Any]) -> dict[str, Difference | None]:
    """Return what each text that was shown changes against the public one, by language; None if it is new."""
    incident = incident_of(session, shown["incident"]["slug"])
    found: dict[str, Difference | None] = {}
    for one in shown["statements"]:
        live = open_draft(session, incident, one["language"]).live
        row = Statement(
            incident_id=incident.id,
            number=one["version"],
            language=one["language"],
            sections_json=json.dumps(one["sections"], ensure_ascii=False),
            apology=one[files.APOLOGY],
            **{key: one[key] for key in files.LINES},
        )
        found[one["language"]] = of_statements(live, row) if live else None
    return found


def chosen(session: Session, incident: Incident, release: Release) -> list[Opened]:
    """Return the drafts of a release, each with the number that it gets. Raises NotReleasable."""
    found = []
    for language, revision in release.drafts:
        opened = open_draft(session, incident, language)
        if opened.revision != revision or opened.saved is None:
            raise NotReleasable("edited", language=language)
        if not opened.changed:
            raise NotReleasable("unchanged", language=language)
        found.append(opened)
    return numbered(session, incident, found)


def numbered(session: Session, incident: Incident, together: Iterable[Opened]) -> list[Opened]:
    """Return drafts with the numbers that they get if they are published together, in this order."""
    known = list(session.scalars(select(Statement).where(Statement.incident_id == incident.id)))
    found = []
    for opened in together:
        number = writing.next_number(known, opened.language)
        # Not stored: it says to the next language that this one has its version.
        known.append(Statement(incident_id=incident.id, number=number, language=opened.language))
        found.append(replace(opened, number=number))
    return found


def release(
    session: Session,
    vault: WorkerVault,
    settings: Settings,
    subscribers: Subscribers,
    wanted: Release,
    shown: Mapping[str, Any],
    now: datetime,
    request: str = "",
) -> dict[str, Any]:
    """Publish or schedule what was approved; a second run of the same request does nothing twice.

    Raises NotReleasable.
    """
    incident = service.locked(session, wanted.slug)
    if _is_done(session, incident, wanted, shown, request):
        return {"state": "scheduled" if wanted.at else "published"}
    if described(session, wanted) != shown:
        raise NotReleasable("edited")
    for one in (wanted.at, wanted.more_by):
        if one is not None and one <= now:
            raise NotReleasable("time-passed")
    if service.schedule_of(session, incident) is not None:
        raise NotReleasable("scheduled")
    texts = chosen(session, incident, wanted)
    whole = not is_holding(texts)
    for opened in texts:
        if stops := [
            one.finding.code
            for one in statements.findings(session, settings, incident, opened)
            if one.finding.weight is Weight.STOP
        ]:
            raise NotReleasable("stops", codes=" ".join(stops))
        text = statements.text_of_file(session, settings, incident, opened)
        writing.add_statement(session, wanted.slug, text, now)
    planned = part_of(plan(session, wanted.slug), wanted)
    of_holding = None if whole else wanted.more_by
    _refuse_findings(checks.findings(session, settings, planned, more_by=of_holding), wanted)
    if any(one.mailed for one in planned.updates) and subscribers(session, incident.id) > wanted.most:
        raise NotReleasable("more-people", most=wanted.most)
    if wanted.at is not None:
        more_by, accepted = wanted.more_by, wanted.accepted
        keeps = whole and more_by is not None
        scheduling.schedule(session, vault, planned, wanted.at, now, accepted, more_by, request, whole=keeps)
        return {"state": "scheduled"}
    confirmed = planned.chosen(wanted.accepted, wanted.more_by, whole=whole)
    announcing.publish(session, vault, wanted.slug, now, confirmed)
    return {"state": "published"}


def part_of(planned: Plan, wanted: Release) -> Plan:
    """Return the part of a plan that a release is about."""
    languages = {language for language, _ in wanted.drafts}
    return replace(
        planned,
        statements=[one for one in planned.statements if one.statement.language in languages],
        updates=_updates(planned, wanted),
        classes=planned.classes if wanted.classes else None,
    )


def headroom(people: int) -> int:
    """Return how many may be mailed where that many are subscribed now: a tenth more, and ten."""
    return people + people // 10 + 10 if people else 10


def _is_done(
    session: Session, incident: Incident, wanted: Release, shown: Mapping[str, Any], request: str
) -> bool:
    """Return whether a worker that crashed had done it already."""
    if wanted.at is not None:
        schedule = service.schedule_of(session, incident)
        return schedule is not None and bool(request) and scheduling.request_of(schedule) == request
    texts = shown["statements"]
    if not (texts or wanted.updates) or not all(_is_public(session, incident, one) for one in texts):
        return False
    numbers = select(Update.number).where(Update.incident_id == incident.id, Update.published_at.is_not(None))
    return set(wanted.updates) <= set(session.scalars(numbers))


def _is_public(session: Session, incident: Incident, text: Mapping[str, Any]) -> bool:
    """Return whether a version that was shown is public, with the same words."""
    row = stored(session, incident, text)
    return row is not None and row.published_at is not None


def stored(session: Session, incident: Incident, text: Mapping[str, Any]) -> Statement | None:
    """Return the version that was shown, public or waiting, where it has the same words; else None."""
    version = (Statement.language == text["language"]) & (Statement.number == text["version"])
    row = session.scalar(select(Statement).where(version, Statement.incident_id == incident.id))
    if row is None:
        return None
    parts = files.of_text(checks.text_of(row))
    same = all(parts[key] == text[key] for key in (*files.LINES, files.APOLOGY))
    same = same and [list(one) for one in files.sections_of(parts)] == text["sections"]
    return row if same else None


def _refuse_findings(found: Iterable[Placed], wanted: Release) -> None:
    found = list(found)
    if stops := checks.stopping(found):
        raise NotReleasable("stops", codes=_codes(stops))
    if asked := checks.asking(found, wanted.accepted):
        raise NotReleasable("asks", codes=_codes(asked))


def _codes(found: Iterable[Placed]) -> str:
    return " ".join(sorted({one.finding.code for one in found}))


def incident_of(session: Session, slug: str) -> Incident:
    """Return an incident. Raises NotReleasable."""
    try:
        return service.by_slug(session, slug)
    except service.IncidentUnknown as error:
        raise NotReleasable("gone") from error


def _updates(planned: Plan, wanted: Release) -> list[DraftUpdate]:
    return [one for one in planned.updates if one.update.number in wanted.updates]


def facts(incident: Incident) -> Described:
    """Return what is shown of an incident with each of its texts."""
    return {
        "slug": incident.slug,
        "title": incident.title,
        "titles": dict(sorted(incident.titles.items())),
        "discreet": incident.discreet,
        "state": incident.state,
    }


def _statement(opened: Opened) -> Described:
    parts = opened.parts
    return {
        "language": opened.language,
        "version": opened.number,
        "apology": parts[files.APOLOGY],
        "sections": [list(one) for one in files.sections_of(parts)],
        **{key: parts[key] for key in files.LINES},
    }


def _update(one: DraftUpdate) -> Described:
    row = one.update
    return {
        "number": row.number,
        "phase": row.phase,
        "occurred": row.occurred_on.isoformat() if row.occurred_on else written(row.occurred_at),
        "mailed": one.mailed,
        "texts": [[words.language, words.title, words.body] for words in one.wordings],
    }


def written(at: datetime | None) -> str:
    """Return a time in UTC as it is shown and hashed, empty for none."""
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="seconds")


def _read(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
