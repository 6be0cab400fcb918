"""What the staff's pages of an incident share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import abort
from flask_babel import format_datetime, gettext, lazy_gettext
from sqlalchemy.orm import Session

from portal.audit.staff import OPERATOR
from portal.incidents import service
from portal.incidents.checker.findings import Weight
from portal.incidents.checker.sections import names
from portal.incidents.console import wording
from portal.incidents.drafts import files
from portal.incidents.drafts.models import Draft
from portal.incidents.drafts.statements import Told
from portal.incidents.models import Incident
from portal.staff import members, sending
from portal.staff.approvals import service as approvals
from portal.staff.approvals.console import Waiting, shown_waiting
from portal.staff.approvals.models import Approval
from portal.staff.pages import current
from portal.staff.words import refusal
from portal.web.languages import name_here

REFUSED = 422
LOOKED_AT = 200  # requests of all kinds, the newest first
WEIGHTS = {
    Weight.STOP: lazy_gettext("Must be fixed"),
    Weight.ASK: lazy_gettext("Your decision"),
    Weight.WARN: lazy_gettext("Advice"),
}
LABELS = {
    "title": lazy_gettext("First sentence: what happened"),
    "signed_by": lazy_gettext("Signed by"),
    "role": lazy_gettext("Their role"),
    "note": lazy_gettext("What this version corrects"),
    "summary": lazy_gettext("Short form for the notice"),
    files.APOLOGY: lazy_gettext("Our apology"),
    "holding": lazy_gettext("Holding statement"),
    "phase": lazy_gettext("Phase"),
    "occurred": lazy_gettext("When it happened"),
    "zone": lazy_gettext("Time zone"),
    "notify": lazy_gettext("Email subscribers"),
    "next_by": lazy_gettext("Next update by"),
    "body": lazy_gettext("Text"),
}
# Of an update, which has these in each language.
OF_UPDATE = {"title": lazy_gettext("Title"), "body": lazy_gettext("Text")}
REFUSALS = {
    "edited": lazy_gettext("Somebody saved another text meanwhile. Look at it, then ask again."),
    "nothing": lazy_gettext("There’s nothing to publish. Choose what goes out."),
    "unchanged": lazy_gettext("This text is the same as the public one."),
    "stops": lazy_gettext("Something must be fixed first. The checker says what and where."),
    "asks": lazy_gettext("Decide first what the checker asks: fix it, or tick it."),
    "promise-missing": lazy_gettext("A holding statement says by when you’ll say more. Enter that time."),
    "promise-alone": lazy_gettext("Only a holding statement promises a time. Leave it empty."),
    "promise-open": lazy_gettext("Choose whether readers are promised more news by a set time, or not."),
    "promise-early": lazy_gettext("You promise a time before the text goes out. Choose a later one."),
    "time-passed": lazy_gettext("That time has passed. Choose a later one."),
    "scheduled": lazy_gettext("A publication is scheduled. Cancel it before you change anything."),
    "more-people": lazy_gettext("More people subscribed than were approved. Ask for approval again."),
    "gone": lazy_gettext("This isn’t here any more."),
    "not-scheduled": lazy_gettext("Nothing is scheduled any more."),
    "withdrawn": lazy_gettext("This was withdrawn before."),
    "not-public": lazy_gettext("This isn’t public."),
    "reason": lazy_gettext("Give a reason: one line of at most 500 characters."),
    "title": lazy_gettext("Give a title: one line of at most 200 characters."),
    "classes": lazy_gettext("We don’t know one of these kinds of data: %(said)s"),
    "no-classes": lazy_gettext("Name at least one kind of data."),
    "day": lazy_gettext("Enter the day like 2026-11-29. It can’t be in the future."),
    "discovered": lazy_gettext("Enter when you found out, from 2000 until now."),
    "slug": lazy_gettext("The short name has lower-case letters, digits and hyphens, like november-2026."),
    "slug-taken": lazy_gettext("Another incident has this short name. Choose another one."),
    "promise-choice": lazy_gettext("Say what becomes of your promise: keep it, or take it back."),
    "own": lazy_gettext("You posted this, so somebody else must confirm it."),
}


def found(session: Session, slug: str) -> Incident:
    """Return an incident, drafts too; ends the request with 404 where there is none."""
    try:
        return service.by_slug(session, slug)
    except service.IncidentUnknown:
        abort(404)


@dataclass(frozen=True)
class Requests:
    """Requests of an incident for a second person: those that wait, and those that an edit cancelled.

    `sent_back` is the newest one if it came back with a comment, and `by` is who sent it.
    """

    waits: list[Waiting] = field(default_factory=list)
    void: list[Approval] = field(default_factory=list)
    sent_back: Approval | None = None
    by: str = ""


def requests(session: Session, kind: str, slug: str, draft: str = "") -> Requests:
    """Return the open requests of one kind about an incident, or about one draft of it (its key)."""
    console = sending.parts()

    def is_about_it(one: Approval) -> bool:
        if one.kind != kind or not approvals.readable(one):
            return False
        of = approvals.fields_of(one)
        return of.get("slug") == slug and str(of.get("draft", "")).startswith(f"{draft}:" if draft else "")

    asked = list(filter(is_about_it, approvals.waiting(session)))
    waits, void = approvals.by_validity(session, console.actions, asked, console.clock.now())
    if waits:
        return Requests([shown_waiting(session, one) for one in waits], void)
    newest = next(filter(is_about_it, approvals.newest(session, LOOKED_AT)), None)
    if asked or newest is None or newest.state != approvals.State.SENT_BACK or newest.decided_by is None:
        return Requests(void=void)
    name = members.names(session, console.vault).get(newest.decided_by, "?")
    return Requests(void=void, sent_back=newest, by=name)


def refused(reason: str, values: Mapping[str, Any] | None = None) -> str:
    """Return what to tell an author of what was refused."""
    if reason not in REFUSALS:
        return refusal(reason, dict(values or {}))
    return (
        str(REFUSALS[reason]) % values if values and "%(" in str(REFUSALS[reason]) else str(REFUSALS[reason])
    )


def notices(session: Session, incident: Incident) -> list[tuple[int, bool]]:
    """Return the notices that keep an incident's public facts as they were; True where one is a draft."""
    uses = sending.parts().uses
    return uses.carrying(session, incident.id) if uses else []


