"""Save a draft for a form or its script, and let an author choose between two texts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import abort, jsonify, redirect, render_template, request
from sqlalchemy.orm import Session

from portal.incidents.console.shared import author, author_words, found, part_label, saved_words
from portal.incidents.drafts import store
from portal.incidents.drafts.models import Draft
from portal.incidents.drafts.store import Clash, Conflict
from portal.incidents.models import Incident
from portal.staff import sending

CONFLICT = 409
_MOST_DIGITS = 9


@dataclass(frozen=True)
class Text:
    """A draft on its page: its document, the page's path, and the language that its parts are named in."""

    slug: str
    document: str
    path: str
    language: str


# Arguments: session, incident, what was saved. Returns what the page's script shows.
Tell = Callable[[Session, Incident, Draft], Mapping[str, Any]]


def save(text: Text, parts: Mapping[str, str], base: int, tell: Tell) -> Any:
    """Save parts, and answer a form with a redirect, or a script with what the page shows."""
    console = sending.parts()
    by_script = request.accept_mimetypes.best == "application/json"
    with console.db.write() as session:
        found(session, text.slug)
        try:
            done = store.save(session, text.slug, text.document, parts, base, author(), console.clock.now())
        except store.DraftTooLong:
            abort(413)
        if isinstance(done, Conflict):
            where = f"{text.path}conflict/{done.yours.revision}/"
            return (jsonify(conflict=where), CONFLICT) if by_script else redirect(where, 303)
    said = saved_words(done, console.clock.now())
    if not by_script:
        return sending.done(said, text.path)
    with console.db.read() as session:  # to check a long text takes a while, in which others write
        return jsonify(base=done.revision, saved=said, **tell(session, found(session, text.slug), done))


def choose(
    text: Text, number: int, complete: Callable[[Mapping[str, str]], dict[str, str]], tell: Tell
) -> Any:
    """Show two texts of which only one could be saved, and save what their author takes of each."""
    with sending.parts().db.read() as session:
        incident = found(session, text.slug)
        yours = session.get(Draft, (incident.id, text.document, number)) or abort(404)
        theirs = store.head(session, incident, text.document) or abort(404)
        clashes = store.compare(session, incident, Conflict(theirs, yours))
    if request.method == "POST":
        taken = {one.part: _taken(one) for one in clashes}
        return save(text, complete(theirs.parts | taken), number_in_form("base"), tell)
    return render_template(
        "incidents/console/conflict.html",
        incident=incident,
        clashes=clashes,
        theirs=theirs,
        mine=theirs.author == yours.author,
        by=author_words,
        label=lambda part: part_label(part, text.language),
        back=text.path,
    )


def number_in_form(field: str) -> int:
    """Return a number that a form carries, or 0."""
    given = request.form.get(field, "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS else 0


def _taken(clash: Clash) -> str:
    """Return what an author takes of a part in which two texts differ."""
    choice = request.form.get(f"take-{clash.part}", "")
    if choice == "both":
        return f"{clash.theirs}\n\n{clash.yours}"
    return clash.yours if choice == "yours" else clash.theirs
