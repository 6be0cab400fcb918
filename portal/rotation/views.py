"""The pages of reminders: the choice, the calendar file, the unsubscribe link, and other sites."""

from datetime import datetime
from zoneinfo import ZoneInfo

import idna
from flask import Blueprint, Response, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts.login import current_account, sign_in_required
from portal.core.dates import DAY
from portal.core.i18n import catalogue
from portal.intake import service as intake
from portal.intake.flow import REFUSED, Flow, Page
from portal.rotation import elsewhere, ical, service
from portal.rotation.emails import PURPOSE
from portal.rotation.forms import ReminderForm, SiteForm
from portal.rotation.models import INTERVALS
from portal.runtime.parts import AccountLine
from portal.web import frame
from portal.web.forms import AddressForm
from portal.web.overnight import filled_in_again
from portal.web.tabs import TabValue

bp = Blueprint("rotation", __name__)
UNLISTED_PATHS = ("/reminders/",)
# Requests that mail programs send by themselves (RFC 8058).
ONE_CLICK = "/reminders/off/"

FLOW = Flow(
    PURPOSE,
    ask="rotation.ask",
    sent="rotation.sent",
    opened="rotation.choose",
    sent_template="rotation/sent.html",
    has_code=False,
)

_SAVED = "reminders saved"
_SITES = "sites"
_HOUR = 3600


def account_line(db_session: Session, account_id: bytes, now: datetime) -> AccountLine:  # noqa: ARG001
    """Return the account page's line about reminders."""
    chosen = service.chosen(db_session, account_id)
    state = gettext("Off")
    if chosen.next_due_at is not None:
        state = gettext("Next one: %(date)s", date=format_date(chosen.next_due_at, gettext(DAY)))
    return AccountLine(gettext("Reminders"), state, "/account/reminders/", gettext("Change"))


@bp.before_request
def _by_account_or_by_mail() -> BaseResponse | None:
    """Lead from the pages of the one way to those of the other: where nobody signs in, a link is mailed."""
    by_mail = frame.parts().settings.identity.elsewhere is not None
    if by_mail and request.endpoint in ("rotation.reminders", "rotation.own_calendar"):
        return frame.see_other(".ask")
    if not by_mail and request.endpoint in BY_MAIL:
        return frame.see_other(".reminders")
    return None


@bp.get("/reminders/")
@filled_in_again
def ask() -> Page:
    """Show the form for an address, where nobody signs in."""
    return render_template("rotation/ask.html", form=AddressForm(), why=FLOW.why_here())


@bp.post("/reminders/")
def submit() -> Page:
    """Submit an address to the worker, which mails a link; the work is the same for every address."""
    form = AddressForm()
    if not form.validate():
        return render_template("rotation/ask.html", form=form), REFUSED
    return FLOW.submit_address(form)


@bp.get("/reminders/sent/")
def sent() -> Page:
    """Show that a mail was sent, and what to do with it."""
    return FLOW.sent_page()


@bp.get("/reminders/open/<token>/")
def open_link(token: str) -> Page:
    """Move the token from the URL into the session; nothing is read or stored."""
    return FLOW.open_link(token)


@bp.get("/reminders/choose/")
@filled_in_again
def choose() -> Page:
    """Show the choice for the address that a mailed link belongs to."""
    link = FLOW.link()
    return _choose_page(link, ReminderForm(formdata=None, interval=link.state or service.OFF), link.state)


@bp.post("/reminders/choose/")
def choose_now() -> Page:
    """Have the worker store the choice, and show that it does."""
    link, form, parts = FLOW.link(), ReminderForm(), frame.parts()
    if not form.validate():
        return _choose_page(link, form, None), REFUSED
    now = parts.clock.now()
    try:
        with parts.db.write() as db_session:
            intake.open_reply(db_session, PURPOSE, link.value, now)
            fields = {"token": link.value, "interval": form.interval.data}
            intake.submit(db_session, parts.vault, service.CHOSEN, fields, now, lane=frame.client_lane())
    except intake.LinkInvalid:
        frame.gone()
    FLOW.change(link, form.interval.data)
    return frame.see_other(".choose", link=link.name)


def _choose_page(link: TabValue, form: ReminderForm, saved: str | None) -> str:
    parts = frame.parts()
    try:
        with parts.db.read() as db_session:
            opened = intake.open_reply(db_session, PURPOSE, link.value, parts.clock.now())
    except intake.LinkInvalid:
        frame.gone()
    return render_template("rotation/choose.html", form=form, saved=saved, address=opened.data["address"])


BY_MAIL = tuple(f"{bp.name}.{view.__name__}" for view in (ask, submit, sent, open_link, choose, choose_now))


