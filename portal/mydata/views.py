"""Pages of a person's own data: have a copy prepared and take it, have the account erased."""

from datetime import datetime

from flask import Blueprint, Response, make_response, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.accounts import at_company, login
from portal.accounts.address import service as addresses
from portal.accounts.factors.step_up import recently_proved
from portal.accounts.login import current_account, sign_in_required
from portal.intake.flow import REFUSED, Flow
from portal.intake.service import LinkInvalid
from portal.mydata import service
from portal.mydata.emails import COPY, ERASE
from portal.mydata.forms import EraseForm
from portal.runtime.parts import AccountLine
from portal.web import frame
from portal.web.forms import EmptyForm
from portal.web.tabs import TabValue

bp = Blueprint("mydata", __name__)
at_company.install(bp, "accounts.sign_in", "accounts/at-company.html")
UNLISTED_PATHS = ()

FILE_NAME = "my-data.json"
_COPIES = Flow(
    COPY,
    ask="mydata.overview",
    sent="mydata.copy_sent",
    opened="mydata.show_copy",
    sent_template="mydata/copy-sent.html",
    has_code=False,
)
_ERASURES = Flow(
    ERASE,
    ask="mydata.overview",
    sent="mydata.erase_sent",
    opened="mydata.decide",
    sent_template="mydata/erase-sent.html",
    has_code=False,
)
_DONE = 1  # the state of a link that was pressed


def account_line(db_session: Session, account_id: bytes, now: datetime) -> AccountLine:  # noqa: ARG001
    """Return the account page's line about a person's own data."""
    return AccountLine(_("Your data"), _("Get a copy, or delete your account"), "/account/data/", _("Open"))


@bp.get("/account/data/")
@recently_proved
def overview() -> ResponseReturnValue:
    """Say what a person may do with their data."""
    return render_template("mydata/overview.html", why=_COPIES.why_here() or _ERASURES.why_here())


@bp.get("/account/data/copy/")
@recently_proved
def ask_for_copy() -> ResponseReturnValue:
    """Say what is in a copy, and ask."""
    return render_template("mydata/copy.html", form=EmptyForm())


@bp.post("/account/data/copy/")
@recently_proved
def order_copy() -> ResponseReturnValue:
    """Have the worker prepare a copy and mail its link."""
    return _COPIES.submit(_asking(), for_account=True)


@bp.get("/account/data/sent/")
@sign_in_required
def copy_sent() -> ResponseReturnValue:
    """Say what happens now."""
    return _COPIES.sent_page()


@bp.get("/account/data/open/<token>/")
def open_copy_link(token: str) -> ResponseReturnValue:
    """Move a link's token from the URL to the session; nothing is read."""
    return _COPIES.open_link(token)


@bp.get("/account/data/open/")
def show_copy() -> ResponseReturnValue:
    """Show the button that takes the copy, to its owner alone; to others that they must sign in first."""
    link = _COPIES.link()
    if login.signed_in() is None:
        return render_template("mydata/sign-in-first.html")
    _copy(link.value)
    return render_template("mydata/take.html", form=EmptyForm())


@bp.post("/account/data/open/")
def take_copy() -> ResponseReturnValue:
    """Hand the copy out, to its owner alone."""
    link = _COPIES.link()
    if login.signed_in() is None:
        return frame.see_other("mydata.show_copy", link=link.name)
    response: Response = make_response(_copy(link.value))
    response.mimetype = "application/json"
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    return response


def _copy(token: str) -> bytes:
    parts = frame.parts()
    try:
        with parts.db.read() as db_session:
            return service.open_copy(db_session, token, current_account().account_id, parts.clock.now())
    except LinkInvalid:
        frame.gone()


@bp.get("/account/data/erase/")
@recently_proved
def ask_to_erase() -> ResponseReturnValue:
    """Say what goes and what must stay, and ask; or from when on, if the address was changed lately."""
    return render_template("mydata/erase.html", form=EmptyForm(), waits_until=_waits_until())


@bp.post("/account/data/erase/")
@recently_proved
def order_erasure() -> ResponseReturnValue:
    """Have the worker mail the link that confirms it, unless an old address can still undo a change."""
    if _waits_until() is not None:
        return frame.see_other("mydata.ask_to_erase")
    return _ERASURES.submit(_asking(), for_account=True)


def _waits_until() -> datetime | None:
    parts = frame.parts()
    with parts.db.read() as db_session:
        return addresses.undo_until(db_session, current_account().account_id, parts.clock.now())


@bp.get("/account/data/erase/sent/")
@sign_in_required
def erase_sent() -> ResponseReturnValue:
    """Say what happens now."""
    return _ERASURES.sent_page()


@bp.get("/account/erase/<token>/")
def open_erase_link(token: str) -> ResponseReturnValue:
    """Move a link's token from the URL to the session; nothing is read or changed."""
    return _ERASURES.open_link(token)


@bp.get("/account/erase/")
def decide() -> ResponseReturnValue:
    """Ask one last time, or say that it is done."""
    link = _ERASURES.link()
    if link.state == _DONE:
        return render_template("mydata/erased.html")
    return _decide_page(link, EraseForm())


@bp.post("/account/erase/")
def erase() -> ResponseReturnValue:
    """Sign the account out everywhere, and have the worker erase it; without the tick, ask again."""
    link, parts, form = _ERASURES.link(), frame.parts(), EraseForm()
    if link.state != _DONE and not form.validate():
        return _decide_page(link, form), REFUSED
    if link.state != _DONE:
        store, now = parts.settings.identity.store, parts.clock.now()
        try:
            with parts.db.write() as db_session:
                service.confirm_erasure(db_session, parts.vault, store, link.value, frame.language(), now)
        except LinkInvalid:
            frame.gone()
        _ERASURES.change(link, _DONE)
    return frame.see_other("mydata.decide", link=link.name)


def _decide_page(link: TabValue, form: EraseForm) -> str:
    parts = frame.parts()
    try:
        with parts.db.read() as db_session:
            store, now = parts.settings.identity.store, parts.clock.now()
            service.open_erasure(db_session, store, link.value, now)
    except LinkInvalid:
        frame.gone()
    return render_template("mydata/decide.html", form=form)


def _asking() -> dict[str, str]:
    """Return the fields by which the worker finds the account, and that this session still lives."""
    current = current_account()
    return {
        "account": current.account_id.hex(),
        "version": str(current.account.version),
        "session": current.session_id.hex(),
    }
