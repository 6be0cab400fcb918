"""The console's pages of notices: draft one, ask for approval, follow it, hold it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from flask import abort, jsonify, make_response, render_template, request
from flask_babel import format_decimal, lazy_gettext
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.audit import service as audit
from portal.audit.models import AuditEntry
from portal.campaigns import orders, wording
from portal.campaigns.forms import BASES, HOLDS, KINDS, STALE, AskForm, ReasonForm
from portal.campaigns.models import DONE, DRAFT, ENDED, PAUSED, RUNNING, Campaign
from portal.campaigns.series import binding, drafting, progress, shown, status, steering
from portal.core.dates import moment
from portal.core.faults import parsed
from portal.exposure import service as exposure
from portal.exposure.console.forms import LEFT_OUT_REASONS
from portal.exposure.console.words import kind_names
from portal.incidents import service as incidents
from portal.incidents.models import PUBLISHED, Incident
from portal.outbox.bulk import lanes
from portal.site import legal
from portal.staff import members, sending
from portal.staff.approvals import service as approvals
from portal.staff.approvals.console import ask, waiting, waiting_ones
from portal.staff.orders import by
from portal.staff.pages import StaffPages, current
from portal.staff.roles import Role
from portal.staff.sending import OrderRefused
from portal.staff.words import refusal
from portal.web import frame

bp = StaffPages("notices", __name__)

REFUSED = 422
# The state shown of a notice, or a wave, of which every email has ended.
SENT = "sent"
# Mails bring their styles along.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
STATES = {
    "draft": lazy_gettext("Draft"),
    "running": lazy_gettext("Going out"),
    "paused": lazy_gettext("Paused"),
    "stopped": lazy_gettext("Stopped"),
    "ended": lazy_gettext("All queued"),
    SENT: lazy_gettext("Sent"),
}
WAVE_STATES = {
    "waiting": lazy_gettext("waits"),
    "running": lazy_gettext("being queued"),
    "done": lazy_gettext("queued"),
    SENT: lazy_gettext("sent"),
    "stopped": lazy_gettext("stopped"),
}
REASONS = {
    "summary-missing": lazy_gettext(
        "The statement is too long for an email. Write its short form for the notice first."
    ),
    "own-words": lazy_gettext("Your own words must be one paragraph of 1,000 characters or fewer."),
    "own-words-unused": lazy_gettext(
        "The email says only that there’s a message, so it can’t have your own words."
    ),
    "too-many-waves": lazy_gettext("That makes more than 50 waves. Use fewer."),
    "too-many-tests": lazy_gettext("20 tests were sent today. Try again tomorrow."),
    "no-notice": lazy_gettext("There’s no notice with this number."),
    "no-list": lazy_gettext("No list of affected people is active. Activate one first."),
    "notice-state": lazy_gettext("It can’t be done now: the notice has changed. Look again."),
    "notice-altered": lazy_gettext(
        "Somebody changed this notice in the database. Nothing was sent. Tell your IT team at once."
    ),
    "list-changed": lazy_gettext("Another list is active now. Edit the draft and save it."),
    "list-gone": lazy_gettext("The earlier list was destroyed. Choose people a notice didn’t reach."),
    "left-out-changed": lazy_gettext(
        "Other people are left out now than when this was drafted. Edit the draft and save it."
    ),
    "left-out-own": lazy_gettext("You changed who is left out, so another approver must let it go on."),
    "already-told": lazy_gettext("Everyone on this list has a first notice. Choose “More facts”."),
    "not-published": lazy_gettext("The incident isn’t public yet, so the link would lead nowhere."),
}


@bp.page("/notices/")
def overview() -> str:
    """List the notices of every incident."""
    console = sending.parts()
    with console.db.read() as session:
        now = console.clock.now()
        found = [
            {
                "incident": incident,
                "list": exposure.active(session, incident.id),
                "notices": [
                    _shown(status.as_data(session, console.settings, each, now))
                    for each in progress.of_incident(session, incident.id)
                ],
            }
            for incident in incidents.every(session)
        ]
        paused = lanes.pause_of(session)
        asked = [(approvals.fields_of(one), one) for one in waiting_ones(session, orders.START)]
        waits = {(of["incident"], of["notice"]): one for of, one in asked}
    return render_template(
        "campaigns/console/notices.html", found=found, kinds=KINDS, states=STATES, paused=paused, waits=waits
    )


@bp.page("/notices/<slug>/<number:number>/")
def one(slug: str, number: int) -> str:
    """Show one notice: what it says, whom it goes to, and how far it is."""
    return _page(slug, number)


@bp.page("/notices/<slug>/<number:number>/progress")
def live(slug: str, number: int) -> Response:
    """Say how far a notice is, for the page's script."""
    console = sending.parts()
    with console.db.read() as session:
        _incident, campaign = notice_of(session, slug, number)
        data = _shown(status.as_data(session, console.settings, campaign, console.clock.now()))
    facts = {name: format_decimal(number) for name, number in _facts(data).items()}
    return jsonify(state=data["state"], facts=facts)


