"""The page that shows its owner what happened to an account."""

from collections.abc import Mapping
from datetime import datetime

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.accounts import at_company
from portal.accounts.activity import service
from portal.accounts.activity.service import Kind
from portal.accounts.login import current_account, sign_in_required
from portal.accounts.views import device_name
from portal.core.i18n import mark
from portal.runtime.parts import AccountLine
from portal.web import frame

bp = Blueprint("activity", __name__)
at_company.install(bp, "accounts.sign_in", "accounts/at-company.html")
UNLISTED_PATHS = ()

# The same words as in the mails.
SAID: Mapping[Kind, str] = {
    Kind.CHANGED_PASSWORD: mark("Your password was changed"),
    Kind.CHOSE_PASSWORD: mark("A new password was chosen through an email"),
    Kind.CODES_ADDED: mark("An authenticator app was set up"),
    Kind.CODES_REMOVED: mark("The authenticator app was removed"),
    Kind.RECOVERY_MADE: mark("New recovery codes were made"),
    Kind.PASSKEY_ADDED: mark("A passkey was added to your account"),
    Kind.PASSKEY_REMOVED: mark("A passkey was removed from your account"),
    Kind.PASSKEY_STOPPED: mark("We stopped one of your passkeys"),
    Kind.REPORTED: mark("You told us something wasn’t you, so we locked your password"),
}


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
