"""The console's pages of checklists: one per incident, and a page to change each item."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import abort, render_template, request
from flask_babel import gettext as _

from portal.checklist import known, service
from portal.checklist.forms import DiscoveredForm, ItemForm
from portal.checklist.known import Known
from portal.checklist.proofs import service as files
from portal.checklist.service import CHANGES, PHASE_OF, Item
from portal.checklist.words import HINTS, KNOWN, TITLES
from portal.core import dates
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.incidents.times import as_typed
from portal.staff import members, sending
from portal.staff.pages import StaffPages, current
from portal.staff.roles import Role
from portal.staff.sending import OrderRefused
from portal.staff.words import refusal
from portal.web import frame

bp = StaffPages("checklist", __name__)

REFUSED, OUTDATED = 422, "checklist-outdated"
WRITES = frozenset({Role.AUTHOR, Role.APPROVER})


@bp.page("/checklist/")
def overview() -> str:
    """List the incidents, with how far each checklist is."""
    console = sending.parts()
    now = console.clock.now()
    with console.db.read() as session:
        found = [(one, service.items(session, console.vault, one)) for one in incidents.every(session)]
    return render_template(
        "checklist/console/checklists.html",
        incidents=[
            (
                one,
                sum(item.done_at is not None for item in items),
                len(items),
                sum(item.late(now) for item in items),
            )
            for one, items in found
        ],
    )


@bp.page("/checklist/<slug>/")
def checklist(slug: str) -> str:
    """Show the checklist of an incident."""
    console, roles = sending.parts(), current().member.roles
    with console.db.read() as session:
        incident = _incident(session, slug)
        items = service.items(session, console.vault, incident)
        names = members.names(session, console.vault)
        discovered_at = incidents.detected_at(session, incident)
        proofs = files.of_incident(session, console.vault, incident)
        done_here = known.of_incident(session, incident)
    return render_template(
        "checklist/console/checklist.html",
        incident=incident,
        items=items,
        names=names,
        discovered_at=discovered_at,
        titles=TITLES,
        hints=HINTS,
        phases=PHASE_OF,
        proofs=proofs,
        now=console.clock.now(),
        changes=bool(CHANGES & roles),
        writes=bool(WRITES & roles),
        known={
            item: [(_words(one), _place(slug, one, roles), one.at) for one in found]
            for item, found in done_here.items()
        },
        proof_of=lambda item: _proof(done_here.get(item, ())),
    )


@bp.page("/checklist/<slug>/discovered/", roles=CHANGES, methods=("GET", "POST"))
def discovered(slug: str) -> Any:
    """Change when the incident was found out, from which hours and what is due are counted."""
    console, form, fault = sending.parts(), DiscoveredForm(), ""
    zone = console.settings.site.timezone
    with console.db.read() as session:
        before = incidents.detected_at(session, _incident(session, slug))
    form.zone.choices = _zones(zone)
    form.now = console.clock.now()
    if request.method == "GET":
        form.at.data, form.zone.data = as_typed(before, zone), zone
    elif form.validate() and form.discovered_at is not None:
        try:
            sending.order("checklist-discovered", slug=slug, at=form.discovered_at.isoformat())
        except OrderRefused as error:
            fault = refusal(error.reason)
        else:
            return sending.done(_("Saved."), f"/checklist/{slug}/")
    page = render_template(
        "checklist/console/discovered.html",
        example=as_typed(form.now, zone),
        form=form,
        fault=fault,
        slug=slug,
        echo=_echo(form.discovered_at if request.method == "POST" else before),
    )
    return page, REFUSED if fault or form.errors else 200


@bp.page("/checklist/<slug>/<item>/done/", roles=CHANGES, methods=("POST",))
def done(slug: str, item: str) -> Any:
    """Mark one item as done, with what was done here as its proof."""
    if item not in TITLES:
        abort(404)
    console, version = sending.parts(), request.form.get("version", "")
    with console.db.read() as session:
        done_here = known.of_incident(session, _incident(session, slug))
    fields = {"version": version if version.isdecimal() else "0", "proof": _proof(done_here.get(item, ()))}
    try:
        told = sending.order("checklist-done", slug=slug, item=item, **fields)
    except OrderRefused as error:
        return sending.failed(refusal(error.reason), f"/checklist/{slug}/", at=item)
    return sending.done(_saved(slug, item, newly=told["newly"]), f"/checklist/{slug}/", at=item)


@bp.page("/checklist/<slug>/<item>/", roles=CHANGES, methods=("GET", "POST"))
def change(slug: str, item: str) -> Any:
    """Change one item; what somebody else changed meanwhile is shown, and nothing of theirs is lost."""
    if item not in TITLES:
        abort(404)
    console, form, fault = sending.parts(), ItemForm(), ""
    zone = console.settings.site.timezone
    before, people, form.discovered_at = _item_and_people(slug, item)
    form.owner.choices = [("", _("Nobody yet")), *people.items()]
    form.zone.choices = _zones(zone)
    if request.method == "GET":
        _fill(form, before, zone)
    elif form.validate():
        try:
            told = sending.order("checklist-change", slug=slug, item=item, **_fields(form))
        except OrderRefused as error:
            fault = refusal(error.reason)
            if error.reason == OUTDATED:
                before, _people, _discovered = _item_and_people(slug, item)
                form.version.data = str(before.version)  # pressed again, it replaces what is shown
        else:
            return sending.done(_saved(slug, item, newly=told["newly"]), f"/checklist/{slug}/", at=item)
    page = render_template(
        "checklist/console/item.html",
        example=as_typed(console.clock.now() + timedelta(days=1), zone),
        form=form,
        fault=fault,
        slug=slug,
        title=TITLES[item],
        hint=HINTS[item],
        theirs=before if fault else None,
        names=people,
        now=console.clock.now(),
        item=item,
        echo=_echo(form.due_at if request.method == "POST" else before.due_at),
    )
    return page, REFUSED if fault or form.errors else 200


def _saved(slug: str, item: str, *, newly: bool) -> str:
    """Return that an item is saved, and what is next where it is newly done and no update reports it."""
    said = str(_("Saved: %(item)s.", item=TITLES[item]))
    if newly and item in PHASE_OF and WRITES & current().member.roles and not _is_reported(slug, item):
        said += " " + _("Say it on the timeline too: the button is beside the item.")
    return said


def _is_reported(slug: str, item: str) -> bool:
    with sending.parts().db.read() as session:
        done_here = known.of_incident(session, _incident(session, slug))
    return any(one.kind == "update" for one in done_here.get(item, ()))


def _words(one: Known) -> str:
    return str(KNOWN[one.kind]) % {"number": one.number}


def _proof(found: Iterable[Known]) -> str:
    """Return the proof that names what was done here first, with its day; nothing where nothing was."""
    proving = next((one for one in found if one.proves), None)
    return f"{_words(proving)}, {dates.day(proving.at, frame.language())}" if proving else ""


def _place(slug: str, one: Known, roles: frozenset[Role]) -> str:
    """Return the page that shows what was done, or nothing where the reader may not see it."""
    public = sending.parts().public_url
    path, may_read = {
        "statement": (f"{public}/incidents/{slug}/", None),
        "update": (f"{public}/incidents/{slug}/updates/{one.number}/", None),
        "list": (f"/lists/{slug}/", WRITES | {Role.PRIVACY}),
        "notice": (f"/notices/{slug}/{one.number}/", None),
        "reset": ("/resets/", CHANGES),
    }[one.kind]
    return path if may_read is None or may_read & roles else ""


def _fields(form: ItemForm) -> dict[str, str]:
    due, version = form.due_at, form.version.data or ""
    return {
        "version": version if version.isdecimal() else "0",
        "owner": form.owner.data or "",
        "due": due.isoformat() if due else "",
        "done": "1" if form.done.data else "",
        "note": (form.note.data or "").replace("\r\n", "\n"),
        "proof": form.proof.data or "",
    }


def _zones(zone: str) -> list[tuple[str, str]]:
    return [(one, one) for one in dict.fromkeys((zone, "UTC"))]


def _echo(at: datetime | None) -> str:
    """Return a time in UTC, by which its reader sees how the zone was understood."""
    return f"= {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""


def _fill(form: ItemForm, item: Item, zone: str) -> None:
    form.version.data = str(item.version)
    form.owner.data = item.owner.hex() if item.owner else ""
    form.zone.data = zone
    form.due.data = as_typed(item.due_at, zone)
    form.done.data = item.done_at is not None
    form.note.data, form.proof.data = item.note, item.proof


def _item_and_people(slug: str, item: str) -> tuple[Item, Mapping[str, str], datetime]:
    console = sending.parts()
    with console.db.read() as session:
        incident = _incident(session, slug)
        found = service.item(session, console.vault, incident, item)
        discovered_at = incidents.detected_at(session, incident)
        listed = members.listed(session, console.vault)
    people = {one.id.hex(): one.shown for one in listed if one.active}
    return found, people, discovered_at


def _incident(session: Any, slug: str) -> Incident:
    try:
        return incidents.by_slug(session, slug)
    except incidents.IncidentUnknown:
        abort(404)
