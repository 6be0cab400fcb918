"""The console's pages of signing in and joining."""

import json
from io import BytesIO
from typing import Any

import segno
from flask import Response, abort, flash, jsonify, make_response, redirect, render_template, request, session
from flask_babel import gettext as _
from werkzeug.wrappers import Response as BaseResponse

from portal.crypto import tokens, totp
from portal.staff import sending, sessions
from portal.staff.pages import StaffPages, current
from portal.staff.sending import OrderRefused
from portal.staff.sign_in import browsers
from portal.staff.sign_in.forms import ConfirmForm, JoinForm, SignInForm
from portal.staff.words import refusal
from portal.web import frame
from portal.web.clients import describe_device
from portal.web.forms import EmptyForm, own_path
from portal.web.languages import cookie_name

bp = StaffPages("staff", __name__)

INVITED = "invited"
QUESTIONS = "600 per hour"
MARK_COOKIE = "console-browser"
CONFIRM = "confirm-"  # begins the names of the page's own fields, beside those that it keeps
REFUSED = 422
GROUP = 4


@bp.open_page("/sign-in/", methods=("GET", "POST"))
def sign_in() -> Any:
    """Sign in with an address, a password and a code; a passkey has a form of its own."""
    form = SignInForm()
    wrong = False
    if form.validate_on_submit():
        try:
            # Else the time says whether the address is a member's, and the password right.
            told = sending.send_at_ticks(
                "sign-in",
                network=frame.client_network(),
                mark=request.cookies.get(_mark_name(), "")[:200],
                email=(form.email.data or "")[:320],
                password=(form.password.data or "")[:1024],
                code=(form.code.data or "")[:40],
                browser=describe_device(request.user_agent.string),
            )
        except OrderRefused:
            wrong = True
        else:
            return _signed_in(told)
    return _sign_in_page(form, wrong=wrong)


@bp.open_page("/sign-in/passkey/", methods=("POST",))
def sign_in_with_passkey() -> Any:
    """Sign in with a passkey."""
    _limit(QUESTIONS, "staff passkey")
    try:
        told = sending.send(
            "passkey",
            passkey=request.form.get("passkey", ""),
            browser=describe_device(request.user_agent.string),
        )
    except OrderRefused:
        return _sign_in_page(SignInForm(formdata=None), passkey_failed=True)
    return _signed_in(told)


@bp.open_page("/sign-in/passkey/question/")
def passkey_question() -> BaseResponse:
    """Return what the browser is asked for, for the script of the sign-in page."""
    _limit(QUESTIONS, "staff passkey question")
    return jsonify(sending.send("ask-passkey")["options"])


@bp.page("/sign-out/", methods=("POST",))
def sign_out() -> BaseResponse:
    """End this session."""
    console, staff = sending.parts(), current()
    with console.db.write() as db_session:
        sessions.end(db_session, staff.member.id, staff.id)
    sending.tell("signed-out", session=str(session.get(sending.TOKEN, "")))
    session.clear()
    return frame.see_other("staff.sign_in", out=1)


@bp.page("/confirm/", methods=("GET", "POST"))
def confirm() -> Any:
    """Ask for a passkey or a code, and go on to the page that needs it, with the form that was sent to it."""
    form, target = ConfirmForm(prefix=CONFIRM), own_path(request.args.get("next", "/"))
    passkey, fault = request.form.get(f"{CONFIRM}passkey", ""), ""
    answered = any(name.startswith(CONFIRM) for name in request.form)
    again = request.method == "POST" and (not answered or f"{CONFIRM}again" in request.form)
    if answered and (passkey or form.validate()):
        try:
            sending.order("step-up", passkey=passkey, code=(form.code.data or "")[:40])
            return redirect(target, 307 if again else 303)
        except OrderRefused as error:
            fault = refusal(error.reason)
    asked = sending.order("ask-step-up")
    page = render_template(
        "staff/console/confirm.html",
        form=form,
        fault=fault,
        target=target,
        again=again,
        kept=_kept(),
        asked=asked,
        options=json.dumps(asked["options"]),
    )
    return page, REFUSED if answered else 200


def _kept() -> list[tuple[str, str]]:
    """What was in the form that waits for the confirmation."""
    return [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name != "csrf_token" and not name.startswith(CONFIRM)
    ]


