"""The account's pages of second factors: what there is, the authenticator app, and the recovery codes."""

from datetime import datetime
from io import BytesIO

import segno
from flask import Blueprint, Response, abort, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_babel import format_date, ngettext
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.accounts import at_company
from portal.accounts import service as sessions
from portal.accounts.activity import service as activity
from portal.accounts.factors import service
from portal.accounts.factors.forms import OneTimeCodeForm
from portal.accounts.factors.service import Kind
from portal.accounts.factors.step_up import recently_proved
from portal.accounts.login import current_account, sign_in_required
from portal.accounts.passkeys import asking as passkeys
from portal.accounts.passkeys import service as passkeys_service
from portal.core.dates import DAY
from portal.crypto import tokens, totp
from portal.runtime.parts import AccountLine
from portal.web import clients, frame
from portal.web.forms import EmptyForm

bp = Blueprint("factors", __name__)
at_company.install(bp, "accounts.sign_in", "accounts/at-company.html")
UNLISTED_PATHS = ()

REFUSED = 400
GROUP = 4
_SCALE = 6
# The secret that the owner is adding: in this browser alone, until a first code shows that an app has it.
_ADDING = "one-time code"
_DONE = "factors done"


def account_line(db_session: Session, account_id: bytes, now: datetime) -> AccountLine:  # noqa: ARG001
    """Return the account page's line about the second step."""
    kinds = service.kinds(db_session, account_id)
    return AccountLine(_("Second step"), _("On") if kinds else _("Off"), "/account/factors/", _("Change"))


@bp.get("/account/factors/")
@sign_in_required
def overview() -> ResponseReturnValue:
    """Show the account's factors, each with its state."""
    with frame.parts().db.read() as db_session:
        kinds = service.kinds(db_session, current_account().account_id)
        found = service.factors_of(db_session, current_account().account_id)
        count = passkeys_service.count(db_session, current_account().account_id)
    return render_template(
        "accounts/factors/overview.html",
        kinds={kind.value for kind in kinds},
        passkey_state=passkeys.how_many(count),
        code_state=_code_state(found) if Kind.CODE in kinds else None,
        recovery_state=_left(found.recovery_left),
        done=session.pop(_DONE, None),
    )


@bp.get("/account/factors/codes/")
@recently_proved
def new_codes() -> ResponseReturnValue:
    """Show the secret of a new authenticator app; nothing is stored."""
    return _codes_page(OneTimeCodeForm())


@bp.get("/account/factors/codes/qr.svg")
@recently_proved
def qr_code() -> ResponseReturnValue:
    """Return the picture of the secret that this browser is adding."""
    secret = session.get(_ADDING)
    if secret is None:
        abort(404)
    return Response(_drawn(_uri(secret)), mimetype="image/svg+xml")


@bp.post("/account/factors/codes/")
@recently_proved
def add_codes() -> ResponseReturnValue:
    """Store the secret once its first code shows that an app has it; then show recovery codes."""
    form, parts, current = OneTimeCodeForm(), frame.parts(), current_account()
    secret = session.get(_ADDING)
    if secret is None:
        return frame.see_other("factors.new_codes")
    if not form.validate():
        return _codes_page(form), REFUSED
    made: list[str] = []
    with parts.db.write() as db_session:
        had = service.kinds(db_session, current.account_id)
        added = service.add_code(
            db_session, parts.vault, current.account, secret, form.code.data or "", parts.clock.now()
        )
        if added and Kind.RECOVERY not in had:
            made = service.make_recovery_codes(db_session, parts.vault, current.account_id)
        if added:
            sessions.keep_proved(db_session, current.resumed)
            _tell(db_session, activity.Kind.CODES_ADDED)
    if not added:
        form.code.errors = [_("That code is wrong. Wait until your app shows a new one, then type that.")]
        return _codes_page(form), REFUSED
    session.pop(_ADDING)
    if made:
        return recovery_page(made, added="codes")
    session[_DONE] = "codes added"
    return frame.see_other("factors.overview")


@bp.get("/account/factors/codes/remove/")
@recently_proved
def ask_to_remove_codes() -> ResponseReturnValue:
    """Show a button that removes the authenticator app."""
    with frame.parts().db.read() as db_session:
        kinds = service.kinds(db_session, current_account().account_id)
    if Kind.CODE not in kinds:
        return frame.see_other("factors.overview")
    return render_template(
        "accounts/factors/remove-codes.html", form=EmptyForm(), last=kinds <= {Kind.CODE, Kind.RECOVERY}
    )


