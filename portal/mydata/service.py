"""Store and open prepared copies, and confirm by a mailed link that an account goes."""

from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from portal.accounts import service as sessions
from portal.crypto import tokens
from portal.crypto.vault import WebVault
from portal.identity import state
from portal.intake import service as intake
from portal.intake.service import LinkInvalid
from portal.mydata.emails import COPY, ERASE
from portal.mydata.models import DataCopy
from portal.runtime.turns import Expired

# What the web process tells the worker once a mailed link confirmed it.
CONFIRMED = "erase-confirmed"
COPY_LIFETIME = timedelta(days=7)
ERASE_LIFETIME = timedelta(hours=24)
STEP = 65_536
_INFO = "portal data copy"
EXPIRED = Expired(
    "prepared copies of people's data", DataCopy, lambda _retention, now: DataCopy.ends_at <= now
)


def store(session: Session, row_id: bytes, token: str, content: bytes, now: datetime) -> None:
    """Store the copy that a mail's link opens, padded so that its length tells little."""
    size = (len(content) // STEP + 1) * STEP
    locked = tokens.lock(token.encode(), content, size, _INFO)
    values = {"id": row_id, "content": locked, "ends_at": _end(now)}
    session.execute(insert(DataCopy).values(values))


def extend(session: Session, row_id: bytes, now: datetime) -> None:
    """Keep a copy for the lifetime of its link, which begins to live now."""
    session.execute(update(DataCopy).where(DataCopy.id == row_id).values(ends_at=_end(now)))


def _end(now: datetime) -> datetime:
    """Return when a copy goes that was made now: at a full hour, after its link has ended."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return hour + COPY_LIFETIME + timedelta(hours=1)


def open_copy(session: Session, token: str, account_id: bytes, now: datetime) -> bytes:
    """Return the copy behind a link, for the account that it is about. Raises LinkInvalid otherwise."""
    opened = intake.open_reply(session, COPY, token, now)
    if opened.data["account"] != account_id.hex():
        raise LinkInvalid
    locked = session.scalar(select(DataCopy.content).where(DataCopy.id == opened.id))
    try:
        return tokens.unlock(token.encode(), locked or b"", _INFO)
    except tokens.Unopenable as error:
        raise LinkInvalid from error


def open_erasure(session: Session, store_name: str, token: str, now: datetime) -> bytes:
    """Return whose account a link erases; nothing changes. Raises LinkInvalid.

    A new password, or a lock, ends the link: whose account it is has been proved anew since, or is in doubt.
    """
    opened = intake.open_reply(session, ERASE, token, now)
    account_id = bytes.fromhex(opened.data["account"])
    account = state.of_store(session, account_id, store_name)
    if account is None or account.must_reset or account.version != opened.data["version"]:
        raise LinkInvalid
    return account_id


def confirm_erasure(
    session: Session, vault: WebVault, store_name: str, token: str, language: str, now: datetime
) -> None:
    """Spend a link, end the account's sessions, and have the worker erase it. Raises LinkInvalid.

    Of two presses at once, one does it.
    """
    account_id = open_erasure(session, store_name, token, now)
    intake.spend(session, intake.open_reply(session, ERASE, token, now).id, now)
    sessions.end_sessions(session, account_id)
    intake.submit(session, vault, CONFIRMED, {"token": token, "language": language}, now)
