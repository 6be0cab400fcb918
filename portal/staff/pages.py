"""The console's blueprints: closed by default, each view names the roles that it needs."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, Flask, abort, current_app, g, render_template, request, session
from sqlalchemy.exc import DBAPIError
from werkzeug.wrappers import Response

from portal.core.faults import is_busy
from portal.staff import sending, sessions
from portal.staff.roles import ANY, Role
from portal.staff.sessions import SignedIn

READING = ("GET", "HEAD")
FORBIDDEN = 403
SHORT = 100  # characters; tokens of forms are shorter
# Views of the console that need nobody signed in, set by `StaffPages.open_page`.
_OPEN = frozenset[Role]()


class StaffPages(Blueprint):
    """A blueprint whose views can be added only with the roles that they need."""

    def page(
        self,
        rule: str,
        *,
        roles: frozenset[Role] = ANY,
        methods: tuple[str, ...] = ("GET",),
        step_up: bool = False,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Add a view for members with one of these roles. `step_up`: who confirmed lately that it is them."""

        def add(view: Callable[..., Any]) -> Callable[..., Any]:
            view.staff_roles, view.staff_step_up = roles, step_up  # type: ignore[attr-defined]
            self.add_url_rule(rule, view.__name__, view, methods=list(methods))
            return view

        return add

    def open_page(
        self, rule: str, *, methods: tuple[str, ...] = ("GET",)
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Add a view for everyone who reaches the console: signing in, and what its page needs."""
        return self.page(rule, roles=_OPEN, methods=methods)


def install(app: Flask) -> None:
    """Check every request's roles before its view. Raises RuntimeError where a view names none."""
    for endpoint, view in app.view_functions.items():
        if endpoint != "static" and not hasattr(view, "staff_roles"):
            message = f"the console's view {endpoint} names no roles"
            raise RuntimeError(message)
    app.before_request(_guard)
    # Before all others: one of them reads the form, for its token.
    app.before_request_funcs[None].insert(0, _refuse_strangers)
    app.context_processor(lambda: {"staff": current_or_none(), "Role": Role})


def current() -> SignedIn:
    """Return who is signed in, on a page that needs it. Raises LookupError elsewhere."""
    found = current_or_none()
    if found is None:
        message = "nobody is signed in on an open page"
        raise LookupError(message)
    return found


def current_or_none() -> SignedIn | None:
    """Return who is signed in, or None; looked up once per request."""
    if "staff" not in g:
        g.staff = _look_up()
    found: SignedIn | None = g.staff
    return found


def _refuse_strangers() -> Any:
    """Send to the sign-in whoever is not signed in, without a look at their form.

    Some forms pass the server in front as they come. One that trickles in from nobody would hold a thread.
    Whoever was signed in, and had us sign their cookie, gets long texts back that they typed meanwhile.
    """
    was_here = isinstance(session.get(sending.TOKEN), str)
    if request.method in READING or _view() is None or current_or_none() is not None:
        return None
    if was_here and (texts := _long_texts()):
        return render_template("staff/console/signed-out.html", texts=texts, back=request.path), FORBIDDEN
    return sending.sign_in_first()


def _long_texts() -> list[str]:
    """Return the texts of a form that nobody types twice gladly; none of another site's, or a script's."""
    ours = request.headers.get("Sec-Fetch-Site") == "same-origin"
    by_script = request.accept_mimetypes.best == "application/json"
    if not ours or by_script or request.mimetype != "application/x-www-form-urlencoded":
        return []
    return [text for text in request.form.values() if len(text) > SHORT]


def _view() -> Any:
    """Return the view of this request, or None where it does not exist or needs nobody signed in."""
    if request.endpoint is None or request.endpoint == "static":
        return None
    view: Any = current_app.view_functions[request.endpoint]
    return None if view.staff_roles is _OPEN else view


def _guard() -> Response | None:
    view = _view()
    if view is None:
        return None
    needed: frozenset[Role] = view.staff_roles
    staff = current_or_none()
    if staff is None:
        return sending.sign_in_first()
    if not needed & staff.member.roles:
        abort(403)
    if (
        "\r" in request.path or "\n" in request.path
    ):  # which no header takes, and so no redirect to a page of this slug
        abort(404)
    if view.staff_step_up and not staff.fresh(sending.parts().clock.now()):
        return sending.confirm_first()
    return None


def _look_up() -> SignedIn | None:
    token = session.get(sending.TOKEN)
    if not isinstance(token, str):
        return None
    console = sending.parts()
    now = console.clock.now()
    with console.db.read() as db_session:
        found = sessions.resume(db_session, console.vault, token, now)
    if found is None:
        session.pop(sending.TOKEN)
    elif now - found.seen_at >= sessions.SEEN_EVERY:
        _touch(found.id, now)
    return found


def _touch(session_id: bytes, now: datetime) -> None:
    """Store when the session was last seen; where another writer holds the lock, a later page does."""
    try:
        with sending.parts().db.write_at_once() as db_session:
            sessions.touch(db_session, session_id, now)
    except DBAPIError as error:
        if not is_busy(error):
            raise
