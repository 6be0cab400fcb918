"""A required new password after a sign-in with a passkey: what the old password no longer proves."""

from datetime import timedelta

from werkzeug.wrappers import Response

from portal.identity.account import Account
from portal.identity.service import is_external
from portal.intake import service as intake
from portal.reset import service
from portal.reset.emails import PURPOSE
from portal.reset.link import factor
from portal.reset.link.opened import FLOW
from portal.web import frame

LIFETIME = timedelta(minutes=30)


def choose(account: Account, address: str) -> Response:
    """Lead to the form for a new password, which this browser may send for half an hour.

    The passkey is the factor too. In a store of the company's, a link is mailed instead: the worker trusts
    its own mails, not the word of the web process that a passkey signed. So it is where the owner said "this
    wasn't me": that may be about this very passkey.
    """
    parts = frame.parts()
    if is_external(parts.settings) or account.reset_reason == service.REASON_REPORTED:
        return FLOW.submit({"email": address})
    store, now = parts.settings.identity.store, parts.clock.now()
    data = {"account": account.id.hex(), "version": account.version, "address": address, "words": [address]}
    with parts.db.write() as db_session:
        token = intake.prepare_here(db_session, PURPOSE, data, now, LIFETIME)
        link = service.open_link(db_session, store, token, now)
        proof = factor.proof_of_factor(db_session, link)
    factor.keep(link, proof)
    return FLOW.open_link(token)
