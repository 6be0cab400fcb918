"""Queue mails again that failed, or that ended uncertain; count beforehand what that would send."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.outbox import mail as mails
from portal.outbox.bulk.lanes import STOPPED
from portal.outbox.models import ENDED, FAILED, OutboxMail
from portal.outbox.service import ALTERED, OUTDATED, never_confirmed, queued_again

# A requested mail older than this is not retried: the person has asked again, and its link may have expired.
STILL_WANTED = timedelta(hours=24)


@dataclass(frozen=True)
class Preview:
    """What a retry would send: the number of mails by purpose, and when the oldest was queued."""

    purposes: dict[str, int]
    oldest: datetime | None

    @property
    def mails(self) -> int:
        """The number of mails."""
        return sum(self.purposes.values())


def preview(
    session: Session, reason: str | None, now: datetime, *, uncertain: bool = False, most: int
) -> Preview:
    """Return what `retry_failed` would queue, looking at no more than `most` mails."""
    chosen = select(OutboxMail.purpose, OutboxMail.created_at).where(_wanted(reason, now, uncertain))
    few = chosen.limit(most).subquery()
    rows = session.execute(
        select(few.c.purpose, func.count(), func.min(few.c.created_at))
        .group_by(few.c.purpose)
        .order_by(few.c.purpose)
    ).all()
    return Preview({row[0]: row[1] for row in rows}, min((row[2] for row in rows), default=None))


def retry_failed(
    session: Session, reason: str | None, now: datetime, *, uncertain: bool = False, most: int | None = None
) -> int:
    """Queue failed mails again, all or those of one reason, `most` at a time; return how many.

    `uncertain` queues the uncertain ones instead. Skips mails whose payload was blanked or does not decrypt,
    that were dropped as outdated or whose notice was stopped, or that were requested over 24 hours ago.
    Writes the audit row.
    """
    chosen = _wanted(reason, now, uncertain)
    if most is not None:
        chosen = OutboxMail.id.in_(select(OutboxMail.id).where(chosen).limit(most))
    result: Any = session.execute(update(OutboxMail).where(chosen).values(**queued_again(now)))
    number = int(result.rowcount)
    details = {"mails": number} | ({"state": "uncertain"} if uncertain else {})
    audit.record(session, "outbox.retry", reason or "all", details, now)
    return number


def _wanted(reason: str | None, now: datetime, uncertain: bool) -> Any:
    ended = never_confirmed() if uncertain else (OutboxMail.state == FAILED) & ENDED
    ended &= (func.length(OutboxMail.payload) > 0) & OutboxMail.reason.not_in([ALTERED, OUTDATED, STOPPED])
    ended &= (OutboxMail.priority != mails.PRIORITIES[mails.REQUESTED]) | (
        OutboxMail.created_at > now - STILL_WANTED
    )
    return ended if reason is None else ended & (OutboxMail.reason == reason)
