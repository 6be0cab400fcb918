"""List the incidents, begin one, and change its title, day and data classes."""

from datetime import date, datetime
from typing import Any

from flask import render_template, request
from flask_babel import gettext as _

from portal.datakinds import taxonomy
from portal.datakinds.advice import GROUP_NAMES
from portal.datakinds.names import shown
from portal.incidents import service
from portal.incidents.console import shared, wording
from portal.incidents.console.shared import REFUSED, Requests, found, refused
from portal.incidents.drafts import facts, posting, statements
from portal.incidents.drafts.actions import AUTHORS, FACTS, POST, PUBLISH
from portal.incidents.drafts.facts import Facts
from portal.incidents.drafts.releasing import NotReleasable
from portal.incidents.models import PHASES, PUBLISHED, Incident
from portal.incidents.times import TimeInvalid, parse_time
from portal.staff import sending
from portal.staff.approvals import service as approvals
from portal.staff.approvals.console import ask, waiting_ones
from portal.staff.pages import StaffPages
from portal.staff.sending import OrderRefused
from portal.web import frame

bp = StaffPages("incidents", __name__)


@bp.page("/incidents/", roles=AUTHORS)
def overview() -> str:
    """List the incidents with their phase, what differs from what is public, and what is promised."""
    console = sending.parts()
    with console.db.read() as session:
        rows = service.every(session)
        phases = service.phases(session)
        alone = {one.slug for one in posting.unconfirmed(session)}
        waits = {approvals.subject_of(one): one for one in waiting_ones(session, PUBLISH, POST, FACTS)}
        languages = console.settings.site.languages
        changed = {
            row.slug: [one.language for one in statements.standings(session, row, languages) if one.changed]
            for row in rows
        }
    return render_template(
        "incidents/console/incidents.html",
        incidents=rows,
        phases={row.slug: PHASES.get(phases.get(row.id, "")) for row in rows},
        changed=changed,
        alone=alone,
        waits=waits,
        now=console.clock.now(),
    )


@bp.page("/incidents/new/", roles=AUTHORS, methods=("GET", "POST"))
def new() -> Any:
    """Begin an incident; nobody else sees it until its first publication."""
    if request.method == "GET":
        return _page(None, None)
    if faults := _faults():
        return _page(None, None, faults=faults), REFUSED
    try:
        wanted = _wanted(request.form.get("slug", "").strip() or facts.slug_of(request.form.get("title", "")))
        discovered = _discovered()
        at = discovered.isoformat() if discovered else ""
        told = sending.order("incident-create", **wanted.fields, discovered=at)
    except NotReleasable as error:
        return _page(None, None, refused(error.reason, error.values)), REFUSED
    except OrderRefused as error:
        return _page(None, None, refused(error.reason, error.told.get("values"))), REFUSED
    said = _("The incident is a draft. Write the statement.")
    return sending.done(said, f"/incidents/{told['slug']}/statement/")


@bp.page("/incidents/<slug>/facts/", roles=AUTHORS, methods=("GET", "POST"), step_up=True)
def change(slug: str) -> Any:
    """Change an incident's facts: of a public one with a second person."""
    with sending.parts().db.read() as session:
        incident = found(session, slug)
        asked = shared.requests(session, FACTS, slug)
    if request.method == "GET":
        return _page(incident, facts.of_incident(incident), asked=asked)
    if faults := _faults():
        return _page(incident, facts.of_incident(incident), faults=faults), REFUSED
    try:
        wanted = _wanted(slug)
        if incident.state == PUBLISHED:
            return ask(FACTS, wanted.fields, request.form.get("reason", "").strip())
        sending.order("incident-change", **wanted.fields)
    except NotReleasable as error:
        fault = refused(error.reason, error.values)
    except OrderRefused as error:
        fault = refused(error.reason, error.told.get("values"))
    else:
        return sending.done(_("Saved."), f"/incidents/{slug}/facts/")
    return _page(incident, facts.of_incident(incident), fault), REFUSED


def _faults() -> dict[str, str]:
    """Return all that is wrong with the form at once, by field."""
    found = {}
    try:
        service.checked_title(request.form.get("title", ""))
    except service.TitleInvalid:
        found["title"] = refused("title")
    try:
        date.fromisoformat(request.form.get("happened", "").strip() or "2026-01-01")
    except ValueError:
        found["happened"] = refused("day")
    try:
        _discovered()
    except TimeInvalid as error:
        found["discovered"] = wording.of_time(error)
    except NotReleasable as error:
        found["discovered"] = refused(error.reason)
    if not request.form.getlist("class"):
        found["classes"] = refused("no-classes")
    return found


def _discovered() -> datetime | None:
    """Return when a new incident was found out, in the organisation's zone; None where nothing was typed.

    Raises TimeInvalid, NotReleasable.
    """
    typed, console = " ".join(request.form.get("discovered", "").split()), sending.parts()
    if not typed:
        return None
    at = parse_time(typed, console.settings.site.timezone).at
    facts.refuse_undiscoverable(at, console.clock.now())
    return at


def _wanted(slug: str) -> Facts:
    """Return what the form says. Raises NotReleasable."""
    settings = sending.parts().settings
    others = [one for one in settings.site.languages if one != settings.default_language]
    titles = {one: " ".join(request.form.get(f"title:{one}", "").split()) for one in others}
    return Facts.read(
        {
            "slug": slug,
            "title": request.form.get("title", ""),
            "titles": facts.titles_text(titles),
            "classes": taxonomy.SEPARATOR.join(request.form.getlist("class")),
            "happened": request.form.get("happened", "").strip(),
            "discreet": request.form.get("discreet", ""),
        }
    )


def _page(
    incident: Incident | None,
    now: Facts | None,
    fault: str = "",
    asked: Requests | None = None,
    faults: dict[str, str] | None = None,
) -> str:
    settings, discovered_at, notices = sending.parts().settings, None, []
    if incident is not None:
        with sending.parts().db.read() as session:
            discovered_at = service.detected_at(session, incident)
            notices = shared.notices(session, incident)
    given = request.form if request.method == "POST" else None
    groups: dict[str, list[tuple[str, str]]] = {}
    for one in sorted(taxonomy.load(), key=lambda one: (-one.severity, one.name)):
        groups.setdefault(one.group, []).append((one.name, shown(one, frame.language())))
    return render_template(
        "incidents/console/facts.html",
        incident=incident,
        public=incident is not None and incident.state == PUBLISHED,
        fault=fault,
        faults=faults or {},
        title=given.get("title", "") if given else (now.title if now else ""),
        titles={
            one: given.get(f"title:{one}", "") if given else (now.titles.get(one, "") if now else "")
            for one in settings.site.languages
            if one != settings.default_language
        },
        slug=given.get("slug", "") if given else "",
        discovered=given.get("discovered", "") if given else "",
        discovered_at=discovered_at,
        today=shared.day_after(0),
        zone=settings.site.timezone,
        happened=given.get("happened", "") if given else (now.happened_on if now else "") or "",
        discreet=given.get("discreet") == "yes" if given else bool(now and now.discreet),
        chosen=set(given.getlist("class")) if given else set(now.classes if now else ()),
        groups=[(GROUP_NAMES[name], groups[name]) for name in taxonomy.GROUPS if name in groups],
        asked=asked or Requests(),
        notices=notices,
    )
