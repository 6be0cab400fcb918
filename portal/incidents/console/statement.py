"""Write the statement: its parts and languages, what was saved, and how readers will see it."""

from dataclasses import replace
from typing import Any

from babel import Locale
from flask import Response, abort, make_response, render_template, request
from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.incidents import reading
from portal.incidents.checker.findings import Weight
from portal.incidents.console import saving, shared
from portal.incidents.console.shared import author, checks, found
from portal.incidents.drafts import examples, files, statements, store
from portal.incidents.drafts.actions import AUTHORS, PUBLISH
from portal.incidents.drafts.models import Draft
from portal.incidents.drafts.statements import Opened, document, open_draft
from portal.incidents.models import Incident
from portal.incidents.publishing.checks import MISMATCH
from portal.incidents.writing import fits_email
from portal.staff import sending
from portal.staff.pages import StaffPages
from portal.web import frame

bp = StaffPages("statement", __name__)

# The editor shows the page as readers get it in a frame, and nobody else may.
FRAMES = f"{frame.CONTENT_SECURITY_POLICY}; frame-src 'self'"
FRAMED = frame.CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
_PATH = "/incidents/<slug>/statement/"


@bp.page(_PATH, roles=AUTHORS)
def begin(slug: str) -> Any:
    """Lead to the statement in the author's language, which is one that the site speaks."""
    with sending.parts().db.read() as session:
        found(session, slug)
    return frame.see_other("statement.edit", slug=slug, language=frame.language())


@bp.page(f"{_PATH}<language>/", roles=AUTHORS, methods=("GET", "POST"))
def edit(slug: str, language: str) -> Any:
    """Show the parts of the statement in a language, or save them."""
    _check(language)
    return _save(slug, language) if request.method == "POST" else _editor(slug, language)


@bp.page(f"{_PATH}<language>/conflict/<number:number>/", roles=AUTHORS, methods=("GET", "POST"))
def conflict(slug: str, language: str, number: int) -> Any:
    """Show two texts of which only one could be saved, and save what their author takes of each."""
    _check(language)
    return saving.choose(_text(slug, language), number, lambda given: files.completed(given, language), _told)


@bp.page(f"{_PATH}<language>/history/", roles=AUTHORS, methods=("GET", "POST"))
def history(slug: str, language: str) -> Any:
    """List what was saved, and restore one of it."""
    _check(language)
    console = sending.parts()
    if request.method == "POST":
        with console.db.write() as session:
            found(session, slug)
            try:
                name, number, now = document(language), saving.number_in_form("revision"), console.clock.now()
                store.restore(session, slug, name, number, author(), now)
            except store.DraftUnknown:
                abort(404)
        return sending.done(_("Restored. The text before it is in the history."), _path(slug, language))
    with console.db.read() as session:
        incident = found(session, slug)
        saves = store.history(session, incident, document(language))
        shown = next((one for one in saves if str(one.revision) == request.args.get("show")), None)
    return render_template(
        "incidents/console/history.html",
        incident=incident,
        text_language=language,
        saves=saves,
        shown=shown,
        by=shared.author_words,
        label=lambda part: shared.part_label(part, language),
        back=_path(slug, language),
    )


@bp.page(f"{_PATH}<language>/preview/", roles=AUTHORS)
def preview(slug: str, language: str) -> Response:
    """Show the incident's page as its readers will get it, with the draft in place of the newest version."""
    _check(language)
    console = sending.parts()
    settings = replace(console.settings, base_url=console.public_url)
    with console.db.read() as session, force_locale(Locale.parse(language, sep="-")):
        incident = found(session, slug)
        opened = open_draft(session, incident, language)
        page = reading.page(session, incident, [language, settings.default_language], drafts=True)
        versions = [one for one in page.versions if one.number != opened.number]
        html = render_template(
            "incidents/console/preview.html",
            page=replace(page, versions=[_version(opened, incident), *versions]),
            root=console.public_url,
            settings=settings,
            language=language,
        )
    response = make_response(html)
    response.headers["Content-Security-Policy"] = FRAMED
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@bp.page(f"{_PATH}<language>/file/", roles=AUTHORS)
def file(slug: str, language: str) -> Response:
    """Download the draft as the file that `portal incidents statement` reads."""
    _check(language)
    with sending.parts().db.read() as session:
        opened = open_draft(session, found(session, slug), language)
    response = make_response(files.to_file(opened.parts, language).content)
    response.mimetype = "text/markdown"
    name = f"{slug}-statement.{language}.md"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _editor(slug: str, language: str) -> Response:
    console = sending.parts()
    with console.db.read() as session:
        incident = found(session, slug)
        opened = open_draft(session, incident, language)
        told = statements.findings(session, console.settings, incident, opened)
        standings = statements.standings(session, incident, console.settings.site.languages)
        asked = shared.requests(session, PUBLISH, slug)
    shown = files.HOLDING_PARTS if opened.holding else files.TEXTS
    page = render_template(
        "incidents/console/statement.html",
        incident=incident,
        opened=opened,
        asked=asked,
        standings=standings,
        texts=[(heading, text) for heading, text in files.PAIRS if text in shown],
        hidden=[pair for pair in files.PAIRS if pair[1] not in shown],
        told=checks(told, language),
        mismatch=[one for one in told if one.finding.code == MISMATCH],
        stops=sum(one.finding.weight is Weight.STOP for one in told),
        long=not fits_email(files.sections_of(opened.parts)),
        example=examples.sentences(language),
        label=lambda part: shared.part_label(part, language),
        saved=shared.saved_words(opened.saved, console.clock.now()),
    )
    response = make_response(page)
    response.headers["Content-Security-Policy"] = FRAMES
    return response


def _save(slug: str, language: str) -> Any:
    parts = files.completed(request.form, language)
    if request.form.get("kind") in ("holding", "whole"):
        parts[files.HOLDING] = "yes" if request.form["kind"] == "holding" else ""
    return saving.save(_text(slug, language), parts, saving.number_in_form("base"), _told)


def _told(session: Session, incident: Incident, draft: Draft) -> dict[str, Any]:
    language = statements.language_of(draft.document) or ""
    opened = open_draft(session, incident, language)
    said = statements.findings(session, sending.parts().settings, incident, opened)
    asked = shared.requests(session, PUBLISH, incident.slug)
    return {"told": checks(said, language), "cancelled": bool(asked.void)}


def _version(opened: Opened, incident: Incident) -> reading.Version:
    """Return the draft as a version to render."""
    row = opened.as_row(incident)
    return reading.Version(opened.number, row, (opened.language,), None, f"/incidents/{incident.slug}/")


def _text(slug: str, language: str) -> saving.Text:
    return saving.Text(slug, document(language), _path(slug, language), language)


def _check(language: str) -> None:
    if language not in sending.parts().settings.site.languages:
        abort(404)


def _path(slug: str, language: str) -> str:
    return f"/incidents/{slug}/statement/{language}/"