@bp.page("/notices/<slug>/<number:number>/text/<language>/")
def text(slug: str, number: int, language: str) -> Response:
    """Show the mail as a made-up person would get it: on a phone, on a desktop, and as plain text."""
    incident, mail, short = _mail(slug, number, language)
    page = render_template(
        "campaigns/console/text.html", incident=incident, number=number, language_of=language, mail=mail,
        languages_of=sending.parts().settings.site.languages, short=short,
    )  # fmt: skip
    response = make_response(page)
    response.headers["Content-Security-Policy"] = f"{frame.CONTENT_SECURITY_POLICY}; frame-src 'self'"
    return response


@bp.page("/notices/<slug>/<number:number>/text/<language>/html/")
def html(slug: str, number: int, language: str) -> Response:
    """Return the mail's HTML for a frame of that page: it loads nothing, sends nothing and runs nothing."""
    _incident, mail, _short = _mail(slug, number, language)
    response = make_response(mail.html)
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@bp.page("/notices/<slug>/<number:number>/test/", roles=orders.STEERING, methods=("POST",), step_up=True)
def test(slug: str, number: int) -> Response:
    """Mail the notice to oneself."""
    return _ordered(
        slug, number, "notice-test",
        lambda: _("On its way to your own inbox. It looks exactly like the notice."),
        language=request.form.get("language", frame.language()),
    )  # fmt: skip


@bp.page("/notices/<slug>/<number:number>/ask/", roles=orders.AUTHOR, methods=("POST",))
def ask_to_start(slug: str, number: int) -> Any:
    """Ask a second person to start it."""
    form = AskForm()
    if not form.validate():
        return _page(slug, number, asking=form), REFUSED
    try:
        return ask(orders.START, {"incident": slug, "notice": str(number)}, form.note.data or "")
    except OrderRefused as error:
        return _page(slug, number, fault=why(error)), REFUSED


@bp.page("/notices/<slug>/<number:number>/pause/", roles=orders.STEERING, methods=("POST",))
def pause(slug: str, number: int) -> Any:
    """Hold it at once. Needs nobody else."""
    return _held(slug, number, steering.pause, _("Paused. No more emails of this notice leave."))


@bp.page("/notices/<slug>/<number:number>/stop/", roles=orders.STEERING, methods=("POST",))
def stop(slug: str, number: int) -> Any:
    """Stop the rest for good. Needs nobody else."""
    stops = partial(steering.stop, lets_list_go=False)  # the list's row is the worker's
    return _held(slug, number, stops, _("Stopped. The emails that waited don’t leave any more."))


@bp.page(
    "/notices/<slug>/<number:number>/resume/", roles=frozenset({Role.APPROVER}), methods=("POST",),
    step_up=True,
)  # fmt: skip
def resume(slug: str, number: int) -> Response:
    """Let it go on."""
    return _ordered(slug, number, "notice-resume", lambda: _resumed(slug, number))