@bp.post("/account/factors/codes/remove/")
@recently_proved
def remove_codes() -> ResponseReturnValue:
    """Remove the authenticator app; what was proved with it is over."""
    parts, current = frame.parts(), current_account()
    with parts.db.write() as db_session:
        removed = service.remove_code(db_session, current.account_id)
        sessions.keep_proved(db_session, current.resumed)
        if removed:
            _tell(db_session, activity.Kind.CODES_REMOVED)
    if removed:
        session[_DONE] = "codes removed"
    return frame.see_other("factors.overview")


@bp.get("/account/factors/recovery/")
@recently_proved
def recovery() -> ResponseReturnValue:
    """Say how many recovery codes are left, and offer new ones."""
    with frame.parts().db.read() as db_session:
        kinds = service.kinds(db_session, current_account().account_id)
        found = service.factors_of(db_session, current_account().account_id)
    if not kinds:
        return frame.see_other("factors.overview")
    return render_template(
        "accounts/factors/recovery.html", form=EmptyForm(), left=_left(found.recovery_left)
    )


@bp.post("/account/factors/recovery/")
@recently_proved
def new_recovery_codes() -> ResponseReturnValue:
    """Make new recovery codes in the place of the former ones, and show them this once."""
    parts, current = frame.parts(), current_account()
    with parts.db.write() as db_session:
        if not service.kinds(db_session, current.account_id):
            return frame.see_other("factors.overview")
        made = service.make_recovery_codes(db_session, parts.vault, current.account_id)
        sessions.keep_proved(db_session, current.resumed)
        _tell(db_session, activity.Kind.RECOVERY_MADE)
    return recovery_page(made)


@bp.post("/account/factors/recovery/text/")
@recently_proved
def download_recovery_codes() -> ResponseReturnValue:
    """Return the codes of the page before as a text file: it sends them back, they are stored nowhere."""
    parts, typed = frame.parts(), request.form.get("codes", "").split()
    with parts.db.read() as db_session:
        if not service.are_recovery_codes(db_session, parts.vault, current_account().account_id, typed):
            return frame.see_other("factors.recovery")
    title = _("Recovery codes for %(organisation)s", organisation=parts.settings.site.organisation)
    text = "\r\n".join([title, parts.settings.base_url, "", *map(tokens.grouped, typed), ""])
    response = Response(text, mimetype="text/plain")
    response.headers["Content-Disposition"] = 'attachment; filename="recovery-codes.txt"'
    return response


@bp.get("/account/factors/recovery/text/")
@recently_proved
def no_recovery_codes() -> ResponseReturnValue:
    """Lead to the page of recovery codes, whose form sends what the file holds."""
    return frame.see_other("factors.recovery")


def _tell(db_session: Session, kind: activity.Kind) -> None:
    """Record a change that the owner made, and have the worker mail about it."""
    parts = frame.parts()
    activity.tell(
        db_session,
        parts.vault,
        current_account().account_id,
        kind,
        parts.clock.now(),
        device=clients.describe_device(request.user_agent.string),
        language=frame.language(),
    )


def _codes_page(form: OneTimeCodeForm) -> str:
    secret = session.setdefault(_ADDING, totp.new_secret())
    grouped = " ".join(secret[start : start + GROUP] for start in range(0, len(secret), GROUP))
    return render_template("accounts/factors/codes.html", form=form, secret=grouped, uri=_uri(secret))


def _uri(secret: str) -> str:
    return totp.uri(secret, frame.parts().settings.site.organisation, _("account"))


def _drawn(content: str) -> bytes:
    """Return a QR code as an SVG without any style, dark on white also on a dark page."""
    drawn = BytesIO()
    segno.make(content, error="m", micro=False).save(
        drawn, kind="svg", scale=_SCALE, light="#fff", xmldecl=False, svgclass=None, lineclass=None
    )
    return drawn.getvalue()


def recovery_page(made: list[str], added: str | None = None) -> str:
    """Show new recovery codes, this once; `added` is the factor that they came with."""
    return render_template(
        "accounts/factors/recovery-codes.html",
        form=EmptyForm(),
        codes=[tokens.grouped(code) for code in made],
        sent=" ".join(made),
        added=added,
    )


def _code_state(found: service.Factors) -> str:
    if found.code_used is not None:
        return str(_("Last used on %(date)s", date=format_date(found.code_used, _(DAY))))
    if found.code_added is not None:
        return str(_("Added on %(date)s", date=format_date(found.code_added, _(DAY))))
    return str(_("On"))


def _left(count: int) -> str:
    return str(ngettext("%(num)s code left", "%(num)s codes left", count)) if count else str(_("None left"))
