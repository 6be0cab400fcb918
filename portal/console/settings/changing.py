"""The console's pages that change one setting each."""

from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import available_timezones

from flask import Response, abort, jsonify, render_template, request, session
from flask_babel import gettext as _

from portal.console.settings import editing, reading, words
from portal.console.settings.editing import Setting, Unfit
from portal.core.settings.site import SettingInvalid, checked
from portal.site import legal
from portal.site.saved import service
from portal.site.saved.rules import Kind
from portal.staff import members, sending
from portal.staff.pages import StaffPages, current
from portal.staff.roles import Role
from portal.staff.sending import OrderRefused
from portal.staff.words import refusal
from portal.web import theme

bp = StaffPages("setting", __name__)

ADMIN = frozenset({Role.ADMIN})
UNFIT, CONFLICT = 422, 409
# Where in the session that waits which somebody must confirm first that it is them.
WAITING = "setting"


@dataclass
class Typed:
    """What is in the form: a line, a text, or the hash of a logo that is kept; and what it is based on."""

    value: str
    base: int
    fault: str = ""
    status: int = 200
    changed: bool = False
    preview: bool = False


@bp.page("/settings/<name>/", roles=ADMIN, methods=("GET", "POST"))
def setting(name: str) -> Any:
    """Show a setting, and save another value or the operator's."""
    shown = _setting(name)
    if request.method == "GET":
        return _page(shown, _first(shown))
    reset = request.form.get("act") == "reset"
    try:
        base = int(request.form.get("base", ""))
    except ValueError:
        abort(400)
    typed = Typed(request.form.get("value", ""), base)
    try:
        value = "" if reset else _value(shown)
    except Unfit as error:
        typed.fault, typed.status = str(error), UNFIT
        return _page(shown, typed)
    if request.form.get("act") == "preview":
        typed.preview = True
        return _page(shown, typed)
    return _save(shown, typed, None if reset else value)


@bp.page("/settings/colour.json", roles=ADMIN)
def colour() -> Any:
    """Return what becomes of a colour: for the page's script."""
    value = _colour()
    return jsonify(
        {
            one.mode: {
                "accent": one.palette.accent,
                "link": one.palette.link,
                "button": round(one.button, 1),
                "text": round(one.link, 1),
            }
            for one in reading.colours(value)
        }
    )


@bp.page("/settings/colour.css", roles=ADMIN)
def sample() -> Response:
    """Return the style sheet of the sample of a colour."""
    return Response(theme.sample(theme.Theme.from_colour(_colour())), mimetype="text/css")


def _colour() -> str:
    try:
        return str(checked("brand_colour", f"#{request.args.get('colour', '')}", production=True)).lower()
    except SettingInvalid:
        abort(404)


def _setting(name: str) -> Setting:
    console = sending.parts()
    known = (*editing.NAMES, *editing.legal_names(console.settings))
    if name not in known:
        abort(404)
    with console.db.read() as db_session:
        changes = service.changes(db_session, console.vault)
    return editing.setting(console.settings, name, changes)


def _value(shown: Setting) -> str:
    """Return what to save: a line, or the hash of a content that is stored from now on. Raises Unfit."""
    console = sending.parts()
    if shown.kind is Kind.LINE:
        return editing.line(console.settings, shown.name, request.form)
    kept, file = request.form.get("kept", ""), request.files.get("file")
    if shown.kind is Kind.TEXT:
        content = editing.text(shown.name, request.form.get("value", ""))
        if request.form.get("act") == "preview":
            return ""
    elif kept and not file:
        return kept
    else:
        content = editing.picture(file)
    with console.db.write() as db_session:
        if not sending.may_store(db_session):
            raise Unfit(refusal("many-today"))
        return service.store_content(db_session, content, console.clock.now())


def _save(shown: Setting, typed: Typed, value: str | None) -> Any:
    console = sending.parts()
    if shown.kind is Kind.PICTURE:
        typed.value = value or ""
    if not current().fresh(console.clock.now()):
        if value is not None:
            session[WAITING] = {"name": shown.name, "value": value, "base": typed.base}
        return sending.confirm_first()
    fields = {} if value is None else {"value": value}
    try:
        told = sending.order("setting", name=shown.name, base=str(typed.base), **fields)
    except OrderRefused as error:
        if error.reason == "setting-outdated":
            newest = _setting(shown.name)
            typed.base, typed.status, typed.changed = newest.base, CONFLICT, True
            typed.fault = str(words.OUTDATED)
            return _page(newest, typed)
        typed.status = UNFIT
        invalid = error.reason == "setting-invalid"
        typed.fault = (
            str(words.FAULTS.get(shown.name, words.LEGAL_FAULT)) if invalid else refusal(error.reason)
        )
        return _page(shown, typed)
    session.pop(WAITING, None)
    if not told["number"]:
        return sending.done(_("Nothing changed."), "/settings/")
    if value is None:
        return sending.done(
            _("The operator’s value is back. Pages and emails have it within seconds."), "/settings/"
        )
    return sending.done(_("Saved. Pages and emails have it within seconds."), "/settings/")


def _first(shown: Setting) -> Typed:
    """Return what the form begins with: what waits to be saved, an earlier text, or what counts now."""
    waiting = session.pop(WAITING, None)
    if isinstance(waiting, dict) and waiting.get("name") == shown.name:
        value = str(waiting["value"])
        if shown.kind is Kind.TEXT:
            value = _stored(value) or shown.value
        return Typed(value, int(waiting["base"]), changed=True)
    earlier = next(
        (one for one in shown.changes if one.value and str(one.number) == request.args.get("change")), None
    )
    if earlier is not None and earlier.value and shown.kind is Kind.TEXT:
        return Typed(_stored(earlier.value) or shown.value, shown.base, changed=True)
    return Typed("" if shown.kind is Kind.PICTURE else shown.value, shown.base)


def _stored(digest: str) -> str:
    console = sending.parts()
    try:
        with console.db.read() as db_session:
            return service.content(db_session, digest).decode(errors="replace")
    except service.ContentMissing:
        return ""


def _page(shown: Setting, typed: Typed) -> Any:
    console = sending.parts()
    kind = shown.kind
    with console.db.read() as db_session:
        people = members.names(db_session, console.vault)
    extra: dict[str, Any] = {}
    if shown.name == "brand_colour":
        extra["colour"] = _shown_colour(typed.value, shown.value)
        extra["colours"] = reading.colours(extra["colour"])
        extra["least"] = theme.TEXT
    elif shown.name == "languages":
        form = request.form if request.method == "POST" else None
        extra["places"] = editing.places(console.settings, typed.value or shown.value, form)
        extra["percents"] = {tag: reading.translated(tag) for tag in extra["places"]}
    elif shown.name == "timezone":
        extra["zones"] = sorted(available_timezones())
    elif kind is Kind.TEXT:
        tag = shown.name.partition(".")[2]
        extra["tag"] = tag
        public = replace(console.settings, base_url=console.public_url)
        extra["legal"] = legal.rendered(public, typed.value, tag) if typed.preview else None
        extra["source"] = editing.source(console.settings, shown.name)
    page = render_template(
        "console/settings/setting.html",
        shown=shown,
        typed=typed,
        kept=typed.value if kind is Kind.PICTURE and typed.changed else "",
        fault=typed.fault,
        title=words.title(shown.name),
        hint=words.HINTS.get(shown.name),
        who=reading.who(people),
        **extra,
    )
    return page, typed.status


def _shown_colour(typed: str, saved: str) -> str:
    try:
        return str(checked("brand_colour", typed.strip(), production=True)).lower()
    except SettingInvalid:
        return saved.lower()
