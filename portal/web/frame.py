"""Set up what every page shares: cookies, headers, host and form checks, limits, and languages."""

import functools
import hashlib
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, cast
from urllib.parse import quote, urlsplit

from babel import Locale
from babel.lists import format_list
from babel.support import NullTranslations
from flask import (
    Flask,
    Response,
    current_app,
    g,
    make_response,
    redirect,
    request,
    url_for,
)
from flask.globals import request_ctx
from flask.sessions import SecureCookieSessionInterface
from flask_babel import Babel, Domain, get_locale
from flask_wtf.csrf import CSRFError, CSRFProtect
from itsdangerous import TimedSerializer, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode
from markupsafe import Markup, escape
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest, Gone, ServiceUnavailable, TooManyRequests
from werkzeug.routing import IntegerConverter, RequestRedirect
from werkzeug.wrappers import Response as BaseResponse

from portal.core.addresses import breakable
from portal.core.i18n import translations
from portal.core.service_urls import LOOPBACK
from portal.core.shipped import STATIC
from portal.runtime.parts import PageParts, WebParts
from portal.web import clients, errors, languages, limits, theme
from portal.web.clients import host_name
from portal.web.gate import READING
from portal.web.languages import cookie_name

_HIDDEN_SVG = '<svg aria-hidden="true" focusable="false"'
MAX_REQUEST_BYTES = 64 * 1024
HEALTH = ("/healthz", "/readyz")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
UNQUOTED = "/:@!$&'()*+,;=~"  # in a path (RFC 3986, 3.3)
HSTS = "max-age=63072000; includeSubDomains"

csrf = CSRFProtect()


class NumberConverter(IntegerConverter):
    """Match a number in a URL without sign or leading zeros, so that a page has one URL.

    Nine digits fit an INTEGER column of either database.
    """

    regex = "[1-9][0-9]{0,8}"


class _UncompressedSerializer(URLSafeTimedSerializer):
    """Sign without compressing: how well a random token compresses varies, and the length would show it."""

    def dump_payload(self, obj: object) -> bytes:
        """Return the JSON of `obj` in URL-safe base64."""
        return base64_encode(TimedSerializer.dump_payload(self, obj))


class _Catalogues(Domain):  # type: ignore[misc]  # Flask-Babel has no types
    """The catalogues of the mails, for the pages; Flask-Babel's own look-up finds `pt` for `pt` alone."""

    def get_translations(self) -> NullTranslations:
        """Return the catalogue of this request's language; none outside a request."""
        locale = get_locale()
        return NullTranslations() if locale is None else translations(str(locale))


class UncompressedSessions(SecureCookieSessionInterface):
    """Flask's session cookies, uncompressed: the same step of a flow sets cookies of the same length."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return the serializer, which also reads cookies signed with a fallback secret, or None."""
        compressing = super().get_signing_serializer(app)
        if compressing is None:
            return None
        return _UncompressedSerializer(
            compressing.secret_keys,
            salt=compressing.salt,
            serializer=self.serializer,
            signer_kwargs=compressing.signer_kwargs,
        )


def page_parts() -> PageParts:
    """Return the parts that every application has, of the one that is handling this request."""
    return cast("PageParts", current_app.extensions["portal"])


def parts() -> WebParts:
    """Return the parts of the public application."""
    return cast("WebParts", current_app.extensions["portal"])


def prepare(app: Flask, shared: PageParts) -> None:
    """Configure the application: cookies, headers, request checks, languages and error pages."""
    settings, keys = shared.settings, shared.keys
    app.extensions["portal"] = shared
    app.session_interface = UncompressedSessions()
    app.url_map.converters["number"] = NumberConverter
    app.config.update(
        SECRET_KEY=keys.session_secret,
        SECRET_KEY_FALLBACKS=list(keys.session_fallbacks),
        SESSION_COOKIE_NAME=cookie_name(shared.cookie, https=settings.https),
        SESSION_COOKIE_SECURE=settings.https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_REQUEST_BYTES,
        MAX_FORM_PARTS=20,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        WTF_CSRF_TIME_LIMIT=12 * 3600,
        # Some browsers and company proxies send no Referer; the token and the SameSite cookie protect forms.
        WTF_CSRF_SSL_STRICT=False,
        BABEL_DEFAULT_LOCALE=settings.default_language.replace("-", "_"),
    )
    app.jinja_env.filters["listed"] = _listed
    app.jinja_env.filters["breakable"] = breakable
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["icon"] = icon
    app.before_request(_look)
    app.before_request(_check_host)
    app.before_request(_redirect_to_base_url)
    csrf.init_app(app)
    app.before_request(_check_form_origin)
    babel = Babel(
        app,
        locale_selector=lambda: Locale.parse(language(), sep="-"),
        timezone_selector=lambda: settings.site.timezone,
    )
    babel.domain_instance = _Catalogues()
    errors.install(app)
    app.context_processor(_template_context)
    app.after_request(_add_headers)


