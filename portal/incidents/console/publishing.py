"""Compare the statement's drafts with the public version, ask for their publication, and take texts back."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.incidents import reading, service
from portal.incidents.checker.findings import Weight
from portal.incidents.console import shared, wording
from portal.incidents.console.shared import REFUSED, Requests, checks, found, refused
from portal.incidents.differences import Difference, of_statements
from portal.incidents.drafts import entries, releasing, statements, store
from portal.incidents.drafts.actions import AUTHORS, PUBLISH
from portal.incidents.drafts.releasing import NotReleasable, Release
from portal.incidents.drafts.statements import Opened, document, open_draft
from portal.incidents.models import Incident, Schedule, Statement
from portal.incidents.publishing import promises, withdrawing
from portal.incidents.publishing.plan import Plan, plan
from portal.incidents.times import TimeInvalid, as_typed, parse_time
from portal.incidents.writing import UpdateUnknown, update_of
from portal.site import legal
from portal.staff import sending
from portal.staff.approvals import service as approvals
from portal.staff.approvals.console import ask
from portal.staff.approvals.showing import data_kind
from portal.staff.pages import StaffPages
from portal.staff.sending import OrderRefused
from portal.web import frame, languages

bp = StaffPages("publishing", __name__)

_PATH = "/incidents/<slug>/statement/publish/"
KEEP, END = "keep", "end"  # what becomes of a promised time


@dataclass(frozen=True)
class Compared:
    """A changed draft beside the public version in its language, with what the checker says of it."""

    opened: Opened
    change: Difference | None
    told: list[dict[str, Any]]
    stops: int
    asks: dict[str, str]


@dataclass(frozen=True)
class Page:
    """What the page shows: the drafts that differ, what goes along, and how many people it mails."""

    incident: Incident
    compared: list[Compared]
    planned: Plan
    people: int
    scheduled: Schedule | None
    asked: Requests
    public: list[Statement]
    missing: list[str]
    stake: bool
    notices: list[tuple[int, bool]]

    @property
    def mailed(self) -> int:
        """Return how many people are mailed if all drafts go out."""
        return self.people if any(one.mailed for one in self.planned.updates) else 0

    @property
    def holding(self) -> bool:
        """Whether one of the drafts is a holding statement, which promises when more follows."""
        return releasing.is_holding(one.opened for one in self.compared)

    @property
    def promised(self) -> datetime | None:
        """Return the time that readers were promised, where these texts end that or keep it."""
        return self.incident.more_by if self.stake or self.holding else None

    @property
    def asks(self) -> dict[str, str]:
        """Return what must be accepted or fixed, each by its code with its words."""
        return {code: words for one in self.compared for code, words in one.asks.items()}


@bp.page(_PATH, roles=AUTHORS, methods=("GET", "POST"), step_up=True)
def compare(slug: str) -> Any:
    """Show word for word what changes, and ask for approval."""
    console = sending.parts()
    with console.db.read() as session:
        page = _page(session, slug)
    fault = ""
    with console.db.read() as session:
        asked = _asked(session, page)
    faults = _faults(asked) if request.method == "POST" else {}
    if request.method == "POST" and not faults:
        try:
            page = _numbered(page)
            with console.db.read() as session:
                wanted = _wanted(page, _asked(session, page))
                releasing.described(session, wanted)
            return ask(PUBLISH, wanted.fields, request.form.get("reason", "").strip())
        except NotReleasable as error:
            fault = refused(error.reason, error.values)
        except OrderRefused as error:
            fault = refused(error.reason, error.told.get("values"))
    html = render_template(
        "incidents/console/publish.html",
        faults=faults,
        page=page,
        incident=page.incident,
        fault=fault,
        given=request.form,
        data_kind=lambda name: data_kind(name, frame.language()),
        before=_asked_before(page),
        zone=console.settings.site.timezone,
        tomorrow=shared.day_after(1),
        legal_drafts=legal.still_drafts(console.settings, legal.READ_FIRST),
        in_utc=lambda text: entries.utc(parse_time(text, console.settings.site.timezone)),
        names_of=lambda tags: ", ".join(languages.name_here(tag) for tag in tags),
        public_path=f"{console.public_url}/incidents/{slug}/",
    )
    return (html, REFUSED) if fault or faults else html


@bp.page("/incidents/<slug>/statement/cancel/", roles=AUTHORS, methods=("POST",))
def cancel(slug: str) -> Any:
    """Cancel a publication at a set time; it never needs a second person."""
    try:
        sending.order("publication-cancel", slug=slug)
    except OrderRefused as error:
        return sending.failed(refused(error.reason), f"/incidents/{slug}/statement/publish/")
    said = _("Nothing is scheduled any more. The drafts stay drafts.")
    return sending.done(said, f"/incidents/{slug}/statement/publish/")


@bp.page(
    "/incidents/<slug>/withdraw/<what>/<number:number>/", roles=AUTHORS, methods=("GET", "POST"), step_up=True
)
def withdraw(slug: str, what: str, number: int) -> Any:
    """Take a public text back, in public; with `erase` its words are destroyed too."""
    if what not in ("version", "update"):
        abort(404)
    console = sending.parts()
    settings = console.settings
    other_languages = [one for one in settings.site.languages if one != settings.default_language]
    with console.db.read() as session:
        incident = found(session, slug)
        _need_published(session, incident, what, number)
        text = _text_to_withdraw(session, incident, what, number)
        notices = shared.notices(session, incident) if what == "version" else []
    stake = promises.at_stake(incident, f"{what} {number}", console.clock.now())
    fault = ""
    if request.method == "POST":
        erase = "yes" if request.form.get("erase") == "yes" else ""
        reason = " ".join(request.form.get("reason", "").split())
        others = {one: " ".join(request.form.get(f"reason:{one}", "").split()) for one in other_languages}
        try:
            sending.order(
                "text-withdraw", slug=slug, what=what, number=str(number), reason=reason, erase=erase,
                reasons=json.dumps(others, ensure_ascii=False), promise=request.form.get("promise", ""),
            )  # fmt: skip
            said = _("Destroyed.") if erase else _("Withdrawn. Readers see when and why.")
            target = "timeline/" if what == "update" else "statement/publish/"
            return sending.done(said, f"/incidents/{slug}/{target}")
        except OrderRefused as error:
            fault = refused(error.reason)
    html = render_template(
        "incidents/console/withdraw.html", incident=incident, what=what, number=number, fault=fault,
        given=request.form, text=text, public_url=console.public_url, other_languages=other_languages,
        notices=notices, stake=stake, now=console.clock.now(),
    )  # fmt: skip
    return (html, REFUSED) if fault else html


def _need_published(session: Session, incident: Incident, what: str, number: int) -> None:
    """End the request with 404 where an incident never had this text."""
    try:
        if what == "update":
            update_of(session, incident, number)
        else:
            withdrawing.published_version(session, incident, number)
    except (UpdateUnknown, withdrawing.NotPublished):
        abort(404)


def _text_to_withdraw(
    session: Session, incident: Incident, what: str, number: int
) -> reading.Version | reading.Entry | None:
    """Return the public text in the reader's language; None where it is gone, which the worker then says."""
    spoken = [frame.language(), sending.parts().settings.default_language]
    if what == "version":
        versions = reading.versions(session, incident, spoken)
        return next((one for one in versions if one.number == number), None)
    entries = reading.entries(session, [incident], spoken)
    public = (one for one in entries if one.withdrawal is None)
    return next((one for one in public if one.update.number == number), None)


