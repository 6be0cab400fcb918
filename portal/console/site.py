"""What every page of the console needs: its language, colours and logo; and whether it is alive."""

from flask import Response, redirect, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as BaseResponse

from portal.site.views import YEAR, logo, logo_dark, theme_stylesheet
from portal.staff import sending
from portal.staff.pages import StaffPages
from portal.web import frame, languages
from portal.web.forms import own_path

bp = StaffPages("pages", __name__)

bp.open_page("/theme.css")(theme_stylesheet)
bp.open_page("/logo")(logo)
bp.open_page("/logo-dark")(logo_dark)


@bp.open_page("/language/", methods=("POST",))
@frame.csrf.exempt  # type: ignore[untyped-decorator]  # Flask-WTF has no types
def set_language() -> BaseResponse:
    """Store the chosen language in a cookie, and redirect to the previous page."""
    frame.check_same_site()
    settings = sending.parts().settings
    chosen = request.form.get("language", "")
    if chosen not in settings.site.languages:
        raise BadRequest
    response = redirect(own_path(request.form.get("back", "/")), 303)
    name = languages.cookie_name(languages.COOKIE, https=settings.https)
    response.set_cookie(
        name, chosen, max_age=YEAR, secure=settings.https, httponly=True, samesite="Lax", path="/"
    )
    return response


@bp.open_page("/healthz")
def alive() -> BaseResponse:
    """Answer 200 while the process is alive."""
    return Response("alive\n", mimetype="text/plain")


@bp.open_page("/robots.txt")
def robots() -> BaseResponse:
    """Keep search engines out."""
    return Response("User-agent: *\nDisallow: /\n", mimetype="text/plain")
