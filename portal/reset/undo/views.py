"""The page of the link that undoes a change of address. GET changes nothing; POST locks the account."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from portal.accounts import login
from portal.accounts.address import undoing
from portal.accounts.address.emails import UNDO
from portal.intake.flow import REFUSED, Flow
from portal.intake.service import LinkInvalid
from portal.reset.undo import service
from portal.reset.undo.forms import UndoForm
from portal.web import frame
from portal.web.overnight import filled_in_again

bp = Blueprint("undo_address", __name__)
UNLISTED_PATHS = ()  # those of accounts/address

FLOW = Flow(
    UNDO,
    ask="reset.ask",
    sent="undo_address.show",
    opened="undo_address.show",
    sent_template="reset/undo/done.html",
    has_code=False,
)
_UNDONE = "undone"


@bp.get("/address/undo/<token>/")
def open_link(token: str) -> ResponseReturnValue:
    """Move a link's token from the URL to the session; nothing is read, spent or locked."""
    return FLOW.open_link(token)


@bp.get("/address/undo/")
@filled_in_again
def show() -> ResponseReturnValue:
    """Show the button that stops or undoes the change, or that it was pressed."""
    link = FLOW.link()
    if link.state == _UNDONE:
        return render_template("reset/undo/done.html")
    return _page(link.value, UndoForm(formdata=None))


@bp.post("/address/undo/")
def act() -> ResponseReturnValue:
    """Lock the account, have its address restored, and sign this browser out too."""
    link, parts, form = FLOW.link(), frame.parts(), UndoForm()
    if link.state != _UNDONE:
        if not form.validate():
            return _page(link.value, form), REFUSED
        try:
            with parts.db.write() as db_session:
                service.lock(
                    db_session,
                    parts.vault,
                    parts.settings.identity.store,
                    link.value,
                    language=frame.language(),
                    now=parts.clock.now(),
                )
        except LinkInvalid:
            frame.gone()
        FLOW.change(link, _UNDONE)
        login.leave_account()
    return frame.see_other("undo_address.show", link=link.name)


def _page(token: str, form: UndoForm) -> str:
    parts = frame.parts()
    try:
        with parts.db.read() as db_session:
            store, now = parts.settings.identity.store, parts.clock.now()
            opened = undoing.open_link(db_session, store, token, now)
    except LinkInvalid:
        frame.gone()
    return render_template("reset/undo/ask.html", form=form, made=opened.made)
