"""The pages of a case: open one, see how it goes, and what its mailed links do. GET changes nothing."""

import re

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import TooManyRequests

from portal.accounts import at_company
from portal.cases import sealed, service
from portal.cases.emails import STOP, VERIFY
from portal.cases.forms import CaseForm, ContactForm
from portal.cases.sealed import State, View
from portal.core.i18n import mark
from portal.crypto import tokens
from portal.intake import service as intake
from portal.intake.flow import REFUSED, Flow
from portal.intake.service import LinkInvalid, Opened
from portal.web import frame, limits
from portal.web.forms import EmptyForm, SureForm
from portal.web.overnight import filled_in_again
from portal.web.tabs import TabValue

bp = Blueprint("cases", __name__)
at_company.install(bp, "cases.ask", "cases/at-company.html")
UNLISTED_PATHS = ("/cases/",)

PURPOSE = "cases"
GROUP = 5  # characters of the code
_NUMBER, _CODE = re.compile(r"[0-9]{10}"), re.compile(r"[a-z2-7]{20}")
_DONE = "done"
VERIFYING = Flow(
    VERIFY,
    ask="cases.look",
    sent="cases.show_verify",
    opened="cases.show_verify",
    sent_template="cases/verify.html",
    has_code=False,
)
STOPPING = Flow(
    STOP,
    ask="cases.look",
    sent="cases.show_stop",
    opened="cases.show_stop",
    sent_template="cases/stop.html",
    has_code=False,
)
# The steps of a case, by the time at which each was reached.
STEPS = (
    ("opened", mark("We have your case")),
    ("proved", mark("One of us checked that it’s you")),
    ("confirmed", mark("A second person checked it too")),
    ("verified", mark("You confirmed your new address")),
    ("changed", mark("We emailed you a link for a new password")),
)


@bp.get("/cases/new/")
@filled_in_again
def ask() -> ResponseReturnValue:
    """Ask how the person can be reached, and say what happens then."""
    return _ask_page(ContactForm())


@bp.post("/cases/new/")
def open_case() -> ResponseReturnValue:
    """Open a case, and show its number and code this once. Raises 429."""
    form, parts = ContactForm(), frame.parts()
    if not form.validate():
        return _ask_page(form), REFUSED
    with parts.db.write() as db_session:
        frame.limit_intake(db_session, PURPOSE)
        opened = service.open_case(
            db_session, parts.vault, form.contact.data or "", frame.language(), parts.clock.now()
        )
    return render_template(
        "cases/opened.html",
        form=EmptyForm(),
        number=sealed.grouped_number(opened.number),
        code=tokens.grouped(opened.code, GROUP),
        sent_number=opened.number,
        sent_code=opened.code,
    )


@bp.post("/cases/new/text/")
def download() -> ResponseReturnValue:
    """Return the number and code of the page before as a text file: it sends them back."""
    number, code = request.form.get("number", ""), request.form.get("code", "")
    if not (_NUMBER.fullmatch(number) and _CODE.fullmatch(code)):
        return frame.see_other("cases.look")
    settings = frame.parts().settings
    lines = [
        _("Your case with %(organisation)s", organisation=settings.site.organisation),
        f"{settings.base_url}/cases/",
        "",
        f"{_('Case number')}: {sealed.grouped_number(number)}",
        f"{_('Case code')}: {tokens.grouped(code, GROUP)}",
        "",
        _("We ask for the number on the phone. We never ask for the code."),
        "",
    ]
    response = Response("\r\n".join(lines), mimetype="text/plain")
    response.headers["Content-Disposition"] = 'attachment; filename="case.txt"'
    return response


@bp.get("/cases/new/text/")
def nothing_to_download() -> ResponseReturnValue:
    """Lead to the page that takes a number and a code."""
    return frame.see_other("cases.look")


@bp.get("/cases/")
def look() -> ResponseReturnValue:
    """Ask for the number and the code of a case."""
    return render_template("cases/look.html", form=CaseForm())


