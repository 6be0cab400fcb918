"""The console's pages of long work: a draft that is being counted, and the list of whom a notice missed."""

from collections.abc import Iterator
from typing import Any

from flask import abort, jsonify, redirect, render_template
from flask_babel import format_decimal
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.campaigns.console import notice_of, why, why_of
from portal.campaigns.forms import ExportForm
from portal.campaigns.tasks import exporting, service
from portal.campaigns.tasks.jobs import ASKS, AUTHOR, EXPORTS
from portal.campaigns.tasks.models import DONE, DRAFT, FAILED, READY, WAITING, NoticeTask, TaskChunk
from portal.core.faults import parsed
from portal.crypto.tokens import Unopenable
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.staff import members, sending
from portal.staff.approvals import service as approvals
from portal.staff.approvals.console import ask, shown_waiting, waiting_ones
from portal.staff.approvals.models import Approval
from portal.staff.orders import by
from portal.staff.pages import StaffPages, current
from portal.staff.roles import Role
from portal.staff.sending import OrderRefused

bp = StaffPages("notice_tasks", __name__)

REFUSED = 422
SEES = ASKS | {Role.APPROVER}
_PATH = "/notices/<slug>/<number:number>/unreached/"
_DRAFT = "/notices/<slug>/drafts/<task_id>/"


@bp.page(_DRAFT, roles=AUTHOR)
def draft(slug: str, task_id: str) -> Any:
    """Show how far the counting of a draft is, then its notice."""
    incident, task = _draft(slug, task_id)
    if task.state == DONE:
        return redirect(f"/notices/{slug}/{task.notice}/", 303)
    return render_template(
        "campaigns/console/counting.html",
        incident=incident,
        task=task,
        works=task.state == WAITING,
        problem=why_of(task.fault) if task.state == FAILED else "",
        progress=_progress(task),
    )


@bp.page(f"{_DRAFT}progress", roles=AUTHOR)
def draft_progress(slug: str, task_id: str) -> Response:
    """Say how far the counting of a draft is, for the page's script."""
    _incident, task = _draft(slug, task_id)
    return jsonify(state=task.state, **_progress(task))


@bp.page(_PATH, roles=SEES)
def unreached(slug: str, number: int) -> str:
    """Show how many people a notice did not reach, and the way to a list of them."""
    return _page(slug, number, ExportForm(formdata=None))


@bp.page(f"{_PATH}progress", roles=SEES)
def progress(slug: str, number: int) -> Response:
    """Say how far the newest list is, for the page's script."""
    with sending.parts().db.read() as session:
        incident, campaign = notice_of(session, slug, number)
        task = _newest(session, incident.id, campaign.number)
    if task is None:
        abort(404)
    return jsonify(state=task.state, **_progress(task))


@bp.page(f"{_PATH}ask/", roles=ASKS, methods=("POST",))
def ask_for_list(slug: str, number: int) -> Any:
    """Ask a second person for a list."""
    form = ExportForm()
    if not form.validate():
        return _page(slug, number, form), REFUSED
    with sending.parts().db.read() as session:
        incident, campaign = notice_of(session, slug, number)
        most = exporting.most_ended(session, campaign)
        fields = _fields(session, incident.id, slug, campaign.number) | {"most": str(most)}
    try:
        return ask(EXPORTS, fields, form.reason.data or "")
    except OrderRefused as error:
        return _page(slug, number, form, why(error)), REFUSED


