"""After a report "this wasn't me": the owner looks through the factors, and removes what is not theirs.

Who added a passkey or an app while they were in would get in again with it. The page comes before the form
for the new password, and after a factor was given: an inbox alone removes nothing.
"""

from flask import Blueprint, abort, render_template, request, session
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.accounts import at_company
from portal.accounts.activity import service as activity
from portal.accounts.factors import service as factors
from portal.accounts.factors.service import Kind
from portal.accounts.passkeys import service as passkeys
from portal.identity.account import REPORTED
from portal.reset.link import factor
from portal.reset.link.opened import FLOW, live_link
from portal.reset.service import Link
from portal.web import clients, frame
from portal.web.forms import EmptyForm
from portal.web.tabs import MOST_VALUES, TabValue

bp = Blueprint("reset_review", __name__)
at_company.install(bp, "reset.ask", "reset/at-company.html")
UNLISTED_PATHS = ()

REMOVE = "remove"  # the field: `code`, `recovery`, or a passkey's id in hexadecimal
# Reply ids of links whose factors were looked through in this browser, newest first.
_REVIEWED = "reset reviewed"


@bp.get("/reset/factors/")
def show() -> ResponseReturnValue:
    """List what the account asks for beside the password, each with the day when it was added."""
    opened = FLOW.link()
    link = live_link(opened)
    factor.require(opened, link)
    parts = frame.parts()
    with parts.db.read() as db_session:
        found = factors.factors_of(db_session, link.account.id)
        kinds = factors.kinds(db_session, link.account.id)
        listed = passkeys.listed(db_session, parts.vault, link.account.id)
    if link.ended or not kinds:
        return frame.see_other("reset.choose", link=opened.name)
    return render_template(
        "reset/factors.html", form=EmptyForm(), has_code=Kind.CODE in kinds, codes=found, passkeys=listed
    )


@bp.post("/reset/factors/")
def remove() -> ResponseReturnValue:
    """Remove what was ticked, and lead on to the form for the new password."""
    opened = FLOW.link()
    link = live_link(opened)
    factor.require(opened, link)
    parts, wanted = frame.parts(), set(request.form.getlist(REMOVE))
    if link.ended:
        return frame.see_other("reset.choose", link=opened.name)
    with parts.db.write() as db_session:
        # Of two at once, the second sees what the first has left.
        given = factors.link_is_enough(
            db_session,
            parts.settings.identity.store,
            link.account,
            link.reply_id,
            factor.token_for(link),
            parts.clock.now(),
        )
        removed = given and _remove(db_session, link, wanted)
        # What was proved ends with each change; this browser has just given a factor.
        token = factor.proof_of_factor(db_session, link) if removed else None
    if token is not None:
        factor.keep(link, token)
    factor.require(opened, link)
    reviewed = [one for one in session.get(_REVIEWED, []) if one != link.reply_id.hex()]
    session[_REVIEWED] = [link.reply_id.hex(), *reviewed][:MOST_VALUES]
    return frame.see_other("reset.choose", link=opened.name)


def require(opened: TabValue, link: Link) -> None:
    """End the request with a redirect to the list, where it was not looked through after a report."""
    if link.account.reset_reason != REPORTED or link.reply_id.hex() in session.get(_REVIEWED, []):
        return
    with frame.parts().db.read() as db_session:
        kinds = factors.kinds(db_session, link.account.id)
    if kinds:
        abort(frame.see_other("reset_review.show", link=opened.name))


def _remove(db_session: Session, link: Link, wanted: set[str]) -> bool:
    """Remove these factors and have the owner told of each; return whether there was any of them."""
    parts, account_id, now = frame.parts(), link.account.id, frame.parts().clock.now()
    changes = []
    if "code" in wanted and factors.remove_code(db_session, account_id):
        changes.append(activity.Kind.CODES_REMOVED)
    if "recovery" in wanted and factors.remove_recovery_codes(db_session, account_id):
        changes.append(activity.Kind.RECOVERY_REMOVED)
    language, device = frame.language(), clients.describe_device(request.user_agent.string)
    for kind in changes:
        activity.tell(db_session, parts.vault, account_id, kind, now, device=device, language=language)
    gone = [
        passkeys.remove(db_session, parts.vault, account_id, one.id, language, now)
        for one in passkeys.listed(db_session, parts.vault, account_id)
        if one.id.hex() in wanted
    ]
    if any(gone):
        factors.after_removal(db_session, account_id)
    return bool(changes) or any(gone)
