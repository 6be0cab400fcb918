"""Hand a new password to the worker, for a company's own store; say why the last one was refused."""

from flask import session
from flask_babel import gettext as _
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests
from werkzeug.wrappers import Response

from portal.accounts import sign_in as attempts
from portal.accounts.login import SignedIn
from portal.crypto.hashing import too_long
from portal.identity.sealed.waiting import WaitingPage
from portal.reset.external.outcomes import CHANGE, NEW, REJECTIONS, WRONG
from portal.reset.forms import ChangePasswordForm, NewPasswordForm
from portal.web import frame, limits
from portal.web.tabs import TabValue

NEW_PAGE = WaitingPage(
    NEW, endpoint="reset_external.wait_for_new", start="reset.choose", template="reset/wait.html"
)
CHANGE_PAGE = WaitingPage(
    CHANGE, endpoint="reset_external.wait_for_change", start="reset.change", template="reset/wait.html"
)
REFUSALS = "20 per hour"
REFUSALS_BUCKET = "new password"
_REFUSED_CHANGE = "refused change"


def new_password(opened: TabValue, composed: str, factor: str | None) -> Response:
    """Hand over the password that was chosen on the page of a link. Ends with 503 where no worker lives."""
    fields = {
        "token": opened.value,
        "password": composed,
        "language": frame.language(),
        "factor": factor or "",
    }
    return NEW_PAGE.submit(fields, [opened.name, opened.value])


def can_be_checked(form: ChangePasswordForm, composed: str | None) -> bool:
    """Return whether both passwords may be handed over; the form then has no errors, or else says why not."""
    typed = form.current_password.data or ""
    if composed is not None and too_long(typed):
        form.current_password.errors = [wrong_password(typed)]
        return False
    return composed is not None


def change_password(current: SignedIn, typed: str, composed: str) -> Response:
    """Hand over a signed-in person's current and new password. Ends with 503 where no worker lives."""
    fields = {
        "account": current.account_id.hex(),
        "version": str(current.account.version),
        "current": typed,
        "password": composed,
        "language": frame.language(),
    }
    try:
        return CHANGE_PAGE.submit(fields)
    except ServiceUnavailable:
        parts = frame.parts()
        with parts.db.write() as db_session:
            attempts.forgive_in_session(db_session, parts.vault, current.resumed)
        raise


def note_refused_change(why: str) -> None:
    """Store why a signed-in person's password was not changed, for the form."""
    session[_REFUSED_CHANGE] = why


def show_refused_change(form: ChangePasswordForm) -> None:
    """Show once in the form why the password was not changed, if it was not."""
    why = session.pop(_REFUSED_CHANGE, None)
    if why == WRONG:
        form.current_password.errors = [wrong_password("")]
    elif why is not None:
        show_refusal(form, why)


def show_refusal(form: NewPasswordForm, why: str) -> None:
    """Show in the form why the company's store must not get a password."""
    if why in REJECTIONS:
        form.refuse(REJECTIONS[why])


def wrong_password(typed: str) -> str:
    if too_long(typed):
        return str(
            _(
                "This password has more than 256 characters, and we can’t check one that long. "
                "If it’s yours, you can only change it by email."
            )
        )
    return str(_("That’s not your current password."))


def refuse_too_many(subject: bytes) -> None:
    """End with 429 when a link or a session had too many passwords refused in this hour.

    Otherwise the holder of a link could keep every core busy hashing, and test any number of guesses at the
    previous password.
    """
    parts, now = frame.parts(), frame.parts().clock.now()
    with parts.db.read() as db_session:
        decision = limits.look(db_session, parts.vault, REFUSALS, REFUSALS_BUCKET, subject.hex(), now=now)
    if not decision.allowed:
        raise TooManyRequests(retry_after=decision.retry_after)


def count_refusal(subject: bytes) -> None:
    """Count a refused password that cost a hash; rejections by the blocklist alone are free."""
    parts, now = frame.parts(), frame.parts().clock.now()
    with parts.db.write() as db_session:
        limits.hit(db_session, parts.vault, REFUSALS, REFUSALS_BUCKET, subject.hex(), now=now)
