"""`/dev/mailbox/`: the mails that the demonstration sent; registered in the demonstration only."""

from dataclasses import asdict

from flask import Blueprint, jsonify, render_template, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from portal.demo.mailbox import MailboxStore
from portal.web import frame

bp = Blueprint("demo", __name__)

# Links open in a page of their own, as from a mail program.
HTML_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)
FIELDS = ("to", "subject", "text", "html", "headers")


@bp.before_request
def only_here() -> None:
    """Answer 404 except to loopback, and 404 to requests forwarded by a proxy or tunnel on this machine."""
    settings = frame.parts().settings
    forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    if (
        forwarded
        or settings.environment != "demo"
        or settings.demo_mailbox is None
        or not frame.is_loopback(request.remote_addr or "")
    ):
        raise NotFound


@bp.get("/dev/mailbox/")
def mailbox() -> str:
    """Show the mails, newest first."""
    to = request.args.get("to", "")
    return render_template("demo/mailbox.html", messages=_store().newest(to=to), to=to)


@bp.get("/dev/mailbox/<int:number>/")
def as_page(number: int) -> Response:
    """Show a mail's HTML part as a mail program does: with its styles, without scripts or remote content."""
    message = _store().one(number)
    if message is None:
        raise NotFound
    response = Response(message.html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = HTML_POLICY
    return response


@bp.get("/dev/mailbox/messages.json")
def messages() -> Response:
    """List the mails as JSON, newest first."""
    found = _store().newest(to=request.args.get("to", ""))
    return jsonify([{name: asdict(message)[name] for name in FIELDS} for message in found])


def _store() -> MailboxStore:
    file = frame.parts().settings.demo_mailbox
    if file is None:
        raise NotFound
    return MailboxStore(file)
