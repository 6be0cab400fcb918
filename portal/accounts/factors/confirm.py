"""Confirm who is signed in, before a change to how the account is protected ("sudo mode")."""

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wrappers import Response

from portal.accounts import login
from portal.accounts import service as sessions
from portal.accounts import sign_in as attempts
from portal.accounts.factors import asking, proofs, service
from portal.accounts.factors.forms import ConfirmForm
from portal.accounts.factors.jobs import CONFIRM, FITS, WRONG
from portal.accounts.factors.proofs import Proved, Purpose
from portal.accounts.factors.service import Answer, From
from portal.accounts.factors.step_up import NOT_DONE
from portal.accounts.login import SignedIn, current_account, sign_in_required
from portal.accounts.passkeys.challenges import Purpose as PasskeyPurpose
from portal.crypto.hashing import TooBusy, too_long
from portal.identity.builtin import passwords as builtin
from portal.identity.sealed.waiting import WaitingPage
from portal.identity.service import hasher_for, is_external
from portal.web import frame
from portal.web.errors import LinkForgotten
from portal.web.tabs import TabValue, TabValues

bp = Blueprint("confirm", __name__)
UNLISTED_PATHS = ()

REFUSED = 400
AWAY = 503
WAITING = WaitingPage(CONFIRM, endpoint="confirm.wait", start="confirm.ask", template="accounts/wait.html")
# Each value is the token of a proof that the password was right, its state the page that was wanted.
HALF_WAY = TabValues("confirmations", former="")
_WRONG = "confirm wrong"
_PASSKEY_WRONG = "confirm passkey wrong"


@bp.get("/account/confirm/")
@sign_in_required
def ask() -> ResponseReturnValue:
    """Ask for the password again."""
    form = ConfirmForm()
    if session.pop(_WRONG, False):
        form.password.errors = [_wrong()]
    return _page(form)


@bp.post("/account/confirm/")
@sign_in_required
def check() -> ResponseReturnValue:
    """Count the try and check the password, then ask for a factor or lead on."""
    parts, current, form = frame.parts(), current_account(), ConfirmForm()
    if not form.validate():
        return _page(form), REFUSED
    typed = form.password.data or ""
    if too_long(typed):
        form.password.errors = [_wrong()]
        return _page(form), REFUSED
    with parts.db.write() as db_session:
        counted = attempts.count_in_session(db_session, parts.vault, current.resumed, parts.clock.now())
    if not counted:
        return login.sign_out_because(login.GUESSED)
    if is_external(parts.settings):
        return _hand_over(current, typed)
    try:
        with parts.db.read() as db_session:
            password = builtin.of(db_session, parts.vault, current.account_id)
        with hasher_for(parts.settings).in_one_slot() as hasher:
            fits = builtin.verify(hasher, password, typed).fits
    except TooBusy as busy:
        _forgive(current)
        frame.busy(busy.retry_after)
    if not fits:
        form.password.errors = [_wrong()]
        return _page(form), REFUSED
    return _password_was_right(current, _next())


@bp.get("/account/confirm/wait/")
@sign_in_required
def wait() -> ResponseReturnValue:
    """Wait for the company's own store to check the password, then ask for a factor or lead on."""
    told, current = WAITING.told(), current_account()
    onward = login.next_page(told.state)
    if told.outcome == FITS and told.verdict["account"] == current.account_id.hex():
        return _password_was_right(current, onward)
    if told.outcome == WRONG:
        session[_WRONG] = True
        return frame.see_other("confirm.ask", next=onward)
    _forgive(current)
    return render_template("accounts/away.html", again=f"/account/confirm/?next={onward}"), AWAY


@bp.post("/account/confirm/passkey/")
@sign_in_required
def check_passkey() -> ResponseReturnValue:
    """Check what a passkey signed, which is as much as a password and a factor, and lead on."""
    parts, current = frame.parts(), current_account()
    if not _passkey(current).answered():
        session[_PASSKEY_WRONG] = True
        return frame.see_other("confirm.ask", next=_next())
    with parts.db.write() as db_session:
        service.used(db_session, parts.vault, current.account_id, parts.clock.now())
        prove(db_session, current)
    return redirect_to(_next())


@bp.get("/account/confirm/second/")
@sign_in_required
def ask_factor() -> ResponseReturnValue:
    """Ask for a factor, after the password."""
    entry, _proved = half_way()
    return _factor_page(asking.question(_kinds()), entry)


