"""The page that shows its owner what happened to an account."""

from datetime import datetime

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.accounts import at_company
from portal.accounts.activity import service
from portal.accounts.activity.service import SAID
from portal.accounts.login import current_account, sign_in_required
from portal.accounts.views import device_name
from portal.runtime.parts import AccountLine
from portal.web import frame

bp = Blueprint("activity", __name__)
at_company.install(bp, "accounts.sign_in", "accounts/at-company.html")
UNLISTED_PATHS = ()


def account_line(db_session: Session, account_id: bytes, now: datetime) -> AccountLine:
    """Return the account page's line about what happened."""
    parts = frame.parts()
    kept = parts.settings.retention.account_events
    found = service.events_of(db_session, parts.vault, account_id, now, kept)
    state = _(SAID[found[0].kind]) if found else _("Nothing yet")
    return AccountLine(_("Activity"), state, "/account/activity/", _("Review"))


@bp.get("/account/activity/")
@sign_in_required
def activity() -> ResponseReturnValue:
    """List what happened to the account, newest first."""
    parts, account_id = frame.parts(), current_account().account_id
    kept = parts.settings.retention.account_events
    with parts.db.read() as db_session:
        found = service.events_of(db_session, parts.vault, account_id, parts.clock.now(), kept)
    shown = [(_(SAID[one.kind]), one.at, device_name(one.device) if one.device else "") for one in found]
    return render_template("accounts/activity/activity.html", events=shown, days=kept.days)
