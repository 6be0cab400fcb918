"""The second factor that a mailed link needs before a new password counts, where the account has one.

Who reads the inbox for an hour must not get in. The proof is a row, bound to the link and the account's
version; its token is in the session of the browser that gave it, so another that opens the link has none.
"""

from flask import Blueprint, abort, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.accounts import at_company
from portal.accounts.factors import asking, proofs
from portal.accounts.factors import service as factors
from portal.accounts.factors.lost import views as lost
from portal.accounts.factors.proofs import Purpose
from portal.accounts.factors.service import Answer, From
from portal.accounts.passkeys.challenges import Purpose as PasskeyPurpose
from portal.intake.flow import REFUSED
from portal.reset.external import asking as hand_over
from portal.reset.link.opened import FLOW, live_link
from portal.reset.service import Link
from portal.web import frame
from portal.web.tabs import MOST_VALUES, TabValue

bp = Blueprint("reset_factor", __name__)
at_company.install(bp, "reset.ask", "reset/at-company.html")
UNLISTED_PATHS = ()

# Pairs of a link's reply id and the token of its proof, newest first.
_GIVEN = "reset factors"


@bp.get("/reset/confirm/")
def ask() -> ResponseReturnValue:
    """Ask for a factor of the account whose link is open."""
    opened = FLOW.link()
    link = live_link(opened)
    if link.ended or is_given(link):
        return frame.see_other("reset.choose", link=opened.name)
    return _page(link, asking.question(_kinds(link)))


@bp.post("/reset/confirm/")
def answer() -> ResponseReturnValue:
    """Count the try, check the factor, and lead on to the new password."""
    opened = FLOW.link()
    link = live_link(opened)
    if link.ended or is_given(link):
        return frame.see_other("reset.choose", link=opened.name)
    asked = asking.question(_kinds(link))
    if asked.kind is None or not asked.form.validate():
        return _page(link, asked), REFUSED
    hand_over.refuse_too_many(link.reply_id)
    # A mailed link is proof already: it does not share its count with strangers at sign-in. Nor with the
    # owner's own browsers: somebody else may read the inbox.
    come = From.DEVICE if asking.come_from(link.account) is From.DEVICE else From.LINK
    with frame.parts().db.write() as db_session:
        right = asking.check(db_session, link.account, asked, come) is Answer.RIGHT
        token = proof_of_factor(db_session, link) if right else None
    if token is None:
        hand_over.count_refusal(link.reply_id)
        return _page(link, asked), REFUSED
    return lead_on(opened, link, token)


@bp.post("/reset/confirm/passkey/")
def answer_with_passkey() -> ResponseReturnValue:
    """Check what a passkey signed, and lead on. There is nothing to guess, so no refusal is counted."""
    opened = FLOW.link()
    link = live_link(opened)
    if link.ended or is_given(link):
        return frame.see_other("reset.choose", link=opened.name)
    if not _passkey(link).answered():
        return _page(link, asking.question(_kinds(link)), failed=True), REFUSED
    parts = frame.parts()
    with parts.db.write() as db_session:
        factors.used(db_session, parts.vault, link.account.id, parts.clock.now())
        token = proof_of_factor(db_session, link)
    return lead_on(opened, link, token)


@bp.get("/reset/confirm/lost/")
def ask_lost() -> ResponseReturnValue:
    """Say what happens when somebody lost every factor, and ask whether they did."""
    opened = FLOW.link()
    live_link(opened)
    return lost.ask_page("/reset/confirm/")


@bp.post("/reset/confirm/lost/")
def begin_lost() -> ResponseReturnValue:
    """Have the worker mail the first link."""
    return lost.start(live_link(FLOW.link()).account, "reset_factor.ask")


def proof_of_factor(db_session: Session, link: Link) -> str:
    """Store that a factor was right for a link, and return the token that says so."""
    now = frame.parts().clock.now()
    return proofs.begin(db_session, Purpose.RESET, link.account, now=now, bound_to=link.reply_id)


def lead_on(opened: TabValue, link: Link, token: str) -> Response:
    """Keep the token of a proof in this browser, and redirect to the form for the new password."""
    keep(link, token)
    return frame.see_other("reset.choose", link=opened.name)


def keep(link: Link, token: str) -> None:
    """Keep the token of a link's proof in this browser."""
    others = [pair for pair in session.get(_GIVEN, []) if pair[0] != link.reply_id.hex()]
    session[_GIVEN] = [[link.reply_id.hex(), token], *others][:MOST_VALUES]


def require(opened: TabValue, link: Link) -> None:
    """End the request with a redirect to the page that asks for the factor, where one is missing."""
    if not is_given(link):
        abort(frame.see_other("reset_factor.ask", link=opened.name))


def token_for(link: Link) -> str | None:
    """Return the token of the proof that this browser has for a link, or None."""
    given: list[list[str]] = session.get(_GIVEN, [])
    return next((token for reply_id, token in given if reply_id == link.reply_id.hex()), None)


def is_given(link: Link) -> bool:
    """Return whether a link needs no factor, or this browser gave one in the last 30 minutes."""
    parts = frame.parts()
    with parts.db.read() as db_session:
        store, now = parts.settings.identity.store, parts.clock.now()
        return factors.link_is_enough(db_session, store, link.account, link.reply_id, token_for(link), now)


def _kinds(link: Link) -> frozenset[factors.Kind]:
    with frame.parts().db.read() as db_session:
        return factors.kinds(db_session, link.account.id)


def _passkey(link: Link) -> asking.PasskeyAsked:
    action = url_for("reset_factor.answer_with_passkey")
    return asking.PasskeyAsked(PasskeyPurpose.RESET, link.account.id, link.reply_id.hex(), action)


def _page(link: Link, asked: asking.Question, *, failed: bool = False) -> str:
    return asking.page("reset/confirm.html", asked, _passkey(link), failed=failed)
