"""The console's pages of required resets: count, ask for approval, see how far it is and what it came to."""

from dataclasses import asdict
from typing import Any

from flask import abort, jsonify, render_template
from flask_babel import format_decimal, lazy_gettext
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.core.faults import parsed
from portal.exposure import service as exposure
from portal.identity import registry
from portal.incidents import service as incidents
from portal.reset.models import ResetRun
from portal.reset.require.jobs import under_way
from portal.reset.runs import service
from portal.reset.runs.forms import AskForm, CountForm
from portal.reset.runs.jobs import ASKS, SEES
from portal.staff import sending
from portal.staff.approvals import service as approvals
from portal.staff.approvals.console import ask, waiting
from portal.staff.pages import StaffPages, current
from portal.staff.sending import OrderRefused
from portal.staff.words import refusal
from portal.web import frame

bp = StaffPages("resets", __name__)

REFUSED = 422
ACTION = "reset.require"
ALL = "*"  # the choice of everyone; slugs never have it
STATES = {
    "counting": lazy_gettext("Counting"),
    "counted": lazy_gettext("Counted, nothing is changed yet"),
    "approved": lazy_gettext("Approved, and under way"),
    "done": lazy_gettext("Done"),
    "failed": lazy_gettext("It didn’t work"),
}
FAULTS = {
    "list-replaced": lazy_gettext("The active list changed meanwhile. Count again."),
    "list-unreadable": lazy_gettext("The active list can’t be read. Ask an operator to run “portal doctor”."),
    "store": lazy_gettext("Your user store gives a wrong answer. An operator must check it."),
    "altered": lazy_gettext("Somebody changed this in the database. Tell an admin."),
}
COUNTS = {
    "newly": lazy_gettext("Passwords to lock"),
    "already": lazy_gettext("Locked before, and not renewed yet"),
    "renewed": lazy_gettext("Renewed since, by an emailed link"),
    "mails": lazy_gettext("Emails to owners"),
    "accounts": lazy_gettext("Accounts found"),
    "people": lazy_gettext("People on the list whose passwords were taken"),
    "altered": lazy_gettext("Tampered rows, skipped"),
}
COUNTS_DONE = COUNTS | {
    "newly": lazy_gettext("Passwords locked"),
    "mails": lazy_gettext("Emails queued"),
}


@bp.page("/resets/", roles=SEES, methods=("GET", "POST"))
def overview() -> Any:
    """List the resets; begin a count."""
    console, form, fault = sending.parts(), CountForm(), ""
    with console.db.read() as session:
        form.subject.choices = [
            (one.slug, _("Everyone on the list of %(title)s", title=one.title_in(frame.language())))
            for one in incidents.every(session)
            if exposure.active(session, one.id) is not None
        ]
        runs = service.newest(session)
        titles = incidents.titles(session, frame.language())
    form.subject.choices.append((ALL, _("Everyone with an account")))
    begins = bool(ASKS & current().member.roles)
    if begins and form.validate_on_submit():
        subject = "" if form.subject.data == ALL else form.subject.data or ""
        try:
            told = sending.order("reset-count", subject=subject)
            return sending.done(_("We’re counting. Nothing changes yet."), f"/resets/{told['run']}/")
        except OrderRefused as error:
            fault = refusal(error.reason)
    page = render_template(
        "reset/console/resets.html",
        form=form,
        fault=fault,
        runs=runs,
        titles=titles,
        begins=begins and registry.capabilities(console.settings).require_change,
        can=registry.capabilities(console.settings).require_change,
        states=STATES,
    )
    return page, REFUSED if fault or form.errors else 200


@bp.page("/resets/<run_id>/", roles=SEES, methods=("GET", "POST"))
def one(run_id: str) -> Any:
    """Show a reset: its counts, how far it is, what it came to; ask for approval."""
    run, form, fault = _run(run_id), AskForm(), ""
    nothing = _nothing(run)
    asks = bool(ASKS & current().member.roles) and run.state == service.State.COUNTED and not nothing
    if asks and form.validate_on_submit():
        try:
            return ask(ACTION, {"run": run_id}, reason=form.reason.data or "")
        except OrderRefused as error:
            fault = refusal(error.reason)
    console = sending.parts()
    with console.db.read() as session:
        asked = approvals.find(session, ACTION, {"run": run_id})
        waits = waiting(session, ACTION, {"run": run_id})
        tally, so_far = _tally(session, run)
        titles = incidents.titles(session, frame.language())
    words = COUNTS_DONE if so_far or run.state == service.State.DONE else COUNTS
    page = render_template(
        "reset/console/reset.html",
        run=run,
        form=form,
        fault=fault,
        asks=asks,
        waits=waits,
        titles=titles,
        asked=asked,
        counts=[(name, words[name], tally[name]) for name in words if name in tally],
        so_far=so_far,
        nothing=nothing,
        progress=_progress(run),
        states=STATES,
        why=FAULTS.get(run.fault, _("The worker’s log says why.")),
    )
    return page, REFUSED if fault or form.errors else 200


@bp.page("/resets/<run_id>/progress", roles=SEES)
def progress(run_id: str) -> Response:
    """Say how far a count or a reset is, for the page's script."""
    run = _run(run_id)
    with sending.parts().db.read() as session:
        tally, so_far = _tally(session, run)
    facts = {name: format_decimal(number) for name, number in tally.items()} if so_far else {}
    return jsonify(state=run.state, facts=facts, **_progress(run))


def _tally(session: Session, run: ResetRun) -> tuple[dict[str, int], bool]:
    """Return the counts to show, and whether they are those of the work that is under way."""
    if run.state == service.State.APPROVED:
        found = under_way(session, run.subject, run.list_version)
        if found is not None:
            return asdict(found), True
    return parsed(run.tally, "reset_runs", run.id), False


def _nothing(run: ResetRun) -> str:
    """Return why a count found no password to lock and nobody to mail; empty where it found some."""
    if run.state != service.State.COUNTED:
        return ""
    counted = parsed(run.tally, "reset_runs", run.id)
    if counted["newly"] or counted["mails"]:
        return ""
    if counted["already"] or counted["renewed"]:
        return str(_("These passwords were locked before, or their owners have chosen new ones since."))
    if not run.subject:
        return str(_("Nobody has an account with a password here."))
    if counted["people"]:
        return str(
            _(
                "Nobody whose password was taken has an account here under the address on the list. "
                "Check that the list has the addresses people sign in with."
            )
        )
    return str(_("The list doesn’t say of anybody that their password was taken."))


def _progress(run: ResetRun) -> dict[str, Any]:
    done, total = format_decimal(run.done), format_decimal(run.total)
    if run.total:
        said = _("%(done)s of %(total)s people read.", done=done, total=total)
    else:
        said = _("%(done)s people read.", done=done)
    return {"percent": min(100 * run.done // run.total, 100) if run.total else 0, "words": said}


def _run(run_id: str) -> ResetRun:
    try:
        row_id = bytes.fromhex(run_id)
    except ValueError:
        abort(404)
    with sending.parts().db.read() as session:
        return session.get(ResetRun, row_id) or abort(404)
