"""The console's pages of outgoing mail."""

from typing import Any

from flask import redirect, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from portal.console.mail import words
from portal.console.mail.forms import ReasonForm, RetryForm
from portal.console.mail.jobs import ADMIN, PAUSES, PORTION, RESUMES
from portal.console.mail.words import STATES, STREAMS, purpose_words, reason_words
from portal.core.i18n import said, unpacked
from portal.monitoring import figures
from portal.outbox import pace, service
from portal.outbox.bulk import lanes, retrying
from portal.staff import sending
from portal.staff.pages import StaffPages, current
from portal.staff.sending import OrderRefused
from portal.staff.words import refusal
from portal.web.forms import EmptyForm

bp = StaffPages("mail", __name__)

REFUSED = 422
# Rows that are read for the reasons, and for what a retry sends: as many as it queues at once.
MOST_READ = PORTION


@bp.page("/mail/")
def overview() -> str:
    """Show how outgoing mail does."""
    return _page()


@bp.page("/mail/pause/", roles=PAUSES, methods=("POST",))
def pause() -> Any:
    """Stop notices and updates, with a reason."""
    form = ReasonForm()
    if not form.validate():
        return _page(form), REFUSED
    try:
        told = sending.order("mail-pause", reason=form.reason.data or "")
    except OrderRefused as error:
        return _page(form, refusal(error.reason)), REFUSED
    if told["new"]:
        return sending.done(_("Notices and updates are paused."), "/mail/")
    return sending.done(_("They were paused already. The first reason stays."), "/mail/")


@bp.page("/mail/resume/", roles=RESUMES, methods=("POST",), step_up=True)
def resume() -> Any:
    """Send notices and updates again, with a reason."""
    form = ReasonForm()
    if not form.validate():
        return _page(form), REFUSED
    try:
        told = sending.order("mail-resume", reason=form.reason.data or "")
    except OrderRefused as error:
        return _page(form, refusal(error.reason)), REFUSED
    said = _("Notices and updates are sent again.") if told["ended"] else _("They weren’t paused.")
    return sending.done(said, "/mail/")


@bp.page("/mail/retry/", roles=ADMIN, methods=("GET", "POST"), step_up=True)
def retry() -> Any:
    """Show what a retry sends; then queue it."""
    form, fault = RetryForm(), ""
    if form.validate_on_submit():
        try:
            told = sending.order(
                "mail-retry", reason=form.reason.data or "", uncertain=form.uncertain.data or ""
            )
            return _queued_again(told["mails"], more=told["more"])
        except OrderRefused as error:
            fault = refusal(error.reason)
    if request.method == "GET":
        form.reason.data = request.args.get("reason", "")[:20]
        form.uncertain.data = request.args.get("uncertain", "")[:1]
    reason, console = form.reason.data or None, sending.parts()
    with console.db.read() as session:
        now = console.clock.now()
        found = retrying.preview(
            session, reason, now, uncertain=bool(form.uncertain.data), most=MOST_READ + 1
        )
    page = render_template(
        "console/mail/retry.html",
        form=form,
        fault=fault,
        found=found,
        most=MOST_READ,
        purposes=purpose_words(found.purposes),
        reason=reason and reason_words(reason),
    )
    return page, REFUSED if fault or form.errors else 200


@bp.page("/mail/domain/", methods=("GET", "POST"))
def check_domain() -> Any:
    """Check whether receivers can tell that the mail is genuine."""
    demo = sending.parts().settings.environment == "demo"  # its emails go nowhere
    if request.method == "GET" or demo:  # opened by its address, or reloaded
        return redirect("/mail/", 303)
    EmptyForm().validate()
    try:
        told = sending.order("mail-check")
    except OrderRefused as error:
        return _page(fault=refusal(error.reason)), REFUSED
    return render_template(
        "console/mail/domain.html",
        findings=[
            (words.CHECKS.get(check, check), state, said(unpacked(message), _))
            for check, state, message in told["findings"]
        ],
        sender=sending.parts().settings.mail.sender,
    )


def _queued_again(mails: int, *, more: bool) -> Response:
    said = ngettext("Queued again: %(num)s email.", "Queued again: %(num)s emails.", mails)
    if more:
        said += " " + _("There are more: press the button again.")
    return sending.done(said, "/mail/retry/" if more else "/mail/")


def _page(form: ReasonForm | None = None, fault: str = "") -> str:
    console, roles = sending.parts(), current().member.roles
    with console.db.read() as session:
        now = console.clock.now()
        mails = figures.mails(session)
        failures = service.failures(session, MOST_READ)
        delays = service.delays(session, MOST_READ)
        unsubscribed = figures.unsubscribed(session)
        rate = pace.measured_rate(session, now)
        accepted, ended = pace.accepted(session)
        paces = pace.paces(session)
        degraded = service.why_degraded(session, now)
        may_pause, may_resume = bool(PAUSES & roles), bool(RESUMES & roles)
        paused = lanes.pause_of(session)
    return render_template(
        "console/mail/mail.html",
        form=form or ReasonForm(formdata=None),
        fault=fault,
        empty=EmptyForm(),
        mails=mails,
        accepted=100 * accepted / ended if ended else None,
        ended=ended,
        most=figures.MOST,
        most_read=MOST_READ,
        failures=[(reason, reason_words(reason), number) for reason, number in failures.items()],
        delays=[(reason, reason_words(reason), number) for reason, number in delays.items()],
        unsubscribed=unsubscribed,
        rate=rate,
        paces=paces,
        degraded=degraded,
        paused=paused,
        streams=STREAMS,
        states=STATES,
        changes=may_resume if paused else may_pause,
        retries=bool(ADMIN & roles),
        sender=console.settings.mail.sender,
    )