@bp.page(f"{_PATH}file/", roles=ASKS, methods=("POST",), step_up=True)
def file(slug: str, number: int) -> Any:
    """Send the list to who asked for it, piece by piece, once."""
    with sending.parts().db.read() as session:
        incident, campaign = notice_of(session, slug, number)
        task = _newest(session, incident.id, campaign.number)
    if task is None:
        abort(404)
    try:
        told = sending.order("notice-unreached", task=task.id.hex())
    except OrderRefused as error:
        return _page(slug, number, ExportForm(formdata=None), why(error)), REFUSED
    pieces = _pieces(task.id, bytes.fromhex(told["key"]), int(told["chunks"]))
    response = Response(pieces, mimetype="text/csv")
    name = f"{slug}-notice-{number}-not-reached.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _pieces(task_id: bytes, key: bytes, chunks: int) -> Iterator[bytes]:
    """Yield a file's pieces. Where one is gone or altered the transfer breaks off: half a list is none."""
    database = sending.parts().db

    def opened() -> Iterator[bytes]:
        for number in range(chunks):
            with database.read() as session:
                chunk = session.get(TaskChunk, (task_id, number))
            if chunk is None:
                raise Unopenable
            yield exporting.opened(key, task_id, number, chunk.content)

    return opened()


def _newest(session: Session, incident_id: bytes, number: int) -> NoticeTask | None:
    """Return the newest list of a notice: the reader's own where they have one, else a colleague's."""
    made = service.exports(session, incident_id, number)
    me = by(current().member.id)
    return next((one for one in made if _owner(one) == me), made[0] if made else None)


def _owner(task: NoticeTask) -> str | None:
    owner: str | None = parsed(task.acting, "notice_tasks", task.id).get("by")
    return owner


def _fields(session: Session, incident_id: bytes, slug: str, number: int) -> dict[str, str]:
    copy = service.next_copy(session, incident_id, number)
    return {"incident": slug, "notice": str(number), "copy": str(copy)}


def _is_for(approval: Approval, fields: dict[str, str]) -> bool:
    """Return whether a request is for this copy of a list, however many were missed when it was asked for."""
    return approvals.fields_of(approval).items() >= fields.items()


def _page(slug: str, number: int, form: ExportForm, fault: str = "") -> str:
    console, staff = sending.parts(), current()
    with console.db.read() as session:
        incident, campaign = notice_of(session, slug, number)
        if campaign.begun_at is None:
            abort(404)
        counts = exporting.missed_counts(session, campaign)
        fields = _fields(session, incident.id, slug, number)
        newest = _newest(session, incident.id, number)
        owner = _owner(newest) if newest else None
        names = {by(member): name for member, name in members.names(session, console.vault).items()}
        now = console.clock.now()
        asked = [one for one in waiting_ones(session, EXPORTS) if _is_for(one, fields)]
        waits = shown_waiting(session, asked[-1]) if asked else None
    ready = newest is not None and newest.state == READY and now < newest.changed_at + service.KEPT
    return render_template(
        "campaigns/console/unreached.html",
        incident=incident,
        number=number,
        counts=counts,
        waits=waits,
        task=newest,
        works=newest is not None and newest.state == WAITING,
        problem=why_of(newest.fault) if newest is not None and newest.state == FAILED else "",
        progress=_progress(newest) if newest is not None else {},
        ready=ready,
        until=newest.changed_at + service.KEPT if newest is not None else None,
        mine=owner == by(staff.member.id),
        owner=names.get(owner or "", ""),
        asks=bool(ASKS & staff.member.roles) and any(counts.values()),
        form=form,
        fault=fault,
    )


def _draft(slug: str, task_id: str) -> tuple[Incident, NoticeTask]:
    try:
        row_id = bytes.fromhex(task_id)
    except ValueError:
        abort(404)
    with sending.parts().db.read() as session:
        try:
            incident = incidents.by_slug(session, slug)
        except incidents.IncidentUnknown:
            abort(404)
        task = session.get(NoticeTask, row_id)
    if task is None or task.incident_id != incident.id or task.kind != DRAFT:
        abort(404)
    return incident, task


def _progress(task: NoticeTask) -> dict[str, Any]:
    done, total = min(task.done, task.total), task.total
    said = (
        _("%(done)s of %(total)s people read.", done=format_decimal(done), total=format_decimal(total))
        if total
        else _("It starts in a moment.")
    )
    return {"percent": 100 * done // total if total else 0, "words": said}