def day_after(days: int) -> str:
    """Return a day from now on in the organisation's zone, for the example of a time to come."""
    console = sending.parts()
    here = console.clock.now().astimezone(ZoneInfo(console.settings.site.timezone))
    return (here + timedelta(days=days)).date().isoformat()


def author_words(name: str) -> str:
    """Return who saved a text, in words: an operator did it by a command."""
    if not name.startswith(OPERATOR):
        return name
    return str(gettext("%(name)s, by a command", name=name.removeprefix(OPERATOR)))


def author() -> str:
    """Return the name under which the signed-in member saves."""
    return current().member.shown[:200]


def _clock_text(at: datetime, now: datetime) -> str:
    """Return the hour and minute of a save in the organisation's zone, and its day unless it is today."""
    same_day = format_datetime(at, "y-MM-dd") == format_datetime(now, "y-MM-dd")
    return str(format_datetime(at, "HH:mm" if same_day else "d MMM y, HH:mm"))


def saved_words(draft: Draft | None, now: datetime) -> str:
    """Return when a draft was saved last, and by whom where that is somebody else."""
    if draft is None:
        return str(gettext("Not saved yet"))
    at = _clock_text(draft.saved_at, now)
    if draft.author == author():
        return str(gettext("Saved %(time)s", time=at))
    return str(gettext("Saved %(time)s by %(name)s", time=at, name=author_words(draft.author)))


def part_label(part: str, language: str) -> str:
    """Return what a part is called; a section by its usual name in the text's language."""
    if part in files.TEXTS:
        return names(language)[files.TEXTS.index(part)]
    if part in files.HEADINGS:
        return str(gettext("Heading of “%(name)s”", name=names(language)[files.HEADINGS.index(part)]))
    name, _colon, of_language = part.partition(":")
    if not of_language:
        return str(LABELS.get(name, name))
    return f"{OF_UPDATE.get(name, name)}, {name_here(of_language)}"


def checks(told: Iterable[Told], language: str) -> list[dict[str, Any]]:
    """Return what the checker says, for the page and for its script."""
    return [
        {
            "weight": one.finding.weight.value,
            "kind": str(WEIGHTS[one.finding.weight]),
            "code": one.finding.code,
            "part": one.part.replace(":", "-"),
            "place": _place(one, language),
            "line": one.line,
            "reason": said,
            "lang": spoken,
            "example": wording.example(one.finding),
        }
        for one in told
        for said, spoken in (wording.reason(one.finding),)
    ]


def asked(told: Iterable[Told]) -> dict[str, str]:
    """Return what an author must decide, by code: all that is said under one code is accepted together."""
    found: dict[str, list[str]] = {}
    for one in told:
        if one.finding.weight is Weight.ASK:
            reasons = found.setdefault(one.finding.code, [])
            said = wording.reason(one.finding)[0]
            reasons += [said] * (said not in reasons)
    return {code: " ".join(reasons) for code, reasons in found.items()}


def _place(one: Told, language: str) -> str:
    if not one.part:
        return ""
    label = part_label(one.part, language)
    return str(gettext("%(part)s, line %(line)s", part=label, line=one.line)) if one.line > 1 else label
