"""The facts of an incident beside its texts: title, day, data classes, and whether its mails are discreet."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.crypto.vault import WorkerVault
from portal.datakinds.names import parse_classes
from portal.datakinds.taxonomy import SEPARATOR, UnknownDataClass
from portal.incidents import announcing, service
from portal.incidents.drafts.releasing import Described, NotReleasable, facts, incident_of
from portal.incidents.models import PUBLISHED, SLUG_LENGTH, Incident

FIRST_YEAR = 2000


@dataclass(frozen=True)
class Facts:
    """What an author says of an incident; `title` is in the default language, `titles` by the others."""

    slug: str
    title: str
    titles: dict[str, str]
    classes: tuple[str, ...]
    happened_on: date | None
    discreet: bool

    @property
    def fields(self) -> dict[str, str]:
        """Return them as texts, so that they can be sealed and stored."""
        return {
            "slug": self.slug,
            "title": self.title,
            "titles": titles_text(self.titles),
            "classes": SEPARATOR.join(self.classes),
            "happened": self.happened_on.isoformat() if self.happened_on else "",
            "discreet": "yes" if self.discreet else "",
        }

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> "Facts":
        """Return what was written as `fields`. Raises NotReleasable."""
        try:
            title = service.checked_title(fields["title"])
            titles = {str(key): str(text) for key, text in json.loads(fields["titles"]).items() if text}
            classes = tuple(dict.fromkeys(one.name for one in parse_classes(fields["classes"])))
            happened_on = date.fromisoformat(fields["happened"]) if fields["happened"] else None
        except UnknownDataClass as error:
            raise NotReleasable("classes", said=str(error)) from error
        except service.TitleInvalid as error:
            raise NotReleasable("title") from error
        except (KeyError, ValueError) as error:
            raise NotReleasable("day") from error
        if not classes:
            raise NotReleasable("no-classes")
        return cls(fields["slug"], title, titles, classes, happened_on, fields.get("discreet") == "yes")


def titles_text(titles: Mapping[str, str]) -> str:
    """Return titles by language as one text."""
    said = {language: title for language, title in titles.items() if title}
    return json.dumps(said, sort_keys=True, ensure_ascii=False)


def of_incident(incident: Incident) -> Facts:
    """Return the facts of an incident as they will be with the next publication."""
    return Facts(
        incident.slug,
        incident.title,
        dict(incident.titles),
        incident.next_class_names,
        incident.happened_on,
        incident.discreet,
    )


def slug_of(title: str) -> str:
    """Return a short name for an address, made of a title's words."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words, slug = re.findall(r"[a-z0-9]+", plain), ""
    for word in words:
        if len(slug) + len(word) + 1 > SLUG_LENGTH:
            break
        slug = f"{slug}-{word}" if slug else word
    return slug


def create(session: Session, wanted: Facts, now: datetime, discovered_at: datetime | None = None) -> Incident:
    """Create an incident as a draft; `discovered_at` is when it was found out. Raises NotReleasable."""
    _refuse_future(wanted, now)
    if discovered_at is not None:
        refuse_undiscoverable(discovered_at, now)
    try:
        incident = service.create(
            session,
            wanted.slug,
            wanted.title,
            wanted.classes,
            now,
            discreet=wanted.discreet,
            happened_on=wanted.happened_on,
        )
    except service.SlugTaken as error:
        raise NotReleasable("slug-taken") from error
    except service.SlugInvalid as error:
        raise NotReleasable("slug") from error
    for language, title in wanted.titles.items():
        service.set_title(session, wanted.slug, title, language, now)
    if discovered_at is not None:
        service.set_discovered(session, wanted.slug, discovered_at, now)
    return incident


def refuse_undiscoverable(at: datetime, now: datetime) -> None:
    """Raise NotReleasable for a time at which nobody can have found an incident out."""
    if at > now or at.year < FIRST_YEAR:
        raise NotReleasable("discovered")


def described(session: Session, wanted: Facts) -> Described:
    """Return what changes of an incident, exactly. Raises NotReleasable."""
    incident = incident_of(session, wanted.slug)
    before = of_incident(incident)
    if before == wanted:
        raise NotReleasable("nothing")
    return {"incident": facts(incident), "before": before.fields, "after": wanted.fields}


def change(
    session: Session, vault: WorkerVault, wanted: Facts, shown: Mapping[str, Any] | None, now: datetime
) -> None:
    """Change an incident's facts; those of a public one as approved: `shown` is what was shown.

    Its data classes wait for the next publication. Raises NotReleasable.
    """
    _refuse_future(wanted, now)
    incident = service.locked(session, wanted.slug)
    before = of_incident(incident)
    if before == wanted:
        return
    if incident.state == PUBLISHED and shown is None:
        raise NotReleasable("approval")
    if shown is not None and described(session, wanted) != shown:
        raise NotReleasable("edited")
    if service.schedule_of(session, incident) is not None:
        raise NotReleasable("scheduled")
    _store(session, vault, incident, before, wanted, now)


def _store(
    session: Session, vault: WorkerVault, incident: Incident, before: Facts, wanted: Facts, now: datetime
) -> None:
    if before.title != wanted.title:
        announcing.set_title(session, vault, wanted.slug, wanted.title, None, now)
    for language, title in wanted.titles.items():
        if before.titles.get(language) != title:
            announcing.set_title(session, vault, wanted.slug, title, language, now)
    if before.classes != wanted.classes:
        service.stage_classes(session, incident, wanted.classes, now)
    if before.happened_on != wanted.happened_on:
        service.set_happened(session, wanted.slug, wanted.happened_on, now)
    if before.discreet != wanted.discreet:
        announcing.set_discreet(session, vault, wanted.slug, now, discreet=wanted.discreet)


def _refuse_future(wanted: Facts, now: datetime) -> None:
    # A day has begun somewhere up to 14 hours before it begins in UTC.
    if wanted.happened_on is not None and wanted.happened_on > (now + timedelta(hours=14)).date():
        raise NotReleasable("day")