def _resumed(slug: str, number: int) -> str:
    """Return when the emails of a resumed notice leave: some may wait for the time of their wave."""
    console, site = sending.parts(), sending.parts().settings.site
    with console.db.read() as session:
        _incident, campaign = notice_of(session, slug, number)
        now = console.clock.now()
        data = status.as_data(session, console.settings, campaign, now)
        all_paused = lanes.pause_of(session) is not None
    if all_paused:
        return str(_("Resumed. But all notices are paused: its emails wait for that to end."))
    wave = next((each for each in data["waves"] if each["state"] != DONE), None)
    at = wave["not_before"] if wave else None
    if at is None or at <= now:
        return str(_("Resumed. The other emails leave now."))
    time = moment(at, frame.language(), site.timezone)
    if _leaving(data):
        return str(_("Resumed. Emails of earlier waves leave now, the next wave at %(time)s.", time=time))
    return str(_("Resumed. The next emails leave at %(time)s.", time=time))


def _ordered(slug: str, number: int, name: str, done: Callable[[], str], **fields: str) -> Response:
    """Have the worker do something about a notice, and show the notice again."""
    with sending.parts().db.read() as session:
        notice_of(session, slug, number)
    try:
        sending.order(name, incident=slug, notice=str(number), **fields)
    except OrderRefused as error:
        return sending.failed(why(error), f"/notices/{slug}/{number}/")
    return sending.done(done(), f"/notices/{slug}/{number}/")


def _held(slug: str, number: int, hold: Callable[..., None], said: str) -> Any:
    """Hold a notice without the worker: it must work while no worker runs, too."""
    form, console = ReasonForm(), sending.parts()
    with console.db.read() as session:
        is_draft = notice_of(session, slug, number)[1].state == DRAFT
    if not is_draft and not form.validate():  # nobody needs to know why a draft is discarded
        return _page(slug, number, holding=form), REFUSED
    acting = console.db.acting({"by": by(current().member.id)})
    with acting.write() as session:
        incident, _campaign = notice_of(session, slug, number)
        campaign = steering.locked(session, incident.id, number)
        try:
            if is_draft != (campaign.state == DRAFT):  # it was started meanwhile
                raise steering.NoticeState(steering.state_of(campaign))
            hold(session, campaign, console.clock.now(), reason="" if is_draft else form.reason.data)
        except steering.NoticeState:
            return sending.failed(str(REASONS["notice-state"]), f"/notices/{slug}/{number}/")
    if is_draft:
        return sending.done(_("The draft is discarded. Nothing was sent."), f"/notices/#{slug}")
    return sending.done(said, f"/notices/{slug}/{number}/")


def _page(
    slug: str,
    number: int,
    *,
    asking: AskForm | None = None,
    holding: ReasonForm | None = None,
    fault: str = "",
) -> str:
    console = sending.parts()
    with console.db.read() as session:
        incident, campaign = notice_of(session, slug, number)
        now = console.clock.now()
        data = _shown(status.as_data(session, console.settings, campaign, now))
        described = drafting.described(session, campaign)
        fields = {"incident": slug, "notice": str(number)}
        asked = approvals.find(session, orders.START, fields)
        waits = waiting(session, orders.START, fields)
        active = exposure.active(session, incident.id)
        changed, changes = binding.changed(session, campaign), binding.changes(session, campaign)
        paused = lanes.pause_of(session)
        words = shown.words_of(session, campaign)
        stale = wording.outdated(session, console.settings, incident, campaign, words)
        held = _held_by(session, slug, number) if data["state"] == PAUSED else None
    roles, site = current().member.roles, console.settings.site
    state, leaving = data["state"], _leaving(data)
    return render_template(
        "campaigns/console/notice.html",
        incident=incident,
        notice=data,
        facts=_facts(data),
        follows=state == RUNNING or (state == ENDED and leaving),
        described=described,
        kinds=KINDS,
        bases=BASES,
        states=STATES,
        wave_states=WAVE_STATES,
        without=(without := binding.of(campaign)),
        left_out_changes=changes,
        left_out_changed=without is not None and changed,
        left_out_reasons=LEFT_OUT_REASONS,
        waits=waits,
        cancelled=asked if asked and asked.state == approvals.State.OPEN and not waits else None,
        paused=paused,
        held=held,
        outdated=state == DRAFT and (active is None or active.id != campaign.list_id),
        public=incident.state == PUBLISHED,
        asks=state == DRAFT and bool(orders.AUTHOR & roles),
        steers=bool(orders.STEERING & roles),
        pausable=state == RUNNING or (state == ENDED and leaving),
        stoppable=state in (DRAFT, RUNNING, PAUSED) or (state == ENDED and leaving),
        resumable=state == PAUSED and Role.APPROVER in roles,
        asking=asking or AskForm(formdata=None),
        holding=holding or ReasonForm(formdata=None),
        fault=fault,
        legal_drafts=legal.still_drafts(console.settings, legal.READ_FIRST),
        kind_words=kind_names(frame.language()),
        site_languages=site.languages,
        other_words=shown.other_words(words, described.get("list_languages", {}), site.languages),
        stale=[STALE[each] for each in stale],
        spoken={tag: one.language for tag, one in words.items()},
        short={tag: one.is_short for tag, one in words.items()},
    )


