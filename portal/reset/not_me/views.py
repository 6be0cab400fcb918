"""The page of the link "this wasn't me". GET changes nothing; POST locks the account."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from portal.accounts import login
from portal.accounts.activity.not_me import PURPOSE, Report
from portal.accounts.activity.service import SAID
from portal.intake import service as intake
from portal.intake.flow import REFUSED, Flow
from portal.reset.not_me import service
from portal.web import frame
from portal.web.forms import SureForm
from portal.web.overnight import filled_in_again
from portal.web.tabs import TabValue

bp = Blueprint("not_me", __name__)
UNLISTED_PATHS = ("/not-me/",)

FLOW = Flow(
    PURPOSE,
    ask="reset.ask",
    sent="not_me.show",
    opened="not_me.show",
    sent_template="reset/not-me/locked.html",
    has_code=False,
)
_LOCKED = "locked"


@bp.get("/not-me/<token>/")
def open_link(token: str) -> ResponseReturnValue:
    """Move a link's token from the URL to the session; nothing is read, spent or locked."""
    return FLOW.open_link(token)


@bp.get("/not-me/")
@filled_in_again
def show() -> ResponseReturnValue:
    """Show what happened and the button that locks the account, or that it was locked."""
    opened = FLOW.link()
    if opened.state == _LOCKED:
        return render_template("reset/not-me/locked.html")
    report, parts = _report(opened), frame.parts()
    with parts.db.read() as db_session:
        since = service.new_password_since(db_session, parts.vault, report, parts.clock.now())
    if since is not None:
        return render_template("reset/not-me/over.html", said=SAID[report.kind], at=report.at, since=since)
    return render_template("reset/not-me/ask.html", form=SureForm(), said=SAID[report.kind], at=report.at)


@bp.post("/not-me/")
def lock() -> ResponseReturnValue:
    """Lock the account, once, and sign this browser out of it too."""
    opened = FLOW.link()
    if opened.state != _LOCKED:
        report, parts, form = _report(opened), frame.parts(), SureForm()
        if not form.validate():
            page = render_template("reset/not-me/ask.html", form=form, said=SAID[report.kind], at=report.at)
            return page, REFUSED
        try:
            with parts.db.write() as db_session:
                service.lock(
                    db_session,
                    parts.vault,
                    parts.settings.identity.store,
                    report,
                    token=opened.value,
                    language=frame.language(),
                    now=parts.clock.now(),
                )
        except service.Outdated:
            return frame.see_other("not_me.show", link=opened.name)
        except intake.LinkInvalid:
            frame.gone()
        FLOW.change(opened, _LOCKED)
        login.leave_account()
    return frame.see_other("not_me.show", link=opened.name)


def _report(opened: TabValue) -> Report:
    """Return what a page's link is about, or end with the page for invalid links (410)."""
    parts = frame.parts()
    try:
        with parts.db.read() as db_session:
            store, now = parts.settings.identity.store, parts.clock.now()
            return service.open_report(db_session, store, opened.value, now)
    except intake.LinkInvalid:
        frame.gone()