def _look() -> None:
    """Bring the settings up to date, but for what must answer without the database."""
    if request.endpoint != "static" and request.path not in HEALTH:
        page_parts().look()


def _check_host() -> None:
    """Answer 400 where the Host header is not that of PORTAL_BASE_URL.

    Flask's TRUSTED_HOSTS compares case-sensitively (against RFC 9110, 4.2.3) and rejects IPv6 addresses. Load
    balancers request the health pages by IP address, and these are the same for everyone.
    """
    if request.path in HEALTH and _is_ip_address(request.host):
        return
    settings = page_parts().settings
    given = host_name(request.host)
    if given != host_name(settings.host) and (settings.production or not is_loopback(given)):
        raise BadRequest


def _redirect_to_base_url() -> BaseResponse | None:
    """Redirect to the URL with its slash, where the router asks for it, below PORTAL_BASE_URL.

    The router would take scheme, letters and port from the request.
    """
    error = request.routing_exception
    if not isinstance(error, RequestRedirect):
        return None
    url = urlsplit(error.new_url)
    return redirect(f"{page_parts().settings.base_url}{url.path}{url.query and '?'}{url.query}", error.code)


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host_name(host).strip("[]"))
    except ValueError:
        return False
    return True


def _check_form_origin() -> None:
    """Raise CSRFError where a form with a token comes from another site; others have the token alone."""
    # Flask-WTF sets csrf_valid where it checked a token. Exempt pages accept posts from anywhere: one-click
    # unsubscribing (RFC 8058) comes from the mail program's own site.
    if g.get("csrf_valid"):
        _check_origin()


def check_same_site() -> None:
    """Raise CSRFError unless the browser says that this site sent this form: for forms without a token.

    Sec-Fetch-Site says so (in every browser since 2023), and in older ones Origin alone. From a page that
    sends no Referer, Origin is `null`.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "null")
    settings = page_parts().settings
    ours = origin == settings.base_url or (not settings.https and origin == f"http://{request.host}")
    if site not in ("same-origin", None) or not (ours or (origin == "null" and site)):
        raise CSRFError


def _check_origin() -> None:
    """Raise CSRFError where the browser says that another site sent this, or names one."""
    settings = page_parts().settings
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        raise CSRFError
    origin = request.headers.get("Origin", "null")
    source = origin if origin != "null" else request.headers.get("Referer")
    if source and settings.https and f"{source}/".split("/")[:3] != settings.base_url.split("/")[:3]:
        raise CSRFError


def chosen_language() -> str | None:
    """Return the language chosen in this browser, or None."""
    return languages.chosen(request.environ, page_parts().settings)


def language() -> str:
    """Return the language of this request: the one chosen, else the best match for Accept-Language."""
    return languages.negotiated(request.environ, page_parts().settings)


def see_other(endpoint: str, **values: Any) -> BaseResponse:
    """Return a 303 redirect to one of the portal's own pages."""
    return redirect(url_for(endpoint, **values), 303)


def this_page(link: str | None) -> str:
    """Return the path and query that open this page again, of the link with this name.

    It is `/` where only a form opens the page, or where its path has a token, which no page repeats.
    """
    if "token" in (request.view_args or {}) or not (request.method in READING or _opens_with_get()):
        return "/"
    given = b"" if g.get("query_ignored") else request.query_string
    query = [pair for pair in given.split(b"&") if pair and not pair.startswith(b"link=")]
    if link:
        query.append(f"link={link}".encode())
    path = quote(request.path, safe=UNQUOTED)
    return f"{path}?{quote(b'&'.join(query), safe=UNQUOTED + '%?')}" if query else path


def client_network() -> str:
    """Return the network that this request's limits count; never store it as it is."""
    return clients.client_network(request.environ, page_parts().settings.trusted_proxies)


def client_lane() -> int:
    """Return the lane of this request's network: one byte, by which the worker answers fairly."""
    return page_parts().vault.bucket("lane", client_network())[0]


