"""Public pages of incidents and their feeds: identical for all readers of a language, cached as rendered."""

from collections.abc import Callable
from hashlib import blake2b

from flask import Blueprint, Response, abort, g, render_template, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.incidents import differences, feeds, reading, service, writing
from portal.incidents.models import Incident
from portal.incidents.publishing.withdrawn import WithdrawnVersion
from portal.runtime.page_cache import Rendered
from portal.web import frame
from portal.web.public_cache import is_unchanged

bp = Blueprint("incidents", __name__)
UNLISTED_PATHS: tuple[str, ...] = ()
PUBLIC_PATHS = (r"/", r"/feed\.(?:atom|json)", r"/incidents/.*")

HTML = "text/html"
ATOM = "application/atom+xml"
JSON = "application/feed+json"
FRESH_SECONDS = 10
Show = Callable[[Session, list[str]], str]


@bp.get("/")
def front() -> Response:
    """Show the open incident, or a list if there are several."""

    def show(session: Session, languages: list[str]) -> str:
        shown = service.open_incidents(session) or service.published(session)
        return (
            _incident(session, shown[0], languages) if len(shown) == 1 else _list(session, shown, languages)
        )

    return _cached_page(show)


@bp.get("/incidents/")
def every() -> Response:
    """Show all public incidents."""
    return _cached_page(lambda session, languages: _list(session, service.published(session), languages))


@bp.get("/incidents/<slug>/")
def incident(slug: str) -> Response:
    """Show one incident: apology and timeline."""
    return _cached_page(lambda session, languages: _incident(session, _found(session, slug), languages))


@bp.get("/incidents/<slug>/statement/<number:number>/")
def statement(slug: str, number: int) -> Response:
    """Show one version of the statement, with the changes it made and those made after it."""

    def show(session: Session, languages: list[str]) -> str:
        page = reading.page(session, _found(session, slug), languages)
        version = next((one for one in page.all_versions if one.number == number), None)
        if version is None:
            abort(404)
        if isinstance(version, WithdrawnVersion):
            return render_template("incidents/withdrawn.html", page=page, version=version)
        older = next((one.number for one in page.versions if one.number < number), number)
        return render_template(
            "incidents/statement.html",
            page=page,
            version=version,
            before=_difference(session, page, older, number, languages),
            after=_difference(session, page, number, page.versions[0].number, languages),
        )

    return _cached_page(show)


@bp.get("/incidents/<slug>/updates/<number:number>/")
def update(slug: str, number: int) -> Response:
    """Show one update with its earlier wordings."""

    def show(session: Session, languages: list[str]) -> str:
        found = _found(session, slug)
        try:
            row = writing.update_of(session, found, number)
        except writing.UpdateUnknown:
            abort(404)
        if row.published_at is None:
            abort(404)
        entry = reading.entry(session, found, row, languages)
        history = reading.history(session, row, entry.language)
        return render_template(
            "incidents/update.html",
            incident=found,
            entry=entry,
            title=found.title_in(languages[0]),
            title_language=reading.title_language(found, languages),
            earlier=[] if entry.withdrawal else differences.of_wordings(history),
        )

    return _cached_page(show)


@bp.get("/feed.atom")
def atom() -> Response:
    """Serve the updates of all public incidents as Atom (RFC 4287)."""
    return _cached_page(lambda session, languages: feeds.atom(_feed(session, None, languages)), ATOM)


@bp.get("/feed.json")
def json() -> Response:
    """Serve the updates of all public incidents as JSON Feed with Statuspage keys."""
    return _cached_page(lambda session, languages: feeds.json_feed(_feed(session, None, languages)), JSON)


@bp.get("/incidents/<slug>/feed.atom")
def incident_atom(slug: str) -> Response:
    """Serve the updates of one incident as Atom."""
    return _cached_page(lambda session, languages: feeds.atom(_feed(session, slug, languages)), ATOM)


@bp.get("/incidents/<slug>/feed.json")
def incident_json(slug: str) -> Response:
    """Serve the updates of one incident as JSON Feed with Statuspage keys."""
    return _cached_page(lambda session, languages: feeds.json_feed(_feed(session, slug, languages)), JSON)


@bp.app_template_global()
def exposed_classes() -> frozenset[str]:
    """Return the data classes that public incidents exposed; none while the database is unavailable.

    Caches do not store the page then.
    """
    try:
        with frame.parts().db.read() as session:
            return frozenset(name for one in service.published(session) for name in one.class_names)
    except DBAPIError:
        g.incomplete = True
        return frozenset()


@bp.app_template_global()
def offers_exit() -> bool:
    """Return whether this page has the link that leaves it: for a discreet incident, its own or any.

    The page has it too while the database is unavailable; then caches do not store it.
    """
    slug = (request.view_args or {}).get("slug")
    try:
        with frame.parts().db.read() as session:
            return any(one.discreet for one in service.published(session) if slug in (None, one.slug))
    except DBAPIError:
        g.incomplete = True
        return True


def _cached_page(show: Show, mimetype: str = HTML) -> Response:
    """Return a page from the cache, or 304 if the browser already has it (RFC 9110, 13.1.2)."""
    language = frame.language()
    g.query_ignored = True  # the page that is kept must not lead others to this visitor's query

    def render() -> Rendered:
        with frame.parts().db.read() as session:
            text = show(session, [language, frame.parts().settings.default_language])
        return _rendered(text, mimetype, language)

    page = frame.parts().page_cache.get(request.path, language, render)
    if is_unchanged(request.headers.get("If-None-Match"), page.etag):
        return Response(status=304, headers=page.unchanged)
    return Response(page.body, headers=page.headers)


def _rendered(text: str, mimetype: str, language: str) -> Rendered:
    """Return a page with its constant headers, so that they are built once and not per request."""
    body = text.encode()
    etag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    response = Response(mimetype=mimetype, headers={"ETag": etag, "Content-Language": language})
    frame.public(response, FRESH_SECONDS)
    headers = [pair for pair in response.headers if pair[0] != "Content-Length"]
    return Rendered(body, headers, [pair for pair in headers if pair[0] != "Content-Type"], etag)


def _found(session: Session, slug: str) -> Incident:
    try:
        return service.published_by_slug(session, slug)
    except service.IncidentUnknown:
        abort(404)


def _incident(session: Session, found: Incident, languages: list[str]) -> str:
    return render_template("incidents/incident.html", page=reading.page(session, found, languages))


def _list(session: Session, shown: list[Incident], languages: list[str]) -> str:
    phases, every_one = service.phases(session), len(service.published(session))
    listed = reading.listed(shown, phases, languages)
    return render_template("incidents/list.html", incidents=listed, count=every_one)


def _difference(
    session: Session, page: reading.Page, older: int, newer: int, languages: list[str]
) -> differences.Difference | None:
    pair = reading.pair(session, page.incident, older, newer, languages)
    return differences.of_statements(*pair) if pair else None


def _feed(session: Session, slug: str | None, languages: list[str]) -> feeds.Feed:
    settings = frame.parts().settings
    shown = [_found(session, slug)] if slug else service.published(session)
    return feeds.Feed(
        organisation=settings.site.organisation,
        base_url=settings.base_url,
        timezone=settings.site.timezone,
        language=languages[0],
        incident=shown[0] if slug else None,
        incidents=shown,
        entries=reading.entries(session, shown, languages),
    )
