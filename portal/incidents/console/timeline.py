"""Compose the timeline's entries: start from a phase's text, say when, post with a second person or alone."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from flask import abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.incidents import reading
from portal.incidents.checker.findings import Weight
from portal.incidents.console import saving, shared, wording
from portal.incidents.console.shared import REFUSED, author, checks, found, refused
from portal.incidents.drafts import edits, entries, examples, posting, releasing, store
from portal.incidents.drafts.actions import APPROVERS, AUTHORS, POST
from portal.incidents.drafts.entries import EntryInvalid
from portal.incidents.drafts.models import Draft
from portal.incidents.drafts.posting import Post
from portal.incidents.drafts.releasing import NotReleasable
from portal.incidents.drafts.statements import Told
from portal.incidents.models import PHASES, PUBLISHED, Incident, Update
from portal.incidents.publishing.plan import current_wordings
from portal.incidents.times import When
from portal.incidents.writing import UpdateUnknown
from portal.staff import members, sending
from portal.staff.approvals.console import ask
from portal.staff.orders import by
from portal.staff.pages import StaffPages, current
from portal.staff.sending import OrderRefused
from portal.web import frame

bp = StaffPages("timeline", __name__)

_PATH = "/incidents/<slug>/timeline/"
_DRAFT = f"{_PATH}<string(length=16):key>/"
KEY_BYTES = 8
KEEP, END = "keep", "end"  # what becomes of a promised time: the entry's own, or none, replaces it
TIMES = (entries.OCCURRED, entries.NEXT_BY)


@bp.page(_PATH, roles=AUTHORS)
def overview(slug: str) -> str:
    """Show the timeline with its drafts, and what authors posted alone."""
    console = sending.parts()
    settings = console.settings
    with console.db.read() as session:
        incident = found(session, slug)
        page = reading.page(session, incident, [frame.language(), settings.default_language], drafts=True)
        alone = posting.unconfirmed(session, incident)
        names = {by(key): name for key, name in members.names(session, console.vault).items()}
        drafts = entries.drafts(session, incident)
        own_titles = {
            one.update.number: _own_title(session, one.update, settings.site.languages)
            for one in page.entries
            if one.withdrawal is not None
        }
    return render_template(
        "incidents/console/timeline.html",
        incident=incident,
        entries=page.entries,
        drafts=drafts,
        titles={key: _title(row.parts, settings.site.languages) for key, row in drafts.items()},
        own_titles=own_titles,
        alone=alone,
        by=shared.author_words,
        names=names,
        me=by(current().member.id),
        edits={key: edits.number_of(key) for key in drafts},
        confirms=bool(APPROVERS & current().member.roles),
        phases=PHASES,
        now=console.clock.now(),
        public_url=console.public_url,
    )


@bp.page(f"{_PATH}new/", roles=AUTHORS, methods=("POST",))
def new(slug: str) -> Any:
    """Begin an entry with the text of its phase in each language."""
    console, key = sending.parts(), token_hex(KEY_BYTES)
    languages, phase = console.settings.site.languages, request.form.get("phase", "")
    if phase not in PHASES:
        return sending.done(_("Choose a phase."), f"/incidents/{slug}/timeline/")
    with console.db.write() as session:
        incident = found(session, slug)
        if not sending.may_store(session):
            return sending.failed(refused("many-today"), f"/incidents/{slug}/timeline/")
        parts = entries.empty(incident, languages, console.settings.site.timezone)
        parts[entries.PHASE] = phase
        for language in languages:
            parts[f"title:{language}"], parts[f"body:{language}"] = examples.opening(phase, language)
        store.save(session, slug, entries.document(key), parts, 0, author(), console.clock.now())
    return frame.see_other("timeline.compose", slug=slug, key=key)


@bp.page(f"{_PATH}edit/<number:number>/", roles=AUTHORS, methods=("POST",))
def edit(slug: str, number: int) -> Any:
    """Begin to change a public update, or go on with the draft that does."""
    console, key = sending.parts(), edits.key_of(number)
    site = console.settings.site
    with console.db.write() as session:
        incident = found(session, slug)
        try:
            row = edits.editable(session, incident, number)
        except NotReleasable as error:
            return sending.failed(refused(error.reason), f"/incidents/{slug}/timeline/")
        except UpdateUnknown:
            abort(404)
        if store.head(session, incident, entries.document(key)) is None:
            parts = edits.begin(session, incident, row, site.languages, site.timezone)
            store.save(session, slug, entries.document(key), parts, 0, author(), console.clock.now())
    return frame.see_other("timeline.compose", slug=slug, key=key)


@bp.page(_DRAFT, roles=AUTHORS, methods=("GET", "POST"))
def compose(slug: str, key: str) -> Any:
    """Show an entry to write, or save it."""
    console = sending.parts()
    settings = console.settings
    if request.method == "POST":
        given = dict(request.form)
        given |= {
            name: given.get(f"choose-{name}") or given.get(name, "") for name in ("occurred", "next_by")
        }
        parts = entries.completed(given, settings.site.languages, settings.site.timezone)
        return saving.save(_text(slug, key), parts, saving.number_in_form("base"), _told)
    with console.db.read() as session:
        incident = found(session, slug)
        draft = _draft(session, incident, key)
        told = _findings(session, incident, draft)
        people = console.uses.subscribers(session, incident.id) if console.uses else 0
        asked = shared.requests(session, POST, slug, key)
    echoes = {part: _echo(draft.parts, part) for part in TIMES}
    return render_template(
        "incidents/console/compose.html",
        incident=incident,
        key=key,
        edits=edits.number_of(key),
        draft=draft,
        asked=asked,
        parts=draft.parts,
        told=checks(told, frame.language()),
        echoes=echoes,
        choices={part: _choices(draft.parts, part) for part in echoes},
        phases=PHASES,
        zones=dict.fromkeys((settings.site.timezone, "UTC")),
        today=shared.day_after(0),
        tomorrow=shared.day_after(1),
        people=people,
        saved=shared.saved_words(draft, console.clock.now()),
        label=lambda part: shared.part_label(part, frame.language()),
    )


@bp.page(f"{_DRAFT}conflict/<number:number>/", roles=AUTHORS, methods=("GET", "POST"))
def conflict(slug: str, key: str, number: int) -> Any:
    """Show two texts of which only one could be saved, and save what their author takes of each."""
    site = sending.parts().settings.site

    def complete(given: Mapping[str, str]) -> dict[str, str]:
        return entries.completed(given, site.languages, site.timezone)

    return saving.choose(_text(slug, key), number, complete, _told)


@bp.page(f"{_DRAFT}discard/", roles=AUTHORS, methods=("POST",))
def discard(slug: str, key: str) -> Any:
    """Delete an entry that was never posted."""
    with sending.parts().db.write() as session:
        found(session, slug)
        store.discard(session, slug, entries.document(key))
    return sending.done(_("The draft is deleted."), f"/incidents/{slug}/timeline/")


@bp.page(f"{_DRAFT}post/", roles=AUTHORS, methods=("GET", "POST"), step_up=True)
def post(slug: str, key: str) -> Any:
    """Show what an entry makes public and whom it mails; ask for approval, or post it alone with a reason."""
    console = sending.parts()
    with console.db.read() as session:
        incident = found(session, slug)
        draft = _draft(session, incident, key)
        told = _findings(session, incident, draft)
        people = console.uses.subscribers(session, incident.id) if console.uses else 0
        mails = bool(draft.parts[entries.NOTIFY]) and not edits.was_mailed(session, incident, key)
        asked = shared.requests(session, POST, slug, key)
        edited = _edited(session, slug, key, draft)
    stake = _stake(incident, key, draft)
    asks = shared.asked(told)
    stopped = any(one.finding.weight is Weight.STOP for one in told)
    fault = ""
    if request.method == "POST":
        accepted = tuple(code for code in asks if code in request.form.getlist("accept"))
        revision = saving.number_in_form("revision")
        most, promise = releasing.headroom(people) if mails else 0, request.form.get("promise", "")
        promised = request.form.get("promised", "") if promise in (KEEP, END) else ""
        wanted = Post(slug, key, revision, accepted, most, promised, keeps=promise == KEEP)
        try:
            if stopped or len(accepted) < len(asks):
                raise NotReleasable("stops" if stopped else "asks")
            if stake and not promised:
                raise NotReleasable("promise-open")
            if request.form.get("how") == "alone" or incident.state != PUBLISHED:
                return _post_alone(incident, wanted)
            with console.db.read() as session:
                posting.described(session, wanted)
            return ask(POST, wanted.fields, request.form.get("note", "").strip())
        except UpdateUnknown:
            fault = refused("gone")
        except NotReleasable as error:
            fault = refused(error.reason, error.values)
        except OrderRefused as error:
            fault = refused(error.reason, error.told.get("values"))
    page = render_template(
        "incidents/console/post.html",
        incident=incident,
        public=incident.state == PUBLISHED,
        key=key,
        draft=draft,
        parts=draft.parts,
        echoes={part: _echo(draft.parts, part) for part in TIMES},
        times={part: _time(draft.parts, part) for part in TIMES},
        languages_written=[one for one in console.settings.site.languages if draft.parts.get(f"body:{one}")],
        told=checks(told, frame.language()),
        stopped=stopped,
        asks=asks,
        people=people,
        mails=mails,
        asked=asked,
        phases=PHASES,
        so_far=reading.SO_FAR,
        fault=fault,
        given=request.form,
        edits=edits.number_of(key),
        edited=edited,
        stake=stake,
        promised=incident.more_by,
        promised_written=posting.promised_now(incident),
        passed=incident.more_by is not None and incident.more_by <= console.clock.now(),
    )
    return (page, REFUSED) if fault else page


@bp.page(f"{_PATH}alone/<row_id>/", roles=AUTHORS)
def look(slug: str, row_id: str) -> str:
    """Show what an update that its author posted alone says, and what it changed: here it is confirmed."""
    console = sending.parts()
    with console.db.read() as session:
        incident = found(session, slug)
        row = posting.posted_alone(session, incident, _id(row_id)) or abort(404)
        names = {by(key): name for key, name in members.names(session, console.vault).items()}
        said = posting.said_alone(session, row)
    return render_template(
        "incidents/console/alone.html",
        incident=incident,
        row=row,
        said=said,
        edited=edits.changed_of(said.shown),
        phases=PHASES,
        so_far=reading.SO_FAR,
        author=names.get(row.author, "?"),
        mine=row.author == by(current().member.id),
        confirms=bool(APPROVERS & current().member.roles),
        public_url=console.public_url,
    )


@bp.page(f"{_PATH}confirm/<row_id>/", roles=APPROVERS, methods=("POST",), step_up=True)
def confirm(slug: str, row_id: str) -> Any:
    """Confirm an update that its author posted alone."""
    with sending.parts().db.read() as session:
        if posting.posted_alone(session, found(session, slug), _id(row_id)) is None:
            abort(404)
    try:
        sending.order("update-confirm", slug=slug, id=row_id)
    except OrderRefused as error:
        return sending.failed(refused(error.reason), f"/incidents/{slug}/timeline/")
    return sending.done(_("Confirmed."), f"/incidents/{slug}/timeline/")


def _post_alone(incident: Incident, wanted: Post) -> Any:
    reason = " ".join(request.form.get("reason", "").split())
    if incident.state != PUBLISHED:
        reason = reason or "not public yet"
    told = sending.order("update-alone", **wanted.fields, reason=reason)
    if edits.number_of(wanted.key) is not None:
        said = _(
            "Update %(number)s is changed. It stays open until somebody else confirms it.",
            number=told["update"],
        )
    elif incident.state == PUBLISHED:
        said = _(
            "Posted as update %(number)s. It stays open until somebody else confirms it.",
            number=told["update"],
        )
    else:
        said = _("Stored. It goes out when you publish the statement.")
    return sending.done(said, f"/incidents/{incident.slug}/timeline/")


def _edited(session: Session, slug: str, key: str, draft: Draft) -> list[tuple[str, Any]]:
    """Return what an edit changes word by word; nothing where it changes nothing, or is a new update."""
    try:
        return edits.changed_of(posting.described(session, Post(slug, key, draft.revision)))
    except (NotReleasable, UpdateUnknown):
        return []


def _stake(incident: Incident, key: str, draft: Draft) -> bool:
    """Return whether a new entry would change what readers were promised; an edit never does."""
    try:
        return edits.number_of(key) is None and posting.at_stake(incident, entries.read(draft.parts))
    except EntryInvalid:  # the checker stops it
        return False


def _told(session: Session, incident: Incident, draft: Draft) -> dict[str, Any]:
    told = _findings(session, incident, draft)
    echoes = {part: _echo(draft.parts, part) for part in TIMES}
    asked = shared.requests(session, POST, incident.slug, draft.document.removeprefix(entries.document("")))
    return {"told": checks(told, frame.language()), "echoes": echoes, "cancelled": bool(asked.void)}


def _findings(session: Session, incident: Incident, draft: Draft) -> list[Told]:
    console = sending.parts()
    return entries.findings(session, console.settings, incident, draft.parts, console.clock.now())


def _draft(session: Session, incident: Incident, key: str) -> Draft:
    return store.head(session, incident, entries.document(key)) or abort(404)


def _time(parts: Mapping[str, str], part: str) -> When | None:
    try:
        return entries.time_in(parts, part)
    except EntryInvalid:
        return None


def _echo(parts: Mapping[str, str], part: str) -> str:
    """Return a time in UTC as the portal reads it, or what is wrong with it."""
    try:
        when = entries.time_in(parts, part, shared.day_after(1))
    except EntryInvalid as error:
        if error.error is None:
            return ""
        return wording.of_time(error.error, examples=error.error.code == "time-invalid")
    return "" if when is None else f"= {entries.utc(when)}"


def _choices(parts: Mapping[str, str], part: str) -> tuple[str, ...]:
    """Return the times that an author may have meant, where what they wrote came twice or never."""
    try:
        entries.time_in(parts, part)
    except EntryInvalid as error:
        return error.error.examples if error.error and error.error.code != "time-invalid" else ()
    return ()


def _id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        abort(404)


def _title(parts: Mapping[str, str], languages: tuple[str, ...]) -> str:
    return next(
        (parts[f"title:{one}"] for one in languages if parts.get(f"title:{one}")), _("Without a title")
    )


def _own_title(session: Session, row: Update, languages: tuple[str, ...]) -> str:
    """Return the title that a withdrawn update had; what its erasure left where the words are gone."""
    titles = {one.language: one.title for one in current_wordings(session, row)}
    return next((titles[one] for one in (frame.language(), *languages) if one in titles), "")


def _text(slug: str, key: str) -> saving.Text:
    return saving.Text(slug, entries.document(key), f"/incidents/{slug}/timeline/{key}/", frame.language())
