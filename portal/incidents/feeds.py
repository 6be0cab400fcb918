"""Render feeds of updates: Atom (RFC 4287), and JSON Feed 1.1 with the keys of the Statuspage API."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, UUID, uuid5
from xml.etree import ElementTree as ET

from portal.core.i18n import catalogue
from portal.core.i18n import mark as N_
from portal.incidents.models import RESOLVED, Incident, Update
from portal.incidents.reading import Entry
from portal.web.markdown import absolute

ATOM = "http://www.w3.org/2005/Atom"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
UPDATES = N_("Status updates")
# Characters that XML 1.0 (2.2) forbids even escaped: with one of them, readers reject the whole feed.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Statuspage has fewer statuses: https://doers.statuspage.io/api/basics/
STATUSPAGE = {
    "detected": "investigating",
    "investigating": "investigating",
    "contained": "identified",
    "authorities-informed": "identified",
    "insurer-informed": "identified",
    "customers-notified": "identified",
    "safeguards-in-place": "monitoring",
    RESOLVED: "resolved",
}


@dataclass(frozen=True)
class Feed:
    """The content of a feed: the updates of one incident or of all, newest first."""

    organisation: str
    base_url: str
    timezone: str
    language: str
    incident: Incident | None
    incidents: Sequence[Incident]
    entries: Sequence[Entry]

    @property
    def title(self) -> str:
        """Return the title of the feed."""
        what = (
            self.incident.title_in(self.language)
            if self.incident
            else catalogue(self.language).gettext(UPDATES)
        )
        return f"{self.organisation} – {what}"

    @property
    def urn(self) -> str:
        """Return the id of the feed as a URN."""
        return self.incident.urn if self.incident else uuid5(NAMESPACE_URL, f"{self.base_url}/feed").urn

    @property
    def path(self) -> str:
        """Return the path of the page that the feed belongs to."""
        return f"/incidents/{self.incident.slug}/" if self.incident else "/"

    @property
    def updated_at(self) -> datetime:
        """Return the time of the latest change in the feed."""
        times = [entry.updated_at for entry in self.entries]
        times += [one.published_at for one in self.incidents if one.published_at]
        return max(times, default=datetime(2000, 1, 1, tzinfo=UTC))


def atom(feed: Feed) -> str:
    """Return the feed as Atom."""
    ET.register_namespace("", ATOM)
    root = ET.Element(f"{{{ATOM}}}feed", {LANG: _tag(feed.language)})
    _text(root, "id", feed.urn)
    _text(root, "title", feed.title)
    _text(root, "updated", _time(feed.updated_at))
    author = ET.SubElement(root, f"{{{ATOM}}}author")
    _text(author, "name", feed.organisation)
    _link(root, "alternate", "text/html", feed.base_url + feed.path)
    _link(root, "self", "application/atom+xml", f"{feed.base_url}{feed.path}feed.atom")
    for entry in feed.entries:
        _atom_entry(root, feed, entry)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        + _NOT_XML.sub("", ET.tostring(root, encoding="unicode"))
        + "\n"
    )


def _atom_entry(root: ET.Element, feed: Feed, entry: Entry) -> None:
    element = ET.SubElement(root, f"{{{ATOM}}}entry", {LANG: _tag(entry.language)})
    _text(element, "id", entry.update.urn)
    _text(element, "title", entry.title)
    _text(element, "published", _time(entry.published_at))
    _text(element, "updated", _time(entry.updated_at))
    _link(element, "alternate", "text/html", feed.base_url + entry.path)
    label = catalogue(feed.language).gettext(entry.phase)
    ET.SubElement(element, f"{{{ATOM}}}category", {"term": entry.update.phase, "label": label})
    content = ET.SubElement(element, f"{{{ATOM}}}content", {"type": "html"})
    content.text = absolute(entry.page_html, feed.base_url + entry.path)


def json_feed(feed: Feed) -> str:
    """Return the feed as JSON Feed 1.1, plus `page` and `incidents` as in the Statuspage API."""
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.base_url + feed.path,
        "feed_url": f"{feed.base_url}{feed.path}feed.json",
        "language": _tag(feed.language),
        "authors": [{"name": feed.organisation}],
        "items": [_item(feed, entry) for entry in feed.entries],
        "page": {
            "id": UUID(feed.urn).hex,
            "name": feed.organisation,
            "url": feed.base_url,
            "time_zone": feed.timezone,
            "updated_at": _time(feed.updated_at),
        },
        "incidents": [_incident(feed, incident) for incident in feed.incidents],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _item(feed: Feed, entry: Entry) -> dict[str, object]:
    return {
        "id": entry.update.urn,
        "url": feed.base_url + entry.path,
        "title": entry.title,
        "content_html": absolute(entry.page_html, feed.base_url + entry.path),
        "date_published": _time(entry.published_at),
        "date_modified": _time(entry.updated_at),
        "language": _tag(entry.language),
        "tags": [entry.update.phase],
        "_portal": {"phase": entry.update.phase, "occurred_at": _occurred(entry.update)},
    }


def _incident(feed: Feed, incident: Incident) -> dict[str, object]:
    own = [entry for entry in feed.entries if entry.update.incident_id == incident.id]
    latest = next((entry.update for entry in own if entry.withdrawal is None), None)
    status = STATUSPAGE[latest.phase] if latest else "investigating"
    published_at = incident.published_at or incident.created_at
    resolved = _as_time(latest) if latest and latest.phase == RESOLVED else None
    return {
        "id": UUID(incident.urn).hex,
        "name": incident.title_in(feed.language),
        "status": status,
        "impact": "major",
        "shortlink": f"{feed.base_url}/incidents/{incident.slug}/",
        "page_id": UUID(feed.urn).hex,
        "created_at": _time(published_at),
        "updated_at": _time(max([entry.updated_at for entry in own], default=published_at)),
        "monitoring_at": None,
        "resolved_at": resolved,
        "incident_updates": [
            {
                "id": UUID(entry.update.urn).hex,
                "incident_id": UUID(incident.urn).hex,
                "status": STATUSPAGE[entry.update.phase],
                "body": f"{entry.title}\n\n{entry.wording.body}",
                "created_at": _time(entry.published_at),
                "updated_at": _time(entry.updated_at),
                "display_at": _as_time(entry.update),
            }
            for entry in own
        ],
    }


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, f"{{{ATOM}}}{name}").text = text


def _link(parent: ET.Element, rel: str, kind: str, href: str) -> None:
    ET.SubElement(parent, f"{{{ATOM}}}link", {"rel": rel, "type": kind, "href": href})


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _occurred(update: Update) -> str:
    """Return when an update occurred: a time, or a date where its author gave no time."""
    return update.occurred_on.isoformat() if update.occurred_on else _time(update.occurred_at)


def _as_time(update: Update) -> str:
    """Return when an update occurred as a time: noon of a date, which is that day nearly everywhere."""
    return f"{update.occurred_on.isoformat()}T12:00:00Z" if update.occurred_on else _time(update.occurred_at)


def _tag(language: str) -> str:
    return language.replace("_", "-")
