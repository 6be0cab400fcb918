"""What every page shares: cookies, headers, limits, flows, languages and error pages."""

import functools
import hashlib
import ipaddress
import re
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, cast

from babel import Locale
from flask import (
    Flask,
    Response,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.globals import request_ctx
from flask.sessions import SecureCookieSessionInterface
from flask_babel import Babel, get_locale
from flask_wtf.csrf import CSRFError, CSRFProtect
from itsdangerous import TimedSerializer, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from werkzeug.datastructures import LanguageAccept
from werkzeug.exceptions import BadRequest, Gone, HTTPException, ServiceUnavailable, TooManyRequests
from werkzeug.http import parse_accept_header
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter
from werkzeug.wrappers import Response as BaseResponse

from portal.core.i18n import TRANSLATIONS, best_language
from portal.core.service_urls import LOOPBACK
from portal.runtime.parts import WebParts
from portal.web import limits

ROOT = Path(__file__).parent.parent.parent
MAX_REQUEST_BYTES = 64 * 1024
HEALTH = ("/healthz", "/readyz")
LANGUAGE_COOKIE = "language"
MAX_LANGUAGES_ASKED = 200  # characters of an Accept-Language header; more is nobody's preference
DATABASE_RETRY_SECONDS = 30
IPV6_PREFIX = 64
PORT = re.compile(r":[0-9]+\Z")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src "
    "'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
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
HSTS = "max-age=63072000; includeSubDomains"
ERROR_PAGES = (400, 403, 404, 405, 410, 413, 429, 500, 503)

ExceptionDetails = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

csrf = CSRFProtect()


class NumberConverter(IntegerConverter):
    """A number in an address, written in one way only: a page has one address. Nine digits fit every database."""

    regex = "[1-9][0-9]{0,8}"


class _Uncompressed(URLSafeTimedSerializer):
    """Signs what is given as it is: how well a random token compresses is chance, and the length would show it."""

    def dump_payload(self, obj: object) -> bytes:
        """Return the JSON of `obj` in URL-safe base 64."""
        return base64_encode(TimedSerializer.dump_payload(self, obj))


class PlainSessions(SecureCookieSessionInterface):
    """Flask's session cookies, uncompressed: the same step of a flow gives everyone a cookie of the same length."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return what signs and reads the cookie, with the fallback secrets; None without a secret."""
        flasks = super().get_signing_serializer(app)
        if flasks is None:
            return None
        return _Uncompressed(
            flasks.secret_keys,
            salt=flasks.salt,
            serializer=self.serializer,
            signer_kwargs=flasks.signer_kwargs,
        )


def parts() -> WebParts:
    """Return the parts of the application that serves this request."""
    return cast("WebParts", current_app.extensions["portal"])


def prepare(app: Flask, web_parts: WebParts) -> None:
    """Give the application its cookies, headers, languages and error pages."""
    settings, keys = web_parts.settings, web_parts.keys
    app.extensions["portal"] = web_parts
    app.session_interface = PlainSessions()
    app.url_map.converters["number"] = NumberConverter
    app.config.update(
        SECRET_KEY=keys.session_secret,
        SECRET_KEY_FALLBACKS=list(keys.session_fallbacks),
        SESSION_COOKIE_NAME=cookie_name("session", https=settings.https),
        SESSION_COOKIE_SECURE=settings.https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_REQUEST_BYTES,
        MAX_FORM_PARTS=20,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        WTF_CSRF_TIME_LIMIT=12 * 3600,
        # Some browsers and company proxies send no Referer; the token and the SameSite cookie are what
        # protects.
        WTF_CSRF_SSL_STRICT=False,
        BABEL_DEFAULT_LOCALE=settings.default_language,
        BABEL_TRANSLATION_DIRECTORIES=str(TRANSLATIONS),
        BABEL_DEFAULT_TIMEZONE=settings.site.timezone,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.before_request(_refuse_forged_hosts)
    csrf.init_app(app)
    app.before_request(_refuse_foreign_forms)
    Babel(app, locale_selector=language)
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        # Only the client's address and scheme are taken from the proxies; the host stays what BASE_URL says.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=0, x_port=0, x_prefix=0
        )
    app.log_exception = functools.partial(_log_fault, app)  # type: ignore[method-assign]
    app.context_processor(_for_templates)
    app.after_request(_finish)
    app.register_error_handler(HTTPException, _show_error)
    app.register_error_handler(CSRFError, _show_stale_form)
    app.register_error_handler(DBAPIError, _show_database_error)


def _refuse_forged_hosts() -> None:
    """Refuse a request for a host that is not ours.

    Not by Flask's TRUSTED_HOSTS, which takes a name in capitals for another (RFC 9110, 4.2.3) and no IPv6
    address. Load balancers ask for health by address; what they get is the same for everybody.
    """
    if request.path in HEALTH and _is_ip_address(request.host):
        return
    settings = parts().settings
    ours, asked = (PORT.sub("", host).lower() for host in (settings.host, request.host))
    if asked != ours and (settings.production or not is_loopback(asked)):
        raise BadRequest


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(PORT.sub("", host).strip("[]"))
    except ValueError:
        return False
    return True


def _refuse_foreign_forms() -> None:
    """Refuse a form that another site sent, where the browser says so; one that says nothing has its token alone."""
    # Flask-WTF marks the requests whose token it checked. A page that is exempt takes its posts from
    # anywhere: a mail program's one-click unsubscribing comes from the mail program's own site (RFC 8058).
    if not g.get("csrf_valid"):
        return
    settings = parts().settings
    origin = request.headers.get("Origin", "null")
    said = origin if origin != "null" else request.headers.get("Referer")
    if said and settings.https and f"{said}/".split("/")[:3] != settings.base_url.split("/")[:3]:
        raise CSRFError


def cookie_name(name: str, *, https: bool) -> str:
    """Return a cookie's name, with the prefix that ties it to this host where the portal is served over TLS."""
    return f"__Host-{name}" if https else name


def chosen_language() -> str | None:
    """Return the language that the reader chose in this browser, if any."""
    settings = parts().settings
    chosen = request.cookies.get(cookie_name(LANGUAGE_COOKIE, https=settings.https))
    return chosen if chosen in settings.site.languages else None


def language() -> str:
    """Return the language of this request: the reader's choice, else the best of what the browser asks for."""
    asked = request.headers.get("Accept-Language", "")[:MAX_LANGUAGES_ASKED]
    return chosen_language() or _best_accepted(asked, parts().settings.site.languages)


@functools.lru_cache(maxsize=1024)
def _best_accepted(header: str, offered: tuple[str, ...]) -> str:
    """Return the best language for an Accept-Language header: browsers send few different ones, many times."""
    return parse_accept_header(header, LanguageAccept).best_match(offered) or best_language(None, offered)


def see_other(endpoint: str, **values: Any) -> BaseResponse:
    """Answer 303 to a page of ours."""
    return redirect(url_for(endpoint, **values), 303)


def client_network() -> str:
    """Return the network that a limit counts: the IPv4 address, or the /64 of an IPv6 address (RFC 6177)."""
    try:
        address = ipaddress.ip_address((request.remote_addr or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


def limit(db_session: Session, words: str, *bucket: str) -> None:
    """Count this request against a limit of its network. Raises 429 with Retry-After where it is used up."""
    web_parts = parts()
    now = web_parts.clock.now()
    decision = limits.hit(db_session, web_parts.vault, words, *bucket, client_network(), now=now)
    if not decision.allowed:
        raise TooManyRequests(retry_after=decision.retry_after)


def limit_intake(db_session: Session) -> None:
    """Count one request of a public form against its network's limit. Raises 429."""
    limit(db_session, parts().settings.limits.intake_ip, "intake")


def gone() -> NoReturn:
    """End with the one page for every link that does not work, whatever is wrong with it."""
    raise Gone


def busy(retry_after: int) -> NoReturn:
    """End with 503: nothing was lost, and it works again in `retry_after` seconds."""
    raise ServiceUnavailable(retry_after=retry_after)


def public(response: BaseResponse, seconds: int = 60) -> BaseResponse:
    """Let caches keep a page that is the same for everyone in a language."""
    response.headers["Cache-Control"] = f"public, max-age={seconds}, must-revalidate"
    response.vary.update(("Accept-Language", "Cookie"))
    return response


def without_referrer(page: str) -> Response:
    """Keep the token in this page's address out of what the browser tells with its next requests."""
    response = make_response(page)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def asset(name: str) -> str:
    """Return the address of a static file, with its content's hash so that caches never serve an old one."""
    # Not by url_for: this address is the same on every page, that of a failure too.
    return f"{current_app.static_url_path}/{name}?v={_content_hash(str(current_app.static_folder), name)}"


@functools.cache
def _content_hash(folder: str, name: str) -> str:
    return hashlib.sha256((Path(folder) / name).read_bytes()).hexdigest()[:12]


def _for_templates() -> dict[str, Any]:
    settings = parts().settings
    locale = get_locale()
    return {
        "settings": settings,
        "organisation": settings.site.organisation,
        "contact_email": settings.site.contact_email,
        "contact_phone": settings.site.contact_phone,
        "languages": settings.site.languages,
        "language_names": {
            tag: Locale.parse(tag.replace("-", "_")).get_display_name() for tag in settings.site.languages
        },
        "language": language(),
        "text_direction": locale.text_direction if locale else "ltr",
        "asset": asset,
        "came_by_form": _came_by_form,
    }


def _came_by_form() -> bool:
    """Whether this page answers a form that was sent to an address which is a page as well."""
    adapter = request_ctx.url_adapter
    return request.method == "POST" and adapter is not None and adapter.test(method="GET")


def _finish(response: Response) -> Response:
    given = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - iterating headers gives pairs
    added = [(name, value) for name, value in HEADERS.items() if name.lower() not in given]
    if parts().settings.https and "strict-transport-security" not in given:
        added.append(("Strict-Transport-Security", HSTS))
    if "cache-control" not in given:
        added.append(("Cache-Control", "no-store"))
    if "content-language" not in given and response.mimetype == "text/html":
        added.append(("Content-Language", language()))
    response.headers.extend(added)
    return response


def _show_error(error: HTTPException) -> BaseResponse:
    code = error.code or 500
    if error.response is not None or code < 400:  # noqa: PLR2004
        return error.get_response()
    shown = code if code in ERROR_PAGES else (400 if code < 500 else 500)  # noqa: PLR2004
    retry_after = getattr(error, "retry_after", None)
    response = _error_page(shown, code, retry_after=max(1, round((retry_after or 60) / 60)))
    for name, value in error.get_headers():
        if name.lower() in ("retry-after", "allow"):
            response.headers[name] = value
    return response


def _error_page(shown: int, status: int, **values: Any) -> Response:
    """Return an error page. Its address may hold a token, which its own style sheets must not be asked for with."""
    response = Response(render_template(f"errors/{shown}.html", **values), status)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _show_stale_form(_error: CSRFError) -> BaseResponse:
    return _error_page(400, 400, stale_form=True, retry_after=1)


def _log_fault(app: Flask, fault: ExceptionDetails) -> None:
    """Log where a page failed; not its address nor the error's words, which may hold a token or what was typed."""
    kind, _error, trace = fault
    rule = request.url_rule.rule if request.url_rule else "-"
    places = "".join(traceback.format_tb(trace))
    app.logger.error("%s %s failed: %s\n%s", request.method, rule, kind.__name__ if kind else "-", places)


def _show_database_error(error: DBAPIError) -> BaseResponse:
    current_app.logger.error("the database failed: %s", type(error.orig).__name__)
    response = _error_page(503, 503, retry_after=1)
    response.headers["Retry-After"] = str(DATABASE_RETRY_SECONDS)
    return response


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own."""
    return host.strip("[]") in LOOPBACK
