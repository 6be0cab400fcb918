"""Pages of the site itself: language, theme, logo, health, robots.txt and well-known URLs."""

from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from flask import (
    Blueprint,
    Response,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
)
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response as BaseResponse

from portal.core.settings.site import Picture
from portal.runtime.doctor import question
from portal.site import legal
from portal.web import frame, languages, theme
from portal.web.forms import own_path

bp = Blueprint("pages", __name__)
UNLISTED_PATHS = ("/language/",)
PUBLIC_PATHS = (r"/theme\.css(?:\?v=[0-9a-f]{6})?", rf"/(?:{'|'.join(legal.NAMES)})/")

YEAR = 365 * 24 * 3600
SECURITY_LIFETIME = timedelta(days=180)


@bp.get("/language/")
def choose_language() -> str:
    """Show the languages on a page of their own, for copies of a former version's pages."""
    return render_template("site/language.html", back=own_path(request.args.get("back", "/")))


@bp.post("/language/")
@frame.csrf.exempt  # type: ignore[untyped-decorator]  # Flask-WTF has no types
def set_language() -> BaseResponse:
    """Store the chosen language in a cookie, and redirect to the previous page.

    The form has no token, which would need a session cookie (docs/decisions/0054).
    """
    frame.check_same_site()
    parts = frame.parts()
    settings = parts.settings
    chosen = request.form.get("language", "")
    if chosen not in settings.site.languages:
        raise BadRequest
    if parts.language_chosen is not None:
        parts.language_chosen(chosen)
    response = redirect(own_path(request.form.get("back", "/")), 303)
    name = languages.cookie_name(languages.COOKIE, https=settings.https)
    response.set_cookie(
        name, chosen, max_age=YEAR, secure=settings.https, httponly=True, samesite="Lax", path="/"
    )
    return response


@bp.get("/privacy/", defaults={"name": "privacy"})
@bp.get("/imprint/", defaults={"name": "imprint"})
@bp.get("/accessibility/", defaults={"name": "accessibility"})
def legal_page(name: str) -> BaseResponse:
    """Show one of the pages that the law asks for."""
    shown = legal.page(frame.parts().settings, name, frame.language())
    response = frame.public(make_response(render_template("site/legal.html", name=name, page=shown)))
    response.add_etag()
    return response.make_conditional(request)


@bp.get("/theme.css")
def theme_stylesheet() -> BaseResponse:
    """Serve the style sheet with the organisation's colours."""
    colour = frame.page_parts().settings.site.brand_colour
    response = make_response(_stylesheet(colour))
    response.mimetype = "text/css"
    return _versioned(response, theme.version(colour))


def _versioned(response: Response, version: str) -> BaseResponse:
    """Let caches keep a response, unless it was asked for by the version of another one."""
    if request.args.get("v", version) == version:
        response.headers["Cache-Control"] = "public, max-age=3600"
        response.add_etag()
    return response.make_conditional(request)


@lru_cache(maxsize=8)
def _stylesheet(colour: str) -> str:
    return theme.stylesheet(theme.Theme.from_colour(colour))


@bp.get("/logo")
def logo() -> BaseResponse:
    """Serve the organisation's logo; 404 if there is none."""
    return _picture(frame.page_parts().settings.site.light_logo)


@bp.get("/logo-dark")
def logo_dark() -> BaseResponse:
    """Serve the organisation's logo for dark screens; 404 if none is configured."""
    return _picture(frame.page_parts().settings.site.dark_logo)


def _picture(logo: Picture | Path | None) -> BaseResponse:
    if logo is None:
        raise NotFound
    if isinstance(logo, Path):
        return send_file(logo.absolute(), max_age=3600)
    response = Response(logo.content, mimetype=logo.mimetype)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"  # whatever it were taken for
    return _versioned(response, theme.picture_version(logo))


@bp.get("/healthz")
def alive() -> BaseResponse:
    """Answer 200 while the process is alive; prove to `portal doctor` that it is this portal that answers."""
    response = Response("alive\n", mimetype="text/plain")
    if (asked := request.headers.get(question.HEADER)) is not None:
        parts = frame.parts()
        forwarded = request.headers.get("X-Forwarded-For")
        answer = question.answer(parts.vault, asked, forwarded, parts.settings.trusted_proxies)
        if answer is not None:
            response.headers[question.HEADER] = answer
    return response


@bp.get("/readyz")
def ready() -> BaseResponse:
    """Report from memory: 503 only if the database cannot store; else what is ok or degraded, no figures."""
    storage = frame.parts().storage
    if storage.fault() is not None:  # the log names it
        return Response("database: failed\n", 503, {"Retry-After": "30"}, mimetype="text/plain")
    states = {name: "degraded" if cause else "ok" for name, cause in storage.degraded.items()}
    lines = [f"{name}: {state}\n" for name, state in ({"database": "ok"} | states).items()]
    return Response("".join(lines), mimetype="text/plain")


@bp.get("/.well-known/change-password")
def change_password() -> BaseResponse:
    """Redirect password managers to the form (W3C, A Well-Known URL for Changing Passwords)."""
    elsewhere = frame.parts().settings.identity.elsewhere
    return redirect(elsewhere.url if elsewhere else "/account/password/", 302)


@bp.get("/.well-known/security.txt")
def security_text() -> BaseResponse:
    """Serve the contact for reports of vulnerabilities (RFC 9116)."""
    parts = frame.parts()
    settings = parts.settings
    expires = (parts.clock.now() + SECURITY_LIFETIME).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [
        f"Contact: mailto:{settings.site.contact_email or settings.mail.sender}",
        f"Expires: {expires.strftime('%Y-%m-%dT%H:%M:%SZ')}",
        f"Preferred-Languages: {', '.join(settings.site.languages)}",
        f"Canonical: {settings.base_url}/.well-known/security.txt",
    ]
    response = Response("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@bp.get("/robots.txt")
def robots() -> BaseResponse:
    """Serve robots.txt: public pages may be indexed, personal pages may not (RFC 9309).

    Of two rules the longer one wins.
    """
    parts = frame.parts()
    rules = [f"Disallow: {path}\n" for path in sorted(parts.unlisted_paths)]
    rules += [f"Allow: {path}$\n" for path in sorted(parts.listed_pages)]
    return Response(f"User-agent: *\n{''.join(rules)}", mimetype="text/plain")