def _leaving(data: Mapping[str, Any]) -> bool:
    """Return whether emails of a notice, or of a wave, are queued and have not ended."""
    return bool(data["states"].get("queued", 0) + data["states"].get("sending", 0))


def _shown(data: dict[str, Any]) -> dict[str, Any]:
    """Return how far a notice is with the states that pages show: one that is all queued may have left."""
    waves = [
        wave | {"state": SENT} if wave["state"] == DONE and not _leaving(wave) else wave
        for wave in data["waves"]
    ]
    ended = data["state"] == ENDED and not _leaving(data)
    return data | {"waves": waves} | ({"state": SENT} if ended else {})


def _facts(data: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers of a notice's progress that the page shows, by the names that it gives them."""
    states = data["states"]
    return {
        "waiting": data["waiting"],
        "queued": states["queued"] + states["sending"],
        "sent": states["sent"],
        "failed": states["failed"],
        "uncertain": states["uncertain"],
        "earlier": data["earlier"],
        "left_out": data["left_out"],
        "outside": data["outside"],
    }


def _held_by(session: Session, slug: str, number: int) -> tuple[AuditEntry, str, str] | None:
    """Return the log's entry of a notice's pause, who paused it, and why; None where there is none."""
    entry = audit.newest_of(session, slug, ("campaigns.pause",))
    details = parsed(entry.details, "audit_entries", entry.number) if entry else {}
    if entry is None or details.get("notice") != number:
        return None
    names = {by(member): name for member, name in members.names(session, sending.parts().vault).items()}
    who = str(details.get("by", ""))
    reason = str(details.get("reason", ""))
    return entry, names.get(who, who), str(HOLDS.get(reason, reason))


def _mail(slug: str, number: int, language: str) -> tuple[Incident, shown.Shown, dict[str, bool]]:
    """Return the incident, a notice's mail, and whether it holds the short form; that by language or not."""
    console = sending.parts()
    if language not in console.settings.site.languages:
        abort(404)
    with console.db.read() as session:
        incident, campaign = notice_of(session, slug, number)
        words = shown.words_of(session, campaign)
    # Its links are those of the public site.
    settings = replace(console.settings, base_url=console.public_url)
    short = {tag: one.is_short for tag, one in words.items() if tag == language}
    return incident, shown.mail_of(settings, words, language, console.clock.now()), short


def incident_of(session: Session, slug: str) -> Incident:
    """Return an incident, or end the request with 404."""
    try:
        return incidents.by_slug(session, slug)
    except incidents.IncidentUnknown:
        abort(404)


def notice_of(session: Session, slug: str, number: int) -> tuple[Incident, Campaign]:
    """Return an incident and one of its notices, or end the request with 404."""
    incident = incident_of(session, slug)
    try:
        return incident, steering.found(session, incident.id, number)
    except steering.NoticeUnknown:
        abort(404)


def why(error: OrderRefused) -> str:
    """Return in words why an order was refused."""
    return str(REASONS[error.reason]) if error.reason in REASONS else refusal(error.reason, error.told)


def why_of(reason: str) -> str:
    """Return a reason in words."""
    return str(REASONS.get(reason) or refusal(reason))
