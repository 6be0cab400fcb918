"""The pages of "am I affected?": the screen that takes the address never tells; the answer is in the mailbox."""

from flask import Blueprint, make_response, render_template, session
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from portal.accounts.login import person, sign_in_required
from portal.exposure import advice, answers, protect
from portal.exposure.emails import ACCOUNT_PURPOSE, PURPOSE
from portal.exposure.forms import CheckForm, CodeForm, OpenForm
from portal.exposure.matching import Outcome
from portal.incidents import service as incidents
from portal.intake import codes
from portal.intake import service as intake
from portal.kit import web

bp = Blueprint("exposure", __name__)
UNLISTED_PATHS = ("/check/",)

Page = str | tuple[str, int] | Response
REFUSED = 400
_OPENED = "answer opened"
_CLOSED = "answer closed"


@bp.get("/check/")
def ask() -> Page:
    """Ask for the address, and nothing else."""
    return render_template("exposure/ask.html", form=CheckForm(), closed=session.pop(_CLOSED, False))


@bp.post("/check/")
def send() -> Page:
    """Hand the address to the worker, with the same work for every address."""
    form = CheckForm()
    if not form.validate():
        return render_template("exposure/ask.html", form=form), REFUSED
    parts = web.parts()
    with parts.db.write() as db_session:
        web.limit_intake(db_session)
        fields = {
            "email": form.email.data or "",
            "browser": web.begin_flow(PURPOSE),
            "language": web.language(),
        }
        intake.ask(db_session, parts.vault, PURPOSE, fields, parts.clock.now())
    parts.wake("answer")
    return web.see_other("exposure.sent")


@bp.post("/account/answer/")
@sign_in_required
def mail_account_answer() -> ResponseReturnValue:
    """Ask the worker to mail the answer to the account's address, as the check does for anyone."""
    parts = web.parts()
    browser = web.begin_flow(PURPOSE)
    web.flow_is_for_account(PURPOSE)
    fields = {"account": person().account_id.hex(), "language": web.language(), "browser": browser}
    with parts.db.write() as db_session:
        web.limit_intake(db_session)
        intake.ask(db_session, parts.vault, ACCOUNT_PURPOSE, fields, parts.clock.now())
    parts.wake("answer")
    return web.see_other("exposure.sent")


@bp.get("/check/sent/")
def sent() -> Page:
    """Say what happens now, and take the code."""
    if not web.flow(PURPOSE):
        return web.see_other("exposure.ask")
    return render_template("exposure/sent.html", form=CodeForm())


@bp.post("/check/sent/")
def redeem() -> Page:
    """Exchange a typed code, in the browser that asked, for what the link would have brought."""
    browsers = web.flow(PURPOSE)
    if not browsers:
        return web.see_other("exposure.ask")
    form = CodeForm()
    if not form.validate():
        return render_template("exposure/sent.html", form=form), REFUSED
    token = codes.token_for(PURPOSE, browsers, form.code.data or "")
    if token is None:
        form.code.errors = [codes.why_wrong(form.code.data or "")]
        return render_template("exposure/sent.html", form=form), REFUSED
    _keep(token)
    return web.see_other("exposure.show")


@bp.get("/check/answer/<token>/")
def bring(token: str) -> Page:
    """Take a link's token out of the address; nothing is looked up or shown."""
    _keep(token)
    return web.see_other("exposure.show")


def _keep(token: str) -> None:
    web.keep_token(PURPOSE, token)
    session.pop(_OPENED, None)


@bp.get("/check/answer/")
def show() -> Page:
    """Show a button to who brought a live link; the answer, where it was pressed in this browser before."""
    if web.kept_token(PURPOSE) is None:
        return web.see_other("exposure.ask")
    opened = _opened()
    if session.get(_OPENED):
        return _answer_page(opened)
    return render_template("exposure/open.html", form=OpenForm())


@bp.post("/check/answer/")
def open_answer() -> Page:
    """Show the answer."""
    if web.kept_token(PURPOSE) is None:
        return web.see_other("exposure.ask")
    page = _answer_page(_opened())
    session[_OPENED] = True
    return page


def _answer_page(opened: intake.Opened) -> str:
    answer = answers.unpack(opened.data)
    with web.parts().db.read() as db_session:
        shown = {incident.id: incident for incident in incidents.published(db_session)}
    return render_template(
        "exposure/answer.html",
        answer=answer,
        answered_at=opened.created_at,
        until=opened.expires_at,
        incidents=shown,
        plan=advice.plan,
        closing=OpenForm(),
        Outcome=Outcome,
    )


@bp.post("/check/answer/close/")
def close_answer() -> Page:
    """Forget the answer in this browser, and what was ticked: somebody else may use it next."""
    web.drop_token(PURPOSE)
    session.pop(_OPENED, None)
    session[_CLOSED] = True
    response = web.see_other("exposure.ask")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _opened() -> intake.Opened:
    parts = web.parts()
    with parts.db.read() as db_session:
        try:
            return intake.open_reply(db_session, PURPOSE, web.kept_token(PURPOSE), parts.clock.now())
        except intake.LinkInvalid:
            web.gone()


@bp.get("/protect-yourself/")
def protect_yourself() -> Response:
    """Say what anyone can do, by kind of data, and how to change passwords; it is the same for everyone."""
    return web.public(make_response(render_template("exposure/protect.html", kinds=protect.kinds())), 300)
