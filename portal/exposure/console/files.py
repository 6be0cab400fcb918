"""Take files as they stream: pieces that a script sends, whole workbooks, and a form without script."""

from typing import Any

from flask import jsonify, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from portal.exposure.console import lists, words
from portal.exposure.console.forms import BeginForm
from portal.exposure.console.reasons import said
from portal.exposure.uploads import receiving, workbooks
from portal.exposure.uploads.models import LEFT_OUT, LIST, SHEET, TEXT, Upload
from portal.exposure.uploads.orders import SENDS
from portal.exposure.uploads.receiving import OffsetConflict, Place, Receiver, UploadGone, UploadRefused
from portal.exposure.uploads.workbooks import SheetUndecided, TooManyWorkbooks, WorkbookRefused
from portal.staff import sending
from portal.staff.orders import by
from portal.staff.pages import StaffPages, current
from portal.staff.streams.bodies import Body, FormWithFile, check_token
from portal.web import frame

bp = StaffPages("files", __name__)

REFUSED, CONFLICT, GONE, BUSY = 422, 409, 410, 503
OFFSET, LENGTH = "Upload-Offset", "Upload-Length"
MANY = "many-today"
_HEAD = 4
_LONGEST_OFFSET = 12
_PIECE = 64 << 20


class Cut(Exception):
    """A file that cannot be resumed did not arrive whole."""


@bp.page("/lists/<slug>/uploads/", roles=SENDS, methods=("POST",))
def begin(slug: str) -> Any:
    """Begin an upload, and say where its pieces go."""
    form, console = BeginForm(), sending.parts()
    if not form.validate():
        raise BadRequest
    with console.db.write() as db_session:
        incident = lists.incident_of(db_session, slug)
        if not sending.may_store(db_session):
            return _refused(MANY)
        try:
            upload = receiving.begin(
                db_session,
                incident.id,
                str(form.purpose.data),
                str(form.form.data),
                form.size.data,
                by(current().member.id),
                console.clock.now(),
                name=form.name.data or "",
            )
        except UploadRefused as error:
            return _refused(error.code)
    return jsonify(_where(slug, upload)), 201


@bp.page("/lists/<slug>/uploads/<upload_id>/content", roles=SENDS)
def position(slug: str, upload_id: str) -> Any:
    """Say how much of a file is stored."""
    try:
        upload = _upload(slug, upload_id)
    except UploadGone:
        return _refused("gone", GONE)
    return _with_position(jsonify(_where(slug, upload)), upload)


@bp.page("/lists/<slug>/uploads/<upload_id>/content", roles=SENDS, methods=("PUT",))
@frame.csrf.exempt  # type: ignore[untyped-decorator]  # Flask-WTF has no types; `check_token` checks
def put_piece(slug: str, upload_id: str) -> Any:
    """Take a piece of a text, from the offset on that it names; or a whole workbook."""
    check_token(request.headers.get("X-CSRFToken", ""))
    body = Body()
    try:
        upload = _upload(slug, upload_id, name=request.headers.get("Upload-Name", ""))
        if upload.form == SHEET:
            return _take_workbook(upload, request.args.get("sheet", ""), body)
        if body.length > _PIECE:
            return _refused("too-large", 413)
        received = receiving.receive(_place(), upload, _offset(), body.length, body.read)
    except OffsetConflict as error:
        answer = jsonify({"received": error.received})
        answer.headers[OFFSET] = str(error.received)
        return answer, CONFLICT
    except UploadGone:
        return _refused("gone", GONE)
    except UploadRefused as error:
        if error.code in receiving.NEVER:
            _discard(upload)  # nobody waits for the rest
        return _refused(error.code)
    finally:
        body.drain()
    answer = jsonify({"received": received})
    answer.headers[OFFSET] = str(received)
    return answer


def _take_workbook(upload: Upload, sheet: str, body: Body) -> Any:
    """Take a workbook, which is read at once. What fails is discarded, and sent anew as a whole."""
    try:
        workbooks.receive(_place(), upload, sheet[:200], body.read)
    except SheetUndecided as error:
        _discard(upload)
        return jsonify({"sheets": error.sheets}), REFUSED
    except WorkbookRefused as error:
        _discard(upload)
        return jsonify({"error": "workbook", "words": words.workbook(said(str(error)))}), REFUSED
    except TooManyWorkbooks:
        _discard(upload)
        return _refused("busy", BUSY)
    except UploadRefused:
        _discard(upload)
        raise
    return jsonify({"received": upload.size})


