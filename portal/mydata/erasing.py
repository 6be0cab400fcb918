"""Erase what the portal has of an account: everything but what a law or another person's safety needs.

What stays, and why, is on the page that offers it and in docs/guide/data-rights.md.
"""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from portal.accounts import service as sessions
from portal.accounts.activity import service as activity
from portal.accounts.address import service as addresses
from portal.accounts.factors import service as factors
from portal.accounts.factors.lost.emails import PURPOSE as LOST
from portal.audit import service as audit
from portal.crypto.vault import WorkerVault
from portal.exposure.emails import PURPOSE as CHECK
from portal.identity import erasing as identity
from portal.identity.account import Account, Profile
from portal.incidents import service as incidents
from portal.intake import replies
from portal.mydata import gathering
from portal.mydata.emails import COPY, ERASE
from portal.mydata.models import DataCopy
from portal.outbox import service as outbox
from portal.reset.emails import PURPOSE as RESET
from portal.reset.external import attempts
from portal.rotation import service as rotation
from portal.subscriptions import service as subscriptions
from portal.subscriptions.emails import PURPOSE as SUBSCRIBE

ERASED = "mydata.erase"
# Forms and pages that mail links to an address.
LINKS = (CHECK, RESET, SUBSCRIBE, LOST, COPY, ERASE)


def erase(
    session: Session, vault: WorkerVault, account: Account, owner: Profile, now: datetime, *, external: bool
) -> None:
    """Erase an account in the caller's transaction, and write the audit row, which names nobody."""
    address = gathering.typed(owner.address)
    for purpose in LINKS:
        gone = replies.remove_answers(session, vault, purpose, address, account.id.hex())
        outbox.withdraw(session, None, now, gone)
        if purpose == COPY:
            session.execute(delete(DataCopy).where(DataCopy.id.in_(gone)))
    for incident in incidents.every(session):
        subscriptions.forget(session, vault, incident.id, address, now)
    rotation.forget(session, account.id, now)
    sessions.end_sessions(session, account.id)
    factors.remove_all(session, account.id)
    activity.forget(session, account.id)
    addresses.forget(session, account.id)
    if external:
        attempts.forget(session, vault, account.id)
        identity.forget_owner(session, account.id)
    else:
        identity.erase(session, vault, account.id)
    audit.record(session, ERASED, account.store, {}, now)