@bp.open_page("/invitation/<token>/")
def open_invitation(token: str) -> BaseResponse:
    """Take the token out of the address."""
    if not tokens.looks_like_token(token):
        frame.gone()
    if session.get(INVITED) != token:
        session.pop("app secret", None)  # whoever opened another link in this browser has seen that one
    session[INVITED] = token
    response = frame.see_other("staff.join")
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@bp.open_page("/join/", methods=("GET", "POST"))
def join() -> Any:
    """Choose a name and a way to sign in."""
    token = session.get(INVITED)
    if not isinstance(token, str):
        return frame.see_other("staff.sign_in")
    _limit(QUESTIONS, "staff join")
    form, fault = JoinForm(), ""
    if request.method == "POST" and form.validate():
        fields = {
            "token": token,
            "name": form.name.data or "",
            "language": frame.language(),
            "browser": describe_device(request.user_agent.string),
        }
        if answer := request.form.get("passkey"):
            fields["passkey"] = answer
        else:
            fields |= {
                "password": (form.password.data or "")[:1024],
                "code": form.code.data or "",
                "secret": str(session.get("app secret", "")),
            }
        try:
            told = sending.send("join", **fields)
        except OrderRefused as error:
            if error.reason == "invitation":
                frame.gone()
            fault = _join_fault(error)
        else:
            return _added() if told.get("added") else _joined(told)
    return _join_page(token, form, fault)


@bp.open_page("/join/qr.svg")
def qr_code() -> BaseResponse:
    """Return the picture of the secret that this browser is adding."""
    secret = session.get("app secret")
    if not isinstance(secret, str):
        abort(404)
    drawn = BytesIO()
    segno.make(_uri(secret), error="m", micro=False).save(
        drawn, kind="svg", scale=6, light="#fff", xmldecl=False, svgclass=None, lineclass=None
    )
    return Response(drawn.getvalue(), mimetype="image/svg+xml")


def _limit(words: str, bucket: str) -> None:
    with sending.parts().db.write(durable=False) as db_session:
        frame.limit(db_session, words, bucket)


def _sign_in_page(form: SignInForm, *, wrong: bool = False, passkey_failed: bool = False) -> Any:
    target = own_path(request.args.get("next", "/"))
    page = render_template(
        "staff/console/sign-in.html",
        form=form,
        wrong=wrong,
        passkey_failed=passkey_failed,
        target=target if target != "/" else "",
        signed_out=request.args.get("out"),
    )
    return page, REFUSED if wrong or passkey_failed or form.errors else 200


def _signed_in(told: dict[str, Any]) -> BaseResponse:
    """Take the session's token into the cookie, in the place of everything else."""
    target = own_path(request.args.get("next", "/"))
    session.clear()
    session[sending.TOKEN] = told["token"]
    if told.get("recovery"):
        flash(_("You used a recovery code. Make new ones before you run out."))
    return _marked(redirect(target, 303), told)


def _joined(told: dict[str, Any]) -> Any:
    session.clear()
    session[sending.TOKEN] = told["token"]
    codes = [tokens.grouped(code) for code in told["codes"]]
    page = render_template("staff/console/recovery-codes.html", codes=codes, form=EmptyForm(), joined=True)
    return _marked(make_response(page), told)


def _added() -> BaseResponse:
    session.clear()
    flash(_("Your passkey is ready. Use it to sign in."))
    return frame.see_other("staff.sign_in")


def _marked(response: BaseResponse, told: dict[str, Any]) -> BaseResponse:
    """Give this browser its mark, which outlives the session."""
    response.set_cookie(
        _mark_name(),
        told["mark"],
        max_age=int(browsers.LIFETIME.total_seconds()),
        secure=sending.parts().settings.https,
        httponly=True,
        samesite="Lax",
    )
    return response


def _mark_name() -> str:
    return cookie_name(MARK_COOKIE, https=sending.parts().settings.https)


def _join_page(token: str, form: JoinForm, fault: str) -> Any:
    try:
        invited = sending.send("invitation", token=token)
    except OrderRefused:
        session.pop(INVITED, None)
        frame.gone()
    secret = session.setdefault("app secret", invited["secret"])
    if request.method == "GET" and invited["name"]:
        form.name.data = invited["name"]
    page = render_template(
        "staff/console/join.html",
        form=form,
        fault=fault,
        invited=invited,
        options=json.dumps(invited["options"]),
        secret=" ".join(secret[start : start + GROUP] for start in range(0, len(secret), GROUP)),
        uri=_uri(secret),
    )
    return page, REFUSED if fault or form.errors else 200


def _join_fault(error: OrderRefused) -> str:
    if error.reason == "password":
        return " ".join(_(str(one)) for one in error.told["faults"])
    return refusal(error.reason)


def _uri(secret: str) -> str:
    organisation = sending.parts().settings.site.organisation
    return totp.uri(secret, organisation, _("staff console"))
