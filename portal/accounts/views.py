"""Pages for sign-in, sign-out and the account."""

from flask import Blueprint, g, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_babel import format_date, ngettext
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.exceptions import TooManyRequests

from portal.accounts import at_company, attempt, external, login, service
from portal.accounts import sign_in as counts
from portal.accounts.activity import new_browser
from portal.accounts.attempt import Begun, Outcome, Refused, SignedIn, Wait
from portal.accounts.factors import asking
from portal.accounts.forms import SignInForm
from portal.accounts.login import current_account, sign_in_required
from portal.accounts.passkeys import asking as passkeys
from portal.accounts.passkeys.challenges import Purpose
from portal.core.dates import DAY
from portal.crypto.hashing import TooBusy, too_long
from portal.identity.account import Account
from portal.identity.sealed.waiting import WaitingPage
from portal.identity.service import hasher_for, is_external
from portal.intake import service as intake
from portal.runtime.parts import AccountLine
from portal.web import clients, frame
from portal.web.forms import EmptyForm
from portal.web.overnight import filled_in_again

bp = Blueprint("accounts", __name__)
at_company.install(bp, "accounts.sign_in", "accounts/at-company.html")
UNLISTED_PATHS = ("/account/", "/sign-in/", "/sign-out/")

LANGUAGE = "language"
PASSKEY_FAILED = "passkey failed"
FAILED = 400
# Not "cookies": the session cookie is emptied anyway, and the device cookie must survive the sign-out.
CLEAR_SITE_DATA = '"cache", "storage"'
AWAY = 503
WAITING = WaitingPage(
    external.SIGN_IN, endpoint="accounts.wait", start="accounts.sign_in", template="accounts/wait.html"
)
# Longer than the cookie of a browser that knows as many accounts as it may.
_MOST_OF_COOKIE = 200
_SIGNED_OUT = "signed out"
_DEVICES_OUT = "devices signed out"
_OTHERS = "others"


@bp.get("/sign-in/")
@filled_in_again
def sign_in() -> ResponseReturnValue:
    """Show the sign-in form; also to who typed into one while another person signed in."""
    if login.signed_in() is not None and not g.get("form_outdated"):
        return redirect(login.next_page(request.args.get("next")), 303)
    return render_template(
        "accounts/sign-in.html",
        form=SignInForm(),
        passkey=passkey_question(),
        passkey_failed=session.pop(PASSKEY_FAILED, False),
        onward=_onward(),
        signed_out=session.pop(_SIGNED_OUT, False),
        ended=session.pop(login.ENDED, None),
        second_step_over=session.pop(login.SECOND_STEP_OVER, False),
        let_in=session.pop(login.LET_IN, False),
    )


@bp.post("/sign-in/")
def try_to_sign_in() -> ResponseReturnValue:
    """Count the attempt, check the password, and sign in or show the one page for every failure."""
    form = SignInForm()
    if not form.validate():
        return _failure_page(form)
    address, password = form.email.data or "", form.password.data or ""
    if is_external(frame.parts().settings):
        return _hand_over(address, password)
    begun, outcome = _try(address, password)
    if isinstance(outcome, Wait):
        raise TooManyRequests(retry_after=outcome.seconds)
    parts = frame.parts()
    if not isinstance(outcome, SignedIn):
        if parts.sign_in_failed is not None:
            with parts.db.write() as db_session:
                closes = isinstance(outcome, Refused) and outcome.closes
                parts.sign_in_failed(db_session, address, closes)
        return _failure_page(form, wrong=True, too_long=too_long(password))
    found, lock = outcome.account, parts.stolen_password_locked
    if lock is not None and lock(found.id, found.version, address, password):
        return _failure_page(form, wrong=True)
    with parts.db.write() as db_session:
        counts.clear(db_session, parts.vault, begun.counted)
        attempt.renew(db_session, parts.vault, begun, outcome)
        entry = _enter(db_session, outcome.account, address)
    return _lead_on(entry, outcome.account, request.args.get("next"))


