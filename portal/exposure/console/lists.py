"""Pages of the lists: their versions, the files on their way, and who is left out of notices."""

from typing import Any

from flask import abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.exposure import service
from portal.exposure.actions import ASK
from portal.exposure.console import words
from portal.exposure.console.forms import LeaveOutForm
from portal.exposure.importing import comparisons
from portal.exposure.models import ExposureList
from portal.exposure.uploads import receiving
from portal.exposure.uploads.orders import SEES, SENDS
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.staff import members, sending
from portal.staff.approvals import service as approvals
from portal.staff.approvals.console import ask, waiting_ones
from portal.staff.approvals.models import Approval
from portal.staff.pages import StaffPages, current
from portal.staff.sending import OrderRefused
from portal.staff.words import refusal
from portal.web import frame

bp = StaffPages("lists", __name__)

REFUSED = 422


@bp.page("/lists/", roles=SEES)
def overview() -> str:
    """Show each incident with its active list."""
    with sending.parts().db.read() as db_session:
        found = [
            (incident, service.active(db_session, incident.id), service.versions(db_session, incident.id))
            for incident in incidents.every(db_session)
        ]
    return render_template("exposure/console/overview.html", found=found)


@bp.page("/lists/<slug>/", roles=SEES)
def one(slug: str) -> str:
    """Show the versions of one incident's list, and the files on their way."""
    return page(slug)


def page(slug: str, fault: str = "", *, sheets: bool = False) -> str:
    """Return the page of one incident's list. `sheets`: it asks which sheet of a workbook is meant."""
    console = sending.parts()
    with console.db.read() as db_session:
        incident = incident_of(db_session, slug)
        active = service.active(db_session, incident.id)
        versions = [
            _row(db_session, incident, version, active)
            for version in service.versions(db_session, incident.id)
        ]
        waits = _waiting(db_session, slug)
        uploads = receiving.of_incident(db_session, incident.id)
        names = members.names(db_session, console.vault)
    return render_template(
        "exposure/console/list.html",
        incident=incident,
        versions=versions,
        waits=waits,
        uploads=uploads,
        names={f"staff {member_id.hex()}": name for member_id, name in names.items()},
        state_words=words.STATES,
        column_words=words.COLUMNS,
        kind_words=words.kind_names(frame.language()),
        asks_sheet=sheets,
        may_send=_may(SENDS),
        may_ask=_may(ASK),
        fault=fault,
    )


def _waiting(db_session: Session, slug: str) -> dict[tuple[str, str], Approval]:
    """Return what waits for a second person, by its kind and the number of the version."""
    valid = waiting_ones(db_session, "list.activate", "list.purge")
    fields = [(each, approvals.fields_of(each)) for each in valid]
    return {(each.kind, given["version"]): each for each, given in fields if given["incident"] == slug}


@bp.page("/lists/<slug>/kinds/", roles=SEES)
def kinds(slug: str) -> str:
    """Show which columns a list may have, and every kind of data by the exact names that are understood."""
    with sending.parts().db.read() as db_session:
        incident = incident_of(db_session, slug)
    language = frame.language()
    return render_template(
        "exposure/console/kinds.html",
        incident=incident,
        columns=words.COLUMNS,
        explained=words.explained(sending.parts().settings.site.languages),
        kinds=words.kinds(language),
        listed=[words.kind_names(language)[name] for name in incident.next_class_names],
    )


@bp.page("/lists/<slug>/<number:number>/activate/", roles=ASK, methods=("POST",))
def activate(slug: str, number: int) -> Response:
    """Ask a second person to activate a version."""
    return _ask("list.activate", slug, number)


@bp.page("/lists/<slug>/<number:number>/purge/", roles=ASK, methods=("POST",))
def purge(slug: str, number: int) -> Response:
    """Ask a second person to destroy a version."""
    return _ask("list.purge", slug, number)


def _ask(kind: str, slug: str, number: int) -> Response:
    with sending.parts().db.read() as db_session:
        incident = incident_of(db_session, slug)
        if all(one.number != number for one in service.versions(db_session, incident.id)):
            abort(404)
    try:
        return ask(kind, {"incident": slug, "version": str(number)})
    except OrderRefused as error:
        return sending.failed(refusal(error.reason, error.told.get("values")), f"/lists/{slug}/")


@bp.page("/lists/<slug>/left-out/", roles=SENDS, methods=("GET", "POST"), step_up=True)
def left_out(slug: str) -> Any:
    """Show who is left out of notices, masked; leave somebody out, or notify them again."""
    with sending.parts().db.read() as db_session:
        incident = incident_of(db_session, slug)
    form, fault = LeaveOutForm(), ""
    if form.validate_on_submit():
        again = request.form.get("do") == "remove"
        try:
            told = sending.order(
                "left-out-remove" if again else "left-out-add",
                incident=slug,
                address=form.email.data or "",
                ref=form.ref.data or "",
                reason=form.reason.data or "",
            )
        except OrderRefused as error:
            fault = refusal(error.reason)
        else:
            if again:
                said = _("The next notice goes to this person again.")
            elif told["new"]:
                said = _("This person gets no notice of this incident.")
            else:
                said = _("This person was left out already.")
            return sending.done(said, f"/lists/{slug}/left-out/")
    told = sending.order("left-out-show", incident=slug)
    shown = render_template(
        "exposure/console/left-out.html", incident=incident, form=form, fault=fault, told=told
    )
    return shown, REFUSED if fault or form.errors else 200


def incident_of(db_session: Session, slug: str) -> Incident:
    """Return an incident, or end the request with 404."""
    try:
        return incidents.by_slug(db_session, slug)
    except incidents.IncidentUnknown:
        abort(404)


def _may(roles: frozenset[Any]) -> bool:
    return bool(roles & current().member.roles)


def _row(
    db_session: Session, incident: Incident, version: ExposureList, active: ExposureList | None
) -> dict[str, Any]:
    is_active = active is not None and active.id == version.id
    compared = None
    if active is not None and not is_active and version.data_key is not None:
        compared = comparisons.remembered(db_session, version, active)
    return {
        "version": version,
        "active": is_active,
        "older": active is not None and version.number < active.number,
        "destroyed": version.data_key is None,
        "compared": compared,
        "classes": service.counts_of(version),
        "unknown": words.unknown(service.languages_of(version)),
        "not_public": service.classes_beyond(version, incident.class_names),
    }
