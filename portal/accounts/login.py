"""The signed-in account of a request: Flask-Login on top of the sessions in the database."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec

from flask import Flask, Response, request, session
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user, login_user, logout_user
from sqlalchemy.exc import DBAPIError

from portal.accounts import service
from portal.core.faults import is_busy
from portal.identity.account import Account
from portal.web import frame
from portal.web.languages import cookie_name

DEVICE_COOKIE = "device"
ENDED = "session ended"
# Why it ended, where it is no page's method: the password was changed elsewhere, or guessed too often.
OVERTAKEN, GUESSED = "overtaken", "guessed"
SECOND_STEP_OVER = "second step over"  # it took too long, or there were too many wrong codes
LET_IN = "let in"  # this browser was made a known device by a mailed link
# The only pages that require sign-in, so the only valid targets after it.
_OWN_PAGE = re.compile(r"/account/(?:[a-z]+/)*\Z")

P = ParamSpec("P")


@dataclass(frozen=True)
class SignedIn:
    """The signed-in person, as Flask-Login's user object; its id is the session's token."""

    session_id: bytes
    account: Account
    address: str = field(repr=False)
    began_at: datetime
    resumed: service.Resumed = field(repr=False)
    token: str = field(repr=False)
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    @property
    def account_id(self) -> bytes:
        """Return the account's id."""
        return self.account.id

    def get_id(self) -> str:
        """Return the session's token, which Flask-Login stores in the browser's session cookie."""
        return self.token


class _Manager(LoginManager):  # type: ignore[misc]
    """Disable Flask-Login's remember-me cookie, which would make every public page vary by cookie."""

    def _update_remember_cookie(self, response: Response) -> Response:
        return response


def install(app: Flask) -> None:
    """Set up Flask-Login, so that every page can look up who is signed in."""
    manager = _Manager()
    # The session is protected by a 256-bit token; network addresses and user agents change.
    manager.session_protection = None
    manager.user_loader(_load)
    manager.init_app(app, add_context_processor=False)


def signed_in() -> SignedIn | None:
    """Return who is signed in, or None."""
    user = current_user._get_current_object()  # noqa: SLF001 - unwraps the proxy
    return user if isinstance(user, SignedIn) else None


def sign_in_required(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Redirect to the sign-in page unless signed in, and return to this page afterwards."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if signed_in() is not None:
            return view(*args, **kwargs)
        return ended()

    return guarded


def ended() -> ResponseReturnValue:
    """Redirect to the sign-in page, which says that the session has ended, if this browser had one."""
    if session.pop("_user_id", None) is not None:  # Flask-Login's: this browser was signed in
        session[ENDED] = request.method
    back: dict[str, Any] = {"next": request.path} if request.method == "GET" else {}
    return frame.see_other("accounts.sign_in", **back)


def current_account() -> SignedIn:
    """Return who is signed in, on a page guarded by `sign_in_required`. Raises LookupError elsewhere."""
    found = signed_in()
    if found is None:
        message = "nobody is signed in: decorate the view with sign_in_required"
        raise LookupError(message)
    return found


def next_page(wanted: str | None) -> str:
    """Return the page to show after sign-in: `wanted` if it is an account page, else /account/."""
    return wanted if wanted and _OWN_PAGE.match(wanted) else "/account/"


def log_in(token: str) -> bool:
    """Sign this browser in and clear everything else in its session, which prevents session fixation.

    Returns False when the session has already ended because the account changed in between.
    """
    session.clear()
    user = _load(token)
    return user is not None and bool(login_user(user))


def log_out() -> None:
    """Sign this browser out and clear its session."""
    logout_user()
    session.clear()


def sign_out_because(why: str) -> ResponseReturnValue:
    """Sign this browser out, and redirect to the sign-in page, which says why: see ENDED."""
    log_out()
    session[ENDED] = why
    return frame.see_other("accounts.sign_in")


def leave_account() -> None:
    """Sign this browser out, and keep what its other tabs have opened."""
    logout_user()


def device_cookie() -> str | None:
    """Return this browser's device cookie, or None."""
    return request.cookies.get(_device_cookie_name())


def remember_device(response: Any, account_id: bytes, version: int) -> None:
    """Mark this browser as a known device of the account, after a sign-in or by a mailed link."""
    parts = frame.parts()
    response.set_cookie(
        _device_cookie_name(),
        service.device_cookie_with(parts.vault, device_cookie(), account_id, version),
        max_age=service.DEVICE_COOKIE_SECONDS,
        path="/",
        secure=parts.settings.https,
        httponly=True,
        samesite="Lax",
    )


def _device_cookie_name() -> str:
    return cookie_name(DEVICE_COOKIE, https=frame.parts().settings.https)


def _load(token: str) -> SignedIn | None:
    parts = frame.parts()
    now = parts.clock.now()
    with parts.db.read() as db_session:
        resumed = service.resume(db_session, parts.settings.identity.store, token, now)
    if resumed is None:
        return None
    if now - resumed.seen_at >= service.SEEN_EVERY:
        _touch(resumed.session_id, now)
    return SignedIn(resumed.session_id, resumed.account, resumed.address, resumed.began_at, resumed, token)


def _touch(session_id: bytes, now: datetime) -> None:
    """Store when the session was last seen; where another writer holds the lock, a later page does.

    Showing a page must not wait for a writer.
    """
    try:
        with frame.parts().db.write_at_once() as db_session:
            service.touch(db_session, session_id, now)
    except DBAPIError as error:
        if not is_busy(error):
            raise
