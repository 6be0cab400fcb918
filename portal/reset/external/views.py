"""Pages that wait for a new password to be stored in the company's own store, and what it came to."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from portal.accounts import at_company, login
from portal.accounts import service as accounts
from portal.accounts import sign_in as attempts
from portal.identity.account import Account
from portal.identity.sealed.waiting import LATE, Told
from portal.intake import service as intake
from portal.intake.service import LinkInvalid, Opened
from portal.reset.done import to_done
from portal.reset.emails import PURPOSE
from portal.reset.external import asking
from portal.reset.external.asking import CHANGE_PAGE, NEW_PAGE
from portal.reset.external.outcomes import (
    CHANGED,
    FACTOR_MISSING,
    GONE,
    GUESSED,
    REFUSED,
    UNDER_WAY,
    UNKNOWN,
    WRONG,
)
from portal.reset.link.opened import FLOW
from portal.web import clients, frame
from portal.web.tabs import TabValue

bp = Blueprint("reset_external", __name__)
at_company.install(bp, "reset.ask", "reset/at-company.html")
UNLISTED_PATHS = ()

AWAY = 503

Page = ResponseReturnValue


@bp.get("/reset/wait/")
def wait_for_new() -> Page:
    """Wait until the password that was chosen through a link is stored, then lead on."""
    told = NEW_PAGE.told()
    name, token = told.state
    opened, reply = TabValue(name, token), _reply(token)
    if told.outcome == CHANGED:
        FLOW.forget(opened, reply.browser if reply else None)
        login.leave_account()
        return _to_done(told, signed_in=False)
    if told.outcome == REFUSED:
        if reply is not None:
            asking.count_refusal(reply.id)
        FLOW.change(opened, told.verdict["why"])
        return frame.see_other("reset.choose", link=name)
    if told.outcome == FACTOR_MISSING:
        return frame.see_other("reset_factor.ask", link=name)
    if told.outcome == GONE:
        frame.gone()
    by_link = told.verdict.get("link_open", True)
    return _not_done(told, f"/reset/choose/?link={name}" if by_link else "/reset/", by_link=by_link)


@bp.get("/account/password/wait/")
def wait_for_change() -> Page:
    """Wait until a signed-in person's password is changed; this browser then gets a new session."""
    told = CHANGE_PAGE.told()
    parts, current = frame.parts(), login.signed_in()
    if told.outcome == CHANGED:
        account = Account(bytes.fromhex(told.verdict["account"]), "", told.verdict["version"])
        device = clients.describe_device(request.user_agent.string)
        with parts.db.write() as db_session:
            token = accounts.create_session(
                db_session,
                parts.vault,
                account,
                address=told.verdict["address"],
                device=device,
                now=parts.clock.now(),
                proved_at=current.resumed.proved_at if current else None,
            )
        return _to_done(told, signed_in=login.log_in(token))
    if told.outcome == GONE:
        guessed = told.verdict.get("why") == GUESSED
        return login.sign_out_because(login.GUESSED if guessed else login.OVERTAKEN)
    if told.outcome == UNKNOWN:
        login.log_out()  # the page says so
    elif current is None:  # signed out meanwhile, as on another device
        failed = told.outcome in (REFUSED, WRONG)
        signed_out = login.sign_out_because("POST" if failed else "GET")
        if failed:
            return signed_out
    elif told.outcome in (REFUSED, WRONG):
        if told.outcome == REFUSED:
            with parts.db.write() as db_session:
                attempts.clear_in_session(db_session, parts.vault, current.resumed)
            asking.count_refusal(current.session_id)
        asking.note_refused_change(told.verdict.get("why", WRONG))
        return frame.see_other("reset.change")
    else:
        with parts.db.write() as db_session:
            attempts.forgive_in_session(db_session, parts.vault, current.resumed)
    return _not_done(told, "/reset/" if told.outcome == UNKNOWN else "/account/password/", by_link=False)


def _reply(token: str) -> Opened | None:
    """Return the reply of a link, which may have been spent by now, or None if it has ended."""
    parts = frame.parts()
    try:
        with parts.db.read() as db_session:
            return intake.open_reply(db_session, PURPOSE, token, parts.clock.now(), spent_too=True)
    except LinkInvalid:
        return None


def _to_done(told: Told, *, signed_in: bool) -> Page:
    account_id, version = bytes.fromhex(told.verdict["account"]), told.verdict["version"]
    now, signed_out = frame.parts().clock.now(), told.verdict["signed_out"]
    return to_done(account_id, version, now, signed_in=signed_in, signed_out=signed_out)


def _not_done(told: Told, again: str, *, by_link: bool) -> Page:
    """Return the page for a password that was not stored, or of which nobody knows: it says which."""
    template = "reset/away.html"
    if told.outcome == UNKNOWN or (told.outcome == LATE and told.begun):
        template = "reset/unsure.html"
    elif told.outcome == UNDER_WAY:
        template = "reset/under-way.html"
    ended = told.outcome == UNKNOWN
    return render_template(template, again=again, by_link=by_link, ended=ended), AWAY
