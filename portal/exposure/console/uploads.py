"""The pages of one file: how far it is, what is in it, what its columns are, and storing it."""

import json
import re
from collections.abc import Mapping
from typing import Any

from flask import Response, abort, jsonify, redirect, render_template, request
from flask_babel import format_decimal
from flask_babel import gettext as _
from sqlalchemy import select

from portal.datakinds.names import suggestions
from portal.datakinds.taxonomy import UnknownDataClass, find
from portal.exposure.console import lists, words
from portal.exposure.console.reasons import said
from portal.exposure.uploads import receiving
from portal.exposure.uploads.models import (
    READ,
    RECEIVING,
    REFUSED,
    UNDECIDED,
    WAITING,
    WORKING,
    Upload,
    UploadLines,
)
from portal.exposure.uploads.orders import MAX_WORD, SEES, SENDS
from portal.exposure.uploads.receiving import UploadGone
from portal.incidents.models import Incident
from portal.people_files.mending.row import ODD_LOCALE
from portal.people_files.reading import MOST_UNKNOWN
from portal.staff import members, sending
from portal.staff.pages import StaffPages, current
from portal.staff.sending import OrderRefused
from portal.staff.words import refusal
from portal.web import frame

bp = StaffPages("uploads", __name__)

NOT_DONE = 422
JOINED = "name"
UNKNOWN, LEAVE_OUT = "?", "-"
PERCENT = 100
NO_FAULTS: Mapping[str, str] = {}
ALL_COLUMNS = "columns"
MOST_COLUMNS = 500  # more do not fit an order
MOST_REASONS = 1000
_COLUMN = re.compile(r"column-([1-9][0-9]{0,4})", re.ASCII)


@bp.page("/lists/<slug>/uploads/<upload_id>/", roles=SEES)
def one(slug: str, upload_id: str) -> str:
    """Show one file."""
    return _page(*_upload(slug, upload_id))


def _page(incident: Incident, upload: Upload, faults: Mapping[str, str] = NO_FAULTS) -> str:
    """Return the page of one file; `faults` are what is wrong with its columns, by the name of a field."""
    found: dict[str, Any] = {}
    if upload.state in (UNDECIDED, READ, REFUSED) or upload.number:
        found = sending.order("list-found", incident=incident.slug, upload=upload.id.hex())["found"]
    with sending.parts().db.read() as db_session:
        shown = members.names(db_session, sending.parts().vault)
    names = {f"staff {member_id.hex()}": name for member_id, name in shown.items()}
    kind_names = words.kind_names(frame.language())
    return render_template(
        "exposure/console/upload.html",
        incident=incident,
        upload=upload,
        found=found,
        problem=_problem(found),
        said=said,
        meanings=[(word, kind, 0) for word, kind in found.get("meanings", ())]
        + [(word, "", rows) for word, rows in found.get("unknown", ())],
        kinds=words.kinds(frame.language()),
        suggested=suggestions,
        kind_words=kind_names,
        by_language=words.by_language(found.get("languages", {})),
        unknown=words.unknown(found.get("languages", {})),
        unknown_lines=_unknown_lines(found),
        not_here=words.not_here(found.get("languages", {}), sending.parts().settings.site.languages),
        beyond=[kind_names.get(name, name) for name in found.get("beyond", ())],
        sender=names.get(upload.actor, ""),
        column_words=words.COLUMNS,
        encodings=words.ENCODINGS,
        title=words.TITLES.get(upload.state, upload.state),
        progress=_progress(upload),
        waits=upload.state in (WAITING, WORKING),
        may_send=bool(SENDS & current().member.roles),
        chosen=request.form if faults else {},
        faults=faults,
    )


@bp.page("/lists/<slug>/uploads/<upload_id>/progress", roles=SEES)
def progress(slug: str, upload_id: str) -> Any:
    """Say how far a file is: one row is read."""
    _incident, upload = _upload(slug, upload_id)
    return jsonify(_progress(upload))


@bp.page("/lists/<slug>/uploads/<upload_id>/columns/", roles=SENDS, methods=("POST",))
def columns(slug: str, upload_id: str) -> Any:
    """Read a file again, as its columns and its encoding were decided."""
    incident, upload = _upload(slug, upload_id)
    mapped: list[tuple[int, str]] = []
    ignored: list[int] = []
    faults: dict[str, str] = {}
    for name, target in request.form.items():
        found = _COLUMN.fullmatch(name)
        if found is None:
            continue
        number = int(found[1])
        if target == UNKNOWN:
            faults[name] = _("Say what this column is, or leave it out.")
        elif target == LEAVE_OUT:
            ignored.append(number)
        elif target in words.COLUMNS:
            if target != JOINED and target in dict(mapped).values():
                faults[name] = _("Another column has this already. Only the name can come from several.")
            mapped.append((number, target))
    if not faults and (mapped or ignored) and "email" not in dict(mapped).values():
        faults[ALL_COLUMNS] = _("Choose the column that has the email addresses.")
    meanings = _meanings(request.form)
    encoding = request.form.get("encoding", "")
    if (encoding and encoding not in words.ENCODINGS) or len(mapped) + len(ignored) > MOST_COLUMNS:
        abort(400)
    if faults:
        return _page(incident, upload, faults), NOT_DONE
    return _ordered(
        slug,
        upload,
        "list-read",
        encoding=encoding,
        mapped=json.dumps(sorted(mapped)),
        ignored=json.dumps(sorted(ignored)),
        meanings=json.dumps(meanings),
    )


