"""Pages for one's own passkeys: list them, add one, change its name, remove it."""

import json

from flask import Blueprint, abort, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.accounts import at_company
from portal.accounts import service as accounts
from portal.accounts.factors import service as factors
from portal.accounts.factors.service import Kind
from portal.accounts.factors.step_up import recently_proved
from portal.accounts.factors.views import recovery_page
from portal.accounts.login import current_account, sign_in_required
from portal.accounts.passkeys import asking, service
from portal.accounts.passkeys.challenges import Purpose
from portal.accounts.passkeys.forms import NameForm
from portal.accounts.passkeys.service import Listed
from portal.accounts.views import device_name
from portal.runtime.parts import AccountLine
from portal.web import clients, frame

bp = Blueprint("passkeys", __name__)
at_company.install(bp, "accounts.sign_in", "accounts/at-company.html")
UNLISTED_PATHS = ()

REFUSED = 400
WHICH = "which"  # the field that names a passkey, by its id in hexadecimal
_DONE = "passkeys done"

Page = ResponseReturnValue


@bp.get("/account/passkeys/")
@sign_in_required
def passkeys() -> Page:
    """List the account's passkeys."""
    return render_template(
        "accounts/passkeys.html", passkeys=_listed(), done=session.pop(_DONE, None), most=service.MOST
    )


@bp.get("/account/passkeys/add/")
@recently_proved
def add() -> Page:
    """Say what a passkey is, and ask the browser to make one when the button is pressed."""
    described = device_name(clients.describe_device(request.user_agent.string))
    return _add_page(NameForm(formdata=None, name=described[: service.NAME_LENGTH]))


@bp.post("/account/passkeys/add/")
@recently_proved
def store() -> Page:
    """Store the passkey that the browser made."""
    parts, current, form = frame.parts(), current_account(), NameForm()
    if not form.validate():
        return _add_page(form), REFUSED
    now, made = parts.clock.now(), []
    try:
        with parts.db.write() as db_session:
            had = factors.kinds(db_session, current.account_id)
            service.add(
                db_session,
                parts.vault,
                asking.party(),
                request.form.get(asking.FIELD, ""),
                asking.asked_for(Purpose.ADD, current.account_id),
                address=current.address,
                name=form.name.data or "",
                language=frame.language(),
                now=now,
            )
            factors.after_addition(db_session, current.account_id)
            if Kind.RECOVERY not in had:
                made = factors.make_recovery_codes(db_session, parts.vault, current.account_id)
            accounts.keep_proved(db_session, current.resumed)
    except service.TooLarge:
        return _add_page(form, too_large=True), REFUSED
    except service.NotAdded:
        return _add_page(form, refused=True), REFUSED
    if made:
        return recovery_page(made, added="passkey")
    session[_DONE] = service.ADDED
    return frame.see_other("passkeys.passkeys")


@bp.get("/account/passkeys/change/")
@recently_proved
def change() -> Page:
    """Show one passkey, to give it another name or remove it."""
    one = _wanted(request.args.get(WHICH, ""))
    return _change_page(one, NameForm(formdata=None, name=one.name))


@bp.post("/account/passkeys/change/")
@recently_proved
def change_now() -> Page:
    """Give a passkey another name, or remove it (`remove`)."""
    parts, current, form = frame.parts(), current_account(), NameForm()
    one, now = _wanted(request.form.get(WHICH, "")), parts.clock.now()
    if "remove" in request.form:
        with parts.db.write() as db_session:
            service.remove(db_session, parts.vault, current.account_id, one.id, frame.language(), now)
            factors.after_removal(db_session, current.account_id)
            accounts.keep_proved(db_session, current.resumed)
        session[_DONE] = service.REMOVED
        return frame.see_other("passkeys.passkeys")
    if not form.validate():
        return _change_page(one, form), REFUSED
    try:
        with parts.db.write() as db_session:
            service.rename(db_session, parts.vault, current.account_id, one.id, form.name.data or "")
    except service.TooLarge:
        form.name.errors = [_("That name is too long for this passkey. Use a shorter one.")]
        return _change_page(one, form), REFUSED
    session[_DONE] = "renamed"
    return frame.see_other("passkeys.passkeys")


def account_line(db_session: Session, account_id: bytes, _now: object) -> AccountLine:
    """Return the account page's line about passkeys."""
    count = service.count(db_session, account_id)
    state = asking.how_many(count)
    return AccountLine(_("Passkeys"), state, "/account/passkeys/", _("Review") if count else _("Add one"))


def _listed() -> list[Listed]:
    parts = frame.parts()
    with parts.db.read() as db_session:
        return service.listed(db_session, parts.vault, current_account().account_id)


def _wanted(hexadecimal: str) -> Listed:
    """Return the passkey that a request names; one that is gone leads back to the list, which says so."""
    found = next((one for one in _listed() if one.id.hex() == hexadecimal), None)
    if found is None:
        session[_DONE] = "gone" if hexadecimal else None
        abort(frame.see_other("passkeys.passkeys"))
    return found


def _add_page(form: NameForm, *, refused: bool = False, too_large: bool = False) -> str:
    parts, current = frame.parts(), current_account()
    asked = asking.asked_for(Purpose.ADD, current.account_id)
    label = _("%(organisation)s account", organisation=parts.settings.site.organisation)
    with parts.db.read() as db_session:
        options = service.creation(db_session, parts.vault, asking.party(), asked, label, parts.clock.now())
        first = Kind.RECOVERY not in factors.kinds(db_session, current.account_id)
    return render_template(
        "accounts/passkey-add.html",
        form=form,
        refused=refused,
        too_large=too_large,
        options=json.dumps(options),
        first=first,
    )


def _change_page(one: Listed, form: NameForm) -> str:
    account_id = current_account().account_id
    with frame.parts().db.read() as db_session:
        others = factors.kinds(db_session, account_id) - {Kind.PASSKEY, Kind.RECOVERY}
        last = service.count(db_session, account_id) == 1 and not others
    return render_template("accounts/passkey-change.html", form=form, one=one, last=last)
