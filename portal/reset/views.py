"""The pages of a new password. GET looks and changes nothing; only a sent form uses a link up."""

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import TooManyRequests

from portal.accounts import login
from portal.accounts import service as accounts
from portal.accounts import sign_in as attempts
from portal.accounts.login import SignedIn, current_account, sign_in_required
from portal.crypto.hashing import PasswordTooLong, TooBusy
from portal.identity.port import Account
from portal.identity.service import hasher_for, store_for
from portal.intake import service as intake
from portal.intake.flow import REFUSED, Flow
from portal.reset import passwords, service
from portal.reset.emails import PURPOSE
from portal.reset.forms import ChangePasswordForm, NewPasswordForm
from portal.reset.passwords import MINIMUM
from portal.reset.rejections import PasswordRefused
from portal.rotation import service as rotation
from portal.rotation.forms import ReminderForm
from portal.web import frame
from portal.web.forms import AddressForm

bp = Blueprint("reset", __name__)
UNLISTED_PATHS = ("/reset/",)

SUGGESTIONS = 3
DONE = "reset done"
DONE_FOR = timedelta(minutes=30)
FLOW = Flow(
    PURPOSE,
    ask="reset.ask",
    sent="reset.sent",
    opened="reset.choose",
    sent_template="reset/sent.html",
)

Page = ResponseReturnValue


@bp.get("/reset/")
def ask() -> Page:
    """Ask for the address."""
    return render_template("reset/ask.html", form=AddressForm())


@bp.post("/reset/")
def submit() -> Page:
    """Hand the address to the worker, with the same work for every address."""
    form = AddressForm()
    if not form.validate():
        return render_template("reset/ask.html", form=form), REFUSED
    return FLOW.submit({"email": form.email.data or ""})


@bp.get("/reset/sent/")
def sent() -> Page:
    """Say what happens next, and take the code."""
    return FLOW.sent_page()


@bp.post("/reset/sent/")
def redeem() -> Page:
    """Exchange a typed code for what the link would have brought."""
    return FLOW.redeem()


@bp.get("/reset/<token>/")
def open_link(token: str) -> Page:
    """Take a link's token out of the address; nothing is looked up, spent or sent."""
    return FLOW.open_link(token)


@bp.get("/reset/choose/")
def choose() -> Page:
    """Show the form to who brought a live link; say why where the old password was closed."""
    if FLOW.token() is None:
        return frame.see_other("reset.ask")
    return _choose_page(_live_link(), NewPasswordForm())


@bp.post("/reset/choose/")
def store() -> Page:
    """Judge and hash the new password, then use the link up and store it in one transaction."""
    token = FLOW.token()
    if token is None:
        return frame.see_other("reset.ask")
    parts, form, link = frame.parts(), NewPasswordForm(), _live_link()
    if not form.validate():
        return _choose_page(link, form), REFUSED
    composed = _judged(form, link.own_words)
    if composed is None:
        return _choose_page(link, form), REFUSED
    _keep_to_the_limit(link.reply_id)
    password_hash = _hash_of(form, link.account, composed)
    if password_hash is None:
        _count_refusal(link.reply_id)
        return _choose_page(link, form), REFUSED
    now = parts.clock.now()
    try:
        with parts.db.write() as db_session:
            store = store_for(parts.settings)
            service.finish(
                db_session, parts.vault, store, link, password_hash, language=frame.language(), now=now
            )
    except intake.LinkInvalid:
        frame.gone()
    session.clear()
    return _to_done(link.account, now, signed_in=False)


@bp.get("/account/password/")
@sign_in_required
def change() -> Page:
    """Ask for the current password and a new one."""
    return _change_page(ChangePasswordForm())


@bp.post("/account/password/")
@sign_in_required
def change_now() -> Page:
    """Take the current password as proof; every session ends, and this browser gets a fresh one."""
    parts, current, form = frame.parts(), current_account(), ChangePasswordForm()
    if not form.validate():
        return _change_page(form), REFUSED
    _keep_to_the_limit(current.session_id)
    with parts.db.write() as db_session:
        counted = accounts.count_password_try(db_session, current.session_id) and attempts.count_in_session(
            db_session, parts.vault, current.address, current.account.version, parts.clock.now()
        )
    if not counted:
        login.log_out()
        return frame.see_other("accounts.sign_in")
    if not _proves(current, form.current_password.data or ""):
        form.current_password.errors = [_("This is not your current password.")]
        return _change_page(form), REFUSED
    with parts.db.write() as db_session:
        accounts.clear_password_tries(db_session, current.session_id)
        attempts.clear_in_session(db_session, parts.vault, current.address, current.account.version)
    composed = _judged(form, (current.address,))
    password_hash = None if composed is None else _hash_of(form, current.account, composed)
    if password_hash is None:
        _count_refusal(current.session_id)
        return _change_page(form), REFUSED
    now = parts.clock.now()
    device = accounts.describe_device(request.user_agent.string)
    try:
        with parts.db.write() as db_session:
            store = store_for(parts.settings)
            changed = service.change(
                db_session,
                parts.vault,
                store,
                current.account,
                password_hash,
                language=frame.language(),
                now=now,
            )
            token = accounts.create_session(
                db_session, parts.vault, changed, address=current.address, device=device, now=now
            )
    except service.Overtaken:
        login.log_out()
        return frame.see_other("accounts.sign_in")
    login.log_in(token)
    return _to_done(current.account, now, signed_in=True)


