"""The worker's side of a link: what it holds, and the mail that carries it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.identity.port import Account, Profile
from portal.intake import replies
from portal.intake.replies import CodeLock
from portal.kit.db import new_id
from portal.kit.vault import WorkerVault
from portal.outbox import service as outbox
from portal.outbox.mail import Mail
from portal.reset.emails import PURPOSE

LIFETIME = timedelta(hours=24)


def send(
    session: Session,
    vault: WorkerVault,
    mail: Mail,
    *,
    account: Account | None,
    profile: Profile,
    locale: str,
    now: datetime,
    row_id: bytes | None = None,
    code: CodeLock | None = None,
    unique: bytes | None = None,
    batch: bytes | None = None,
) -> int:
    """Queue a mail, and prepare the reply of its link under the same row id; return how many mails were queued.

    Where a mail with this `unique` key was queued before, there is nothing to do.
    """
    queued = outbox.enqueue(
        session,
        vault,
        mail,
        address=profile.address,
        locale=locale,
        now=now,
        row_id=row_id or new_id(),
        unique=unique,
        batch=batch,
    )
    if queued is None:
        return 0
    replies.prepare(
        session,
        vault,
        PURPOSE,
        queued,
        data=_link_data(account, profile),
        now=now,
        lifetime=LIFETIME,
        code=code,
    )
    return 1


def _link_data(account: Account | None, profile: Profile) -> dict[str, Any]:
    """Return what a link's reply holds, locked under its token: the account, its version, and whose it is."""
    return {
        "account": account.id.hex() if account else None,
        "version": account.version if account else 0,
        "address": profile.address,
        "words": [profile.address, profile.name],
    }