def limit(db_session: Session, words: str, *bucket: str) -> None:
    """Count this request against its network's limit. Raises TooManyRequests (429) with Retry-After.

    `words` is the limit as the `limits` library writes it, like "60 per hour".
    """
    shared = page_parts()
    now = shared.clock.now()
    decision = limits.hit(db_session, shared.vault, words, *bucket, client_network(), now=now)
    if not decision.allowed:
        raise TooManyRequests(retry_after=decision.retry_after)


def limit_intake(db_session: Session, purpose: str) -> None:
    """Count a public form's request against its network's limit for this purpose. Raises TooManyRequests."""
    limit(db_session, page_parts().settings.limits.of_form(purpose), purpose)


def gone() -> NoReturn:
    """Raise 410: every link that does not work gets the same page, whatever is wrong with it."""
    raise Gone


def busy(retry_after: int) -> NoReturn:
    """Raise 503 with Retry-After, in seconds. Call it where nothing was stored, so that a retry is safe."""
    raise ServiceUnavailable(retry_after=retry_after)


def public(response: BaseResponse, seconds: int = 60) -> BaseResponse:
    """Return the response with headers that let caches store it; it must be the same for everyone.

    Not where `g.incomplete` says that the database could not tell all that belongs on the page.
    """
    if g.get("incomplete"):
        return response
    response.headers["Cache-Control"] = f"public, max-age={seconds}, must-revalidate"
    response.vary.update(("Accept-Language", "Cookie"))
    return response


def without_referrer(page: str) -> Response:
    """Return a response for a page whose URL holds a token: the browser sends no Referer from it."""
    response = make_response(page)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def asset(name: str) -> str:
    """Return the URL of a static file, with a hash of its content so that caches never serve an old one."""
    # Not url_for: error pages need the URL where no route was matched.
    return f"{current_app.static_url_path}/{name}?v={_content_hash(str(current_app.static_folder), name)}"


@functools.cache
def icon(name: str) -> Markup:
    """Return an icon of static/vendor/lucide to write into a page; screen readers skip it."""
    svg = (STATIC / "vendor/lucide" / f"{name}.svg").read_text(encoding="utf-8").partition("-->")[2]
    return Markup(svg.strip().replace("<svg", _HIDDEN_SVG, 1))  # noqa: S704 - a file of ours


@functools.cache
def _content_hash(folder: str, name: str) -> str:
    return hashlib.sha256((Path(folder) / name).read_bytes()).hexdigest()[:12]


def _template_context() -> dict[str, Any]:
    settings = page_parts().settings
    locale = get_locale()
    return {
        "settings": settings,
        "organisation": settings.site.organisation,
        "company_page": settings.identity.elsewhere,
        "contact_email": settings.site.contact_email,
        "contact_phone": settings.site.contact_phone,
        "languages": settings.site.languages,
        "language_name": languages.own_name,
        "this_page": this_page,
        "is_listed": _is_listed,
        "language": language(),
        "text_direction": locale.text_direction if locale else "ltr",
        "asset": asset,
        **theme.urls(settings.site),
        "came_by_form": _came_by_form,
        "link": g.get("link"),  # the name by which this page's forms say which link they belong to
    }


def _listed(items: Iterable[str]) -> Markup:
    """Return a list as this language writes it: `a, b, and c`."""
    return Markup(format_list([str(escape(item)) for item in items], locale=get_locale()))  # noqa: S704 - escaped


def _is_listed() -> bool:
    """Return whether search engines may list this page: robots.txt, its head and its headers say the same."""
    shared = page_parts()
    return request.path in shared.listed_pages or not request.path.startswith(shared.unlisted_paths)


def _came_by_form() -> bool:
    """Return whether this response answers a POST to a URL that can also be opened with GET."""
    return request.method == "POST" and _opens_with_get()


def _opens_with_get() -> bool:
    adapter = request_ctx.url_adapter
    return adapter is not None and adapter.test(method="GET")


def _add_headers(response: Response) -> Response:
    given = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - iterating headers gives pairs
    added = [(name, value) for name, value in HEADERS.items() if name.lower() not in given]
    if page_parts().settings.https and "strict-transport-security" not in given:
        added.append(("Strict-Transport-Security", HSTS))
    if "cache-control" not in given:
        added.append(("Cache-Control", "no-store"))
    if not _is_listed():
        added.append(("X-Robots-Tag", "noindex"))
    if "content-language" not in given and response.mimetype == "text/html":
        added.append(("Content-Language", language()))
    response.headers.extend(added)
    return response


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's own."""
    return host.strip("[]") in LOOPBACK
