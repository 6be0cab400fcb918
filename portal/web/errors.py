"""Error pages, and what the log says of a failure: never a token, an address or anything that was typed."""

import functools
import traceback
from types import TracebackType
from typing import Any

from flask import Flask, Response, current_app, render_template, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import BadRequest, Gone, HTTPException, NotFound
from werkzeug.wrappers import Response as BaseResponse

from portal.core.faults import RowUnreadable, database_cause, is_busy
from portal.web.gate import Page

# The statuses that have a page of their own, in templates/errors/.
ERROR_PAGES = (400, 403, 404, 405, 410, 413, 429, 500, 503)
# The configuration's name of an application's own template for all of them.
PAGE = "ERROR_PAGE"
DATABASE_RETRY_SECONDS = 30
BUSY_RETRY_SECONDS = 5

ExceptionDetails = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class LinkForgotten(Gone):
    """The session no longer has the link that a page names: the page gets 410, and nothing else happens."""


def install(app: Flask) -> None:
    """Register the error pages, refuse what no page reads, and log failures without their values."""
    app.before_request(_refuse_null_characters)
    app.log_exception = functools.partial(_log_fault, app)  # type: ignore[method-assign]
    app.register_error_handler(HTTPException, _show_http_error)
    app.register_error_handler(DBAPIError, _show_database_error)
    app.register_error_handler(PoolTimeout, _show_no_connection)


def _refuse_null_characters() -> None:
    """Answer 404 to a path with a NUL, and 400 to a query with one: PostgreSQL takes it in no text."""
    if "\0" in request.path:
        raise NotFound
    if any("\0" in name or "\0" in text for name, text in request.args.items(multi=True)):
        raise BadRequest


def outdated_form_page() -> BaseResponse:
    """Return the page for a form whose token is not valid; it holds nothing of the form."""
    return _error_page(400, 400, stale_form=True)


def _show_http_error(error: HTTPException) -> BaseResponse:
    code = error.code or 500
    if error.response is not None or code < 400:  # noqa: PLR2004
        return error.get_response()
    shown = code if code in ERROR_PAGES else (400 if code < 500 else 500)  # noqa: PLR2004
    retry_after = getattr(error, "retry_after", None)
    response = _error_page(
        shown,
        code,
        retry_after=max(1, round((retry_after or 60) / 60)),
        link_forgotten=isinstance(error, LinkForgotten),
    )
    for name, value in error.get_headers():
        if name.lower() in ("retry-after", "allow"):
            response.headers[name] = value
    return response


def _show_database_error(error: DBAPIError) -> BaseResponse:
    if is_busy(error):
        current_app.logger.warning(
            "web: another process held the database's lock for too long (%s); answered 503. If this "
            "continues, find out which: an import, or a tool that you opened the database with",
            database_cause(error),
        )
        return _page_to_retry(BUSY_RETRY_SECONDS)
    current_app.logger.error(
        "web: the database failed (%s); answered 503. If this continues, run: portal doctor",
        database_cause(error),
    )
    return _page_to_retry(DATABASE_RETRY_SECONDS)


def _show_no_connection(_error: PoolTimeout) -> BaseResponse:
    current_app.logger.error(
        "web: all connections of this process wait for the database; answered 503. Run: portal doctor"
    )
    return _page_to_retry(BUSY_RETRY_SECONDS)


def show_altered_row(error: RowUnreadable) -> BaseResponse:
    """Name the row to staff: what reads it has logged it."""
    return _error_page(422, 422, place=error.place)


def _page_to_retry(seconds: int) -> Response:
    response = _error_page(503, 503, retry_after=1)
    response.headers["Retry-After"] = str(seconds)
    return response


def busy_page(app: Flask, base_url: str, language: str) -> Page:
    """Return the page of requests that are refused before the application, with every header.

    It is made of none of them, so that it can be kept, and no request can spoil it.
    """
    front = app.test_request_context("/", base_url=base_url, headers={"Accept-Language": language})
    with app.app_context(), front:
        page = app.process_response(_error_page(503, 503, in_seconds=True))
    return list(page.headers), page.get_data()


def _error_page(shown: int, status: int, **values: Any) -> Response:
    """Return the page of status `shown`, sent with `status`.

    The page's address may hold a token, so requests for its style sheets carry no Referer. It names no link:
    it is the same whatever is wrong with which.
    """
    template = current_app.config.get(PAGE, f"errors/{shown}.html")
    response = Response(render_template(template, link=None, shown=shown, **values), status)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _log_fault(app: Flask, fault: ExceptionDetails) -> None:
    """Log the route, the error's type and its stack frames.

    Not the path nor the error's message: they may hold a token or what was typed.
    """
    kind, _error, trace = fault
    rule = request.url_rule.rule if request.url_rule else "-"
    frames = "".join(traceback.format_tb(trace))
    app.logger.error(
        "web: %s %s failed: %s\n%s", request.method, rule, kind.__name__ if kind else "-", frames
    )
