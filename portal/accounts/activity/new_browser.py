"""Tell the owner that an account let a browser in that it did not know."""

from flask import request
from sqlalchemy.orm import Session

from portal.accounts import login, service
from portal.accounts.activity import service as activity
from portal.identity.account import Account
from portal.web import clients, frame


def tell(db_session: Session, account: Account) -> None:
    """Record that an account lets this browser in, and mail its owner, unless the account knows it.

    A new password makes every browser new: a thief's that signed in before must not stay unseen.
    """
    parts = frame.parts()
    if service.known_device(parts.vault, login.device_cookie(), account.id, account.version):
        return
    activity.tell(
        db_session,
        parts.vault,
        account.id,
        activity.Kind.SIGNED_IN,
        parts.clock.now(),
        device=clients.describe_device(request.user_agent.string),
        language="",  # the owner's: it may be a thief's browser
    )
