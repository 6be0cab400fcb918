"""Pages for a new address: ask for it, and confirm it from the mail that it got."""

from flask import Blueprint, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.accounts import at_company, login
from portal.accounts.address import asking
from portal.accounts.address.emails import CONFIRM
from portal.accounts.address.forms import NewAddressForm
from portal.accounts.factors.step_up import recently_proved
from portal.accounts.login import current_account, sign_in_required
from portal.identity.service import is_external
from portal.intake.flow import REFUSED, Flow
from portal.intake.service import LinkInvalid
from portal.runtime.parts import AccountLine
from portal.web import clients, frame
from portal.web.forms import EmptyForm

bp = Blueprint("address", __name__)
at_company.install(bp, "accounts.sign_in", "accounts/at-company.html")
UNLISTED_PATHS = ("/address/",)

FLOW = Flow(
    CONFIRM,
    ask="address.ask",
    sent="address.sent",
    opened="address.confirm",
    sent_template="accounts/address/sent.html",
    has_code=False,
)
_SENT = "new address sent"
_PRESSED = "pressed"


def account_line(_db_session: Session, _account_id: bytes, _now: object) -> AccountLine:
    """Return the account page's line about the address."""
    settings = frame.parts().settings
    if is_external(settings):
        state = _("Change it at %(organisation)s", organisation=settings.site.organisation)
        return AccountLine(_("Email address"), state, "/account/address/", _("Review"))
    return AccountLine(
        _("Email address"), _("For signing in and for our emails"), "/account/address/", _("Change")
    )


@bp.get("/account/address/")
@sign_in_required
def ask() -> ResponseReturnValue:
    """Ask for the new address; where the accounts are the company's, say that it is changed there."""
    if is_external(frame.parts().settings):
        return render_template("accounts/address/elsewhere.html")
    return _ask_page()


@recently_proved
def _ask_page() -> ResponseReturnValue:
    return _page(NewAddressForm(formdata=None))


@bp.post("/account/address/")
@recently_proved
def submit() -> ResponseReturnValue:
    """Have the worker mail the new address: the same work and the same answer, whatever was typed."""
    parts, current, form = frame.parts(), current_account(), NewAddressForm()
    if is_external(parts.settings):
        return frame.see_other("address.ask")
    if not form.validate():
        return _page(form), REFUSED
    typed = form.email.data or ""
    if typed == current.address:
        form.email.errors = [_("This is your address already.")]
        return _page(form), REFUSED
    meant = form.meant()
    if meant is not None:
        return render_template("intake/did-you-mean.html", typed=typed, meant=meant, fields={})
    with parts.db.write() as db_session:
        frame.limit_intake(db_session, asking.ASK)
        asking.submit(
            db_session,
            parts.vault,
            current.account,
            current.session_id,
            typed,
            device=clients.describe_device(request.user_agent.string),
            language=frame.language(),
            lane=frame.client_lane(),
            now=parts.clock.now(),
        )
    session[_SENT] = True
    return frame.see_other("address.sent")


@bp.get("/account/address/sent/")
@sign_in_required
def sent() -> ResponseReturnValue:
    """Say what happens now."""
    if not session.get(_SENT):
        return frame.see_other("address.ask")
    return render_template("accounts/address/sent.html")


@bp.get("/address/confirm/<token>/")
def open_link(token: str) -> ResponseReturnValue:
    """Move a link's token from the URL to the session; nothing is read or changed."""
    return FLOW.open_link(token)


@bp.get("/address/confirm/")
def confirm() -> ResponseReturnValue:
    """Show the button that confirms the new address, or what became of it."""
    link, parts = FLOW.link(), frame.parts()
    if isinstance(link.state, str) and link.state.startswith(_PRESSED):
        with parts.db.read() as db_session:
            outcome = asking.outcome(db_session, bytes.fromhex(link.state.removeprefix(_PRESSED)))
        return render_template("accounts/address/done.html", outcome=outcome)
    try:
        with parts.db.read() as db_session:
            found = asking.open_link(db_session, parts.settings.identity.store, link.value, parts.clock.now())
    except LinkInvalid:
        frame.gone()
    return render_template(
        "accounts/address/confirm.html", form=EmptyForm(), signed_in=_is_signed_in(found.account_id)
    )


@bp.post("/address/confirm/")
def confirm_now() -> ResponseReturnValue:
    """Have the worker change the address, in the browser of somebody who is signed in to that account."""
    link, parts = FLOW.link(), frame.parts()
    if link.state is not None:
        return frame.see_other("address.confirm", link=link.name)
    store, now = parts.settings.identity.store, parts.clock.now()
    try:
        with parts.db.write() as db_session:
            found = asking.open_link(db_session, store, link.value, now)
            # Who mistypes an address must not hand the account to the stranger who has it.
            if not _is_signed_in(found.account_id):
                return frame.see_other("address.confirm", link=link.name)
            asking.confirm(db_session, parts.vault, store, link.value, frame.language(), now)
    except LinkInvalid:
        frame.gone()
    FLOW.change(link, f"{_PRESSED}{found.change_id.hex()}")
    return frame.see_other("address.confirm", link=link.name)


def _is_signed_in(account_id: bytes) -> bool:
    current = login.signed_in()
    return current is not None and current.account_id == account_id


def _page(form: NewAddressForm) -> str:
    return render_template("accounts/address/ask.html", form=form)