@bp.page("/lists/<slug>/send/", roles=SENDS, methods=("POST",))
@frame.csrf.exempt  # type: ignore[untyped-decorator]  # Flask-WTF has no types; `check_token` checks
def send(slug: str) -> Any:
    """Take a file that comes with a form, whose size nobody knows before its end; not resumable."""
    body = Body()
    form = FormWithFile(body)
    check_token(form.fields.get("csrf_token", ""))
    with sending.parts().db.read() as db_session:
        incident = lists.incident_of(db_session, slug)
    upload = None
    try:
        head = form.read(_HEAD)
        kind = SHEET if head.startswith(b"PK") else TEXT
        purpose = LEFT_OUT if form.fields.get("purpose") == LEFT_OUT else LIST
        upload = _begin(incident.id, purpose, kind)
        _take(upload, form, head)
    except SheetUndecided as error:
        fault = words.sheets(error.sheets)
        return _failed(slug, upload, body, fault, sheets=True)
    except WorkbookRefused as error:
        return _failed(slug, upload, body, words.workbook(said(str(error))))
    except TooManyWorkbooks:
        return _failed(slug, upload, body, words.refusal("busy"))
    except (UploadGone, OffsetConflict):
        return _failed(slug, upload, body, words.refusal("gone"))
    except UploadRefused as error:
        return _failed(slug, upload, body, words.refusal(error.code))
    except BadRequest:
        return _failed(slug, upload, body, words.refusal("cut"))
    return frame.see_other("uploads.one", slug=slug, upload_id=upload.id.hex())


def _take(upload: Upload, form: FormWithFile, head: bytes) -> None:
    if upload.form == SHEET:
        ahead = [head]
        workbooks.receive(
            _place(),
            upload,
            form.fields.get("sheet", "").strip()[:200],
            lambda size: ahead.pop() if ahead else form.read(size),
        )
        return
    receiving.refuse_other_type(TEXT, head)
    receiver = Receiver(_place(), upload, counts=False)
    receiver.feed(head)
    while data := form.read(receiving.CHUNK_BYTES):
        receiver.feed(data)
    receiver.finish(ended=True)


def _begin(incident_id: bytes, purpose: str, kind: str) -> Upload:
    console = sending.parts()
    with console.db.write() as db_session:
        if not sending.may_store(db_session):
            raise UploadRefused(MANY)
        return receiving.begin(
            db_session, incident_id, purpose, kind, None, by(current().member.id), console.clock.now()
        )


def _failed(slug: str, upload: Upload | None, body: Body, fault: str, *, sheets: bool = False) -> Any:
    if upload is not None:
        _discard(upload)
    body.drain()
    return lists.page(slug, fault, sheets=sheets), REFUSED


def _discard(upload: Upload) -> None:
    console = sending.parts()
    with console.db.write() as db_session:
        row = db_session.get(Upload, upload.id)
        if row is not None:
            receiving.discard(db_session, row, console.clock.now())


def _upload(slug: str, upload_id: str, name: str | None = None) -> Upload:
    """Return an upload of an incident; with `name`, one that still receives that file. Raises UploadGone."""
    with sending.parts().db.read() as db_session:
        incident = lists.incident_of(db_session, slug)
        try:
            row_id = bytes.fromhex(upload_id)
        except ValueError:
            raise UploadGone from None
        if name is None:
            return receiving.find(db_session, incident.id, row_id)
        return receiving.resumed(db_session, incident.id, row_id, name)


def _offset() -> int:
    given = request.headers.get(OFFSET, "")
    if not (given.isascii() and given.isdigit() and len(given) <= _LONGEST_OFFSET):
        raise BadRequest
    return int(given)


def _place() -> Place:
    console = sending.parts()
    return Place(console.db, console.vault, console.clock)


def _where(slug: str, upload: Upload) -> dict[str, Any]:
    upload_id = upload.id.hex()
    return {
        "content": url_for("files.position", slug=slug, upload_id=upload_id),
        "page": url_for("uploads.one", slug=slug, upload_id=upload_id),
        "received": upload.received,
        "size": upload.size,
    }


def _with_position(answer: Response, upload: Upload) -> Response:
    answer.headers[OFFSET] = str(upload.received)
    if upload.size is not None:
        answer.headers[LENGTH] = str(upload.size)
    return answer


def _refused(code: str, status: int = REFUSED) -> Any:
    return jsonify({"error": code, "words": words.refusal(code)}), status
