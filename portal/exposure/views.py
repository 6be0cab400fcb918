"""The pages of "am I affected?": the form reveals nothing; only the mailed link opens the answer."""

from datetime import timedelta

from flask import Blueprint, abort, make_response, render_template, request, session
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from portal.accounts.login import current_account, sign_in_required
from portal.crypto import tokens
from portal.datakinds import advice, protect
from portal.exposure import answers, notice_links
from portal.exposure.answers import Outcome
from portal.exposure.emails import ACCOUNT_PURPOSE, PURPOSE
from portal.exposure.forms import CheckForm
from portal.incidents import service as incidents
from portal.intake import service as intake
from portal.intake.flow import REFUSED, Flow, Page
from portal.web import frame
from portal.web.forms import EmptyForm
from portal.web.overnight import filled_in_again
from portal.web.tabs import TabValue, TabValues

bp = Blueprint("exposure", __name__)
UNLISTED_PATHS = ("/check/",)
LISTED_PAGES = ("/check/",)  # the form itself, so that no copy of it is found first
PUBLIC_PATHS = (r"/protect-yourself/",)

_CLOSED = "answer closed"
_SHOWN = 1  # the state of a link whose answer was shown
# The state of a notice's link is when its answer was requested, in seconds since 1970.
_NOTICE_LINKS = TabValues("links notice", former="token notice")
_NO_POINTER = "-" * 69  # stored for a malformed one, so that cookies of one step have one length
_ASK_AGAIN = timedelta(minutes=1)
FLOW = Flow(
    PURPOSE,
    ask="exposure.ask",
    sent="exposure.sent",
    opened="exposure.show",
    sent_template="exposure/sent.html",
)


@bp.get("/check/")
@filled_in_again
def ask() -> Page:
    """Show the form with its one field, the address."""
    return render_template(
        "exposure/ask.html", form=CheckForm(), closed=session.pop(_CLOSED, False), why=FLOW.why_here()
    )


@bp.post("/check/")
def submit() -> Page:
    """Submit the address to the worker; the work is the same for every address."""
    form = CheckForm()
    if not form.validate():
        return render_template("exposure/ask.html", form=form), REFUSED
    return FLOW.submit_address(form)


@bp.post("/account/answer/")
@sign_in_required
def mail_account_answer() -> ResponseReturnValue:
    """Have the worker mail the answer to the account's own address."""
    current = current_account()
    fields = {"account": current.account_id.hex(), "email": current.address}
    return FLOW.submit(fields, purpose=ACCOUNT_PURPOSE, for_account=True)


@bp.get("/check/sent/")
@filled_in_again
def sent() -> Page:
    """Show what happens next, and the form for the code."""
    return FLOW.sent_page()


@bp.post("/check/sent/")
def redeem() -> Page:
    """Open the answer with the code from the mail instead of its link."""
    return FLOW.redeem()


@bp.get("/check/answer/<token>/")
def open_link(token: str) -> Page:
    """Move the token of a link from the URL into the session; nothing is looked up or shown."""
    return FLOW.open_link(token)


@bp.get("/check/answer/")
def show() -> Page:
    """Show the button that opens the answer, or the answer if this browser opened it before."""
    link = FLOW.link()
    opened = _opened(link)
    if link.state == _SHOWN:
        return _answer_page(opened)
    return render_template("exposure/open.html", form=EmptyForm())


@bp.post("/check/answer/")
def open_answer() -> Page:
    """Show the answer."""
    link = FLOW.link()
    page = _answer_page(_opened(link))
    FLOW.change(link, _SHOWN)
    return page


@bp.get("/check/notice/<token>/")
def open_notice_link(token: str) -> Page:
    """Move the token of a notice's link from the URL into the session; nothing is looked up or shown."""
    name = _NOTICE_LINKS.put(token if notice_links.looks_like_pointer(token) else _NO_POINTER)
    return frame.see_other("exposure.notice_link", link=name)


@bp.get("/check/notice/")
def notice_link() -> Page:
    """Show the button that has the answer prepared; then wait for it, and go on to it."""
    link = _notice_link()
    if link.state is None:
        return render_template("exposure/open.html", form=EmptyForm())
    return _prepared(link) or render_template("exposure/preparing.html", form=EmptyForm())


@bp.post("/check/notice/")
def prepare_answer() -> Page:
    """Have the worker prepare the answer, unless it is there or was just requested."""
    link, parts = _notice_link(), frame.parts()
    if prepared := _prepared(link):
        return prepared
    now = parts.clock.now()
    if link.state is None or now.timestamp() - link.state > _ASK_AGAIN.total_seconds():
        with parts.db.write() as db_session:
            frame.limit_intake(db_session, PURPOSE)
            fields = {"pointer": link.value, "language": frame.language()}
            intake.submit(db_session, parts.vault, PURPOSE, fields, now, lane=frame.client_lane())
        _NOTICE_LINKS.change(link, int(now.timestamp()))
    return frame.see_other("exposure.notice_link", link=link.name)


def _notice_link() -> TabValue:
    link = _NOTICE_LINKS.find()
    if link is None:
        abort(frame.see_other("exposure.ask"))
    if not notice_links.looks_like_pointer(link.value):
        frame.gone()
    return link


def _prepared(link: TabValue) -> Response | None:
    """Return the way to the answer behind a notice's link, or None while it is not there."""
    token, parts = tokens.shortened(link.value), frame.parts()
    with parts.db.read() as db_session:
        try:
            intake.open_reply(db_session, PURPOSE, token, parts.clock.now())
        except intake.LinkInvalid:
            return None
    return FLOW.open_link(token, _SHOWN)


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
    """Remove the answer and the ticked steps from this browser, which another person may use next."""
    link = FLOW.link()
    parts = frame.parts()
    try:
        with parts.db.read() as db_session:
            browser = intake.open_reply(db_session, PURPOSE, link.value, parts.clock.now()).browser
    except intake.LinkInvalid:
        browser = None  # the answer has ended meanwhile
    FLOW.forget(link, browser)
    # The link of a notice would open it again.
    _NOTICE_LINKS.forget(lambda pointer: tokens.shortened(pointer) == link.value)
    session[_CLOSED] = True
    response = frame.see_other("exposure.ask")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _opened(link: TabValue) -> intake.Opened:
    parts = frame.parts()
    with parts.db.read() as db_session:
        try:
            return intake.open_reply(db_session, PURPOSE, link.value, parts.clock.now())
        except intake.LinkInvalid:
            frame.gone()


@bp.get("/protect-yourself/")
def protect_yourself() -> Response:
    """Show public advice by kind of data, and how to change passwords; the same for everyone."""
    response = frame.public(
        make_response(render_template("exposure/protect.html", kinds=protect.kinds(), plan=protect.plan)), 300
    )
    response.add_etag()
    return response.make_conditional(request)
