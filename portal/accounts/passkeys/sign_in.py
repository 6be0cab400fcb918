"""Sign in with a passkey: no address, no password, and nothing to remember."""

from typing import Any

from flask import Blueprint, render_template, request, session
from flask.typing import ResponseReturnValue

from portal.accounts import at_company, login, views
from portal.accounts.factors import service as factors
from portal.accounts.passkeys import asking, service
from portal.accounts.passkeys.challenges import Purpose
from portal.accounts.passkeys.jobs import ACTIVE, EXISTS, GONE
from portal.accounts.passkeys.service import Proof
from portal.identity import state
from portal.identity.sealed.waiting import WaitingPage
from portal.identity.service import is_external
from portal.web import frame

bp = Blueprint("passkey_sign_in", __name__)
at_company.install(bp, "accounts.sign_in", "accounts/at-company.html")
UNLISTED_PATHS = ()

AWAY = 503
WAITING = WaitingPage(
    EXISTS, endpoint="passkey_sign_in.wait", start="accounts.sign_in", template="accounts/wait-passkey.html"
)

Page = ResponseReturnValue


@bp.get("/sign-in/passkey/question/")
def question() -> Page:
    """Return a fresh question, for a sign-in page that has been open for long."""
    return asking.options(Purpose.SIGN_IN), {"Content-Type": "application/json"}


@bp.post("/sign-in/passkey/")
def sign_in() -> Page:
    """Sign in with what a passkey signed, or say that it did not work, whatever the reason."""
    onward, proof = request.args.get("next"), asking.proof(Purpose.SIGN_IN)
    if proof is None or proof.address is None:
        return _failed(onward)
    if not is_external(frame.parts().settings):
        return _enter(proof, onward)
    # Only the worker may ask the company whether it still has this customer.
    with frame.parts().db.write() as db_session:
        frame.limit_intake(db_session, EXISTS)
    kept = [onward, proof.passkey_id.hex(), proof.account_id.hex(), proof.address]
    return WAITING.submit({"account": proof.account_id.hex()}, kept)


@bp.get("/sign-in/passkey/wait/")
def wait() -> Page:
    """Wait for the company's own store to say that it still has this account, then sign in."""
    told = WAITING.told()
    onward, passkey_id, account_id, address = told.state
    if told.outcome == GONE:
        return _failed(onward)
    if told.outcome != ACTIVE:
        return render_template("accounts/away.html", again="/sign-in/"), AWAY
    proof, parts = Proof(bytes.fromhex(passkey_id), bytes.fromhex(account_id), address), frame.parts()
    with parts.db.read() as db_session:
        still = service.exists(db_session, parts.vault, proof)
    return _enter(proof, onward) if still else _failed(onward)


def _enter(proof: Proof, onward: str | None) -> Page:
    """Create a session, or lead to a new password where one is required: a passkey is proof enough for it."""
    parts, address = frame.parts(), proof.address or ""
    with parts.db.read() as db_session:
        account = state.get(db_session, proof.account_id)
    if account is None or account.store != parts.settings.identity.store:
        return _failed(onward)
    if account.must_reset and parts.password_due is not None:
        answer: Page = parts.password_due(account, address)
        return answer
    with parts.db.write() as db_session:
        factors.used(db_session, parts.vault, account.id, parts.clock.now())
        token = views.create_session(db_session, account, address)
    return views.log_in(token, account, onward)


def _failed(onward: str | None) -> Page:
    session[views.PASSKEY_FAILED] = True
    back: dict[str, Any] = {"next": login.next_page(onward)} if onward else {}
    return frame.see_other("accounts.sign_in", **back)
