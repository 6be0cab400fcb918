"""Send orders to the worker, and wait for what they came to."""

from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from time import monotonic, sleep
from typing import Any, cast
from urllib.parse import urlsplit

from flask import abort, current_app, flash, g, redirect, request, session, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.identity.sealed import service as sealed
from portal.identity.sealed.process_key import NoWorker
from portal.runtime.parts import ConsoleParts
from portal.staff.orders import PREFIX, within_day
from portal.web import frame

TOKEN = "staff"  # noqa: S105 - where the session's token lies in the cookie
WAIT_SECONDS = 9.0
LOOK_SECONDS = 0.01
RETRY_AFTER_SECONDS = 5
FIRST_TICK = 2
DONE, FAULT = "message", "fault"


@dataclass(frozen=True)
class OrderRefused(Exception):
    """The worker refused an order; `reason` is a code, `told` all that it said."""

    reason: str
    told: dict[str, Any]


def parts() -> ConsoleParts:
    """Return the parts of the console."""
    return cast("ConsoleParts", current_app.extensions["portal"])


def order(name: str, /, **fields: str) -> dict[str, Any]:
    """Have the worker do something for whoever is signed in, and return what it came to.

    Raises OrderRefused. Ends the request where the session is over (303 to the sign-in), where the member
    must confirm first (303), where they lack the role (403), and where no worker answers (503).
    """
    told = send(name, session=str(session.get(TOKEN, "")), **fields)
    if told["outcome"] == "session-over":
        session.pop(TOKEN, None)
        abort(sign_in_first())
    if told["outcome"] == "step-up":
        abort(confirm_first())
    if told["outcome"] == "role":
        abort(403)
    return told


def send(name: str, /, **fields: str) -> dict[str, Any]:
    """Have the worker do something, and return what it came to.

    Raises OrderRefused. Ends the request with 503 where no worker answers: then nothing was begun, or what it
    came to is on the pages themselves.
    """
    return _told(name, fields, tick=0)


def send_at_ticks(name: str, /, **fields: str) -> dict[str, Any]:
    """Do as `send`, for who must not see how long it took: they are told at whole ticks."""
    return _told(name, fields, tick=parts().tick)


def may_store(db_session: Session) -> bool:
    """Count that whoever is signed in stores something new; return whether they may yet today."""
    console = parts()
    return within_day(db_session, console.vault, g.staff.member.id, console.clock.now())


def _told(name: str, fields: dict[str, str], *, tick: float) -> dict[str, Any]:
    console = parts()
    kind = f"{PREFIX}{name}"
    try:
        with console.db.write(durable=False) as db_session:
            asked = sealed.submit(db_session, console.vault, kind, fields, console.clock.now())
    except NoWorker:
        frame.busy(RETRY_AFTER_SECONDS)
    except sealed.TooLong as error:
        raise OrderRefused("too-long", {}) from error
    begun = monotonic()
    ends_at = begun + WAIT_SECONDS
    seen = sealed.Seen()
    while seen == sealed.Seen() and monotonic() < ends_at:
        sleep(LOOK_SECONDS)
        with console.db.read() as db_session:
            seen = sealed.look(db_session, asked, console.clock.now(), at_ticks=False)
    with console.db.write(durable=False) as db_session:
        sealed.forget(db_session, asked)
    sleep(until_tick(monotonic() - begun, tick))
    told = seen.verdict
    if told is None or told["outcome"] in ("away", "fault"):
        frame.busy(RETRY_AFTER_SECONDS)
    if told["outcome"] == "refused":
        raise OrderRefused(str(told["reason"]), told)
    return told


def until_tick(elapsed: float, tick: float) -> float:
    """Return how many seconds are left until the next whole tick, the second one at the earliest."""
    return max(FIRST_TICK, ceil(elapsed / tick)) * tick - elapsed if tick else 0


def tell(name: str, /, **fields: str) -> None:
    """Have the worker do something, without waiting for it. Where none lives, nothing happens."""
    console = parts()
    with suppress(NoWorker), console.db.write(durable=False) as db_session:
        sealed.submit(db_session, console.vault, f"{PREFIX}{name}", fields, console.clock.now())


def sign_in_first() -> Response:
    """Return the redirect to the sign-in page, which leads back to this page."""
    back = {"next": request.full_path.rstrip("?")} if request.method == "GET" else {}
    return frame.see_other("staff.sign_in", **back)


def confirm_first() -> Response:
    """Return the redirect to the page that asks for a passkey or a code, and leads back to this page.

    A form goes along (307), and is sent again afterwards: what somebody pressed is done, and not forgotten.
    A file does not: who sends one is asked before, on the page that has the form.
    """
    here = request.full_path.rstrip("?")
    if request.method == "POST" and not request.files:
        return redirect(url_for("staff.confirm", next=here), 307)
    return frame.see_other("staff.confirm", next=here if request.method == "GET" else _page_before())


def _page_before() -> str:
    """Return the path of the page that has the form, as the browser says."""
    try:
        return urlsplit(request.referrer or "/").path
    except ValueError:  # a broken host, like http://[
        return "/"


def done(message: str, target: str, *, at: str = "") -> Response:
    """Say on the next page what was done, and redirect to it (303).

    `at` is an element of that page which the page itself says it in, and the browser goes to. A page that is
    drawn before, as in another tab, says it at its top.
    """
    return _said(DONE, message, target, at)


def failed(message: str, target: str, *, at: str = "") -> Response:
    """Say on the next page what was not done, and redirect to it (303); `at` is as of `done`."""
    return _said(FAULT, message, target, at)


def _said(kind: str, message: str, target: str, at: str) -> Response:
    place = f"{target}#{at}" if at else target
    flash(message, f"{kind}:{place}" if at else kind)
    return redirect(place, 303)