def _page(session: Session, slug: str) -> Page:
    console, incident = sending.parts(), found(session, slug)
    opened = [open_draft(session, incident, language) for language in console.settings.site.languages]
    changed = releasing.numbered(session, incident, [one for one in opened if one.changed])
    compared = [_compared(session, incident, one) for one in changed]
    schedule = service.schedule_of(session, incident)
    uses = console.uses
    return Page(
        incident=incident,
        compared=compared,
        planned=plan(session, slug),
        people=uses.subscribers(session, incident.id) if uses else 0,
        scheduled=schedule,
        asked=shared.requests(session, PUBLISH, slug),
        public=reading.public_statements(session, incident),
        stake=releasing.at_stake(session, incident, changed),
        notices=shared.notices(session, incident),
        missing=[
            one.language
            for one in statements.standings(session, incident, console.settings.site.languages)
            if one.state == "missing"
        ],
    )


def _numbered(page: Page) -> Page:
    """Return the page with a number for each draft: what an earlier version of the portal stored has none."""
    bare = [one.opened for one in page.compared if one.opened.saved is None]
    if not bare:
        return page
    console, slug = sending.parts(), page.incident.slug
    with console.db.write() as session:
        for one in bare:
            name, now = document(one.language), console.clock.now()
            store.replace(session, slug, name, one.parts, shared.author(), now)
        return _page(session, slug)


