"""Lock an account whose old address undoes a change; the worker restores the address afterwards."""

from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.accounts.activity import service as activity
from portal.accounts.activity.service import Kind
from portal.accounts.address import undoing
from portal.accounts.address.emails import UNDO
from portal.crypto.vault import WebVault
from portal.identity import state
from portal.identity.builtin.store import BuiltinStore
from portal.intake import service as intake
from portal.reset.service import REASON_REPORTED


def lock(session: Session, vault: WebVault, store: str, token: str, *, language: str, now: datetime) -> None:
    """Spend the link, close the password, end sessions and links, and have the worker restore the address.

    The lock is here and not with the worker: a thief is out at once, also while no worker runs. Raises
    LinkInvalid where another undo was faster.
    """
    opened = undoing.open_link(session, store, token, now)
    intake.spend(session, opened.reply_id, now)
    state.get_many(session, [opened.account_id], for_update=True)  # a confirmation comes before it, or after
    undoing.mark(session, opened)
    require_new(session, opened.account_id, now)
    activity.record(session, vault, opened.account_id, Kind.ADDRESS_UNDONE, now)
    intake.submit(session, vault, UNDO, {"token": token, "language": language}, now)


def require_new(session: Session, account_id: bytes, now: datetime) -> None:
    """Close an account's password, whatever was chosen meanwhile, and end every session and link."""
    if not BuiltinStore().require_reset(session, [account_id], REASON_REPORTED, now):
        # It was locked before: a form that is open for that reason may be a thief's.
        state.end_all(session, [account_id], reset_reason=REASON_REPORTED)
    accounts.end_sessions(session, account_id)
