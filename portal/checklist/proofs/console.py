"""The console's pages of files that prove an item: add one as it streams, open it again, delete it."""

from base64 import b64decode
from typing import Any
from urllib.parse import quote

from flask import abort, render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from portal.checklist import service
from portal.checklist.proofs import service as files
from portal.checklist.proofs.service import FileGone, FileRefused, Place, Proof
from portal.checklist.service import CHANGES
from portal.checklist.words import TITLES
from portal.incidents import service as incidents
from portal.incidents.models import Incident
from portal.staff import members, sending
from portal.staff.pages import StaffPages, current
from portal.staff.sending import OrderRefused
from portal.staff.streams.bodies import Body, FormWithFile, check_token
from portal.staff.words import refusal
from portal.web import frame
from portal.web.forms import EmptyForm

bp = StaffPages("checklist_files", __name__)

REFUSED = 422
_FILE = "/checklist/<slug>/<item>/files/<file_id>/"
REFUSALS = {
    "file-empty": lazy_gettext("Choose a file first. This one is empty."),
    "file-kind": lazy_gettext("Choose a PDF or a picture (PNG, JPEG or WebP). Print anything else as PDF."),
    "file-lies": lazy_gettext("The file’s name says another type than what’s in it. Save it again."),
    "file-large": lazy_gettext("The file is too large. It may have 10 MB."),
    "file-many": lazy_gettext("There are five files already. Delete one first."),
    "file-no-room": lazy_gettext("The server’s disk is full. Ask your IT team to free some space."),
    "file-cut": lazy_gettext("The file didn’t arrive whole. Send it again."),
    "file-gone": lazy_gettext("This file is gone, or somebody changed it. Tell your IT team."),
}


@bp.page("/checklist/<slug>/<item>/files/", roles=CHANGES, methods=("GET", "POST"))
@frame.csrf.exempt  # type: ignore[untyped-decorator]  # Flask-WTF has no types; `check_token` checks
def add(slug: str, item: str) -> Any:
    """Show a form for a file, or take the file as it streams."""
    if request.method == "GET":
        return _form(slug, item)
    body = Body()
    form = FormWithFile(body)
    check_token(form.fields.get("csrf_token", ""))
    console, incident, fault = sending.parts(), _incident(slug, item), ""
    place, member = Place(console.db, console.vault, console.clock), current().member.id
    try:
        file_id = files.receive(place, incident, item, form.filename, form.read, member)
        fault = _keep(slug, file_id)
    except FileRefused as error:
        fault = str(REFUSALS[error.code])
    except BadRequest:
        fault = str(REFUSALS["file-cut"])
    body.drain()
    if fault:
        return _form(slug, item, fault), REFUSED
    return sending.done(_("The file is added: %(item)s.", item=TITLES[item]), f"/checklist/{slug}/", at=item)


@bp.page(_FILE, roles=CHANGES, methods=("GET", "POST"), step_up=True)
def one(slug: str, item: str, file_id: str) -> Any:
    """Say what a file is; or send it, once the reader has confirmed who they are."""
    proof, console = _proof(slug, item, file_id), sending.parts()
    form = EmptyForm()
    if not form.validate_on_submit():
        with console.db.read() as session:
            names = members.names(session, console.vault)
        return render_template(
            "checklist/console/file.html", slug=slug, title=TITLES[item], proof=proof, names=names, form=form
        )
    try:
        told = sending.order("checklist-file-open", file=file_id, slug=slug)
    except OrderRefused as error:
        return sending.failed(_refusal(error.reason), f"/checklist/{slug}/", at=item)
    content = files.opened(console.db, proof, b64decode(told["key"]))
    answer = Response(content, mimetype=proof.mimetype)
    answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(proof.name)}"
    answer.headers["Content-Length"] = str(proof.size)
    return answer


@bp.page(f"{_FILE}delete/", roles=CHANGES, methods=("POST",), step_up=True)
def remove(slug: str, item: str, file_id: str) -> Any:
    """Delete a file."""
    _proof(slug, item, file_id)
    try:
        sending.order("checklist-file-remove", file=file_id, slug=slug)
    except OrderRefused as error:
        return sending.failed(_refusal(error.reason), f"/checklist/{slug}/", at=item)
    return sending.done(_("The file is deleted."), f"/checklist/{slug}/", at=item)


def _keep(slug: str, file_id: bytes) -> str:
    """Have the worker keep a file that is stored; return why it does not."""
    try:
        sending.order("checklist-file-keep", file=file_id.hex(), slug=slug)
    except OrderRefused as error:
        files.delete_file(sending.parts().db, file_id)
        return _refusal(error.reason)
    return ""


def _form(slug: str, item: str, fault: str = "") -> str:
    _incident(slug, item)
    return render_template(
        "checklist/console/add_file.html", slug=slug, item=item, title=TITLES[item], fault=fault
    )


def _refusal(reason: str) -> str:
    return str(REFUSALS[reason]) if reason in REFUSALS else refusal(reason)


def _incident(slug: str, item: str) -> Incident:
    if item not in service.ITEMS:
        abort(404)
    with sending.parts().db.read() as session:
        try:
            return incidents.by_slug(session, slug)
        except incidents.IncidentUnknown:
            abort(404)


def _proof(slug: str, item: str, file_id: str) -> Proof:
    console, incident = sending.parts(), _incident(slug, item)
    with console.db.read() as session:
        try:
            return files.find(session, console.vault, incident, item, file_id)
        except FileGone:
            abort(404)