def _meanings(form: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what unknown words were said to mean: `word-1` is a word, `means-1` the kind of data."""
    given = [(form.get(f"word-{at}", ""), form.get(f"means-{at}", "")) for at in range(1, MOST_UNKNOWN + 1)]
    try:
        return [(word[:MAX_WORD], find(kind).name) for word, kind in given if word and kind]
    except UnknownDataClass:
        abort(400)


@bp.page("/lists/<slug>/uploads/<upload_id>/store/", roles=SENDS, methods=("POST",))
def store(slug: str, upload_id: str) -> Any:
    """Store a file as it was read: a list as a version that nobody sees before it is activated."""
    _incident, upload = _upload(slug, upload_id)
    decided = {name: "yes" for name in ("widen", "silence") if request.form.get(name)}
    return _ordered(slug, upload, "list-store", **decided)


@bp.page("/lists/<slug>/uploads/<upload_id>/delete/", roles=SENDS, methods=("POST",))
def delete(slug: str, upload_id: str) -> Any:
    """Destroy the keys of a file, whatever its state."""
    console = sending.parts()
    _incident, upload = _upload(slug, upload_id)
    with console.db.write() as db_session:
        row = db_session.get(Upload, upload.id)
        if row is not None:
            receiving.discard(db_session, row, console.clock.now())
    return sending.done(_("The file is deleted."), f"/lists/{slug}/")


@bp.page("/lists/<slug>/uploads/<upload_id>/rejected/<int:reason>.csv", roles=SEES)
def rejected(slug: str, upload_id: str, reason: int) -> Response:
    """Download the lines that were rejected for one reason: their numbers, and nothing of them."""
    _incident, upload = _upload(slug, upload_id)
    if reason >= MOST_REASONS:
        abort(404)
    with sending.parts().db.read() as db_session:
        pages = db_session.scalars(
            select(UploadLines.lines)
            .where(UploadLines.upload_id == upload.id, UploadLines.reason == reason)
            .order_by(UploadLines.page)
        ).all()
    if not pages:
        abort(404)
    content = "line\n" + "\n".join(page.replace(",", "\n") for page in pages) + "\n"
    headers = {"Content-Disposition": f"attachment; filename=rejected-lines-{reason + 1}.csv"}
    return Response(content, mimetype="text/csv", headers=headers)


def _ordered(slug: str, upload: Upload, name: str, **fields: str) -> Any:
    where = f"/lists/{slug}/uploads/{upload.id.hex()}/"
    try:
        sending.order(name, incident=slug, upload=upload.id.hex(), **fields)
    except OrderRefused as error:
        return sending.failed(refusal(error.reason), where)
    return redirect(where, 303)


def _upload(slug: str, upload_id: str) -> tuple[Incident, Upload]:
    with sending.parts().db.read() as db_session:
        incident = lists.incident_of(db_session, slug)
        try:
            return incident, receiving.find(db_session, incident.id, bytes.fromhex(upload_id))
        except (UploadGone, ValueError):
            abort(404)


def _unknown_lines(found: Mapping[str, Any]) -> list[int]:
    """Return the first lines of a file whose language is none that we know."""
    notes = {note: lines for note, _rows, lines in found.get("notes", ())}
    return list(notes.get(f"locale: {ODD_LOCALE}", ()))


def _problem(found: dict[str, Any]) -> dict[str, Any] | None:
    problem: dict[str, Any] | None = found.get("problem")
    if problem is None:
        return None
    known = words.PROBLEMS.get(problem["kind"])
    if known is not None:
        return problem | {"words": known}
    reason = said(problem["reason"])
    if problem.get("line"):
        return problem | {"words": _("Line %(line)s: %(reason)s.", line=problem["line"], reason=reason)}
    return problem | {"words": f"{reason}."}


def _progress(upload: Upload) -> dict[str, Any]:
    stage = str(words.STAGES.get(upload.stage, upload.stage))
    if upload.rows:
        stage = _("%(stage)s: %(rows)s rows", stage=stage, rows=format_decimal(upload.rows))
    if upload.rate:
        stage = _("%(stage)s, %(rate)s a second", stage=stage, rate=format_decimal(upload.rate))
    done, total = upload.done, upload.total
    if upload.state == RECEIVING:
        done, total = upload.received, upload.size or 0
        stage = _("%(percent)s %% of the file is here", percent=_percent(done, total))
    return {"state": upload.state, "words": stage, "percent": _percent(done, total)}


def _percent(done: int, total: int) -> int:
    return min(done * PERCENT // total, PERCENT) if total else 0
