"""The second step at sign-in: the password was right, and a factor is missing."""

from typing import NoReturn

from flask import Blueprint, abort, session, url_for
from flask.typing import ResponseReturnValue

from portal.accounts import at_company, login, views
from portal.accounts.factors import asking, proofs, service
from portal.accounts.factors.proofs import Proved, Purpose
from portal.accounts.factors.service import Answer
from portal.accounts.passkeys.challenges import Purpose as PasskeyPurpose
from portal.web import frame
from portal.web.errors import LinkForgotten
from portal.web.tabs import TabValue

bp = Blueprint("second_step", __name__)
at_company.install(bp, "accounts.sign_in", "accounts/at-company.html")
UNLISTED_PATHS = ()

REFUSED = 400


@bp.get("/sign-in/second/")
def ask() -> ResponseReturnValue:
    """Ask for the factor that is missing."""
    _entry, proved = pending()
    return _page(proved, asking.question(_kinds(proved)))


@bp.post("/sign-in/second/")
def answer() -> ResponseReturnValue:
    """Count the try, check the factor, and sign in."""
    entry, proved = pending()
    asked = asking.question(_kinds(proved))
    if asked.kind is None or not asked.form.validate():
        return _page(proved, asked), REFUSED
    parts, token, found = frame.parts(), None, None
    with parts.db.write() as db_session:
        if proofs.count_try(db_session, proved.id):
            found = asking.check(db_session, proved.account, asked, asking.come_from(proved.account))
        if found is Answer.RIGHT:
            proofs.end(db_session, proved.id)
            token = views.create_session(db_session, proved.account, proved.address)
        if found is Answer.CLOSES and parts.sign_in_failed is not None:
            # Whoever guesses has the password: the owner gets a link for a new one. In this transaction: no
            # later try closes anything, so nobody would hear of it.
            parts.sign_in_failed(db_session, proved.address, True)
    if found is None:
        begin_again()
    return views.log_in(token, proved.account, entry.state) if token else (_page(proved, asked), REFUSED)


@bp.post("/sign-in/second/passkey/")
def answer_with_passkey() -> ResponseReturnValue:
    """Check what a passkey signed, and sign in. There is nothing to guess, so no try is counted."""
    entry, proved = pending()
    if not _passkey(proved).answered():
        return _page(proved, asking.question(_kinds(proved)), failed=True), REFUSED
    parts = frame.parts()
    with parts.db.write() as db_session:
        first = proofs.end(db_session, proved.id)
        if first:
            service.used(db_session, parts.vault, proved.account.id, parts.clock.now())
            token = views.create_session(db_session, proved.account, proved.address)
    return views.log_in(token, proved.account, entry.state) if first else begin_again()


def pending() -> tuple[TabValue, Proved]:
    """Return what this request's browser has proved; redirect to the start where that is over."""
    try:
        entry = asking.PENDING.find()
    except LinkForgotten:
        entry = None
    if entry is None:
        begin_again()
    parts = frame.parts()
    with parts.db.read() as db_session:
        proved = proofs.find(
            db_session, parts.settings.identity.store, Purpose.SIGN_IN, entry.value, parts.clock.now()
        )
    return (entry, proved) if proved else begin_again()


def begin_again() -> NoReturn:
    """End the request with a redirect to the first step, which says why."""
    asking.PENDING.forget(lambda _token: True)
    session[login.SECOND_STEP_OVER] = True
    abort(frame.see_other("accounts.sign_in"))


def _kinds(proved: Proved) -> frozenset[service.Kind]:
    with frame.parts().db.read() as db_session:
        return service.kinds(db_session, proved.account.id)


def _passkey(proved: Proved) -> asking.PasskeyAsked:
    action = url_for("second_step.answer_with_passkey")
    return asking.PasskeyAsked(PasskeyPurpose.SECOND, proved.account.id, proved.id.hex(), action)


def _page(proved: Proved, asked: asking.Question, *, failed: bool = False) -> str:
    return asking.page("accounts/factors/second.html", asked, _passkey(proved), failed=failed)
