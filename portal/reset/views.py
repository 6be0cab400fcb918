"""Pages for a new password. GET changes nothing; only a submitted form spends a link."""

from typing import Any

from flask import Blueprint, render_template, request, session
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.accounts import at_company, login
from portal.accounts import service as accounts
from portal.accounts import sign_in as attempts
from portal.accounts.activity import new_browser
from portal.accounts.factors.step_up import proved_if_protected
from portal.accounts.login import current_account
from portal.core.addresses import mask
from portal.crypto.hashing import Hasher, TooBusy
from portal.identity.account import Account
from portal.identity.builtin import passwords as builtin
from portal.identity.builtin.passwords import NewPassword, Password
from portal.identity.service import hasher_for, is_external, is_unset
from portal.intake import service as intake
from portal.intake.flow import REFUSED
from portal.reset import passwords, service
from portal.reset.done import OVER, to_done
from portal.reset.external import asking
from portal.reset.forms import ChangePasswordForm, NewPasswordForm
from portal.reset.link import factor, review
from portal.reset.link.opened import FLOW, live_link
from portal.reset.passwords import MINIMUM
from portal.reset.rejections import PasswordRefused
from portal.reset.service import RENEWAL
from portal.reset.stolen import judging
from portal.web import clients, frame
from portal.web.forms import AddressForm, EmptyForm
from portal.web.overnight import filled_in_again
from portal.web.tabs import TabValue

bp = Blueprint("reset", __name__)
at_company.install(bp, "reset.ask", "reset/at-company.html")
UNLISTED_PATHS = ("/reset/",)
LISTED_PAGES = ("/reset/",)  # the form itself, so that no copy of it is found first

SUGGESTIONS = 3
KEEP = "keep"
RENEW = "renew"
GONE = 410
Page = ResponseReturnValue


@bp.get("/reset/")
@filled_in_again
def ask() -> Page:
    """Show the form for the address."""
    over = session.pop(OVER, False)
    return render_template("reset/ask.html", form=AddressForm(), why=FLOW.why_here(), over=over)


@bp.post("/reset/")
def submit() -> Page:
    """Submit the address to the worker, with the same work for every address."""
    form = AddressForm()
    if not form.validate():
        return render_template("reset/ask.html", form=form), REFUSED
    return FLOW.submit_address(form)


def submit_failed_sign_in(db_session: Session, address: str, closes: bool) -> None:
    """Submit a failed sign-in to the worker: see `service.submit_failed_sign_in`."""
    parts = frame.parts()
    service.submit_failed_sign_in(
        db_session,
        parts.vault,
        address=address,
        closes=closes,
        language=frame.language(),
        lane=frame.client_lane(),
        now=parts.clock.now(),
    )


@bp.get("/reset/sent/")
@filled_in_again
def sent() -> Page:
    """Show what happens next, and the code form."""
    return FLOW.sent_page()


@bp.post("/reset/sent/")
def redeem() -> Page:
    """Exchange a typed code for the link's token."""
    return FLOW.redeem()


@bp.get("/reset/<token>/")
def open_link(token: str) -> Page:
    """Move a link's token from the URL to the session; nothing is read, spent or sent."""
    return FLOW.open_link(token)


@bp.get("/reset/choose/")
@filled_in_again
def choose() -> Page:
    """Show the form for a valid link, and why the old password was closed if it was.

    For a required reset's link that is too old, show a button that mails another.
    """
    opened = FLOW.link()
    link, form = live_link(opened), NewPasswordForm()
    if opened.state is not None:  # the company's own store refused a password
        asking.show_refusal(form, opened.state)
        FLOW.change(opened, None)
    if link.ended:
        return _ended_page(link)
    factor.require(opened, link)
    review.require(opened, link)
    return _choose_page(link, form)


@bp.post("/reset/choose/")
def store() -> Page:
    """Check and hash the new password, then spend the link and store the hash in one transaction.

    On the page of an ended link, have the worker mail another.
    """
    opened = FLOW.link()
    parts, form, link = frame.parts(), NewPasswordForm(), live_link(opened)
    if link.ended and RENEW in request.form:
        return FLOW.submit({"token": opened.value}, purpose=RENEWAL, for_account=True)
    if link.ended:
        return _ended_page(link), GONE
    factor.require(opened, link)
    review.require(opened, link)
    if KEEP in request.form and not link.account.must_reset:
        return _keep_password(opened, link)
    composed = _check(form, link.own_words)
    if composed is None:
        return _choose_page(link, form), REFUSED
    asking.refuse_too_many(link.reply_id)
    if is_external(parts.settings):
        return asking.new_password(opened, composed, factor.token_for(link))
    try:
        new = _hash_new(form, hasher_for(parts.settings), _password(link.account), composed)
    except TooBusy as busy:
        frame.busy(busy.retry_after)
    if new is None:
        asking.count_refusal(link.reply_id)
        return _choose_page(link, form), REFUSED
    now = parts.clock.now()
    try:
        with parts.db.write() as db_session:
            service.finish(
                db_session,
                parts.vault,
                link,
                new,
                language=frame.language(),
                now=now,
                is_unchecked=form.is_unchecked,
                factor=factor.token_for(link),
                device=clients.describe_device(request.user_agent.string),
            )
    except intake.LinkInvalid:
        factor.require(opened, link)
        frame.gone()
    FLOW.forget(opened, link.browser)
    login.leave_account()
    return to_done(link.account.id, link.account.version + 1, now, signed_in=False)


