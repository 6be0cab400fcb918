"""Answer public pages from memory, before Flask: everyone reads them at once, on the day the news breaks."""

import re
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from sqlalchemy.exc import DBAPIError
from werkzeug.http import parse_etags

from portal.runtime.page_cache import PageCache, Rendered
from portal.web.clients import host_name

# What makes an answer depend on the visitor, beside the language.
PERSONAL = ("HTTP_COOKIE", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE")
Head = tuple[str, list[tuple[str, str]]]
ExceptionDetails = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None


class PublicCache:
    """WSGI middleware: answers GET and HEAD of `paths` for the host of PORTAL_BASE_URL.

    The application renders each once per language, until something is published. It is asked without cookies
    and with the language alone; only what it marks as public is kept, and never what sets a cookie. All else
    goes to the application as it came: another host still gets 400.
    """

    def __init__(
        self,
        app: WSGIApplication,
        pages: PageCache,
        *,
        paths: tuple[str, ...],
        host: str,
        language: Callable[[WSGIEnvironment], str],
    ) -> None:
        """Put the cache in front of `app`; `paths` are regular expressions of paths with their queries.

        `language` tells a request's.
        """
        self._app = app
        self._pages = pages
        self._paths = re.compile("|".join(paths))
        self._host = host_name(host)
        self._language = language

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer from memory, or with the application's response."""
        query, method = environ.get("QUERY_STRING"), environ["REQUEST_METHOD"]
        path = f"{environ['PATH_INFO']}?{query}" if query else environ["PATH_INFO"]
        if not (
            method in ("GET", "HEAD")
            and self._paths.fullmatch(path)
            and host_name(environ.get("HTTP_HOST", "")) == self._host
        ):
            return self._app(environ, start_response)
        try:
            pages = self._pages.current()
        except (
            DBAPIError
        ):  # nothing is in memory; Flask shows the page for this, or one that needs no database
            return self._app(environ, start_response)
        key = ("front", path, self._language(environ))
        page = pages.get(key)
        if page is None:
            (status, headers), body = self._ask(environ, key[2])
            page = _to_keep(status, headers, body)
            if page is None:
                if any(name.lower() == "set-cookie" for name, _ in headers):
                    # Made for nobody, it would replace the visitor's own session.
                    return self._app(environ, start_response)
                start_response(status, headers)
                return [b"" if method == "HEAD" else body]
            self._pages.put(pages, key, page)
        if is_unchanged(environ.get("HTTP_IF_NONE_MATCH"), page.etag):
            start_response("304 NOT MODIFIED", list(page.unchanged))
            return []
        start_response("200 OK", list(page.headers))
        return [b"" if method == "HEAD" else page.body]

    def _ask(self, environ: WSGIEnvironment, language: str) -> tuple[Head, bytes]:
        """Return the application's response to a GET request that says nothing of the visitor."""
        asked = {name: value for name, value in environ.items() if name not in PERSONAL}
        heads: list[Head] = []
        written: list[bytes] = []

        def start(
            status: str, headers: list[tuple[str, str]], _details: ExceptionDetails = None, /
        ) -> Callable[[bytes], object]:
            heads.append((status, headers))
            return written.append

        response: Any = self._app({**asked, "REQUEST_METHOD": "GET", "HTTP_ACCEPT_LANGUAGE": language}, start)
        try:
            written.extend(response)
        finally:
            if hasattr(response, "close"):
                response.close()
        return heads[-1], b"".join(written)


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Return whether a browser already has the page of this ETag (RFC 9110, 13.1.2)."""
    return if_none_match is not None and (
        if_none_match == etag or parse_etags(if_none_match).contains_weak(etag.strip('"'))
    )


def _to_keep(status: str, headers: list[tuple[str, str]], body: bytes) -> Rendered | None:
    """Return a response as a page to keep, or None if it is no page for everyone."""
    found = {name.lower(): value for name, value in headers}
    if not status.startswith("200 ") or "set-cookie" in found or "etag" not in found:
        return None
    if not found.get("cache-control", "").startswith("public"):
        return None
    unchanged = [pair for pair in headers if pair[0].lower() not in ("content-type", "content-length")]
    return Rendered(body, headers, unchanged, found["etag"])
