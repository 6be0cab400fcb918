"""The pages of "am I affected?": the screen that takes the address never tells; the answer is in the mailbox."""

from flask import Blueprint, make_response, render_template, session
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from portal.accounts.login import current_account, sign_in_required
from portal.datakinds import advice, protect
from portal.exposure import answers
from portal.exposure.answers import Outcome
from portal.exposure.emails import ACCOUNT_PURPOSE, PURPOSE
from portal.exposure.forms import CheckForm
from portal.incidents import service as incidents
from portal.intake import service as intake
from portal.intake.flow import REFUSED, Flow, Page
from portal.web import frame
from portal.web.forms import EmptyForm

bp = Blueprint("exposure", __name__)
UNLISTED_PATHS = ("/check/",)

_OPENED = "answer opened"
_CLOSED = "answer closed"
FLOW = Flow(
    PURPOSE,
    ask="exposure.ask",
    sent="exposure.sent",
    opened="exposure.show",
    sent_template="exposure/sent.html",
    drop_on_open=_OPENED,
)


@bp.get("/check/")
def ask() -> Page:
    """Ask for the address, and nothing else."""
    return render_template("exposure/ask.html", form=CheckForm(), closed=session.pop(_CLOSED, False))


@bp.post("/check/")
def submit() -> Page:
    """Hand the address to the worker, with the same work for every address."""
    form = CheckForm()
    if not form.validate():
        return render_template("exposure/ask.html", form=form), REFUSED
    return FLOW.submit({"email": form.email.data or ""})


@bp.post("/account/answer/")
@sign_in_required
def mail_account_answer() -> ResponseReturnValue:
    """Ask the worker to mail the answer to the account's address, as the check does for anyone."""
    return FLOW.submit(
        {"account": current_account().account_id.hex()}, purpose=ACCOUNT_PURPOSE, for_account=True
    )


@bp.get("/check/sent/")
def sent() -> Page:
    """Say what happens next, and take the code."""
    return FLOW.sent_page()


@bp.post("/check/sent/")
def redeem() -> Page:
    """Exchange a typed code for what the link would have brought."""
    return FLOW.redeem()


@bp.get("/check/answer/<token>/")
def open_link(token: str) -> Page:
    """Take a link's token out of the address; nothing is looked up or shown."""
    return FLOW.open_link(token)


@bp.get("/check/answer/")
def show() -> Page:
    """Show a button to who brought a live link; the answer, where it was pressed in this browser before."""
    if FLOW.token() is None:
        return frame.see_other("exposure.ask")
    opened = _opened()
    if session.get(_OPENED):
        return _answer_page(opened)
    return render_template("exposure/open.html", form=EmptyForm())


@bp.post("/check/answer/")
def open_answer() -> Page:
    """Show the answer."""
    if FLOW.token() is None:
        return frame.see_other("exposure.ask")
    page = _answer_page(_opened())
    session[_OPENED] = True
    return page


def _answer_page(opened: intake.Opened) -> str:
    answer = answers.unpack(opened.data)
    with frame.parts().db.read() as db_session:
        shown = {incident.id: incident for incident in incidents.published(db_session)}
    return render_template(
        "exposure/answer.html",
        answer=answer,
        answered_at=opened.created_at,
        until=opened.expires_at,
        incidents=shown,
        plan=advice.plan,
        closing=EmptyForm(),
        Outcome=Outcome,
    )


@bp.post("/check/answer/close/")
def close_answer() -> Page:
    """Forget the answer in this browser, and what was ticked: somebody else may use it next."""
    FLOW.forget()
    session.pop(_OPENED, None)
    session[_CLOSED] = True
    response = frame.see_other("exposure.ask")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _opened() -> intake.Opened:
    parts = frame.parts()
    with parts.db.read() as db_session:
        try:
            return intake.open_reply(db_session, PURPOSE, FLOW.token(), parts.clock.now())
        except intake.LinkInvalid:
            frame.gone()


@bp.get("/protect-yourself/")
def protect_yourself() -> Response:
    """Say what anyone can do, by kind of data, and how to change passwords; it is the same for everyone."""
    return frame.public(make_response(render_template("exposure/protect.html", kinds=protect.kinds())), 300)
