"""Pages for somebody who lost every factor: say so, confirm it by two mailed links, or stop it."""

from flask import Blueprint, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.accounts import at_company
from portal.accounts.factors import second
from portal.accounts.factors.forms import RemovalCodeForm
from portal.accounts.factors.lost import service
from portal.accounts.factors.lost.emails import PURPOSE
from portal.accounts.factors.lost.service import LOST, Link, Stage
from portal.identity.account import Account
from portal.intake.flow import REFUSED, Flow
from portal.intake.service import LinkInvalid
from portal.web import clients, frame
from portal.web.forms import EmptyForm

bp = Blueprint("second_step_lost", __name__)
at_company.install(bp, "accounts.sign_in", "accounts/at-company.html")
UNLISTED_PATHS = ("/second-step/",)

FLOW = Flow(
    PURPOSE,
    ask="accounts.sign_in",
    sent="second_step_lost.sent",
    opened="second_step_lost.decide",
    sent_template="accounts/factors/lost/sent.html",
    has_code=False,
)
DO, STOP = "do", "stop"
# What the page of a link did.
CONFIRMED, REMOVED, STOPPED = "confirmed", "removed", "stopped"
_CODE = "removal code"


@bp.get("/sign-in/second/lost/")
def ask() -> ResponseReturnValue:
    """Say what happens when somebody lost every factor, and ask whether they did."""
    second.pending()
    return ask_page("/sign-in/second/")


@bp.post("/sign-in/second/lost/")
def begin() -> ResponseReturnValue:
    """Have the worker mail the first link."""
    _entry, proved = second.pending()
    return start(proved.account, "second_step.ask")


def ask_page(back: str) -> str:
    """Return the page that says what happens; `back` leads to the page that asks for the factor."""
    offered = frame.parts().settings.accounts.factor_removal
    return render_template("accounts/factors/lost/ask.html", form=EmptyForm(), offered=offered, back=back)


def start(account: Account, otherwise: str) -> ResponseReturnValue:
    """Have the worker mail the first link; redirect to the endpoint `otherwise` where that is switched off.

    The caller has a proof: the right password, or an opened link.
    """
    if not frame.parts().settings.accounts.factor_removal:
        return frame.see_other(otherwise)
    # Who asks again in this browser has one code for all the mails.
    code = session.setdefault(_CODE, service.new_code())
    fields = {"account": account.id.hex(), "version": str(account.version), "code": code}
    return FLOW.submit(fields, purpose=LOST, for_account=True)


@bp.get("/second-step/sent/")
def sent() -> ResponseReturnValue:
    """Say what happens now."""
    return FLOW.sent_page(removal_code=session.get(_CODE))


@bp.get("/second-step/<token>/")
def open_link(token: str) -> ResponseReturnValue:
    """Move a link's token from the URL to the session; nothing is read or changed."""
    return FLOW.open_link(token)


@bp.get("/second-step/decide/")
def decide() -> ResponseReturnValue:
    """Show what a mailed link can do, or what it did."""
    link = FLOW.link()
    if link.state is not None:
        return render_template("accounts/factors/lost/done.html", did=link.state)
    parts = frame.parts()
    try:
        with parts.db.read() as db_session:
            store, now = parts.settings.identity.store, parts.clock.now()
            opened = service.open_link(db_session, parts.vault, store, link.value, now)
    except LinkInvalid:
        frame.gone()
    # The browser that asked knows its code, unless it asked again meanwhile; on another device it is typed.
    known = session.get(_CODE, "")
    code = known if service.fits(parts.vault, opened, known) else ""
    return _decide_page(opened, RemovalCodeForm(formdata=None, code=code))


@bp.post("/second-step/decide/")
def act() -> ResponseReturnValue:
    """Confirm, remove or stop, as the pressed button says."""
    link, parts, form = FLOW.link(), frame.parts(), RemovalCodeForm()
    now, store, typed = parts.clock.now(), parts.settings.identity.store, form.code.data or ""
    valid = form.validate()
    try:
        with parts.db.write() as db_session:
            opened = service.open_link(db_session, parts.vault, store, link.value, now)
            if request.form.get(DO) == STOP:
                service.stop(db_session, opened)
                did = STOPPED
            elif not valid:
                return _decide_page(opened, form), REFUSED
            elif opened.stage is Stage.FIRST:
                service.confirm(db_session, parts.vault, opened, typed, now)
                did = CONFIRMED
            else:
                device = clients.describe_device(request.user_agent.string)
                service.remove(
                    db_session, parts.vault, opened, typed, now, device=device, language=frame.language()
                )
                did = REMOVED
    except service.CodeWrong:
        form.code.errors = [
            _(
                "That’s not the code for this link. If you asked more than once, try the other codes, "
                "or see “Lost the code?” below."
            )
        ]
        return _decide_page(opened, form), REFUSED
    except LinkInvalid:
        frame.gone()
    FLOW.change(link, did)
    return frame.see_other("second_step_lost.decide", link=link.name)


def _decide_page(opened: Link, form: RemovalCodeForm) -> str:
    waits = opened.stage is Stage.FIRST and opened.confirmed
    return render_template(
        "accounts/factors/lost/decide.html",
        form=form,
        stage=Stage.STOP if waits else opened.stage,
        waits=waits,
    )
