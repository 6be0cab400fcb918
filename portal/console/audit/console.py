"""The console's page of the audit log."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import render_template, request
from flask_babel import gettext as _

from portal.audit.staff import OPERATOR
from portal.console.audit import reading
from portal.console.audit.forms import SearchForm
from portal.console.audit.reading import NEEDS_TWO, NOBODY, OPERATORS, Entry, Wanted
from portal.console.audit.words import GROUPS, detail_words, named, sentence
from portal.staff import members, sending
from portal.staff.approvals.showing import TITLES
from portal.staff.pages import StaffPages
from portal.staff.roles import Role

bp = StaffPages("audit", __name__)

SEES = frozenset({Role.PRIVACY, Role.ADMIN})
REFUSED = 422
STAFF = "staff "
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
    kept = {name: value for name, value in request.args.items() if name in form.data and value}
    page = render_template(
        "console/audit/audit.html",
        form=form,
        entries=[_told(one, names) for one in found.entries],
        older=urlencode(kept | {"before": found.following}) if found.following else "",
        searched=bool(kept),
    )
    return page, 200 if valid else REFUSED


def _told(entry: Entry, names: Mapping[str, str]) -> dict[str, Any]:
    details = entry.details
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
