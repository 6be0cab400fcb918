"""Measure `POST /check/` against a bare Flask-WTF form that inserts one row."""

from bench.load import post, rate, read_form
from bench.measure import Result, interleaved
from bench.peers import prepare
from bench.servers import context_of, portal_settings, serving
from portal.demo import example


def run() -> list[Result]:
    """Measure both behind the shipped server, with the same database settings."""
    with portal_settings() as (settings, environ):
        with context_of(settings) as context:
            example.load(context, new=True)
        url = settings.database_url.replace("portal.db", "peer.db")
        prepare(url)
        with (
            serving("wsgi:app", environ) as portal,
            serving("bench.form:app", {"BENCH_DATABASE_URL": url}) as peer,
        ):
            check, bare = form(portal, "/check/"), form(peer, "/form/")
            seen = interleaved(
                {
                    "bare": lambda: rate(peer, [bare], expected=303),
                    "check": lambda: rate(portal, [check], expected=303),
                }
            )
    detail = f"{seen['check']:.0f}/s against {seen['bare']:.0f}/s"
    return [Result("POST /check/ / bare form", seen["check"] / seen["bare"], detail, least=0.5)]


def form(port: int, path: str) -> bytes:
    """Open a form's page; return a POST request with its CSRF token and cookie."""
    token, cookie = read_form(port, path)
    return post(path, f"csrf_token={token}&email=ada%40postbox.example", Cookie=cookie)