@bp.post("/cases/")
def show() -> ResponseReturnValue:
    """Show how a case goes. Without a case, or with a wrong code, the page is the same. Raises 429."""
    form, parts = CaseForm(), frame.parts()
    number = sealed.normalise_number(form.number.data or "")
    with parts.db.write() as db_session:
        frame.limit_intake(db_session, PURPOSE)
        # Of the number, whether or not there is such a case.
        turn = limits.hit(
            db_session,
            parts.vault,
            service.TRIES_PER_CASE,
            "case",
            number,
            now=parts.clock.now(),
        )
    if not turn.allowed:
        raise TooManyRequests(retry_after=turn.retry_after)
    with parts.db.read() as db_session:
        view = service.view_of(db_session, number, form.code.data or "") if form.validate() else None
    if view is None:
        form.number.errors = [_("We don’t know a case with this number and code. Check both.")]
        return render_template("cases/look.html", form=form), REFUSED
    return render_template(
        "cases/shown.html",
        view=view,
        number=sealed.grouped_number(number),
        steps=_steps(view),
        goes_on=view.state in {State.OPENED, State.PROVED, State.CONFIRMED},
    )


@bp.get("/cases/verify/<token>/")
def open_verify(token: str) -> ResponseReturnValue:
    """Move a link's token from the URL to the session; nothing is read or changed."""
    return VERIFYING.open_link(token)


@bp.get("/cases/verify/")
@filled_in_again
def show_verify() -> ResponseReturnValue:
    """Show the button that confirms the new address, or that it was confirmed."""
    link = VERIFYING.link()
    if link.state is None:
        _opened(link, VERIFY)
    return render_template("cases/verify.html", form=EmptyForm(), done=link.state == _DONE)


@bp.post("/cases/verify/")
def verify() -> ResponseReturnValue:
    """Have the worker note that the new address was confirmed; a stopped case is 410."""
    return _press(VERIFYING, VERIFY, "cases.show_verify")


@bp.get("/cases/stop/<token>/")
def open_stop(token: str) -> ResponseReturnValue:
    """Move a link's token from the URL to the session; nothing is read or changed."""
    return STOPPING.open_link(token)


@bp.get("/cases/stop/")
@filled_in_again
def show_stop() -> ResponseReturnValue:
    """Show the button that stops the case, or that it was stopped."""
    return _stop_page(STOPPING.link(), SureForm())


@bp.post("/cases/stop/")
def stop() -> ResponseReturnValue:
    """Stop the case: from this moment nothing changes, and the worker notes it.

    It takes a tick: a scanner at the old inbox that presses buttons would stop everyone's.
    """
    link, form = STOPPING.link(), SureForm()
    if link.state != _DONE and not form.validate():
        return _stop_page(link, form), REFUSED
    return _press(STOPPING, STOP, "cases.show_stop")


def _stop_page(link: TabValue, form: SureForm) -> str:
    if link.state is None:
        _opened(link, STOP)
    return render_template("cases/stop.html", form=form, done=link.state == _DONE)


def _press(flow: Flow, purpose: str, endpoint: str) -> ResponseReturnValue:
    """Mark a mailed link as used and tell the worker, both or neither. Once more changes nothing."""
    link, parts = flow.link(), frame.parts()
    if link.state != _DONE:
        now = parts.clock.now()
        try:
            with parts.db.write() as db_session:
                service.press(db_session, parts.vault, purpose, link.value, now)
        except LinkInvalid:
            frame.gone()
        flow.change(link, _DONE)
    return frame.see_other(endpoint, link=link.name)


def _opened(link: TabValue, purpose: str) -> Opened:
    """Return what a page's link opens, or end with the page for invalid links (410)."""
    parts = frame.parts()
    try:
        with parts.db.read() as db_session:
            return intake.open_reply(db_session, purpose, link.value, parts.clock.now(), spent_too=True)
    except LinkInvalid:
        frame.gone()


def _ask_page(form: ContactForm) -> str:
    hours = int(frame.parts().settings.accounts.case_cooling.total_seconds() // 3600)
    return render_template("cases/new.html", form=form, hours=hours)


def _steps(view: View) -> list[dict[str, object]]:
    """Return the steps that the page lists, with when each was reached, if it was."""
    return [{"label": label, "at": view.at(moment)} for moment, label in STEPS]
