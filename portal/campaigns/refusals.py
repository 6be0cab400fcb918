"""Why an order about notices is refused: the services' errors, and the codes that pages have words for."""

from portal.campaigns import frozen
from portal.campaigns.series import binding, drafting, steering
from portal.exposure import service as exposure
from portal.incidents import service as incidents
from portal.staff.orders import Refused

REASONS: dict[type[Exception], str] = {
    incidents.IncidentUnknown: "no-notice",
    steering.NoticeUnknown: "no-notice",
    steering.NoticeState: "notice-state",
    steering.NoticeForged: "notice-altered",
    frozen.WordsAltered: "notice-altered",
    frozen.SubjectAltered: "notice-altered",
    steering.ListChanged: "list-changed",
    steering.CountWrong: "list-changed",
    exposure.ListNotActive: "no-list",
    exposure.ListDestroyed: "no-list",
    drafting.SinceMissing: "no-notice",
    drafting.FormerListGone: "list-gone",
    drafting.AlreadyTold: "already-told",
    binding.LeftOutChanged: "left-out-changed",
    binding.OwnChange: "left-out-own",
}


def refused(error: Exception) -> Refused:
    """Return the refusal of an order for an error of REASONS."""
    reason = next(reason for kind, reason in REASONS.items() if isinstance(error, kind))
    return Refused(reason, state=error.state) if isinstance(error, steering.NoticeState) else Refused(reason)
