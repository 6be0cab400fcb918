"""The console's page of the audit log."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit.staff import OPERATOR
from portal.console.audit import reading
from portal.console.audit.details import detail_words, reason_words, setting_value
from portal.console.audit.forms import SearchForm
from portal.console.audit.reading import NEEDS_TWO, NOBODY, OPERATORS, Entry, Wanted
from portal.console.audit.words import GROUPS, named, sentence
from portal.incidents import service as incidents
from portal.staff import members, sending
from portal.staff.approvals import service as approvals
from portal.staff.approvals.models import Approval
from portal.staff.approvals.showing import TITLES
from portal.staff.pages import StaffPages, current
from portal.staff.roles import Role
from portal.web import frame

bp = StaffPages("audit", __name__)

SEES = frozenset({Role.PRIVACY, Role.ADMIN})
REFUSED = 422
STAFF = "staff "
# What a day's page tells: what was done about incidents, and what held or sent emails.
OF_INCIDENTS = (
    "incidents",
    "exposure",
    "campaigns",
    "checklist",
    "reset",
    "outbox",
    "approvals",
    "subscriptions",
)
LOOKS = {"exposure.samples", "exposure.except-list", "checklist.open-file"}
GIVES_REASON = {"campaigns.pause", "campaigns.stop", "incidents.withdraw", "incidents.alone"}
_HEX = re.compile("[0-9a-f]{32}")
LONGEST = 9  # digits of a number that any database takes


@bp.page("/audit/", roles=SEES)
def overview() -> Any:
    """Show the audit log in plain words, the newest first."""
    console = sending.parts()
    with console.db.read() as session:
        names = {one_id.hex(): name for one_id, name in members.names(session, console.vault).items()}
    form = SearchForm(request.args)
    form.who.choices = [
        ("", _("Anybody")),
        *sorted(names.items(), key=lambda one: one[1].casefold()),
        (OPERATORS, _("Operators, by commands")),
        (NOBODY, _("The portal itself")),
    ]
    form.group.choices = [("", _("Anything")), *GROUPS.items()]
    before = request.args.get("before", "")
    wanted = Wanted(before=int(before) if before.isdecimal() and len(before) <= LONGEST else None)
    if valid := form.validate():
        since, until = form.since.data, form.until.data
        who, group = form.who.data or "", form.group.data or ""
        wanted = Wanted(since, until, who, group, wanted.before)
    with console.db.read() as session:
        found = reading.page(session, wanted)
        titles = incidents.titles(session, frame.language())
    kept = {name: value for name, value in request.args.items() if name in form.data and value}
    page = render_template(
        "console/audit/audit.html",
        form=form,
        entries=[_told(one, names | dict(titles)) for one in found.entries],
        older=urlencode(kept | {"before": found.following}) if found.following else "",
        searched=bool(kept),
    )
    return page, 200 if valid else REFUSED


@bp.page("/today/")
def today() -> Any:
    """Show what happened on a day around the incidents: who did what; nothing of people or of staff."""
    console = sending.parts()
    zone, now = ZoneInfo(console.settings.site.timezone), console.clock.now()
    last = now.astimezone(zone).date()
    try:
        day = min(date.fromisoformat(request.args.get("day", "") or last.isoformat()), last)
        begin = datetime.combine(day, time(), zone).astimezone(UTC)
        end = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
        before = day - timedelta(days=1)
    except (ValueError, OverflowError):
        abort(404)
    with console.db.read() as session:
        found = reading.since(session, OF_INCIDENTS, begin, end)
        names = {one_id.hex(): name for one_id, name in members.names(session, console.vault).items()}
        titles = incidents.titles(session, frame.language())
        about = _incidents_of(session, {one.subject for one in found if _is_request(one)})
    told = [
        (about.get(one.subject, one.subject), _told(one, names | dict(titles)))
        for one in found
        if one.action not in LOOKS and (not _is_request(one) or one.subject in about)
    ]
    return render_template(
        "console/audit/today.html",
        day=day,
        before=before,
        after=day + timedelta(days=1) if day < last else None,
        told=[one | {"slug": slug, "why": _why(one["entry"])} for slug, one in told],
        titles=titles,
        most=len(found) == reading.MOST_OF_A_DAY,
        sees_log=bool(SEES & current().member.roles),
    )


def _is_request(entry: Entry) -> bool:
    return entry.action.startswith("approvals.")


def _incidents_of(session: Session, requests: Iterable[str]) -> dict[str, str]:
    """Return the slug of the incident that each request is about, by its id in hex, if any."""
    ids = [bytes.fromhex(one) for one in requests if _HEX.fullmatch(one)]
    rows = session.scalars(select(Approval).where(Approval.id.in_(ids)))
    found = {row.id.hex(): approvals.subject_of(row) for row in rows if approvals.readable(row)}
    return {key: slug for key, slug in found.items() if slug}


def _why(entry: Entry) -> str:
    """Return the reason that somebody gave for holding or taking back something."""
    given = str(entry.details.get("reason", "")) if entry.action in GIVES_REASON else ""
    return reason_words(entry.action, given)


def _told(entry: Entry, names: Mapping[str, str]) -> dict[str, Any]:
    details = entry.details
    if entry.action.startswith("settings."):
        values = {name: details[name] for name in ("before", "after") if details.get(name)}
        details = details | {name: setting_value(entry.subject, str(it)) for name, it in values.items()}
    subject = names.get(entry.subject, entry.subject)
    what = TITLES.get(str(details.get("kind")), details.get("kind"))
    told = {**details, "what": what}
    alone = details.get("alone") is True or entry.action == "incidents.alone"
    if entry.by.startswith(OPERATOR) and entry.action in NEEDS_TWO:
        alone = True
    return {
        "entry": entry,
        "sentence": sentence(named(entry.action, details), subject, told),
        "who": _who(entry.by, names),
        "approved_by": _who(str(details.get("approved_by", "")), names),
        "asked_by": _who(str(details.get("asked_by", "")), names),
        "alone": alone,
        "request": entry.subject if entry.action.startswith("approvals.") else "",
        "details": detail_words(entry.action, details),
    }


def _who(by: str, names: Mapping[str, str]) -> str:
    if by.startswith(STAFF):
        return names.get(by.removeprefix(STAFF), by)
    if by.startswith(OPERATOR):
        return str(_("%(name)s, by a command", name=by.removeprefix(OPERATOR)))
    return by
