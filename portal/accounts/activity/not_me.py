"""The link "this wasn't me" of a mail about an account: prepared with the mail, opened by its reader."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal.accounts.activity.service import Kind
from portal.crypto.vault import WorkerVault
from portal.intake import replies
from portal.intake import service as intake
from portal.runtime.parts import Handover, LeavingMail, WorkerParts

PURPOSE = "not-me"
PATH = "/not-me/{token}/"
# So long that somebody who was on holiday can still use it: it locks, and lets nobody in.
LIFETIME = timedelta(days=30)


@dataclass(frozen=True, repr=False)
class Report:
    """An opened link: whose account it is about, and what happened there and when."""

    reply_id: bytes
    account_id: bytes
    kind: Kind
    at: datetime


def prepare(
    session: Session,
    vault: WorkerVault,
    row_id: bytes,
    account_id: bytes,
    kind: Kind,
    at: datetime,
    now: datetime,
) -> None:
    """Prepare the link of the mail `row_id`, which says what happened `at` that time.

    It is not bound to the account's version: a thief of the account must not end it by another change.
    """
    content = {"account": account_id.hex(), "kind": kind.value, "at": at.isoformat(timespec="seconds")}
    replies.prepare(
        session,
        vault,
        PURPOSE,
        row_id,
        data=content,
        now=now,
        lifetime=LIFETIME,
        private={"account": account_id.hex()},
    )


def open_link(session: Session, token: str | None, now: datetime) -> Report:
    """Open a link without spending it. Raises LinkInvalid."""
    opened = intake.open_reply(session, PURPOSE, token, now)
    data = opened.data
    at = datetime.fromisoformat(data["at"])
    return Report(opened.id, bytes.fromhex(data["account"]), Kind(data["kind"]), at)


def before_handover(session: Session, mail: LeavingMail, now: datetime, _parts: WorkerParts) -> Handover:
    """Let the link begin to live as its mail leaves; the mail is wanted however late it is."""
    replies.extend(session, mail.id, now, LIFETIME)
    return Handover.SEND