@bp.route("/account/reminders/", methods=["GET", "POST"])
@sign_in_required
def reminders() -> ResponseReturnValue:
    """Show the choice and the next date; store a new choice."""
    parts, account_id = frame.parts(), current_account().account_id
    with parts.db.read() as db_session:
        chosen = service.chosen(db_session, account_id)
    form = ReminderForm(interval=chosen.interval)
    if form.validate_on_submit():
        with parts.db.write() as db_session:
            service.choose(db_session, account_id, form.interval.data, parts.clock.now())
        session[_SAVED] = True
        return frame.see_other(".reminders")
    saved = session.pop(_SAVED, False) and not form.errors
    page = render_template(
        "rotation/reminders.html", form=form, chosen=chosen, saved=saved, intervals=INTERVALS
    )
    return page, 400 if form.errors else 200


@bp.get("/account/reminders/calendar.ics")
@sign_in_required
def own_calendar() -> ResponseReturnValue:
    """Return the calendar file that starts on the date of the next reminder."""
    parts = frame.parts()
    with parts.db.read() as db_session:
        chosen = service.chosen(db_session, current_account().account_id)
    if chosen.next_due_at is None:
        return frame.see_other(".reminders")
    return _calendar(int(chosen.interval), chosen.next_due_at)


@bp.get('/reminders/<any("3", "6", "12"):months>.ics')
def calendar(months: str) -> BaseResponse:
    """Return the public calendar file, the same for everyone."""
    first = service.add_months(frame.parts().clock.now(), int(months))
    return frame.public(_calendar(int(months), first), _HOUR)


def _calendar(months: int, first: datetime) -> Response:
    settings = frame.parts().settings
    content = ical.calendar(
        catalogue(frame.language()),
        host=settings.host,
        organisation=settings.site.organisation,
        months=months,
        first=first.astimezone(ZoneInfo(settings.site.timezone)).date(),
        now=frame.parts().clock.now(),
    )
    response = Response(content, content_type=ical.CONTENT_TYPE)
    response.headers["Content-Disposition"] = 'attachment; filename="password-reminder.ics"'
    return response


@bp.get("/reminders/off/<token>/")
def before_off(token: str) -> Response:
    """Show the button that switches off; GET changes nothing."""
    with frame.parts().db.read() as db_session:
        known = service.off_link_known(db_session, token)
    if not known:
        frame.gone()
    return frame.without_referrer(render_template("rotation/off.html"))


@bp.post("/reminders/off/<token>/")
@frame.csrf.exempt  # type: ignore[untyped-decorator]  # Flask-WTF has no types
def off(token: str) -> Response:
    """Switch the reminders off, without cookies, form or redirect (RFC 8058); the link does nothing else."""
    parts = frame.parts()
    with parts.db.write() as db_session:
        service.switch_off(db_session, token, parts.clock.now())
    return frame.without_referrer(render_template("rotation/is-off.html"))


@bp.get("/reminders/elsewhere/")
@filled_in_again
def other_sites() -> ResponseReturnValue:
    """Show the list of other sites, which is stored in the browser's session cookie alone."""
    return _sites_page(SiteForm(), _sites())


@bp.post("/reminders/elsewhere/")
def list_site() -> ResponseReturnValue:
    """Add a site to the list, or take off one (`forget`: its name) or all (an empty one)."""
    form, sites = SiteForm(), _sites()
    if "forget" in request.form:
        wanted = request.form["forget"]
        session[_SITES] = [site for site in sites if wanted and site != wanted]
        return frame.see_other(".other_sites")
    if not form.validate():
        return _sites_page(form, sites), 400
    site = form.site.data or ""
    if site.casefold() not in map(str.casefold, sites):
        more = [*sites, site]
        if elsewhere.is_full(more):
            form.site.errors = [
                gettext(
                    "Your list is full. Remove the sites where you’ve changed your password, then add more."
                )
            ]
            return _sites_page(form, sites), 400
        session[_SITES] = more
    return frame.see_other(".other_sites")


def _sites() -> list[str]:
    return list(session.get(_SITES, []))


def _sites_page(form: SiteForm, entries: list[str]) -> str:
    hosts = [elsewhere.host_name(entry) for entry in entries]
    sites = [
        (entry, _readable(host), elsewhere.change_address(host)) if host else (entry, entry, None)
        for entry, host in zip(entries, hosts, strict=True)
    ]
    return render_template("rotation/elsewhere.html", form=form, sites=sites)


def _readable(host: str) -> str:
    """Return a host name for display: an internationalised one in Unicode, with its ASCII form."""
    if "xn--" not in host:
        return host
    return f"{idna.decode(host)} ({host})"
