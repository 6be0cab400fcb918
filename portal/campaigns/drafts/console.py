"""The console's pages that draft a notice, and change a draft: the worker counts and stores it."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import abort, redirect, render_template, request
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.campaigns import orders
from portal.campaigns.console import incident_of, notice_of, why
from portal.campaigns.forms import DraftForm, OwnWordsForm, choices_of
from portal.campaigns.models import DRAFT, LEAST, WORST, Campaign, Wave
from portal.campaigns.series import audience as audiences
from portal.campaigns.series import progress, shown
from portal.exposure import service as exposure
from portal.exposure.console.words import kind_names
from portal.incidents import reading, writing
from portal.incidents.models import Incident
from portal.incidents.times import as_typed, parse_time
from portal.staff import sending
from portal.staff.approvals.console import waiting
from portal.staff.pages import StaffPages
from portal.staff.sending import OrderRefused
from portal.web import frame, languages

bp = StaffPages("notice_drafts", __name__)

REFUSED = 422
TIME = "%Y-%m-%d %H:%M"


@bp.page("/notices/<slug>/new/", roles=orders.AUTHOR, methods=("GET", "POST"))
def new(slug: str) -> Any:
    """Draft a notice."""
    return _page(slug)


@bp.page("/notices/<slug>/<number:number>/edit/", roles=orders.AUTHOR, methods=("GET", "POST"))
def edit(slug: str, number: int) -> Any:
    """Change a draft: the new one takes its number, and a request for its approval is void."""
    with sending.parts().db.read() as session:
        _incident, campaign = notice_of(session, slug, number)
        if campaign.state != DRAFT or campaign.hold is not None:
            abort(404)
    return _page(slug, campaign)


def _page(slug: str, campaign: Campaign | None = None) -> Any:
    """Show the form, filled in with a draft where one is changed, or have the worker draft it."""
    console = sending.parts()
    site = console.settings.site
    with console.db.read() as session:
        incident = incident_of(session, slug)
        active = exposure.active(session, incident.id)
        earlier = [each for each in progress.of_incident(session, incident.id) if each.begun_at is not None]
        short = _short(session, incident)
        said = _said(session, campaign, site.timezone) if campaign and request.method == "GET" else {}
        fields = {"incident": slug, "notice": str(campaign.number)} if campaign else {}
        waits = waiting(session, orders.START, fields) if campaign else None
    form = DraftForm(data=said)
    form.now, form.zone = console.clock.now(), site.timezone
    example = f"{form.now.astimezone(ZoneInfo(site.timezone)) + timedelta(days=1):%Y-%m-%d} 09:00"
    kinds = kind_names(frame.language())
    listed = set(exposure.counts_of(active)) if active else set()
    form.classes.choices = choices_of(
        {name: kinds.get(name, name) for name in sorted({*listed, *said.get("classes", ())})}
    )
    form.languages.choices = choices_of({tag: languages.name_here(tag, alone=True) for tag in site.languages})
    if request.method == "GET" and earlier and campaign is None:
        form.kind.data = "supplementary"
    written = said.get("own", {})
    own = {tag: OwnWordsForm(prefix=f"{tag}-", data={"own": written.get(tag, "")}) for tag in site.languages}
    fault = ""
    if form.validate_on_submit() and all(each.validate() for each in own.values()):
        plan = _plan(slug, form) | {"own": {tag: each.own.data or "" for tag, each in own.items()}}
        plan |= {"replaces": campaign.number} if campaign else {}
        try:
            told = sending.order("notice-draft", plan=json.dumps(plan))
            if "task" in told:
                return redirect(f"/notices/{slug}/drafts/{told['task']}/", 303)
            done = (
                _("The draft is changed. Nothing was sent.")
                if campaign
                else _("The draft is ready. Nothing was sent.")
            )
            return sending.done(done, f"/notices/{slug}/{told['notice']}/")
        except OrderRefused as error:
            fault = why(error)
    page = render_template(
        "campaigns/console/new.html",
        incident=incident,
        form=form,
        own=own,
        active=active,
        short=short,
        earlier=earlier,
        fault=fault,
        number=campaign.number if campaign else None,
        waits=waits,
        other_waves=said.get("other_waves"),
        zone=site.timezone,
        example=example,
        example_in_utc=f"{parse_time(example, site.timezone).at:{TIME}} UTC",
    )
    return page, REFUSED if fault or form.errors or any(each.errors for each in own.values()) else 200


def _short(session: Session, incident: Incident) -> dict[str, bool]:
    """Return by language whether the email would hold the statement's short form.

    Empty where it says nothing of the statement: of a discreet incident, and where none is public.
    """
    if incident.discreet:
        return {}
    settings, found = sending.parts().settings, {}
    for tag in settings.site.languages:
        public = reading.versions(session, incident, [tag, settings.default_language])
        if public:
            found[tag] = not writing.fits_email(public[0].statement.sections)
    return found


def _plan(slug: str, form: DraftForm) -> dict[str, Any]:
    at = form.starts_at
    waves = [{"limit": form.first_size.data, "not_before": None}] if form.first_size.data else []
    return {
        "incident": slug,
        "kind": form.kind.data,
        "base": form.base.data,
        "since": form.since.data,
        "classes": form.classes.data,
        "languages": form.languages.data,
        "worst_first": bool(form.worst_first.data),
        "waves": [*waves, {"limit": None, "not_before": at.isoformat()}] if at else waves,
        "per_hour": form.per_hour.data,
    }


def _said(session: Session, campaign: Campaign, zone: str) -> dict[str, Any]:
    """Return what a draft says, as the form's fields; `own` is by language."""
    audience = audiences.of(campaign)
    of_notice = select(Wave).where(Wave.notice_id == campaign.id).order_by(Wave.number)
    return {
        "kind": campaign.kind,
        "base": audience.base,
        "since": audience.since,
        "classes": list(audience.classes),
        "languages": list(audience.languages),
        "per_hour": campaign.per_hour,
        "own": {
            tag: one.own_source or one.own_text
            for tag, one in shown.words_of(session, campaign).items()
            if tag in (one.own_language, one.language)  # else another language's words fill in for none
        },
        **_waves(list(session.scalars(of_notice)), zone),
    }


def _waves(waves: list[Wave], zone: str) -> Mapping[str, Any]:
    """Return the waves as the form's fields; `other_waves` where a command made what the form cannot."""
    times = [wave.not_before for wave in waves if wave.not_before is not None]
    first = [wave for wave in waves if wave.not_before is None]
    cut = any(wave.limit is not None for wave in waves)
    return {
        "worst_first": any((wave.worst, wave.least) != (WORST, LEAST) for wave in waves),
        "first_size": sum(wave.expected for wave in first) if times and first else None,
        "rest_at": as_typed(times[0], zone) if times else "",
        "other_waves": len(set(times)) > 1 or (cut and not times),
    }
