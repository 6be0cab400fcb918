"""Measure the portal behind the shipped web server against gunicorn (docs/decisions/0004)."""

import sys
from urllib.request import Request, urlopen

from bench.load import get, rate
from bench.measure import Result, interleaved
from bench.requests import form
from bench.servers import PROCESSES, context_of, portal_settings, serving
from portal.demo import example
from portal.web.gate import THREADS

LANGUAGE = "en"


def run() -> list[Result]:
    """Measure the incident page, its 304, and `POST /check/` behind both."""
    with portal_settings() as (settings, environ):
        with context_of(settings) as context:
            example.load(context, new=True)
        path = f"/incidents/{example.incident()['slug']}/"
        page = get(path, Accept_Language=LANGUAGE)
        with serving("wsgi:app", environ) as ours, serving("wsgi:app", environ, _gunicorn) as peer:
            asked = Request(f"http://127.0.0.1:{ours}{path}", headers={"Accept-Language": LANGUAGE})
            with urlopen(asked) as answer:
                unchanged = get(path, Accept_Language=LANGUAGE, If_None_Match=answer.headers["ETag"])
            check, peer_check = form(ours, "/check/"), form(peer, "/check/")
            seen = interleaved(
                {
                    "page": lambda: rate(ours, [page]),
                    "page behind gunicorn": lambda: rate(peer, [page]),
                    "304": lambda: rate(ours, [unchanged], expected=304),
                    "304 behind gunicorn": lambda: rate(peer, [unchanged], expected=304),
                    "POST /check/": lambda: rate(ours, [check], expected=303),
                    "POST /check/ behind gunicorn": lambda: rate(peer, [peer_check], expected=303),
                }
            )
    return [
        Result(
            f"{name}, shipped server / gunicorn",
            seen[name] / seen[f"{name} behind gunicorn"],
            f"{seen[name]:.0f}/s against {seen[f'{name} behind gunicorn']:.0f}/s",
            least=least,
        )
        # The form waits for the disk behind either server: it need only be no slower.
        for name, least in (("page", 1.0), ("304", 1.0), ("POST /check/", 0.9))
    ]


def _gunicorn(target: str, port: int) -> list[str]:
    """Return gunicorn's command, with the same processes, threads and keep-alive time."""
    options = f"--worker-class gthread --workers {PROCESSES} --threads {THREADS} --keep-alive 75"
    return [sys.executable, "-m", "gunicorn", *options.split(), "--bind", f"127.0.0.1:{port}", target]