@bp.get("/reset/done/")
def done() -> Page:
    """Say what was done and what else helps; offer the reminder for half an hour."""
    account_id = _done_account()
    if account_id is None:
        return frame.see_other("reset.ask")
    with frame.parts().db.read() as db_session:
        chosen = rotation.chosen(db_session, account_id)
    return _done_page(ReminderForm(formdata=None, interval=chosen.interval), session[DONE].get("interval"))


@bp.post("/reset/done/")
def remind() -> Page:
    """Store the choice of a reminder for the account whose password was just set."""
    account_id = _done_account()
    if account_id is None:
        return frame.see_other("reset.ask")
    form = ReminderForm()
    if not form.validate():
        return _done_page(form, None), REFUSED
    parts = frame.parts()
    with parts.db.write() as db_session:
        rotation.choose(db_session, account_id, form.interval.data, parts.clock.now())
    session[DONE] = {**session[DONE], "interval": form.interval.data}
    return frame.see_other("reset.done")


def guidance() -> dict[str, Any]:
    """Return what a page that asks for a new password shows: the shortest length, and passphrases to take."""
    return {"minimum": MINIMUM, "suggestions": passwords.suggest(SUGGESTIONS, frame.language())}


def _live_link() -> service.Link:
    """Return the link that this browser brought; where it is not alive, end with the one page for that."""
    parts = frame.parts()
    try:
        with parts.db.read() as db_session:
            return service.look(db_session, store_for(parts.settings), FLOW.token(), parts.clock.now())
    except intake.LinkInvalid:
        frame.gone()


def _proves(current: SignedIn, password: str) -> bool:
    try:
        return hasher_for(frame.parts().settings).verify(current.account.password_hash, password)
    except PasswordTooLong:
        return False
    except TooBusy as busy:
        parts = frame.parts()
        with parts.db.write() as db_session:
            accounts.forgive_password_try(db_session, current.session_id)
            attempts.forgive_in_session(db_session, parts.vault, current.address, current.account.version)
        frame.busy(busy.retry_after)


def _keep_to_the_limit(what: bytes) -> None:
    """End with 429 where a link or a session had too many passwords refused; it works again when the hour is over."""
    parts = frame.parts()
    with parts.db.read() as db_session:
        retry_after = service.wait_of(db_session, parts.vault, what, parts.clock.now())
    if retry_after:
        raise TooManyRequests(retry_after=retry_after)


def _count_refusal(what: bytes) -> None:
    parts = frame.parts()
    with parts.db.write() as db_session:
        service.count_refusal(db_session, parts.vault, what, parts.clock.now())


def _judged(form: NewPasswordForm, own_words: tuple[str, ...]) -> str | None:
    """Return the new password as it is hashed, or None where it is not good enough; then the form says why."""
    try:
        return service.judge(
            form.password.data or "",
            own_words=own_words,
            organisation=frame.parts().settings.site.organisation,
        )
    except PasswordRefused as refused:
        form.refuse(refused.rejection)
        return None


def _hash_of(form: NewPasswordForm, account: Account, composed: str) -> str | None:
    """Return the new password's hash, or None where it is an earlier one; then the form says why."""
    try:
        return service.hash_new(hasher_for(frame.parts().settings), account, composed)
    except PasswordRefused as refused:
        form.refuse(refused.rejection)
        return None
    except TooBusy as busy:
        frame.busy(busy.retry_after)


def _choose_page(link: service.Link, form: NewPasswordForm) -> str:
    account = link.account
    return render_template(
        "reset/choose.html",
        form=form,
        forced=account.must_reset,
        everyone=account.reset_reason == service.REASON_EVERYONE,
        address=link.address,
        own_words=list(link.own_words),
        **guidance(),
    )


def _change_page(form: ChangePasswordForm) -> str:
    return render_template(
        "reset/account-password.html", form=form, address=current_account().address, **guidance()
    )


def _to_done(account: Account, now: datetime, *, signed_in: bool) -> Page:
    """Lead to the last page, which this browser may use for half an hour; it counts as its owner's from now on."""
    session[DONE] = {
        "account": account.id.hex(),
        "until": (now + DONE_FOR).isoformat(),
        "signed_in": signed_in,
    }
    response = frame.see_other("reset.done")
    login.remember_device(response, account.id, account.version + 1)
    return response


def _done_account() -> bytes | None:
    state = session.get(DONE)
    if not state or datetime.fromisoformat(state["until"]) <= frame.parts().clock.now():
        return None
    return bytes.fromhex(state["account"])


def _done_page(form: ReminderForm, chosen: str | None) -> str:
    return render_template("reset/done.html", form=form, saved=chosen, signed_in=session[DONE]["signed_in"])