@bp.get("/sign-in/wait/")
def wait() -> ResponseReturnValue:
    """Wait for the company's own store to check the password, then sign in or say why not."""
    told = WAITING.told()
    onward, long = told.state
    if told.outcome == external.WAIT:
        raise TooManyRequests(retry_after=told.verdict["seconds"])
    if told.outcome == external.NEEDS_FACTOR:
        return render_template("accounts/second-step.html"), FAILED
    if told.outcome == external.REFUSED:
        form = SignInForm(formdata=None, email=told.verdict["address"])
        return _failure_page(form, wrong=True, too_long=long)
    if told.outcome != external.SIGNED_IN:
        return render_template("accounts/away.html", again="/sign-in/"), AWAY
    account = Account(bytes.fromhex(told.verdict["account"]), "", told.verdict["version"])
    with frame.parts().db.write() as db_session:
        entry = _enter(db_session, account, told.verdict["address"])
    return _lead_on(entry, account, onward)


def _hand_over(address: str, password: str) -> ResponseReturnValue:
    """Hand a typed password to the worker, which alone may ask the company's own store."""
    with frame.parts().db.write() as db_session:
        frame.limit_intake(db_session, external.SIGN_IN)
    long = too_long(password)
    fields = {
        "email": address,
        "password": "" if long else password,
        "network": frame.client_network(),
        "device": (login.device_cookie() or "")[:_MOST_OF_COOKIE],
        "language": frame.language(),
        "lane": str(frame.client_lane()),
    }
    return WAITING.submit(fields, [login.next_page(request.args.get("next")), long])


def _enter(db_session: Session, account: Account, address: str) -> tuple[str, bool]:
    """Return a session's token, or, and True, that of a proof where a second factor is missing."""
    proof = asking.proof_of_password(db_session, account, address)
    return (proof, True) if proof else (create_session(db_session, account, address), False)


def _lead_on(entry: tuple[str, bool], account: Account, onward: str | None) -> ResponseReturnValue:
    token, factor_missing = entry
    return asking.lead_to_second_step(token, onward) if factor_missing else log_in(token, account, onward)


def create_session(db_session: Session, account: Account, address: str) -> str:
    """Create the session of somebody who proved everything, in the place of this browser's earlier one."""
    parts, earlier = frame.parts(), login.signed_in()
    if earlier is not None:
        service.end_session(db_session, earlier.account_id, earlier.session_id)
    now, device = parts.clock.now(), clients.describe_device(request.user_agent.string)
    new_browser.tell(db_session, account)
    return service.create_session(
        db_session, parts.vault, account, address=address, device=device, now=now, proved_at=now
    )


def log_in(token: str, account: Account, onward: str | None) -> ResponseReturnValue:
    """Sign this browser in, and lead on to the page that was wanted."""
    if not login.log_in(token):
        # The password was changed elsewhere at this moment.
        return _failure_page(SignInForm(formdata=None), wrong=True)
    chosen = frame.chosen_language()
    if chosen:
        _submit_language(chosen, account.id)
    response = redirect(login.next_page(onward), 303)
    login.remember_device(response, account.id, account.version)
    return response


def store_language(language: str) -> None:
    """Have the worker store the chosen language, if someone is signed in. Raises TooManyRequests."""
    current = login.signed_in()
    if current is not None:
        with frame.parts().db.write() as db_session:
            frame.limit_intake(db_session, LANGUAGE)
        _submit_language(language, current.account_id)


def _submit_language(language: str, account_id: bytes) -> None:
    """Submit a chosen language to the worker, which stores it in the profile that only it can read."""
    parts = frame.parts()
    with parts.db.write() as db_session:
        fields = {"account": account_id.hex(), "language": language}
        intake.submit(db_session, parts.vault, LANGUAGE, fields, parts.clock.now(), lane=frame.client_lane())


def _try(address: str, password: str) -> tuple[Begun, Outcome]:
    """Count a try, check its password, and return what becomes of it."""
    parts = frame.parts()
    with parts.db.write() as db_session:
        begun = attempt.begin(
            db_session,
            parts.vault,
            address=address,
            network=frame.client_network(),
            device_cookie=login.device_cookie(),
            limit=parts.settings.limits.sign_in_ip,
            now=parts.clock.now(),
        )
    try:
        with hasher_for(parts.settings).in_one_slot() as hasher:
            return begun, attempt.check(hasher, begun, password)
    except TooBusy as busy:
        with parts.db.write() as db_session:
            counts.forgive(db_session, parts.vault, begun.counted, parts.clock.now())
        frame.busy(busy.retry_after)


def _failure_page(form: SignInForm, *, wrong: bool = False, too_long: bool = False) -> ResponseReturnValue:
    """Return the page for every failure; what it says depends on what was typed, not on the account."""
    page = render_template(
        "accounts/sign-in.html",
        form=form,
        passkey=passkey_question(),
        onward=_onward(),
        wrong=wrong,
        too_long=too_long,
    )
    return page, FAILED


