"""Lock an account whose owner says "this wasn't me", until a new password is chosen through a mailed link."""

from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.accounts.activity import service as activity
from portal.accounts.activity.not_me import PURPOSE, Report
from portal.accounts.activity.service import Kind
from portal.crypto.vault import WebVault
from portal.identity import state
from portal.identity.builtin.models import STORE as BUILTIN
from portal.identity.builtin.store import BuiltinStore
from portal.intake import service as intake
from portal.reset.service import REASON_REPORTED


def lock(
    session: Session,
    vault: WebVault,
    store: str,
    report: Report,
    *,
    token: str,
    language: str,
    now: datetime,
) -> None:
    """Spend the link, close the password, end every session, and have the worker mail a link to a new one.

    Factors stay: an inbox alone must not be enough to get in. In a company's own store the worker closes the
    password; on this site it is closed from now on. Raises LinkInvalid where the link was used
    meanwhile, or the account was erased.
    """
    intake.spend(session, report.reply_id, now)
    # A new password comes before it, or after.
    found = state.get_many(session, [report.account_id], for_update=True)
    if store == BUILTIN and not found:  # erased meanwhile
        raise intake.LinkInvalid
    require = BuiltinStore().require_reset if store == BUILTIN else state.require
    if not require(session, [report.account_id], REASON_REPORTED, now):
        # A form that is open for the former reason may be a thief's, and so may a passkey that leads to one.
        state.end_all(session, [report.account_id], reset_reason=REASON_REPORTED)
    accounts.end_sessions(session, report.account_id)
    activity.record(session, vault, report.account_id, Kind.REPORTED, now)
    intake.submit(session, vault, PURPOSE, {"token": token, "language": language}, now)