@bp.get("/account/password/")
@proved_if_protected
def change() -> Page:
    """Show the form for the current password and a new one."""
    form = ChangePasswordForm()
    asking.show_refused_change(form)
    return _change_page(form)


@bp.post("/account/password/")
@proved_if_protected
def change_now() -> Page:
    """Verify the current password and store the new one; all sessions end, this browser gets a new one."""
    parts, current, form = frame.parts(), current_account(), ChangePasswordForm()
    composed = _check(form, (current.address,))
    if form.current_password.errors or not form.password.data:
        return _change_page(form), REFUSED
    asking.refuse_too_many(current.session_id)
    external = is_external(parts.settings)
    if external and not asking.can_be_checked(form, composed):
        return _change_page(form), REFUSED
    with parts.db.write() as db_session:
        counted = attempts.count_in_session(db_session, parts.vault, current.resumed, parts.clock.now())
    if not counted:
        return login.sign_out_because(login.GUESSED)
    if external:
        return asking.change_password(current, form.current_password.data or "", composed or "")
    new, password = None, _password(current.account)
    try:
        with hasher_for(parts.settings).in_one_slot() as hasher:
            fits = builtin.verify(hasher, password, form.current_password.data or "").fits
            if fits and composed is not None:
                new = _hash_new(form, hasher, password, composed)
    except TooBusy as busy:
        with parts.db.write() as db_session:
            attempts.forgive_in_session(db_session, parts.vault, current.resumed)
        frame.busy(busy.retry_after)
    if not fits:
        form.current_password.errors = [asking.wrong_password(form.current_password.data or "")]
        return _change_page(form), REFUSED
    with parts.db.write() as db_session:
        attempts.clear_in_session(db_session, parts.vault, current.resumed)
    if new is None:
        asking.count_refusal(current.session_id)
        return _change_page(form), REFUSED
    now = parts.clock.now()
    device = clients.describe_device(request.user_agent.string)
    try:
        with parts.db.write() as db_session:
            changed = service.store_password(
                db_session,
                parts.vault,
                current.account,
                new,
                language=frame.language(),
                by_mail=False,
                now=now,
                is_unchecked=form.is_unchecked,
                device=device,
            )
            token = accounts.create_session(
                db_session,
                parts.vault,
                changed,
                address=current.address,
                device=device,
                now=now,
                proved_at=current.resumed.proved_at,
            )
    except service.Overtaken:
        return login.sign_out_because(login.OVERTAKEN)
    signed_in = login.log_in(token)
    return to_done(current.account_id, current.account.version + 1, now, signed_in=signed_in)


def guidance() -> dict[str, Any]:
    """Return template values for a new password: the minimum length and suggested passphrases."""
    return {"minimum": MINIMUM, "suggestions": passwords.suggest(SUGGESTIONS, frame.language())}


def _keep_password(opened: TabValue, link: service.Link) -> Page:
    """Spend a link to make this browser a known device, which may sign in with the password as it is."""
    parts = frame.parts()
    try:
        with parts.db.write() as db_session:
            if is_unset(db_session, parts.vault, link.account):
                return _choose_page(link, NewPasswordForm()), REFUSED
            intake.spend(db_session, link.reply_id, parts.clock.now())
            new_browser.tell(db_session, link.account)
    except intake.LinkInvalid:
        frame.gone()
    FLOW.forget(opened, link.browser)
    login.leave_account()
    session[login.LET_IN] = True
    response = frame.see_other("accounts.sign_in")
    login.remember_device(response, link.account.id, link.account.version)
    return response


def _password(account: Account) -> Password:
    """Return what an account's password is compared with: read before a hash slot is taken."""
    parts = frame.parts()
    with parts.db.read() as db_session:
        found = builtin.of(db_session, parts.vault, account.id)
    return found or frame.gone()


def _check(form: NewPasswordForm, own_words: tuple[str, ...]) -> str | None:
    """Return the new password in the form that is hashed, or None with all errors in the form."""
    valid = form.validate()
    password = form.password.data or ""
    judged = judging.judge(password, own_words, frame.parts())
    form.is_unchecked = judged.is_unchecked
    if password and judged.reasons:
        form.refuse(*judged.reasons)
    return passwords.normalise(password) if valid and not judged.reasons else None


def _hash_new(form: NewPasswordForm, hasher: Hasher, password: Password, composed: str) -> NewPassword | None:
    """Return the new password, or None with the rejection in the form if it is an earlier one."""
    try:
        return service.hash_new(hasher, password, composed)
    except PasswordRefused as refused:
        form.refuse(refused.rejection)
        return None


def _choose_page(link: service.Link, form: NewPasswordForm) -> str:
    account, parts = link.account, frame.parts()
    with parts.db.read() as db_session:
        closed = attempts.needs_known_device(db_session, parts.vault, link.address, account.version)
        unset = is_unset(db_session, parts.vault, account)
    return render_template(
        "reset/choose.html",
        form=form,
        forced=account.must_reset,
        may_keep=closed and not (account.must_reset or unset),
        unset=unset,
        everyone=account.reset_reason == service.REASON_EVERYONE,
        reported=account.reset_reason == service.REASON_REPORTED,
        listed=account.reset_reason == service.REASON_LISTED,
        address=link.address,
        own_words=list(link.own_words),
        **guidance(),
    )


def _ended_page(link: service.Link) -> str:
    return render_template("reset/ended.html", form=EmptyForm(), address=mask(link.address))


def _change_page(form: ChangePasswordForm) -> str:
    return render_template(
        "reset/account-password.html", form=form, address=current_account().address, **guidance()
    )