def passkey_question() -> str:
    """Return what the sign-in page asks the browser for: any passkey that it has for this site."""
    return passkeys.options(Purpose.SIGN_IN)


def _onward() -> str | None:
    wanted = request.args.get("next")
    return login.next_page(wanted) if wanted else None


@bp.get("/sign-out/")
def ask_to_sign_out() -> ResponseReturnValue:
    """Show a sign-out button to someone who opened this URL directly."""
    if login.signed_in() is None:
        return frame.see_other("accounts.sign_in")
    return render_template("accounts/sign-out.html", form=EmptyForm())


@bp.post("/sign-out/")
def sign_out() -> ResponseReturnValue:
    """End this session in the browser and in the database."""
    current = login.signed_in()
    if current is not None:
        with frame.parts().db.write() as db_session:
            service.end_session(db_session, current.account_id, current.session_id)
    return _sign_out_response()


def _sign_out_response() -> ResponseReturnValue:
    login.log_out()
    session[_SIGNED_OUT] = True
    response = frame.see_other("accounts.sign_in")
    response.headers["Clear-Site-Data"] = CLEAR_SITE_DATA
    return response


@bp.get("/account/")
@sign_in_required
def account() -> ResponseReturnValue:
    """Show what is due first, then the rest of the account, each with its state."""
    parts, current = frame.parts(), current_account()
    now = parts.clock.now()
    with parts.db.read() as db_session:
        provided = [provide(db_session, current.account_id, now) for provide in parts.account_lines]
        count = len(service.sessions_of(db_session, parts.vault, current.resumed, now))
    devices = ngettext("Signed in on this device only", "Signed in on %(num)s devices", max(count, 1))
    lines = [
        _password_line(current),
        *provided,
        AccountLine(_("Devices"), devices, "/account/sessions/", _("Review")),
        # Which addresses get updates is sealed for the worker, so this page cannot know.
        AccountLine(_("Email updates"), _("Separate from your account"), "/subscribe/", _("Get updates")),
    ]
    return render_template(
        "accounts/account.html",
        form=EmptyForm(),
        address=current.address,
        due=[line for line in lines if line.due],
        settled=[line for line in lines if not line.due],
    )


def _password_line(current: login.SignedIn) -> AccountLine:
    changed_at, due = current.account.password_changed_at, False
    if changed_at:
        state = _("Changed on %(date)s", date=format_date(changed_at, _(DAY)))
    elif is_external(frame.parts().settings):
        # Nobody here sees a change in the company's product, so this one asks for nothing.
        state = _("Not changed on this site yet")
    else:
        state, due = _("Not changed yet"), True  # the one from before the breach
    return AccountLine(_("Password"), state, "/account/password/", _("Change"), due=due)


@bp.get("/account/sessions/")
@sign_in_required
def sessions() -> ResponseReturnValue:
    """List the account's sessions."""
    parts, current = frame.parts(), current_account()
    with parts.db.read() as db_session:
        listed = service.sessions_of(db_session, parts.vault, current.resumed, parts.clock.now())
    shown = [(one, device_name(one.device)) for one in listed]
    return render_template(
        "accounts/sessions.html",
        form=EmptyForm(),
        sessions=shown,
        address=current.address,
        ended=session.pop(_DEVICES_OUT, None),
    )


@bp.post("/account/sessions/")
@sign_in_required
def end_sessions() -> ResponseReturnValue:
    """End one session (`end`: its id in hex) or every other session (`end=others`)."""
    parts, current = frame.parts(), current_account()
    wanted = request.form.get("end", "")
    with parts.db.write() as db_session:
        if wanted == _OTHERS:
            service.end_sessions(db_session, current.account_id, keep=current.session_id)
            ended = True
        else:
            ended = service.end_session(db_session, current.account_id, _session_id(wanted))
    if wanted == current.session_id.hex():
        return _sign_out_response()
    if ended:
        session[_DEVICES_OUT] = _OTHERS if wanted == _OTHERS else "one"
    return frame.see_other("accounts.sessions")


def _session_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def device_name(described: str) -> str:
    """Return the words for a browser and system that `clients.describe_device` described."""
    browser, system = described.split("/", 1)
    if browser and system:
        return str(_("%(browser)s on %(system)s", browser=browser, system=system))
    return browser or system or str(_("Unknown browser"))