def _compared(session: Session, incident: Incident, opened: Opened) -> Compared:
    told = statements.findings(session, sending.parts().settings, incident, opened)
    return Compared(
        opened=opened,
        change=of_statements(opened.live, opened.as_row(incident)) if opened.live else None,
        told=checks(told, opened.language),
        stops=sum(one.finding.weight is Weight.STOP for one in told),
        asks=shared.asked(told),
    )


def _asked_before(page: Page) -> dict[str, str]:
    """Return what the form begins with: what it held when it was sent back, so that nobody types it twice.

    A promise that stands is kept, unless somebody says otherwise.
    """
    found = {"more_by": _typed(page.promised)}
    found["promise"] = KEEP if found["more_by"] else ""
    row = page.asked.sent_back
    if row is None:
        return found
    found["reason"] = row.reason
    try:
        wanted = Release.read(approvals.fields_of(row))
    except NotReleasable:
        return found
    found["more_by"] = _typed(wanted.more_by) or found["more_by"]
    found["promise"] = END if wanted.ends else KEEP if found["more_by"] else ""
    found["at"] = _typed(wanted.at)
    found["when"] = "later" if found["at"] else ""
    return found


def _typed(at: datetime | None) -> str:
    """Return a time to come as somebody types it; nothing for one that has passed."""
    console = sending.parts()
    if at is None or at <= console.clock.now():
        return ""
    return as_typed(at, console.settings.site.timezone)


@dataclass(frozen=True)
class Asked:
    """Which texts the form asks for, and what it must say for them: `times` are fields that hold a time."""

    chosen: list[Compared]
    stake: bool
    times: list[str]


def _asked(session: Session, page: Page) -> Asked:
    ticked = request.form.getlist("language")
    chosen = [one for one in page.compared if one.opened.language in ticked]
    opened = [one.opened for one in chosen]
    stake = releasing.at_stake(session, page.incident, opened)
    promises = releasing.is_holding(opened) or (stake and request.form.get("promise") == KEEP)
    return Asked(chosen, stake, ["more_by"] * promises + ["at"] * (request.form.get("when") == "later"))


def _faults(asked: Asked) -> dict[str, str]:
    """Return what is wrong with the promise and the times, by field, in the order of the page."""
    found = {}
    if asked.stake and request.form.get("promise") not in (KEEP, END):
        found["promise"] = refused("promise-open")
    for field in asked.times:
        try:
            _time(field)
        except TimeInvalid as error:
            found[field] = wording.of_time(error)
        except NotReleasable as error:
            found[field] = refused(error.reason)
    return found


def _wanted(page: Page, asked: Asked) -> Release:
    """Return what the form asks for. Raises NotReleasable, TimeInvalid."""
    chosen = asked.chosen
    if any(one.stops for one in chosen):
        raise NotReleasable("stops")
    accepted = set(request.form.getlist("accept"))
    if any(code not in accepted for one in chosen for code in one.asks):
        raise NotReleasable("asks")
    known = [one.update.number for one in page.planned.updates]
    updates = tuple(one for one in known if str(one) in request.form.getlist("update"))
    mailed = any(one.mailed for one in page.planned.updates if one.update.number in updates)
    if page.scheduled is not None:
        raise NotReleasable("scheduled")
    return Release(
        slug=page.incident.slug,
        drafts=tuple((one.opened.language, one.opened.revision) for one in chosen),
        updates=updates,
        classes=page.planned.classes is not None and request.form.get("classes") == "yes",
        at=_time("at") if "at" in asked.times else None,
        more_by=_time("more_by") if "more_by" in asked.times else None,
        ends=asked.stake and request.form.get("promise") == END,
        accepted=tuple(sorted(accepted & {code for one in chosen for code in one.asks})),
        most=releasing.headroom(page.people) if mailed else 0,
    )


def _time(field: str) -> datetime | None:
    """Return a time to come, in the organisation's zone. Raises TimeInvalid, NotReleasable."""
    console = sending.parts()
    text = request.form.get(field, "").strip()
    if not text:
        raise NotReleasable("promise-missing" if field == "more_by" else "time-passed")
    at = parse_time(text, console.settings.site.timezone, shared.day_after(1)).at
    if at <= console.clock.now():
        raise NotReleasable("time-passed")
    return at
