"""The worker's side of the mail page: pause, resume, retry, and the checks of the sender's domain."""

from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import Any

from portal.core.i18n import packed
from portal.core.one_line import is_plain
from portal.outbox.bulk import lanes, retrying
from portal.runtime.doctor import mail_domain
from portal.runtime.doctor.findings import Waiting
from portal.runtime.doctor.names import Names
from portal.runtime.parts import WorkerParts
from portal.staff.orders import Acting, Order, Refused
from portal.staff.roles import Role

PAUSES = frozenset({Role.AUTHOR, Role.APPROVER, Role.ADMIN})
RESUMES = frozenset({Role.ADMIN, Role.APPROVER})
ADMIN = frozenset({Role.ADMIN})
CHECK_SECONDS = 7.0
# One transaction queues so many; an order ends before the console stops waiting for it.
PORTION = 5_000
RETRY_SECONDS = 5.0


def pause(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Stop notices and updates. Fields: reason."""
    with parts.db.write() as session:
        return {"new": lanes.pause(session, _reason(fields), parts.clock.now())}


def resume(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Send notices and updates again. Fields: reason."""
    with parts.db.write() as session:
        return {"ended": lanes.resume(session, parts.clock.now(), _reason(fields))}


def retry(parts: WorkerParts, _acting: Acting, fields: Mapping[str, str]) -> dict[str, Any]:
    """Queue failed mails again, in portions. Fields: reason (empty: all), uncertain (empty: no).

    Returns how many, and whether there may be more.
    """
    reason, uncertain = fields["reason"] or None, bool(fields["uncertain"])
    ends_at, mails = monotonic() + RETRY_SECONDS, 0
    while True:
        with parts.db.write() as session:
            now = parts.clock.now()
            last = retrying.retry_failed(session, reason, now, uncertain=uncertain, most=PORTION)
        mails += last
        if last < PORTION or monotonic() >= ends_at:
            break
    return {"mails": mails, "more": last == PORTION}


def check_domain(
    parts: WorkerParts, _acting: Acting, _fields: Mapping[str, str], names: Names | None = None
) -> dict[str, Any]:
    """Return what `portal doctor` finds about the sender's domain."""
    asked = ("SPF, DMARC and DKIM", partial(mail_domain.check, parts.settings, names or Names()))
    found = Waiting([asked], CHECK_SECONDS).findings()
    return {"findings": [[one.check, one.state, packed(one.message)] for one in found]}


def _reason(fields: Mapping[str, str]) -> str:
    reason = fields["reason"].strip()
    if not 0 < len(reason) <= lanes.LONGEST_REASON or not is_plain(reason):
        raise Refused("reason")
    return reason


ORDERS = {
    "mail-pause": Order(pause, PAUSES),
    "mail-resume": Order(resume, RESUMES, step_up=True),
    "mail-retry": Order(retry, ADMIN, step_up=True),
    "mail-check": Order(check_domain),
}
