"""Lock an account whose owner says "this wasn't me", until a new password is chosen through a mailed link."""

from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.accounts.activity import not_me
from portal.accounts.activity import service as activity
from portal.accounts.activity.not_me import LIFETIME, PURPOSE, Report
from portal.accounts.activity.service import ADDED, Kind
from portal.crypto.vault import WebVault
from portal.identity import state
from portal.identity.builtin.models import STORE as BUILTIN
from portal.identity.builtin.store import BuiltinStore
from portal.intake import service as intake
from portal.reset.service import REASON_REPORTED

# A link lives for a month from when its mail left, which may be late.
LOOKED_BACK = 2 * LIFETIME


class Outdated(Exception):
    """A new password was chosen by mail after what is reported: nothing is left to lock."""


def new_password_since(session: Session, vault: WebVault, report: Report, now: datetime) -> datetime | None:
    """Return when a new password was chosen by mail that undid what is reported, or None.

    Links of many mails lie in the inbox: who reads them later must not lock the account with each. What was
    added to an account outlives a new password, so there a report must have come first, after which the owner
    looked through what is set up.
    """
    events = activity.events_of(session, vault, report.account_id, now, LOOKED_BACK)
    chosen = [one.at for one in events if one.kind is Kind.CHOSE_PASSWORD and one.at > report.at]
    if report.kind in ADDED and chosen:
        reported = [one.at for one in events if one.kind is Kind.REPORTED and one.at >= report.at]
        chosen = [at for at in chosen if any(before <= at for before in reported)]
    return max(chosen, default=None)


def open_report(session: Session, store: str, token: str, now: datetime) -> Report:
    """Return what a mailed link is about. Raises LinkInvalid, also where the account was erased."""
    report = not_me.open_link(session, token, now)
    if store == BUILTIN and state.get(session, report.account_id) is None:
        raise intake.LinkInvalid
    return report


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
    meanwhile, or the account was erased, and Outdated.
    """
    intake.spend(session, report.reply_id, now)
    # A new password comes before it, or after.
    found = state.get_many(session, [report.account_id], for_update=True)
    if store == BUILTIN and not found:  # erased meanwhile
        raise intake.LinkInvalid
    if new_password_since(session, vault, report, now):
        raise Outdated
    require = BuiltinStore().require_reset if store == BUILTIN else state.require
    if not require(session, [report.account_id], REASON_REPORTED, now):
        # A form that is open for the former reason may be a thief's, and so may a passkey that leads to one.
        state.end_all(session, [report.account_id], reset_reason=REASON_REPORTED)
    accounts.end_sessions(session, report.account_id)
    activity.record(session, vault, report.account_id, Kind.REPORTED, now)
    intake.submit(session, vault, PURPOSE, {"token": token, "language": language}, now)