@bp.post("/account/confirm/second/")
@sign_in_required
def check_factor() -> ResponseReturnValue:
    """Count the try, check the factor, and lead on to the page that was wanted."""
    (entry, proved), current = half_way(), current_account()
    asked = asking.question(_kinds())
    if asked.kind is None or not asked.form.validate():
        return _factor_page(asked, entry), REFUSED
    with frame.parts().db.write() as db_session:
        right = proofs.count_try(db_session, proved.id)
        if not right:
            return frame.see_other("confirm.ask", next=entry.state)
        right = asking.check(db_session, current.account, asked, From.DEVICE) is Answer.RIGHT
        if right:
            proofs.end(db_session, proved.id)
            prove(db_session, current)
    if not right:
        return _factor_page(asked, entry), REFUSED
    HALF_WAY.forget(lambda token: token == entry.value)
    return redirect_to(entry.state)


def prove(db_session: Session, current: SignedIn) -> None:
    """Store that somebody who is signed in proved everything that a sign-in asks for."""
    sessions.prove(db_session, current.session_id, frame.parts().clock.now())


def redirect_to(onward: str | None) -> Response:
    """Redirect (303) to the page of the account that was wanted."""
    return redirect(login.next_page(onward), 303)


def half_way() -> tuple[TabValue, Proved]:
    """Return the proof that the password was right; end the request with a redirect where there is none."""
    try:
        entry = HALF_WAY.find()
    except LinkForgotten:
        entry = None
    if entry is None:
        abort(frame.see_other("confirm.ask"))
    parts, current = frame.parts(), current_account()
    with parts.db.read() as db_session:
        store, now = parts.settings.identity.store, parts.clock.now()
        proved = proofs.find(db_session, store, Purpose.CONFIRM, entry.value, now)
    if proved is None or proved.bound_to != current.session_id:
        abort(frame.see_other("confirm.ask", next=entry.state))
    return entry, proved


def _password_was_right(current: SignedIn, onward: str) -> Response:
    parts, token = frame.parts(), None
    with parts.db.write() as db_session:
        attempts.clear_in_session(db_session, parts.vault, current.resumed)
        if service.kinds(db_session, current.account_id):
            now = parts.clock.now()
            token = proofs.begin(
                db_session, Purpose.CONFIRM, current.account, now=now, bound_to=current.session_id
            )
        else:
            prove(db_session, current)
    if token is None:
        return redirect_to(onward)
    return frame.see_other("confirm.ask_factor", link=HALF_WAY.put(token, onward))


def _hand_over(current: SignedIn, typed: str) -> Response:
    """Hand the password to the worker, which alone may ask the company's own store."""
    fields = {"account": current.account_id.hex(), "password": typed}
    try:
        return WAITING.submit(fields, _next())
    except ServiceUnavailable:
        _forgive(current)
        raise


def _forgive(current: SignedIn) -> None:
    parts = frame.parts()
    with parts.db.write() as db_session:
        attempts.forgive_in_session(db_session, parts.vault, current.resumed)


def _kinds() -> frozenset[service.Kind]:
    with frame.parts().db.read() as db_session:
        return service.kinds(db_session, current_account().account_id)


def _next() -> str:
    return login.next_page(request.args.get("next"))


def _wrong() -> str:
    return str(_("That’s not your password."))


def _passkey(current: SignedIn, onward: str | None = None) -> asking.PasskeyAsked:
    action = url_for("confirm.check_passkey", next=onward or _next())
    context = current.session_id.hex()
    return asking.PasskeyAsked(PasskeyPurpose.CONFIRM, current.account_id, context, action)


def _page(form: ConfirmForm) -> str:
    current = current_account()
    passkey = _passkey(current)
    return render_template(
        "accounts/factors/confirm.html",
        form=form,
        address=current.address,
        not_done=session.pop(NOT_DONE, False),
        passkey=passkey.question() if service.Kind.PASSKEY in _kinds() else None,
        passkey_action=passkey.action,
        passkey_failed=session.pop(_PASSKEY_WRONG, False),
    )


def _factor_page(asked: asking.Question, entry: TabValue) -> str:
    passkey = _passkey(current_account(), entry.state)
    return asking.page("accounts/factors/confirm-second.html", asked, passkey)
